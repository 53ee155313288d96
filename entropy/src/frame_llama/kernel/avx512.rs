//! The kernels with AVX-512 F, BW, DQ, VL and VNNI.
//!
//! The linear layers, attention and the gated product are written with intrinsics; the rest is the portable code,
//! compiled with these features. Everything here is called through [`Isa`](super::Isa), which has checked the features
//! and the lengths of the slices.

use super::super::fixed::{Angles, InverseRms, inverse_rms};
use super::super::kv::{LANES, MAX_TILES, Slot, TileMark};
use super::super::linear::Linear;
use super::portable;
use crate::arithmetic::avx512::{Sigmoid, clamp, exp2neg, load, store, store_i16};
use crate::gemm::PANEL;
use crate::gemm::avx512::multiply;
use std::arch::x86_64::*;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    linear(layer, a, |at, value, _| store_i16(&mut out[at..], _mm512_cvtepi32_epi16(value)));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    linear(layer, a, |at, value, limit| {
        let out = &mut out[at..];
        store(out, clamp(_mm512_add_epi32(load(out), value), limit));
    });
}

/// Calls `emit(index of the first output, 16 outputs, their limits)`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn linear(layer: &Linear, a: &[i16], mut emit: impl FnMut(usize, __m512i, __m512i)) {
    let outputs = layer.outputs();
    let parameters = |n: usize| (load(&layer.mult[n..]), load(&layer.limit[n..]));
    if layer.shift >= 32 {
        multiply(&layer.panels, a, |row, panel, acc| {
            let (mult, limit) = parameters(panel * PANEL);
            emit(row * outputs + panel * PANEL, requantize::<true>(acc, mult, layer.shift, limit), limit);
        });
    } else {
        multiply(&layer.panels, a, |row, panel, acc| {
            let (mult, limit) = parameters(panel * PANEL);
            emit(row * outputs + panel * PANEL, requantize::<false>(acc, mult, layer.shift, limit), limit);
        });
    }
}

/// `clamp((acc·mult + round) >> shift, ±limit)` of 16 lanes, even and odd ones as 64-bit products.
///
/// `NARROW`: shift ≥ 32. Then the products' high halves, shifted on by shift − 32, are the result, in 32 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn requantize<const NARROW: bool>(acc: __m512i, mult: __m512i, shift: u32, limit: __m512i) -> __m512i {
    let round = _mm512_set1_epi64(1 << (shift - 1));
    let (acc_odd, mult_odd) = (_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(mult, 32));
    let even = _mm512_add_epi64(_mm512_mul_epi32(acc, mult), round);
    let odd = _mm512_add_epi64(_mm512_mul_epi32(acc_odd, mult_odd), round);
    if NARROW {
        let high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
        return clamp(_mm512_sra_epi32(high, _mm_cvtsi32_si128(shift as i32 - 32)), limit);
    }
    let shift = _mm_cvtsi32_si128(shift as i32);
    let limit_odd = _mm512_srli_epi64(limit, 32);
    let limit_even = _mm512_srli_epi64(_mm512_slli_epi64(limit, 32), 32);
    let even = clamp_epi64(_mm512_sra_epi64(even, shift), limit_even);
    let odd = clamp_epi64(_mm512_sra_epi64(odd, shift), limit_odd);
    _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn clamp_epi64(value: __m512i, limit: __m512i) -> __m512i {
    _mm512_min_epi64(_mm512_max_epi64(value, _mm512_sub_epi64(_mm512_setzero_si512(), limit)), limit)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn rmsnorm(x: &[i32], width: usize, y: &mut [i16]) {
    const ROWS: usize = 16;
    for (x, y) in x.chunks(ROWS * width).zip(y.chunks_mut(ROWS * width)) {
        // The scalar square roots and divisions of several rows overlap.
        let mut inverse = [InverseRms { factor: 0, shift: 1 }; ROWS];
        for (inverse, x) in inverse.iter_mut().zip(x.chunks_exact(width)) {
            let mut sum = [_mm512_setzero_si512(); 2];
            for x in x.chunks_exact(LANES) {
                let even = load(x);
                let odd = _mm512_srli_epi64(even, 32);
                sum[0] = _mm512_add_epi64(sum[0], _mm512_mul_epi32(even, even));
                sum[1] = _mm512_add_epi64(sum[1], _mm512_mul_epi32(odd, odd));
            }
            *inverse = inverse_rms(_mm512_reduce_add_epi64(_mm512_add_epi64(sum[0], sum[1])) as u64, width);
        }
        for ((inverse, x), y) in inverse.iter().zip(x.chunks_exact(width)).zip(y.chunks_exact_mut(width)) {
            // x·2^7 (±2^30) and a shift greater by 7: at least 32 unless the row is tiny, so that the products' high
            // halves do. x² ≤ sum, so |x·2^15 / r| is at most 2^11·√width and a little: far below 2^31.
            let shift = inverse.shift + 7;
            if shift < 32 {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = inverse.apply(x));
                continue;
            }
            let factor = _mm512_set1_epi64(i64::from(inverse.factor));
            let round = _mm512_set1_epi64(1 << (shift - 1));
            let shift = _mm_cvtsi32_si128(shift as i32 - 32);
            for (x, y) in x.chunks_exact(LANES).zip(y.chunks_exact_mut(LANES)) {
                let even = _mm512_slli_epi32(load(x), 7);
                let odd = _mm512_srli_epi64(even, 32);
                let even = _mm512_add_epi64(_mm512_mul_epi32(even, factor), round);
                let odd = _mm512_add_epi64(_mm512_mul_epi32(odd, factor), round);
                let high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
                let value = _mm512_cvtsepi32_epi16(_mm512_sra_epi32(high, shift));
                store_i16(y, value);
            }
        }
    }
}

/// 32 elements at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn silu_mul(gate_up: &[i16], ffn: usize, out: &mut [i16]) {
    let sigmoid = Sigmoid::new();
    for (gate_up, out) in gate_up.chunks_exact(2 * ffn).zip(out.chunks_exact_mut(ffn)) {
        let (gate, up) = gate_up.split_at(ffn);
        for ((gate, up), out) in gate.chunks(32).zip(up.chunks(32)).zip(out.chunks_mut(32)) {
            let mask = u32::MAX >> (32 - gate.len());
            // SAFETY: the mask selects the elements of these slices, which have one length (1..=32).
            let (g, u) =
                unsafe { (_mm512_maskz_loadu_epi16(mask, gate.as_ptr()), _mm512_maskz_loadu_epi16(mask, up.as_ptr())) };
            let p = sigmoid.of_magnitudes(_mm512_abs_epi16(g));
            let negative = _mm512_movepi16_mask(g);
            let sigmoid = _mm512_mask_sub_epi16(p, negative, _mm512_set1_epi16(i16::MIN), p);
            let silu = _mm512_mulhrs_epi16(g, sigmoid);
            // silu·u + 1·2048 as one dot product of pairs.
            let (one, half) = (_mm512_set1_epi16(1), _mm512_set1_epi16(1 << 11));
            let low = _mm512_madd_epi16(_mm512_unpacklo_epi16(silu, one), _mm512_unpacklo_epi16(u, half));
            let high = _mm512_madd_epi16(_mm512_unpackhi_epi16(silu, one), _mm512_unpackhi_epi16(u, half));
            let h = _mm512_packs_epi32(_mm512_srai_epi32(low, 12), _mm512_srai_epi32(high, 12));
            // SAFETY: as above.
            unsafe { _mm512_mask_storeu_epi16(out.as_mut_ptr(), mask, h) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn rotate_store(half: usize, qkv: &[i16], angles: &Angles, q: &mut [u32], slot: Slot) {
    portable::rotate_store(half, qkv, angles, q, slot);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn attend(half: usize, q: &[u32], k: &[u32], v: &[u32], tiles: &[TileMark], out: &mut [i16]) {
    if half == 8 {
        attend_counted::<8, 1>(q, k, v, tiles, out);
    } else {
        attend_counted::<16, 2>(q, k, v, tiles, out);
    }
}

/// The tile count as a constant, so that scores stay in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn attend_counted<const HALF: usize, const BLOCKS: usize>(
    q: &[u32],
    k: &[u32],
    v: &[u32],
    tiles: &[TileMark],
    out: &mut [i16],
) {
    const { assert!(MAX_TILES == 6) };
    match *tiles {
        [a] => attend_sized::<HALF, BLOCKS, 1>(q, k, v, [a], out),
        [a, b] => attend_sized::<HALF, BLOCKS, 2>(q, k, v, [a, b], out),
        [a, b, c] => attend_sized::<HALF, BLOCKS, 3>(q, k, v, [a, b, c], out),
        [a, b, c, d] => attend_sized::<HALF, BLOCKS, 4>(q, k, v, [a, b, c, d], out),
        [a, b, c, d, e] => attend_sized::<HALF, BLOCKS, 5>(q, k, v, [a, b, c, d, e], out),
        [a, b, c, d, e, f] => attend_sized::<HALF, BLOCKS, 6>(q, k, v, [a, b, c, d, e, f], out),
        _ => unreachable!("1..=6 tiles, checked by `Isa::attend`"),
    }
}

/// Heads that are worked on together, so that their reductions share instructions and their latencies overlap.
const GROUP: usize = 4;

/// `HALF` pairs a head, whose `2·HALF` outputs are `BLOCKS` registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn attend_sized<const HALF: usize, const BLOCKS: usize, const TILES: usize>(
    q: &[u32],
    k: &[u32],
    v: &[u32],
    tiles: [TileMark; TILES],
    out: &mut [i16],
) {
    let (d, tile_len) = (out.len(), 8 * out.len());
    let heads = q.len() / HALF;
    let minimum = _mm512_set1_epi32(i32::MIN);
    for first in (0..heads).step_by(GROUP) {
        let live = (heads - first).min(GROUP);
        let mut scores = [[minimum; GROUP]; TILES];
        let mut max = [minimum; GROUP];
        for (scores, &TileMark { tile, lanes }) in scores.iter_mut().zip(&tiles) {
            for (i, (score, max)) in scores.iter_mut().zip(&mut max).enumerate().take(live) {
                let head = first + i;
                let keys = &k[tile * tile_len + head * HALF * LANES..][..HALF * LANES];
                let q = &q[head * HALF..][..HALF];
                let mut acc = [_mm512_setzero_si512(); 2];
                for (j, &q) in q.iter().enumerate() {
                    // SAFETY: j < HALF, so 64 bytes from j · LANES lie in `keys`.
                    let key = unsafe { _mm512_loadu_si512(keys.as_ptr().add(j * LANES).cast()) };
                    acc[j % 2] = _mm512_dpwssd_epi32(acc[j % 2], key, _mm512_set1_epi32(q as i32));
                }
                // Lanes that are not marked stay at the minimum and are masked again below.
                *score = _mm512_mask_add_epi32(*score, lanes, acc[0], acc[1]);
                *max = _mm512_max_epi32(*max, *score);
            }
        }
        let max = spread(across::<true>(max));
        let mut sum = [_mm512_setzero_si512(); GROUP];
        for (scores, &TileMark { lanes, .. }) in scores.iter_mut().zip(&tiles) {
            for ((share, sum), &max) in scores.iter_mut().zip(&mut sum).zip(&max) {
                *share = _mm512_maskz_mov_epi32(lanes, exp2neg(_mm512_srli_epi32(_mm512_sub_epi32(max, *share), 2)));
                *sum = _mm512_add_epi32(*sum, *share);
            }
        }
        let mut sums = [0u32; GROUP];
        let sum = _mm512_castsi512_si128(across::<false>(sum));
        // SAFETY: 16 bytes of `sums`.
        unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), sum) };
        for (i, sum) in sums.into_iter().enumerate().take(live) {
            let head = first + i;
            let n = 32 - sum.leading_zeros();
            let inverse = _mm512_set1_epi32(((1u64 << (n + 15)) / u64::from(sum)) as i32);
            let n = _mm_cvtsi32_si128(n as i32);
            let (mut acc, mut acc_odd) = ([_mm512_setzero_si512(); BLOCKS], [_mm512_setzero_si512(); BLOCKS]);
            for (scores, &TileMark { tile, lanes }) in scores.iter().zip(&tiles) {
                let share = _mm512_srl_epi32(_mm512_mullo_epi32(scores[i], inverse), n);
                // The shares of lanes 2i and 2i + 1 as the halves of one u32.
                let mut pairs = [0i32; LANES / 2];
                // SAFETY: 32 bytes of `pairs`.
                unsafe { _mm256_storeu_si256(pairs.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(share)) };
                let values = &v[tile * tile_len..][..tile_len];
                // Up to the last marked lane, four lanes at a time; shares of unmarked lanes are 0.
                let quads = (LANES + 3 - lanes.leading_zeros() as usize) / 4;
                for (pairs, values) in pairs.chunks_exact(2).zip(values.chunks_exact(2 * d)).take(quads) {
                    for block in 0..BLOCKS {
                        let at = (head * BLOCKS + block) * LANES;
                        let (even, odd) = (&values[at..][..LANES], &values[d + at..][..LANES]);
                        // SAFETY: 64 bytes each.
                        let (even, odd) = unsafe {
                            (_mm512_loadu_si512(even.as_ptr().cast()), _mm512_loadu_si512(odd.as_ptr().cast()))
                        };
                        acc[block] = _mm512_dpwssd_epi32(acc[block], even, _mm512_set1_epi32(pairs[0]));
                        acc_odd[block] = _mm512_dpwssd_epi32(acc_odd[block], odd, _mm512_set1_epi32(pairs[1]));
                    }
                }
            }
            for (block, out) in out[head * 2 * HALF..][..2 * HALF].chunks_exact_mut(LANES).enumerate() {
                let sum = _mm512_add_epi32(acc[block], acc_odd[block]);
                let value = _mm512_srai_epi32(_mm512_add_epi32(sum, _mm512_set1_epi32(1 << 14)), 15);
                store_i16(out, _mm512_cvtepi32_epi16(value));
            }
        }
    }
}

/// The maximum or the sum of each of four registers: `[a, b, c, d]` in every quarter of the result.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn across<const MAX: bool>(x: [__m512i; GROUP]) -> __m512i {
    let ab = join::<MAX>(_mm512_unpacklo_epi32(x[0], x[1]), _mm512_unpackhi_epi32(x[0], x[1]));
    let cd = join::<MAX>(_mm512_unpacklo_epi32(x[2], x[3]), _mm512_unpackhi_epi32(x[2], x[3]));
    let all = join::<MAX>(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let all = join::<MAX>(all, _mm512_shuffle_i32x4(all, all, 0b01_00_11_10));
    join::<MAX>(all, _mm512_shuffle_i32x4(all, all, 0b10_11_00_01))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn join<const MAX: bool>(a: __m512i, b: __m512i) -> __m512i {
    if MAX { _mm512_max_epi32(a, b) } else { _mm512_add_epi32(a, b) }
}

/// The four numbers of [`across`], each in all lanes of a register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn spread(x: __m512i) -> [__m512i; GROUP] {
    [
        _mm512_shuffle_epi32(x, 0b00_00_00_00),
        _mm512_shuffle_epi32(x, 0b01_01_01_01),
        _mm512_shuffle_epi32(x, 0b10_10_10_10),
        _mm512_shuffle_epi32(x, 0b11_11_11_11),
    ]
}
