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
