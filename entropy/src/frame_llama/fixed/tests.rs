//! The documented error bounds, against f64 (tests only).

use super::*;

#[test]
fn exp2neg_is_close() {
    assert_eq!((exp2neg(0), exp2neg20(0)), (32767, 1 << 20));
    for d in 0..1u32 << 20 {
        let exact = (-f64::from(d) / 65536.0).exp2();
        let n = f64::from(d >> 16);
        let bound = 4.2e-5 * exact + 1.0 / f64::from(1 << 15) + 1e-12;
        assert!((f64::from(exp2neg(d)) / 32768.0 - exact).abs() < bound, "{d}");
        let bound20 = 4.2e-5 * exact + 1.0 / f64::from(1 << 20);
        assert!((f64::from(exp2neg20(d)) / f64::from(1 << 20) - exact).abs() < bound20, "{d} {n}");
    }
    for d in [1 << 22, 1 << 24, 1 << 30, u32::MAX] {
        assert_eq!((exp2neg(d), exp2neg20(d)), (0, 0));
    }
}

#[test]
fn sigmoid_is_close() {
    for g in -32767..=32767i16 {
        let exact = 32768.0 / (1.0 + (-f64::from(g) / 2048.0).exp());
        let found = sigmoid(g);
        assert!(found >= 1 && (f64::from(found) - exact).abs() <= 1.4, "{g}: {found} for {exact}");
        if g >= 0 {
            assert_eq!(i32::from(sigmoid(-g)) + if g == 0 { 16384 } else { i32::from(found) }, 32768);
        }
    }
}

#[test]
fn inverse_rms_is_close() {
    for width in [16, 64, 192, 512] {
        for shift in 0..=23 {
            let x = 1i64 << shift;
            let sum = (x * x) as u64 * width as u64;
            let inverse = inverse_rms(sum, width);
            assert!((1 << 29..=1 << 30).contains(&inverse.factor) && (22..=42).contains(&inverse.shift));
            let exact = if shift >= 3 { 2048.0 } else { x as f64 * 32768.0 / 128.0 };
            assert!((f64::from(inverse.apply(x as i32)) - exact).abs() <= 1.0, "{width} {shift}");
        }
        // One element alone is √width times the root mean square: it saturates from width 256 on.
        let alone = inverse_rms(1 << 46, width).apply(-(1 << 23));
        assert!((f64::from(alone) + (2048.0 * (width as f64).sqrt()).min(32768.0)).abs() <= 1.0);
    }
    assert_eq!(inverse_rms(0, 64).apply(0), 0);
}

#[test]
fn rope_is_close() {
    let table = RopeTable::new();
    let harmonics = [1, 2, 4, 8, 12, 16, 24, 32];
    for p in 0..300 {
        let angles = table.at(p);
        for (j, &harmonic) in harmonics.iter().enumerate() {
            let (cos, sin) = (angles.cos[j], angles.sin[j]);
            let angle = std::f64::consts::TAU * f64::from(harmonic) * p as f64 / 128.0;
            assert!((f64::from(cos) - 16384.0 * angle.cos()).abs() <= 0.5001, "{p} {j}");
            assert!((f64::from(sin) - 16384.0 * angle.sin()).abs() <= 0.5001, "{p} {j}");
        }
    }
    let both = table.at_2d(5, 77, 16);
    assert_eq!(
        (both.cos[..8].to_vec(), both.sin[8..].to_vec()),
        (table.at(77).cos[..8].to_vec(), table.at(5).sin[..8].to_vec())
    );
    assert_eq!(rotate(8191, 8191, 11585, 11585), (0, 8191));
}
