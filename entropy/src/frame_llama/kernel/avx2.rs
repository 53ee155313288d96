//! The kernels with AVX2.
//!
//! The linear layers, attention and the gated product are written with intrinsics; the rest is the portable code,
//! compiled with AVX2. Everything here is called through [`Isa`](super::Isa), which has checked the feature and the
//! lengths of the slices.

use super::super::fixed::{Angles, InverseRms, inverse_rms};
use super::super::kv::{LANES, MAX_TILES, Slot, TileMark};
use super::super::linear::Linear;
use super::portable;
use crate::arithmetic::avx2::{
    Lanes, accumulate, clamp, load, load_i16, narrow, sigmoid_of_magnitudes, store, store_i16,
};
use crate::gemm::PANEL;
use crate::gemm::avx2::multiply;
use std::arch::x86_64::*;

#[target_feature(enable = "avx2")]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    linear(layer, a, |at, value, _| store_i16(&mut out[at..], narrow(value)));
}

#[target_feature(enable = "avx2")]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    linear(layer, a, |at, value, limit| {
        let out = &mut out[at..];
        let old = load(out);
        let sum = [_mm256_add_epi32(old[0], value[0]), _mm256_add_epi32(old[1], value[1])];
        store(out, [clamp(sum[0], limit[0]), clamp(sum[1], limit[1])]);
    });
}

/// Calls `emit(index of the first output, 16 outputs, their limits)`.
#[inline]
#[target_feature(enable = "avx2")]
fn linear(layer: &Linear, a: &[i16], mut emit: impl FnMut(usize, Lanes, Lanes)) {
    let outputs = layer.outputs();
    let parameters = |n: usize| (load(&layer.mult[n..]), load(&layer.limit[n..]));
    if layer.shift >= 32 {
        multiply(&layer.panels, a, |row, panel, acc| {
            let (mult, limit) = parameters(panel * PANEL);
            let value = |i: usize| requantize::<true>(acc[i], mult[i], layer.shift, limit[i]);
            emit(row * outputs + panel * PANEL, [value(0), value(1)], limit);
        });
    } else {
        multiply(&layer.panels, a, |row, panel, acc| {
            let (mult, limit) = parameters(panel * PANEL);
            let value = |i: usize| requantize::<false>(acc[i], mult[i], layer.shift, limit[i]);
            emit(row * outputs + panel * PANEL, [value(0), value(1)], limit);
        });
    }
}

/// `clamp((acc·mult + 2^(shift−1)) >> shift, ±limit)` of 8 lanes, even and odd ones as 64-bit products.
///
/// `NARROW`: shift ≥ 32. Then the products' high halves, shifted on by shift − 32, are the result, in 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn requantize<const NARROW: bool>(acc: __m256i, mult: __m256i, shift: u32, limit: __m256i) -> __m256i {
    let round = _mm256_set1_epi64x(1 << (shift - 1));
    let (acc_odd, mult_odd) = (_mm256_srli_epi64(acc, 32), _mm256_srli_epi64(mult, 32));
    let even = _mm256_add_epi64(_mm256_mul_epi32(acc, mult), round);
    let odd = _mm256_add_epi64(_mm256_mul_epi32(acc_odd, mult_odd), round);
    if NARROW {
        let high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b1010_1010);
        return clamp(_mm256_sra_epi32(high, _mm_cvtsi32_si128(shift as i32 - 32)), limit);
    }
    let limit_even = _mm256_srli_epi64(_mm256_slli_epi64(limit, 32), 32);
    let even = shift_clamp_epi64(even, shift, limit_even);
    let odd = shift_clamp_epi64(odd, shift, _mm256_srli_epi64(limit, 32));
    _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0b1010_1010)
}

/// `clamp(sum >> shift, ±limit)` of four 64-bit integers.
#[inline]
#[target_feature(enable = "avx2")]
fn shift_clamp_epi64(sum: __m256i, shift: u32, limit: __m256i) -> __m256i {
    // An arithmetic shift: flip the sign bit, shift logically, take the shifted sign bit off again.
    let biased = _mm256_xor_si256(sum, _mm256_set1_epi64x(i64::MIN));
    let shifted = _mm256_srl_epi64(biased, _mm_cvtsi32_si128(shift as i32));
    let value = _mm256_sub_epi64(shifted, _mm256_set1_epi64x(1 << (63 - shift)));
    let minus = _mm256_sub_epi64(_mm256_setzero_si256(), limit);
    let value = _mm256_blendv_epi8(value, limit, _mm256_cmpgt_epi64(value, limit));
    _mm256_blendv_epi8(value, minus, _mm256_cmpgt_epi64(minus, value))
}

#[target_feature(enable = "avx2")]
pub(super) fn rmsnorm(x: &[i32], width: usize, y: &mut [i16]) {
    const ROWS: usize = 16;
    for (x, y) in x.chunks(ROWS * width).zip(y.chunks_mut(ROWS * width)) {
        // The scalar square roots and divisions of several rows overlap.
        let mut inverse = [InverseRms { factor: 0, shift: 1 }; ROWS];
        for (inverse, x) in inverse.iter_mut().zip(x.chunks_exact(width)) {
            let mut sum = [_mm256_setzero_si256(); 2];
            for x in x.chunks_exact(LANES) {
                for (even, sum) in load(x).into_iter().zip(&mut sum) {
                    let odd = _mm256_srli_epi64(even, 32);
                    *sum = _mm256_add_epi64(*sum, _mm256_mul_epi32(even, even));
                    *sum = _mm256_add_epi64(*sum, _mm256_mul_epi32(odd, odd));
                }
            }
            let mut sums = [0u64; 4];
            // SAFETY: 32 bytes of `sums`.
            unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), _mm256_add_epi64(sum[0], sum[1])) };
            *inverse = inverse_rms(sums[0] + sums[1] + sums[2] + sums[3], width);
        }
        for ((inverse, x), y) in inverse.iter().zip(x.chunks_exact(width)).zip(y.chunks_exact_mut(width)) {
            // x·2^7 (±2^30) and a shift greater by 7: at least 32 unless the row is tiny, so that the products' high
            // halves do. x² ≤ sum, so |x·2^15 / r| is at most 2^11·√width and a little: far below 2^31.
            let shift = inverse.shift + 7;
            if shift < 32 {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = inverse.apply(x));
                continue;
            }
            let factor = _mm256_set1_epi64x(i64::from(inverse.factor));
            let round = _mm256_set1_epi64x(1 << (shift - 1));
            let shift = _mm_cvtsi32_si128(shift as i32 - 32);
            for (x, y) in x.chunks_exact(LANES).zip(y.chunks_exact_mut(LANES)) {
                let mut value = load(x);
                for value in &mut value {
                    let even = _mm256_slli_epi32(*value, 7);
                    let odd = _mm256_srli_epi64(even, 32);
                    let even = _mm256_add_epi64(_mm256_mul_epi32(even, factor), round);
                    let odd = _mm256_add_epi64(_mm256_mul_epi32(odd, factor), round);
                    let high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b1010_1010);
                    *value = _mm256_sra_epi32(high, shift);
                }
                store_i16(y, narrow(value));
            }
        }
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn silu_mul(gate_up: &[i16], ffn: usize, out: &mut [i16]) {
    for (gate_up, out) in gate_up.chunks_exact(2 * ffn).zip(out.chunks_exact_mut(ffn)) {
        let (gate, up) = gate_up.split_at(ffn);
        for ((gate, up), out) in gate.chunks_exact(16).zip(up.chunks_exact(16)).zip(out.chunks_exact_mut(16)) {
            let (g, u) = (load_i16(gate), load_i16(up));
            let p = sigmoid_of_magnitudes(gate);
            let complement = _mm256_sub_epi16(_mm256_set1_epi16(i16::MIN), p);
            let sigmoid = _mm256_blendv_epi8(p, complement, _mm256_srai_epi16(g, 15));
            let silu = _mm256_mulhrs_epi16(g, sigmoid);
            // silu·u + 1·2048 as one dot product of pairs.
            let (one, half) = (_mm256_set1_epi16(1), _mm256_set1_epi16(1 << 11));
            let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(silu, one), _mm256_unpacklo_epi16(u, half));
            let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(silu, one), _mm256_unpackhi_epi16(u, half));
            store_i16(out, _mm256_packs_epi32(_mm256_srai_epi32(low, 12), _mm256_srai_epi32(high, 12)));
        }
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn rotate_store(half: usize, qkv: &[i16], angles: &Angles, q: &mut [u32], slot: Slot) {
    portable::rotate_store(half, qkv, angles, q, slot);
}

#[target_feature(enable = "avx2")]
pub(super) fn attend(half: usize, q: &[u32], k: &[u32], v: &[u32], tiles: &[TileMark], out: &mut [i16]) {
    if half == 8 {
        attend_sized::<8, 1>(q, k, v, tiles, out);
    } else {
        attend_sized::<16, 2>(q, k, v, tiles, out);
    }
}

/// `HALF` pairs a head, whose `2·HALF` outputs are `BLOCKS` times 16.
#[inline]
#[target_feature(enable = "avx2")]
fn attend_sized<const HALF: usize, const BLOCKS: usize>(
    q: &[u32],
    k: &[u32],
    v: &[u32],
    tiles: &[TileMark],
    out: &mut [i16],
) {
    let d = out.len();
    let tile_len = 8 * d;
    let mut scores = [[0i32; LANES]; MAX_TILES];
    let mut shares = [[0u32; LANES]; MAX_TILES];
    for (head, (q, out)) in q.chunks_exact(HALF).zip(out.chunks_exact_mut(2 * HALF)).enumerate() {
        for (scores, &TileMark { tile, .. }) in scores.iter_mut().zip(tiles) {
            let keys = &k[tile * tile_len + head * HALF * LANES..][..HALF * LANES];
            let mut acc = [_mm256_setzero_si256(); 2];
            for (keys, &q) in keys.chunks_exact(LANES).zip(q) {
                accumulate(&mut acc, keys, q);
            }
            store(scores, acc);
        }
        portable::softmax(&scores[..tiles.len()], tiles, &mut shares);
        let mut acc = [[_mm256_setzero_si256(); 2]; BLOCKS];
        for (shares, &TileMark { tile, lanes }) in shares.iter().zip(tiles) {
            let values = &v[tile * tile_len..][..tile_len];
            for (i, share) in shares.chunks_exact(2).enumerate() {
                if lanes >> (2 * i) & 3 == 0 {
                    continue;
                }
                for (block, acc) in acc.iter_mut().enumerate() {
                    let values = &values[i * d + (head * BLOCKS + block) * LANES..][..LANES];
                    accumulate(acc, values, share[0] | share[1] << 16);
                }
            }
        }
        for (acc, out) in acc.iter().zip(out.chunks_exact_mut(LANES)) {
            let half = _mm256_set1_epi32(1 << 14);
            let value = [_mm256_add_epi32(acc[0], half), _mm256_add_epi32(acc[1], half)];
            store_i16(out, narrow([_mm256_srai_epi32(value[0], 15), _mm256_srai_epi32(value[1], 15)]));
        }
    }
}
