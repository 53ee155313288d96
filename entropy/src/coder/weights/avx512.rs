//! The weights of small alphabets with AVX-512; those of large ones are the portable code, compiled with these features.

use super::portable;
use crate::arithmetic::avx512::exp2_fraction;
use std::arch::x86_64::*;

/// Lanes of a register.
const LANES: usize = 16;

/// Up to 64 symbols in four registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn symbol_weights(logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
    let mut max = _mm512_set1_epi32(i32::MIN);
    // The lanes of a register that hold symbols which are not excluded.
    let mask = |i: usize, len: usize| (u16::MAX >> (LANES - len)) & !((excluded >> (i * LANES)) as u16);
    for (i, logits) in logits.chunks(LANES).enumerate() {
        let mask = mask(i, logits.len());
        // SAFETY: the mask selects elements of `logits` only.
        max = unsafe { _mm512_max_epi32(max, _mm512_mask_loadu_epi32(max, mask, logits.as_ptr())) };
    }
    let max = _mm512_set1_epi32(_mm512_reduce_max_epi32(max));
    let mut total = _mm512_setzero_si512();
    for (i, (logits, weights)) in logits.chunks(LANES).zip(weights.chunks_mut(LANES)).enumerate() {
        let mask = mask(i, logits.len());
        // SAFETY: as above.
        let logit = unsafe { _mm512_maskz_loadu_epi32(mask, logits.as_ptr()) };
        let (p, n) = exp2_fraction(_mm512_sub_epi32(max, logit));
        let weight = _mm512_srlv_epi32(_mm512_slli_epi32(p, 4), n);
        let weight = _mm512_maskz_max_epi32(mask, weight, _mm512_set1_epi32(1));
        total = _mm512_add_epi32(total, weight);
        // SAFETY: the mask selects the elements of `weights`, as many as of `logits`.
        unsafe { _mm512_mask_storeu_epi32(weights.as_mut_ptr().cast(), u16::MAX >> (LANES - weights.len()), weight) };
    }
    _mm512_reduce_add_epi32(total) as u32
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn wide_weights(logits: &[i32], weights: &mut [u32]) -> u32 {
    portable::wide_weights(logits, weights)
}
