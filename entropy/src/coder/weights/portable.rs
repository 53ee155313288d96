//! The weights in plain Rust.
//!
//! Everything is `#[inline(always)]` so that it is compiled with the target features of the function it is called from.

use crate::arithmetic::{exp2neg20, exp2neg24};

/// What the likely symbols share; every symbol gets one more. `2^26 − 2^15 + 2^14 < 2^26` = the bound of a total.
const SHARE: u64 = (1 << 26) - (1 << 15);

#[inline(always)]
pub(super) fn symbol_weights(logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
    let mut max = i32::MIN;
    for (symbol, &logit) in logits.iter().enumerate() {
        max = if excluded >> symbol & 1 == 0 && logit > max { logit } else { max };
    }
    let mut total = 0;
    for (symbol, (weight, &logit)) in weights.iter_mut().zip(logits).enumerate() {
        let w = exp2neg20((max as u32).wrapping_sub(logit as u32)).max(1);
        *weight = if excluded >> symbol & 1 == 0 { w } else { 0 };
        total += *weight;
    }
    total
}

#[inline(always)]
pub(super) fn wide_weights(logits: &[i32], weights: &mut [u32]) -> u32 {
    let max = logits.iter().copied().fold(i32::MIN, i32::max);
    let mut sum = 0u64;
    for (weight, &logit) in weights.iter_mut().zip(logits) {
        *weight = exp2neg24((max as u32).wrapping_sub(logit as u32));
        sum += u64::from(*weight);
    }
    let scale = (SHARE << 24) / sum;
    let mut total = 0;
    for weight in weights {
        *weight = 1 + ((u64::from(*weight) * scale) >> 24) as u32;
        total += *weight;
    }
    total
}
