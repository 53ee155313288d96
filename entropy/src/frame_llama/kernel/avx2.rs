//! The kernels with AVX2.
//!
//! The linear layers, attention and the gated product are written with intrinsics; the rest is the portable code,
//! compiled with AVX2. Everything here is called through [`Isa`](super::Isa), which has checked the feature and the
//! lengths of the slices.

use super::super::fixed::{Angles, InverseRms, SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE, inverse_rms};
use super::super::kv::Slot;
use super::super::linear::{Linear, PANEL, PairRow};
use super::{LANES, MAX_TILES, portable};
use std::arch::x86_64::*;
use std::ops::Range;

/// 16 lanes of i32.
pub(crate) type Lanes = [__m256i; 2];

/// What a linear layer does with its outputs.
enum Output<'a> {
    Store(&'a mut [i16]),
    Add(&'a mut [i32]),
}

#[target_feature(enable = "avx2")]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    linear_any(layer, a, Output::Store(out));
}

#[target_feature(enable = "avx2")]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    linear_any(layer, a, Output::Add(out));
}

#[target_feature(enable = "avx2")]
fn linear_any(layer: &Linear, a: &[i16], out: Output) {
    if layer.shift >= 32 {
        linear::<true>(layer, a, out);
    } else {
        linear::<false>(layer, a, out);
    }
}

/// A panel stays in the L1 cache while all rows pass over it, in tiles of 4, 2 and 1.
#[target_feature(enable = "avx2")]
fn linear<const NARROW: bool>(layer: &Linear, a: &[i16], mut out: Output) {
    let m = a.len() / layer.stride();
    for panel in 0..layer.outputs() / PANEL {
        let mut row = 0;
        while row < m {
            row += match m - row {
                4.. => tile::<4, NARROW>(layer, a, row, panel, &mut out),
                2..4 => tile::<2, NARROW>(layer, a, row, panel, &mut out),
                _ => tile::<1, NARROW>(layer, a, row, panel, &mut out),
            };
        }
    }
}

/// `M` rows times one panel. Returns M.
#[inline]
#[target_feature(enable = "avx2")]
fn tile<const M: usize, const NARROW: bool>(
    layer: &Linear,
    a: &[i16],
    row: usize,
    panel: usize,
    out: &mut Output,
) -> usize {
    let pairs = layer.pairs();
    let activations = &a[row * layer.stride()..][..M * layer.stride()];
    let weights = &layer.weights[panel * pairs..][..pairs];
    let acc = products::<M>(weights, activations, pairs, 0..pairs);
    let n = panel * PANEL;
    let (mult, limit) = (load(&layer.mult[n..]), load(&layer.limit[n..]));
    for (m, acc) in acc.iter().enumerate() {
        let value = [
            requantize::<NARROW>(acc[0], mult[0], layer.shift, limit[0]),
            requantize::<NARROW>(acc[1], mult[1], layer.shift, limit[1]),
        ];
        let at = (row + m) * layer.outputs() + n;
        match out {
            Output::Store(out) => store_i16(&mut out[at..], value),
            Output::Add(out) => {
                let out: &mut [i32; 16] = (&mut out[at..][..16]).try_into().expect("16");
                let old = load(&out[..]);
                for i in 0..2 {
                    let sum = clamp_epi32(_mm256_add_epi32(old[i], value[i]), limit[i]);
                    // SAFETY: i < 2, so 32 bytes from 8 · i lie in `out`.
                    unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(8 * i).cast(), sum) };
                }
            }
        }
    }
    M
}

/// Sums of products of some pairs of inputs: `M` rows of activations times a panel of weights, each `pairs` long.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn products<const M: usize>(
    weights: &[PairRow],
    activations: &[i16],
    pairs: usize,
    range: Range<usize>,
) -> [Lanes; M] {
    assert!(weights.len() >= pairs && activations.len() >= M * 2 * pairs && range.end <= pairs);
    let mut acc = [[_mm256_setzero_si256(); 2]; M];
    for k in range {
        // SAFETY: k is below the length of `weights`; a `PairRow` is 32 aligned bytes.
        let w = unsafe {
            let weights = weights.as_ptr().add(k).cast::<__m128i>();
            [_mm_load_si128(weights), _mm_load_si128(weights.add(1))]
        };
        let w = [_mm256_cvtepi8_epi16(w[0]), _mm256_cvtepi8_epi16(w[1])];
        for (m, acc) in acc.iter_mut().enumerate() {
            // SAFETY: m * 2 * pairs + 2 * k + 1 < M * 2 * pairs, the length of `activations`.
            let pair = unsafe { activations.as_ptr().add(2 * (m * pairs + k)).cast::<i32>().read_unaligned() };
            let pair = _mm256_set1_epi32(pair);
            // Weights are i8, so the pairwise sum does not reach the one case in which `pmaddwd` wraps.
            acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(w[0], pair));
            acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(w[1], pair));
        }
    }
    acc
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
        return clamp_epi32(_mm256_sra_epi32(high, _mm_cvtsi32_si128(shift as i32 - 32)), limit);
    }
    let limit_even = _mm256_srli_epi64(_mm256_slli_epi64(limit, 32), 32);
    let even = shift_clamp_epi64(even, shift, limit_even);
    let odd = shift_clamp_epi64(odd, shift, _mm256_srli_epi64(limit, 32));
    _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0b1010_1010)
}

#[inline]
#[target_feature(enable = "avx2")]
fn clamp_epi32(value: __m256i, limit: __m256i) -> __m256i {
    _mm256_min_epi32(_mm256_max_epi32(value, _mm256_sub_epi32(_mm256_setzero_si256(), limit)), limit)
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

/// The first 16 elements.
#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[i32]) -> Lanes {
    let values: &[i32; 16] = values[..16].try_into().expect("16");
    // SAFETY: 64 bytes of `values`.
    unsafe { [_mm256_loadu_si256(values.as_ptr().cast()), _mm256_loadu_si256(values.as_ptr().add(8).cast())] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_i16(values: &[i16; 16]) -> __m256i {
    // SAFETY: 32 bytes of `values`.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Stores 16 lanes, saturated to i16.
#[inline]
#[target_feature(enable = "avx2")]
fn store_i16(out: &mut [i16], value: Lanes) {
    let out: &mut [i16; 16] = (&mut out[..16]).try_into().expect("16");
    let packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(value[0], value[1]), 0b11_01_10_00);
    // SAFETY: 32 bytes of `out`.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), packed) };
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
                store_i16(y, value);
            }
        }
    }
}

/// 16 elements at a time; the segments' coefficients are gathered element by element.
#[target_feature(enable = "avx2")]
pub(super) fn silu_mul(gate_up: &[i16], ffn: usize, out: &mut [i16]) {
    for (gate_up, out) in gate_up.chunks_exact(2 * ffn).zip(out.chunks_exact_mut(ffn)) {
        let (gate, up) = gate_up.split_at(ffn);
        for ((gate, up), out) in gate.chunks_exact(16).zip(up.chunks_exact(16)).zip(out.chunks_exact_mut(16)) {
            // SAFETY: each of the slices has 16 elements, 32 bytes.
            let (g, u) = unsafe { (_mm256_loadu_si256(gate.as_ptr().cast()), _mm256_loadu_si256(up.as_ptr().cast())) };
            let a = _mm256_abs_epi16(g);
            let t = _mm256_slli_epi16(_mm256_and_si256(a, _mm256_set1_epi16(511)), 6);
            let (mut v, mut s, mut c) = ([0i16; 16], [0i16; 16], [0i16; 16]);
            for (lane, &g) in gate.iter().enumerate() {
                let i = usize::from(g.unsigned_abs() >> 9) & 63;
                (v[lane], s[lane], c[lane]) = (SIGMOID_VALUE[i], SIGMOID_SLOPE[i], SIGMOID_CURVE[i]);
            }
            let (v, s, c) = (load_i16(&v), load_i16(&s), load_i16(&c));
            let s = _mm256_add_epi16(s, _mm256_mulhrs_epi16(c, t));
            let p = _mm256_add_epi16(v, _mm256_mulhrs_epi16(s, t));
            let complement = _mm256_sub_epi16(_mm256_set1_epi16(i16::MIN), p);
            let sigmoid = _mm256_blendv_epi8(p, complement, _mm256_srai_epi16(g, 15));
            let silu = _mm256_mulhrs_epi16(g, sigmoid);
            // silu·u + 1·2048 as one dot product of pairs.
            let (one, half) = (_mm256_set1_epi16(1), _mm256_set1_epi16(1 << 11));
            let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(silu, one), _mm256_unpacklo_epi16(u, half));
            let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(silu, one), _mm256_unpackhi_epi16(u, half));
            let h = _mm256_packs_epi32(_mm256_srai_epi32(low, 12), _mm256_srai_epi32(high, 12));
            // SAFETY: `out` has 16 elements.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), h) };
        }
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn rotate_store(half: usize, qkv: &[i16], angles: &Angles, q: &mut [u32], slot: Slot) {
    portable::rotate_store(half, qkv, angles, q, slot);
}

#[target_feature(enable = "avx2")]
pub(super) fn attend(half: usize, q: &[u32], k: &[u32], v: &[u32], tiles: &[(usize, u16)], out: &mut [i16]) {
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
    tiles: &[(usize, u16)],
    out: &mut [i16],
) {
    let d = out.len();
    let tile_len = 8 * d;
    let mut scores = [[0i32; LANES]; MAX_TILES];
    let mut shares = [[0u32; LANES]; MAX_TILES];
    for (head, (q, out)) in q.chunks_exact(HALF).zip(out.chunks_exact_mut(2 * HALF)).enumerate() {
        for (scores, &(tile, _)) in scores.iter_mut().zip(tiles) {
            let keys = &k[tile * tile_len + head * HALF * LANES..][..HALF * LANES];
            let mut acc = [_mm256_setzero_si256(); 2];
            for (keys, &q) in keys.chunks_exact(LANES).zip(q) {
                accumulate(&mut acc, keys, q);
            }
            for (scores, acc) in scores.chunks_exact_mut(8).zip(acc) {
                // SAFETY: 8 elements, 32 bytes.
                unsafe { _mm256_storeu_si256(scores.as_mut_ptr().cast(), acc) };
            }
        }
        portable::softmax(&scores[..tiles.len()], tiles, &mut shares);
        let mut acc = [[_mm256_setzero_si256(); 2]; BLOCKS];
        for (shares, &(tile, mark)) in shares.iter().zip(tiles) {
            let values = &v[tile * tile_len..][..tile_len];
            for (i, share) in shares.chunks_exact(2).enumerate() {
                if mark >> (2 * i) & 3 == 0 {
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
            store_i16(out, [_mm256_srai_epi32(value[0], 15), _mm256_srai_epi32(value[1], 15)]);
        }
    }
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

#[target_feature(enable = "avx2")]
pub(super) fn symbol_weights(logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
    portable::symbol_weights(logits, excluded, weights)
}
