//! Against the PyPI package `bjontegaard` 1.3.0 (numpy 2.4.6, scipy 1.17.1): `bd_rate(ra, qa, rt, qt, method,
//! require_matching_points=False, min_overlap=0)` and `bd_psnr` with the same arguments.

use super::*;

const TOLERANCE: f64 = 1e-6;

/// Curves and the package's answers `(method, BD-rate %, BD-quality)`.
struct Case {
    name: &'static str,
    anchor: &'static [(f64, f64)],
    test: &'static [(f64, f64)],
    /// Overlap of quality.
    overlap: f64,
    expected: &'static [(Method, f64, f64)],
}

fn points(p: &[(f64, f64)]) -> Vec<RatePoint> {
    p.iter().map(|&(bpp, quality)| RatePoint { bpp, quality }).collect()
}

const CASES: &[Case] = &[
    Case {
        name: "hevc4",
        anchor: &[(1000.0, 30.5), (2000.0, 33.2), (4000.0, 35.9), (8000.0, 38.4)],
        test: &[(850.0, 30.9), (1720.0, 33.7), (3550.0, 36.2), (7400.0, 38.6)],
        overlap: 0.9259259259,
        expected: &[
            (Method::Cubic, -20.9971189230, 0.8594348058),
            (Method::Pchip, -20.9569742607, 0.8603005630),
            (Method::Akima, -20.9709454523, 0.8601156243),
        ],
    },
    Case {
        name: "kodak5",
        anchor: &[(0.112, 26.71), (0.27, 29.34), (0.483, 31.2), (0.905, 33.95), (1.57, 37.08)],
        test: &[(0.098, 26.9), (0.214, 29.4), (0.42, 31.9), (0.78, 34.6), (1.32, 37.5)],
        overlap: 0.9434661724,
        expected: &[
            (Method::Cubic, -23.9569050872, 1.0748720903),
            (Method::Pchip, -23.6397537010, 1.0707498135),
            (Method::Akima, -23.6547474063, 1.0707382431),
        ],
    },
    Case {
        name: "part",
        anchor: &[(0.2, 28.0), (0.4, 31.0), (0.8, 34.0), (1.6, 37.0)],
        test: &[(0.3, 30.5), (0.55, 33.0), (1.0, 35.6), (2.1, 38.9), (3.9, 41.2)],
        overlap: 0.4924242424,
        expected: &[
            (Method::Cubic, -13.8842094745, 0.6530616666),
            (Method::Pchip, -13.9234689744, 0.6555208310),
            (Method::Akima, -13.8826026165, 0.6506531276),
        ],
    },
    Case {
        name: "kink",
        anchor: &[(0.2, 28.0), (0.3, 30.0), (0.9, 31.0), (1.0, 36.5), (2.4, 37.0)],
        test: &[(0.15, 27.5), (0.35, 30.5), (0.7, 32.1), (1.3, 36.0), (2.6, 38.8)],
        overlap: 0.7964601770,
        expected: &[
            (Method::Cubic, 4.4028463584, 0.3157172385),
            (Method::Pchip, -8.4104378168, 0.4461830787),
            (Method::Akima, -7.6053890519, -0.8600860545),
        ],
    },
    Case {
        name: "three",
        anchor: &[(0.2, 28.0), (0.4, 31.0), (0.8, 34.0)],
        test: &[(0.18, 28.4), (0.33, 30.9), (0.75, 34.6)],
        overlap: 0.8484848485,
        expected: &[(Method::Pchip, -16.2633329622, 0.7720845127), (Method::Akima, -16.2793950758, 0.7730914452)],
    },
    Case {
        name: "two",
        anchor: &[(0.2, 28.0), (0.8, 34.0)],
        test: &[(0.18, 28.4), (0.75, 34.6)],
        overlap: 0.8484848485,
        expected: &[(Method::Pchip, -18.1443902567, 0.8685295367), (Method::Akima, -18.1443902567, 0.8685295367)],
    },
];

#[test]
fn agrees_with_the_bjontegaard_package() {
    for case in CASES {
        let (anchor, test) = (points(case.anchor), points(case.test));
        for &(method, rate, quality) in case.expected {
            let got = bd_rate(&anchor, &test, method).unwrap();
            let value = got.value.unwrap();
            assert!((value - rate).abs() < TOLERANCE, "{} {method:?}: BD-rate {value}, expected {rate}", case.name);
            assert!((got.overlap - case.overlap).abs() < TOLERANCE, "{}: overlap {}", case.name, got.overlap);
            assert_eq!(got.low_overlap, case.overlap < 0.75);
            let value = bd_quality(&anchor, &test, method).unwrap().value.unwrap();
            assert!((value - quality).abs() < TOLERANCE, "{} {method:?}: {value}, expected {quality}", case.name);
        }
    }
}

#[test]
fn a_cubic_that_runs_wild_is_flagged() {
    for case in CASES {
        let (anchor, test) = (points(case.anchor), points(case.test));
        for &(method, ..) in case.expected {
            let wild = bd_rate(&anchor, &test, method).unwrap().wild;
            assert_eq!(wild, case.name == "kink" && method == Method::Cubic, "{} {method:?}", case.name);
        }
    }
    // Nothing is written for the others.
    let text =
        serde_json::to_string(&bd_rate(&points(CASES[0].anchor), &points(CASES[0].test), Method::Cubic).unwrap());
    assert!(!text.unwrap().contains("wild"));
}

#[test]
fn a_curve_at_half_the_rate_saves_half() {
    let anchor = points(CASES[0].anchor);
    let test: Vec<_> = anchor.iter().rev().map(|p| RatePoint { bpp: p.bpp / 2.0, ..*p }).collect();
    for method in [Method::Cubic, Method::Pchip, Method::Akima] {
        let got = bd_rate(&anchor, &test, method).unwrap();
        assert!((got.value.unwrap() + 50.0).abs() < 1e-9);
        assert_eq!((got.overlap, got.low_overlap), (1.0, false));
    }
}

#[test]
fn no_overlap_gives_no_value() {
    let anchor = points(&[(0.1, 20.0), (0.2, 25.0)]);
    let test = points(&[(0.1, 25.0), (0.2, 30.0)]);
    let got = bd_rate(&anchor, &test, Method::Pchip).unwrap();
    assert_eq!(got, BdDelta { value: None, overlap: 0.0, low_overlap: true, wild: false });
    assert!(bd_quality(&anchor, &test, Method::Pchip).unwrap().value.is_some());
}

#[test]
fn refuses_what_is_no_curve() {
    let good = points(&[(0.1, 20.0), (0.2, 25.0), (0.3, 26.0)]);
    let check = |bad: &[(f64, f64)], method| bd_rate(&good, &points(bad), method).unwrap_err();
    assert!(matches!(
        check(&[(0.1, f64::NAN), (0.2, 3.0)], Method::Pchip),
        BdError::NotFinite { side: Side::Test, index: 0, .. }
    ));
    assert!(matches!(check(&[(0.1, 1.0), (f64::INFINITY, 3.0)], Method::Akima), BdError::NotFinite { index: 1, .. }));
    assert!(matches!(check(&[(0.1, 1.0), (0.0, 0.5)], Method::Pchip), BdError::RateNotPositive { index: 1, .. }));
    assert!(matches!(check(&[(0.1, 1.0)], Method::Pchip), BdError::TooFewPoints { found: 1, required: 2, .. }));
    assert!(matches!(
        bd_quality(&good, &good, Method::Cubic).unwrap_err(),
        BdError::TooFewPoints { side: Side::Anchor, found: 3, required: 4, .. }
    ));
    assert!(matches!(check(&[(0.1, 2.0), (0.2, 1.0)], Method::Pchip), BdError::NotMonotone { .. }));
    assert!(matches!(check(&[(0.1, 2.0), (0.1, 3.0)], Method::Akima), BdError::NotMonotone { .. }));
}
