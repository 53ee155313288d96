//! The portable code, compiled with AVX2.

use super::portable;

#[target_feature(enable = "avx2")]
pub(super) fn symbol_weights(logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
    portable::symbol_weights(logits, excluded, weights)
}

#[target_feature(enable = "avx2")]
pub(super) fn wide_weights(logits: &[i32], weights: &mut [u32]) -> u32 {
    portable::wide_weights(logits, weights)
}
