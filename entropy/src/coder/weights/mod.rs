//! From logits (Q16 log2 units) to the integer weights of symbols, for every instruction set (`docs/MODEL.md`, "Weights of
//! symbols").
//!
//! `portable.rs` is the specification; the other modules compile it with their features or do the same by intrinsics.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
use portable as neon;
mod portable;

use crate::isa::{Isa, dispatch};

/// Weights of up to 64 symbols: `max(exp2neg20(max − logit), 1)`, or 0 where `excluded` has the symbol's bit; the maximum is
/// over the others. Returns the sum (at most 2^26; 0 if all are excluded).
///
/// # Panics
/// If the lengths differ or exceed 64.
pub fn symbol_weights(isa: Isa, logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
    assert!(logits.len() == weights.len() && logits.len() <= 64, "{} logits", logits.len());
    dispatch!(isa, symbol_weights(logits, excluded, weights))
}

/// Weights of symbols of a large alphabet, as [`WideDistribution`](super::WideDistribution) defines them; returns their sum.
pub(super) fn wide_weights(isa: Isa, logits: &[i32], weights: &mut [u32]) -> u32 {
    assert!(logits.len() == weights.len() && !logits.is_empty());
    dispatch!(isa, wide_weights(logits, weights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, isas};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(192))]

        #[test]
        fn symbol_weights_are_the_same(seed in any::<u64>(), n in 1..=64usize, excluded in any::<u64>()) {
            let mut random = Random::new(seed);
            let logits: Vec<i32> = (0..n).map(|_| random.integer(1 << 21)).collect();
            let mut expected = vec![0; n];
            let total = portable::symbol_weights(&logits, excluded, &mut expected);
            prop_assert_eq!(total, expected.iter().sum::<u32>());
            for (i, &w) in expected.iter().enumerate() {
                prop_assert_eq!(w == 0, excluded >> i & 1 == 1);
            }
            for isa in isas() {
                let mut weights = vec![7; n];
                prop_assert_eq!(symbol_weights(isa, &logits, excluded, &mut weights), total, "{:?}", isa);
                prop_assert!(weights == expected, "{isa:?}");
            }
        }
    }
}
