//! Sixteen lanes at a time with AVX2. Called only from functions that have the feature.

use super::{SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE};
use std::arch::x86_64::*;

/// 16 lanes of i32.
pub(crate) type Lanes = [__m256i; 2];

/// The first 16 elements.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load(values: &[i32]) -> Lanes {
    let values: &[i32; 16] = values[..16].try_into().expect("16");
    // SAFETY: 64 bytes of `values`.
    unsafe { [_mm256_loadu_si256(values.as_ptr().cast()), _mm256_loadu_si256(values.as_ptr().add(8).cast())] }
}

/// Stores to the first 16 elements.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store(out: &mut [i32], value: Lanes) {
    let out: &mut [i32; 16] = (&mut out[..16]).try_into().expect("16");
    // SAFETY: 64 bytes of `out`.
    unsafe {
        _mm256_storeu_si256(out.as_mut_ptr().cast(), value[0]);
        _mm256_storeu_si256(out.as_mut_ptr().add(8).cast(), value[1]);
    }
}

/// The first 16 elements.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load_i16(values: &[i16]) -> __m256i {
    let values: &[i16; 16] = values[..16].try_into().expect("16");
    // SAFETY: 32 bytes of `values`.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Stores 16 lanes of i16 to the first 16 elements.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store_i16(out: &mut [i16], value: __m256i) {
    let out: &mut [i16; 16] = (&mut out[..16]).try_into().expect("16");
    // SAFETY: 32 bytes of `out`.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), value) };
}

/// 16 lanes, saturated to i16.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn narrow(value: Lanes) -> __m256i {
    _mm256_permute4x64_epi64(_mm256_packs_epi32(value[0], value[1]), 0b11_01_10_00)
}

/// `clamp(value, ±limit)`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn clamp(value: __m256i, limit: __m256i) -> __m256i {
    _mm256_min_epi32(_mm256_max_epi32(value, _mm256_sub_epi32(_mm256_setzero_si256(), limit)), limit)
}

/// Adds the dot products of 16 pairs with one pair.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn accumulate(acc: &mut Lanes, pairs: &[u32], pair: u32) {
    let pair = _mm256_set1_epi32(pair as i32);
    for (acc, pairs) in acc.iter_mut().zip(pairs.chunks_exact(8)) {
        // SAFETY: 8 elements, 32 bytes.
        let pairs = unsafe { _mm256_loadu_si256(pairs.as_ptr().cast()) };
        *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(pairs, pair));
    }
}

/// [`sigmoid`](super::sigmoid) of the magnitudes of the first 16 elements, Q15. The segments' coefficients are gathered
/// element by element.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn sigmoid_of_magnitudes(g: &[i16]) -> __m256i {
    let a = _mm256_abs_epi16(load_i16(g));
    let t = _mm256_slli_epi16(_mm256_and_si256(a, _mm256_set1_epi16(511)), 6);
    let (mut v, mut s, mut c) = ([0i16; 16], [0i16; 16], [0i16; 16]);
    for (lane, &g) in g[..16].iter().enumerate() {
        let i = usize::from(g.unsigned_abs() >> 9) & 63;
        (v[lane], s[lane], c[lane]) = (SIGMOID_VALUE[i], SIGMOID_SLOPE[i], SIGMOID_CURVE[i]);
    }
    let s = _mm256_add_epi16(load_i16(&s), _mm256_mulhrs_epi16(load_i16(&c), t));
    _mm256_add_epi16(load_i16(&v), _mm256_mulhrs_epi16(s, t))
}
