//! Logarithms of weights and probabilities of odds, in integers.

use crate::arrangement::logarithm::log2_q16;
use crate::frame_llama::fixed::exp2neg24;

/// Bits of a probability: 1.0 = 2^22.
pub(super) const ONE_BITS: u32 = 22;
/// The least probability that is coded; 2^22 less this is the greatest.
const LEAST: u32 = 16;

/// log2 of 1 + i / 2^11 in Q16, i = 0..2^11.
static MANTISSA: [u16; 2048] = {
    let mut table = [0; 2048];
    let mut i = 0;
    while i < 2048 {
        table[i] = (log2_q16((2048 + i) as u32) - (11 << 16)) as u16;
        i += 1;
    }
    table
};

/// log2(n) in Q16 of the 12 highest bits of n ≥ 1: at most 46 (0.0007) too low.
#[inline]
pub(super) fn log2(n: u32) -> i32 {
    let exponent = 31 - n.leading_zeros();
    let mantissa = ((u64::from(n) << 11) >> exponent) as usize & 2047;
    ((exponent << 16) | u32::from(MANTISSA[mantissa])) as i32
}

/// The probability 1 / (1 + 2^−d) of log2 odds d in Q16, in Q22, 16..=2^22 − 16.
#[inline]
pub(super) fn squash(d: i32) -> u32 {
    let e = u64::from(exp2neg24(d.unsigned_abs()));
    let unlikely = ((e << ONE_BITS) / ((1 << 24) + e)) as u32;
    let p = if d < 0 { unlikely } else { (1 << ONE_BITS) - unlikely };
    p.clamp(LEAST, (1 << ONE_BITS) - LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_close_and_monotone() {
        let mut previous = 0;
        for n in (1..70_000u32).chain((0..4096).map(|i| u32::MAX - (4095 - i) * 1_000_003)) {
            let (found, exact) = (log2(n), f64::from(n).log2() * 65_536.0);
            assert!((-47.0..=0.5).contains(&(f64::from(found) - exact)), "{n}: {found} {exact}");
            assert!(found >= previous, "{n}");
            previous = found;
        }
    }

    #[test]
    fn probabilities_are_close_and_complementary() {
        for d in (-1_600_000..=1_600_000).step_by(777).chain([i32::MIN, i32::MAX]) {
            let exact = 4_194_304.0 / (1.0 + (-f64::from(d) / 65_536.0).exp2());
            let found = squash(d);
            assert!((f64::from(found) - exact.clamp(16.0, 4_194_288.0)).abs() <= 1.5 + exact * 1e-4, "{d}");
            assert_eq!(found + squash(d.saturating_neg()), 1 << ONE_BITS, "{d}");
        }
    }
}
