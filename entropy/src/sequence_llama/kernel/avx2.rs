//! The kernels with AVX2: the linear layers, the inner loops of attention by intrinsics; the rest is the portable code,
//! compiled with AVX2.

use super::super::cache::{KeysValues, LANES, Slot};
use super::super::linear::WideLinear;
use super::operands::{AttendScratch, Norm, Query};
use super::recompile::{attend_heads, recompile};
use super::specification::{self, Products, requantize};

use crate::arithmetic::avx2::{Lanes, accumulate, load, store};
use crate::gemm::PANEL;
use crate::gemm::avx2::{multiply, multiply_wide};
use std::arch::x86_64::*;

recompile!(#[target_feature(enable = "avx2")]);
attend_heads!(Madd, #[target_feature(enable = "avx2")]);

#[target_feature(enable = "avx2")]
pub(super) fn complements(gate: &[i32], exponent: i32, c: &mut [i16]) {
    specification::complements(gate, exponent, c);
}

#[target_feature(enable = "avx2")]
pub(super) fn linear(layer: &WideLinear, a: &[i16], out: &mut [i32]) {
    if layer.narrow {
        multiply(&layer.panels, a, |row, panel, acc: Lanes| {
            let mult = load(&layer.mult[panel * PANEL..]);
            let value = [requantize_lanes(acc[0], layer.pre, mult[0]), requantize_lanes(acc[1], layer.pre, mult[1])];
            store(&mut out[row * layer.output_stride() + panel * PANEL..], value);
        });
    } else {
        multiply_wide(&layer.panels, a, |row, panel, sums| requantize(layer, row, panel, sums, out));
    }
}

/// [`requantize_sum`](specification::requantize_sum) of 8 sums that fit i32 with their rounding (|Σ| ≤ 65535 · 32767).
#[inline]
#[target_feature(enable = "avx2")]
fn requantize_lanes(acc: __m256i, pre: u32, mult: __m256i) -> __m256i {
    let acc = _mm256_add_epi32(acc, _mm256_set1_epi32((1 << pre) >> 1));
    let acc = _mm256_sra_epi32(acc, _mm_cvtsi32_si128(pre as i32));
    let half = _mm256_set1_epi64x(1 << 31);
    let even = _mm256_add_epi64(_mm256_mul_epi32(acc, mult), half);
    let odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), _mm256_srli_epi64(mult, 32));
    let odd = _mm256_add_epi64(odd, half);
    _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b1010_1010)
}

/// The inner loops of attention with `pmaddwd`. Only used in functions with AVX2.
#[derive(Clone, Copy)]
struct Madd;

impl Products for Madd {
    #[inline(always)]
    fn score_tile(self, q: &[u32], k: &[u32]) -> [i32; LANES] {
        // SAFETY: only `attend` of this module, which has the feature, makes use of `Madd`.
        unsafe { score_tile(q, k) }
    }

    #[inline(always)]
    fn mix_tile(self, shares: &[i16], v: &[u32], sums: &mut [i32]) {
        // SAFETY: as above.
        unsafe { mix_tile(shares, v, sums) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn score_tile(q: &[u32], k: &[u32]) -> [i32; LANES] {
    let mut acc = [_mm256_setzero_si256(); 2];
    for (row, &q) in k.chunks_exact(LANES).zip(q) {
        accumulate(&mut acc, row, q);
    }
    let mut sums = [0; LANES];
    store(&mut sums, acc);
    sums
}

#[inline]
#[target_feature(enable = "avx2")]
fn mix_tile(shares: &[i16], v: &[u32], sums: &mut [i32]) {
    let columns = sums.len();
    for (block, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let mut acc = load(sums);
        for (i, shares) in shares.chunks_exact(2).enumerate() {
            let shares = u32::from(shares[0] as u16) | u32::from(shares[1] as u16) << 16;
            accumulate(&mut acc, &v[i * columns + block * LANES..][..LANES], shares);
        }
        store(sums, acc);
    }
}
