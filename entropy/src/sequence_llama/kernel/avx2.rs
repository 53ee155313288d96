//! The kernels with AVX2: the linear layers, the inner loops of attention by intrinsics; the rest is the portable code,
//! compiled with AVX2.

use super::super::cache::{KeysValues, Slot};
use super::super::linear::{BLOCK_PAIRS, WideLinear};
use super::portable::{self, Products, requantize};
use super::{AttendScratch, LANES, Norm, Query, attend_heads, recompile};
use crate::frame_llama::kernel::avx2::{Lanes, accumulate, products};
use crate::frame_llama::linear::PANEL;
use std::arch::x86_64::*;

recompile!(#[target_feature(enable = "avx2")]);
attend_heads!(Madd, #[target_feature(enable = "avx2")]);

#[target_feature(enable = "avx2")]
pub(super) fn complements(gate: &[i32], exponent: i32, c: &mut [i16]) {
    portable::complements(gate, exponent, c);
}

/// A panel stays in the L1 or L2 cache while all rows pass over it, in tiles of 4, 2 and 1.
#[target_feature(enable = "avx2")]
pub(super) fn linear(layer: &WideLinear, a: &[i16], out: &mut [i32]) {
    let m = a.len() / layer.stride();
    for panel in 0..layer.output_stride() / PANEL {
        let mut row = 0;
        while row < m {
            row += match m - row {
                4.. => tile::<4>(layer, a, row, panel, out),
                2..4 => tile::<2>(layer, a, row, panel, out),
                _ => tile::<1>(layer, a, row, panel, out),
            };
        }
    }
}

/// `M` rows times one panel. Returns M.
#[inline]
#[target_feature(enable = "avx2")]
fn tile<const M: usize>(layer: &WideLinear, a: &[i16], row: usize, panel: usize, out: &mut [i32]) -> usize {
    let (pairs, stride) = (layer.pairs(), layer.output_stride());
    let activations = &a[row * layer.stride()..][..M * layer.stride()];
    let weights = &layer.weights[panel * pairs..][..pairs];
    let n = panel * PANEL;
    if layer.narrow {
        let acc = products::<M>(weights, activations, pairs, 0..pairs);
        let mult = load(&layer.mult[n..]);
        for (m, acc) in acc.iter().enumerate() {
            let value = [requantize_lanes(acc[0], layer.pre, mult[0]), requantize_lanes(acc[1], layer.pre, mult[1])];
            store(&mut out[(row + m) * stride + n..], value);
        }
        return M;
    }
    let mut sums = [[0i64; PANEL]; M];
    for from in (0..pairs).step_by(BLOCK_PAIRS) {
        let acc = products::<M>(weights, activations, pairs, from..pairs.min(from + BLOCK_PAIRS));
        for (sums, &acc) in sums.iter_mut().zip(&acc) {
            let mut part = [0; PANEL];
            store(&mut part, acc);
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += i64::from(part));
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        for ((out, &acc), &mult) in out[(row + m) * stride + n..][..PANEL].iter_mut().zip(sums).zip(&layer.mult[n..]) {
            *out = requantize(acc, layer.pre, mult);
        }
    }
    M
}

/// [`requantize`] of 8 sums that fit i32 with their rounding (|Σ| ≤ 65535 · 32767).
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

/// The first 16 elements.
#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[i32]) -> Lanes {
    let values: &[i32; 16] = values[..16].try_into().expect("16");
    // SAFETY: 64 bytes of `values`.
    unsafe { [_mm256_loadu_si256(values.as_ptr().cast()), _mm256_loadu_si256(values.as_ptr().add(8).cast())] }
}

/// Stores to the first 16 elements.
#[inline]
#[target_feature(enable = "avx2")]
fn store(out: &mut [i32], value: Lanes) {
    let out: &mut [i32; 16] = (&mut out[..16]).try_into().expect("16");
    // SAFETY: 64 bytes of `out`.
    unsafe {
        _mm256_storeu_si256(out.as_mut_ptr().cast(), value[0]);
        _mm256_storeu_si256(out.as_mut_ptr().add(8).cast(), value[1]);
    }
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
