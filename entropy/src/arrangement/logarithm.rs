//! Integer logarithms: how values of very different size become features.

use crate::arithmetic::log2_q16;

const TABLE_LEN: usize = 4096;

static TABLE: [u8; TABLE_LEN] = {
    let mut table = [0u8; TABLE_LEN];
    let mut n = 1;
    while n < TABLE_LEN {
        table[n] = ((log2_q16(n as u32) + (1 << 11)) >> 12) as u8;
        n += 1;
    }
    table
};

/// 16·log2(n), rounded to the nearest integer; n ≥ 1 (0 counts as 1). Range 0..=512.
#[inline]
pub fn log2_q4(n: u32) -> i16 {
    if (n as usize) < TABLE_LEN { i16::from(TABLE[n as usize]) } else { ((log2_q16(n) + (1 << 11)) >> 12) as i16 }
}

/// Signed logarithm of an integer: sign(v)·16·log2(1 + |v|). Odd, monotone; ±240 for the largest coefficients.
#[inline]
pub fn signed_log_q4(v: i32) -> i16 {
    let magnitude = log2_q4(v.unsigned_abs().saturating_add(1));
    if v < 0 { -magnitude } else { magnitude }
}

/// Signed logarithm of a Q4 value: sign(v)·16·log2(1 + |v| / 16).
#[inline]
pub fn signed_log_of_q4(v: i32) -> i16 {
    let magnitude = log2_q4(v.unsigned_abs().saturating_add(16)) - 64;
    if v < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_real_logarithm() {
        for n in (1..100_000u32).chain([u32::MAX, 1 << 31, 65_535]) {
            let exact = 16.0 * f64::from(n).log2();
            assert!((f64::from(log2_q4(n)) - exact).abs() <= 0.5 + 1e-3, "n = {n}");
        }
    }

    #[test]
    fn signed_log_is_odd_and_monotone() {
        let mut previous = i16::MIN;
        for v in -40_000..=40_000 {
            let s = signed_log_q4(v);
            assert_eq!(s, -signed_log_q4(-v));
            assert!(s >= previous);
            previous = s;
        }
        assert_eq!(signed_log_q4(0), 0);
        assert_eq!(signed_log_q4(1), 16);
        assert_eq!(signed_log_of_q4(16), 16);
        assert_eq!(signed_log_of_q4(-48), -32);
    }
}
