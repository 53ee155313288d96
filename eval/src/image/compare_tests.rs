use super::*;
use crate::image::report::{ImagePoints, Point};
use std::collections::BTreeMap;

fn curve(name: &str, images: &[(f64, f64)]) -> Curve {
    // Every image: four points whose rate is `factor` times 0.1 · 2^k and whose PSNR is 28 + 3k + shift.
    let settings: Vec<String> = (0..4).map(|k| k.to_string()).collect();
    let point = |k: usize, factor: f64, shift: f64| Point {
        setting: settings[k].clone(),
        bytes: 1,
        bpp: factor * 0.1 * f64::powi(2.0, k as i32),
        quality: [("psnr-rgb".to_string(), 28.0 + 3.0 * k as f64 + shift)].into(),
        encode_s: 1.0,
        decode_s: 1.0,
        encode_cpu_s: None,
        decode_cpu_s: None,
        peak_bytes: None,
    };
    let images = images.iter().enumerate().map(|(i, &(factor, shift))| ImagePoints {
        image: format!("i{i}"),
        points: (0..4).map(|k| point(k, factor, shift)).collect(),
    });
    let mut curve = Curve {
        name: name.into(),
        description: String::new(),
        results: BTreeMap::new(),
        complete: Vec::new(),
        version: String::new(),
        commands: None,
        facts: BTreeMap::new(),
        recompresses: None,
        images: images.collect(),
    };
    curve.sum_up(&settings);
    curve
}

fn input(curves: Vec<Curve>) -> Input {
    Input {
        curves: curves.into_iter().map(|c| ("s".to_string(), ComparedCurve::Report(Box::new(c)))).collect(),
        report: true,
    }
}

#[test]
fn a_constant_saving_has_an_interval_of_no_width() {
    let a = input(vec![curve("x", &[(1.0, 0.0), (2.0, 1.0), (4.0, -1.0)])]);
    let t = input(vec![curve("x", &[(0.7, 0.0), (1.4, 1.0), (2.8, -1.0)])]);
    let out = compare(&a, &t, (None, None), None, "psnr-rgb", &Bootstrap::default()).unwrap();
    assert_eq!((out.len(), out[0].images, out[0].set.as_str()), (1, 3, "s"));
    for m in &out[0].methods {
        assert!((m.bd_rate.unwrap().value.unwrap() + 30.0).abs() < 1e-9);
        assert!((m.mean_of_images.unwrap() + 30.0).abs() < 1e-9);
        let i = m.interval.unwrap();
        assert!((i.low + 30.0).abs() < 1e-9 && (i.high + 30.0).abs() < 1e-9 && i.resamples == 2000, "{i:?}");
    }
}

#[test]
fn intervals_depend_on_the_seed_alone_and_hold_the_value() {
    let a = input(vec![curve("x", &[(1.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0)])]);
    let t = input(vec![curve("x", &[(0.6, 0.0), (0.7, 0.0), (0.8, 0.0), (0.9, 0.0)])]);
    let run = |seed| {
        let bootstrap = Bootstrap { resamples: 400, seed, level: 0.9 };
        compare(&a, &t, (None, None), None, "psnr-rgb", &bootstrap).unwrap()[0].methods[1].clone()
    };
    let (one, again, other) = (run(5), run(5), run(6));
    assert_eq!(one, again);
    assert_ne!(one.interval, other.interval);
    let (i, value) = (one.interval.unwrap(), one.bd_rate.unwrap().value.unwrap());
    assert!((value + 25.0).abs() < 1e-9 && i.low < value && value < i.high, "{i:?}");
    assert!(i.low > -40.0 && i.high < -10.0);
}

#[test]
fn compressai_files_compare_without_intervals() {
    let file = |name: &str, scale: f64| {
        let bpp: Vec<f64> = [0.1, 0.2, 0.4, 0.8].iter().map(|b| b * scale).collect();
        let json =
            serde_json::json!({"name": name, "description": "", "results": {"bpp": bpp, "psnr-rgb": [28, 31, 34, 37]}});
        Input::from_json(json.to_string().as_bytes()).unwrap()
    };
    let out = compare(&file("a", 1.0), &file("b", 0.5), (None, None), None, "psnr-rgb", &Bootstrap::default()).unwrap();
    assert_eq!((out[0].anchor.as_str(), out[0].test.as_str(), out[0].images), ("a", "b", 0));
    assert!(
        out[0].methods.iter().all(|m| (m.bd_rate.unwrap().value.unwrap() + 50.0).abs() < 1e-9 && m.interval.is_none())
    );
    let text = document(&out).to_markdown();
    assert!(text.contains("| Pchip | -50.000 | – | – | +3.0000 | 100.0 |"), "{text}");
    // A file's curve against a report's.
    let report = input(vec![curve("x", &[(1.0, 0.0)]), curve("y", &[(2.0, 0.0)])]);
    let out = compare(&file("a", 1.0), &report, (None, Some("y")), None, "psnr-rgb", &Bootstrap::default()).unwrap();
    assert!((out[0].methods[1].bd_rate.unwrap().value.unwrap() - 100.0).abs() < 1e-9);
}

#[test]
fn says_what_cannot_be_compared() {
    let shape = |json: &str| Input::from_json(json.as_bytes()).unwrap_err().to_string();
    assert!(shape("[1]").contains("no object"));
    assert!(shape("{\"a\":1,\"b\":2}").contains("the keys a, b"));
    assert!(shape("{").contains("EOF"));
    let (x, y) = (input(vec![curve("x", &[(1.0, 0.0)])]), input(vec![curve("y", &[(1.0, 0.0)])]));
    let run = |names, metric| compare(&x, &y, names, None, metric, &Bootstrap::default());
    assert!(matches!(run((None, None), "psnr-rgb"), Err(CompareError::NothingInCommon)));
    let error = run((Some("z"), None), "psnr-rgb").unwrap_err().to_string();
    assert_eq!(error, "no curve z; there are s/x");
    assert!(matches!(run((Some("x"), Some("y")), "fid"), Err(CompareError::Curve(RateCurveError::NoMetric { .. }))));
    // One point only: an answer that says so, for every method.
    let json = br#"{"name":"one","results":{"bpp":[0.2],"psnr-rgb":[30]}}"#;
    let one = Input::from_json(json).unwrap();
    let out = compare(&one, &x, (None, Some("x")), None, "psnr-rgb", &Bootstrap::default()).unwrap();
    assert!(
        out[0].methods.iter().all(|m| m.bd_rate.is_none() && m.error.as_deref().unwrap().contains("rate points: 1;"))
    );
    assert!(document(&out).to_markdown().contains("anchor: rate points: 1; Pchip needs at least 2"));
}
