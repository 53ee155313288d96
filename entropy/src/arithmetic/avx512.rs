//! Sixteen lanes of i32 or 32 of i16 at a time with AVX-512 F and BW. Called only from functions that have the features.

use super::{SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE};
use std::arch::x86_64::*;

/// The first 16 elements.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load(values: &[i32]) -> __m512i {
    let values: &[i32; 16] = values[..16].try_into().expect("16");
    // SAFETY: 64 bytes of `values`.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

/// Stores to the first 16 elements.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store(out: &mut [i32], value: __m512i) {
    let out: &mut [i32; 16] = (&mut out[..16]).try_into().expect("16");
    // SAFETY: 64 bytes of `out`.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), value) };
}

/// Stores 16 lanes of i16 to the first 16 elements.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_i16(out: &mut [i16], value: __m256i) {
    let out: &mut [i16; 16] = (&mut out[..16]).try_into().expect("16");
    // SAFETY: 32 bytes of `out`.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), value) };
}

/// `clamp(value, ±limit)`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn clamp(value: __m512i, limit: __m512i) -> __m512i {
    _mm512_min_epi32(_mm512_max_epi32(value, _mm512_sub_epi32(_mm512_setzero_si512(), limit)), limit)
}

/// P(f) in Q16 and n of 16 lanes; see [`exp2_fraction`](super::exp2_fraction).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn exp2_fraction(d: __m512i) -> (__m512i, __m512i) {
    let set = |x: u32| _mm512_set1_epi32(x as i32);
    let f = _mm512_and_si512(d, set(0xffff));
    let t = _mm512_sub_epi32(set(14197), _mm512_srli_epi32(_mm512_mullo_epi32(set(1922), f), 16));
    let t = _mm512_sub_epi32(set(62904), _mm512_srli_epi32(_mm512_mullo_epi32(t, f), 16));
    let t = _mm512_srli_epi32(_mm512_add_epi32(_mm512_mullo_epi32(t, f), set(1 << 17)), 18);
    let t = _mm512_sub_epi32(set(45425), t);
    let p = _mm512_srli_epi32(_mm512_add_epi32(_mm512_mullo_epi32(t, f), set(1 << 15)), 16);
    (_mm512_sub_epi32(set(65536), p), _mm512_srli_epi32(d, 16))
}

/// [`exp2neg`](super::exp2neg) of 16 lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn exp2neg(d: __m512i) -> __m512i {
    let (p, n) = exp2_fraction(d);
    // Shifts of 32 and more give 0, as the portable code's cut at 31 does.
    _mm512_min_epi32(_mm512_srlv_epi32(_mm512_srli_epi32(p, 1), n), _mm512_set1_epi32(32767))
}

/// The tables of [`sigmoid`](super::sigmoid), each in two registers that permutations pick coefficients from.
pub(crate) struct Sigmoid {
    value: [__m512i; 2],
    slope: [__m512i; 2],
    curve: [__m512i; 2],
}

impl Sigmoid {
    /// Loads the tables.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(crate) fn new() -> Self {
        let table = |t: &[i16; 64]| {
            // SAFETY: 2 · 64 bytes of the table.
            unsafe { [_mm512_loadu_si512(t.as_ptr().cast()), _mm512_loadu_si512(t.as_ptr().add(32).cast())] }
        };
        Self { value: table(&SIGMOID_VALUE), slope: table(&SIGMOID_SLOPE), curve: table(&SIGMOID_CURVE) }
    }

    /// The function of 32 magnitudes in Q11 (0..=32767), Q15.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(crate) fn of_magnitudes(&self, a: __m512i) -> __m512i {
        let i = _mm512_srli_epi16(a, 9);
        let t = _mm512_slli_epi16(_mm512_and_si512(a, _mm512_set1_epi16(511)), 6);
        let pick = |table: &[__m512i; 2]| _mm512_permutex2var_epi16(table[0], i, table[1]);
        let s = _mm512_add_epi16(pick(&self.slope), _mm512_mulhrs_epi16(pick(&self.curve), t));
        _mm512_add_epi16(pick(&self.value), _mm512_mulhrs_epi16(s, t))
    }
}
