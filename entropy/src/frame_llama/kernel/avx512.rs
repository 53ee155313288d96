//! The kernels with AVX-512 F, BW, DQ, VL and VNNI.
//!
//! The linear layers, attention and the gated product are written with intrinsics; the rest is the portable code,
//! compiled with these features. Everything here is called through [`Isa`](super::Isa), which has checked the features
//! and the lengths of the slices.

use super::super::fixed::{Angles, InverseRms, SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE, inverse_rms};
use super::super::kv::Slot;
use super::super::linear::{Linear, PANEL, PairRow};
use super::{LANES, MAX_TILES, portable};
use std::arch::x86_64::*;
use std::ops::Range;

/// What a linear layer does with its outputs.
enum Output<'a> {
    Store(&'a mut [i16]),
    Add(&'a mut [i32]),
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    linear_any(layer, a, Output::Store(out));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    linear_any(layer, a, Output::Add(out));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn linear_any(layer: &Linear, a: &[i16], out: Output) {
    if layer.shift >= 32 {
        linear::<true>(layer, a, out);
    } else {
        linear::<false>(layer, a, out);
    }
}

/// Groups of panels outside, rows inside, so that a group's weights stay in the L1 cache while all rows pass over them.
/// Tiles keep 8 to 16 accumulators busy (an instruction's latency is 4 to 5 cycles, two start in each).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn linear<const NARROW: bool>(layer: &Linear, a: &[i16], mut out: Output) {
    let m = a.len() / layer.stride();
    let panels = layer.outputs() / PANEL;
    let mut panel = 0;
    while panel < panels {
        let group = match (panels - panel, m) {
            (8.., 1) => 8,
            (4.., _) => 4,
            (2.., _) => 2,
            _ => 1,
        };
        let mut row = 0;
        while row < m {
            row += match (group, m - row) {
                (8, _) => tile::<1, 8, NARROW>(layer, a, row, panel, &mut out),
                (4, 4..) => tile::<4, 4, NARROW>(layer, a, row, panel, &mut out),
                (4, 3) => tile::<3, 4, NARROW>(layer, a, row, panel, &mut out),
                (4, 2) => tile::<2, 4, NARROW>(layer, a, row, panel, &mut out),
                (4, _) => tile::<1, 4, NARROW>(layer, a, row, panel, &mut out),
                (2, 8..) => tile::<8, 2, NARROW>(layer, a, row, panel, &mut out),
                (2, 4..) => tile::<4, 2, NARROW>(layer, a, row, panel, &mut out),
                (2, _) => tile::<1, 2, NARROW>(layer, a, row, panel, &mut out),
                (_, 4..) => tile::<4, 1, NARROW>(layer, a, row, panel, &mut out),
                _ => tile::<1, 1, NARROW>(layer, a, row, panel, &mut out),
            };
        }
        panel += group;
    }
}

/// `M` rows times `P` panels. Returns M.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn tile<const M: usize, const P: usize, const NARROW: bool>(
    layer: &Linear,
    a: &[i16],
    row: usize,
    panel: usize,
    out: &mut Output,
) -> usize {
    let pairs = layer.pairs();
    let activations = &a[row * layer.stride()..][..M * layer.stride()];
    let weights = &layer.weights[panel * pairs..][..P * pairs];
    let acc = products::<M, P>(weights, activations, pairs, 0..pairs);
    for p in 0..P {
        let n = (panel + p) * PANEL;
        let (mult, limit) = (load(&layer.mult[n..]), load(&layer.limit[n..]));
        for (m, acc) in acc.iter().enumerate() {
            let value = requantize::<NARROW>(acc[p], mult, layer.shift, limit);
            let at = (row + m) * layer.outputs() + n;
            match out {
                Output::Store(out) => {
                    let out: &mut [i16; 16] = (&mut out[at..][..16]).try_into().expect("16");
                    // SAFETY: 32 bytes of `out`.
                    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(value)) };
                }
                Output::Add(out) => {
                    let out: &mut [i32; 16] = (&mut out[at..][..16]).try_into().expect("16");
                    let sum = _mm512_add_epi32(load(&out[..]), value);
                    let sum = clamp_epi32(sum, limit);
                    // SAFETY: 64 bytes of `out`.
                    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), sum) };
                }
            }
        }
    }
    M
}

/// Sums of products of some pairs of inputs: `M` rows of activations times `P` panels of weights, each `pairs` long.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn products<const M: usize, const P: usize>(
    weights: &[PairRow],
    activations: &[i16],
    pairs: usize,
    range: Range<usize>,
) -> [[__m512i; P]; M] {
    assert!(weights.len() >= P * pairs && activations.len() >= M * 2 * pairs && range.end <= pairs);
    let mut acc = [[_mm512_setzero_si512(); P]; M];
    for k in range {
        let mut w = [_mm512_setzero_si512(); P];
        for (p, w) in w.iter_mut().enumerate() {
            // SAFETY: p * pairs + k < P * pairs, the length of `weights`; a `PairRow` is 32 aligned bytes.
            *w = _mm512_cvtepi8_epi16(unsafe { _mm256_load_si256(weights.as_ptr().add(p * pairs + k).cast()) });
        }
        for (m, acc) in acc.iter_mut().enumerate() {
            // SAFETY: m * 2 * pairs + 2 * k + 1 < M * 2 * pairs, the length of `activations`.
            let pair = unsafe { activations.as_ptr().add(2 * (m * pairs + k)).cast::<i32>().read_unaligned() };
            let pair = _mm512_set1_epi32(pair);
            for (acc, &w) in acc.iter_mut().zip(&w) {
                *acc = _mm512_dpwssd_epi32(*acc, w, pair);
            }
        }
    }
    acc
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
        return clamp_epi32(_mm512_sra_epi32(high, _mm_cvtsi32_si128(shift as i32 - 32)), limit);
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

#[inline]
#[target_feature(enable = "avx512f")]
fn clamp_epi32(value: __m512i, limit: __m512i) -> __m512i {
    _mm512_min_epi32(_mm512_max_epi32(value, _mm512_sub_epi32(_mm512_setzero_si512(), limit)), limit)
}

/// The first 16 elements.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[i32]) -> __m512i {
    let values: &[i32; 16] = values[..16].try_into().expect("16");
    // SAFETY: 64 bytes of `values`.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
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
                // SAFETY: 32 bytes of `y`.
                unsafe { _mm256_storeu_si256(y.as_mut_ptr().cast(), value) };
            }
        }
    }
}

/// 32 elements at a time: the segments' coefficients come from permutations of two registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn silu_mul(gate_up: &[i16], ffn: usize, out: &mut [i16]) {
    let table = |t: &[i16; 64]| {
        // SAFETY: 2 · 64 bytes of the table.
        unsafe { (_mm512_loadu_si512(t.as_ptr().cast()), _mm512_loadu_si512(t.as_ptr().add(32).cast())) }
    };
    let (value, slope, curve) = (table(&SIGMOID_VALUE), table(&SIGMOID_SLOPE), table(&SIGMOID_CURVE));
    for (gate_up, out) in gate_up.chunks_exact(2 * ffn).zip(out.chunks_exact_mut(ffn)) {
        let (gate, up) = gate_up.split_at(ffn);
        for ((gate, up), out) in gate.chunks(32).zip(up.chunks(32)).zip(out.chunks_mut(32)) {
            let mask = u32::MAX >> (32 - gate.len());
            // SAFETY: the mask selects the elements of these slices, which have one length (1..=32).
            let (g, u) =
                unsafe { (_mm512_maskz_loadu_epi16(mask, gate.as_ptr()), _mm512_maskz_loadu_epi16(mask, up.as_ptr())) };
            let a = _mm512_abs_epi16(g);
            let i = _mm512_srli_epi16(a, 9);
            let t = _mm512_slli_epi16(_mm512_and_si512(a, _mm512_set1_epi16(511)), 6);
            let v = _mm512_permutex2var_epi16(value.0, i, value.1);
            let s = _mm512_permutex2var_epi16(slope.0, i, slope.1);
            let c = _mm512_permutex2var_epi16(curve.0, i, curve.1);
            let s = _mm512_add_epi16(s, _mm512_mulhrs_epi16(c, t));
            let p = _mm512_add_epi16(v, _mm512_mulhrs_epi16(s, t));
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
pub(super) fn attend(half: usize, q: &[u32], k: &[u32], v: &[u32], tiles: &[(usize, u16)], out: &mut [i16]) {
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
    tiles: &[(usize, u16)],
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
    tiles: [(usize, u16); TILES],
    out: &mut [i16],
) {
    let (d, tile_len) = (out.len(), 8 * out.len());
    let heads = q.len() / HALF;
    let minimum = _mm512_set1_epi32(i32::MIN);
    for first in (0..heads).step_by(GROUP) {
        let live = (heads - first).min(GROUP);
        let mut scores = [[minimum; GROUP]; TILES];
        let mut max = [minimum; GROUP];
        for (scores, &(tile, mark)) in scores.iter_mut().zip(&tiles) {
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
                *score = _mm512_mask_add_epi32(*score, mark, acc[0], acc[1]);
                *max = _mm512_max_epi32(*max, *score);
            }
        }
        let max = spread(across::<true>(max));
        let mut sum = [_mm512_setzero_si512(); GROUP];
        for (scores, &(_, mark)) in scores.iter_mut().zip(&tiles) {
            for ((share, sum), &max) in scores.iter_mut().zip(&mut sum).zip(&max) {
                *share = _mm512_maskz_mov_epi32(mark, exp2neg(_mm512_srli_epi32(_mm512_sub_epi32(max, *share), 2)));
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
            for (scores, &(tile, mark)) in scores.iter().zip(&tiles) {
                let share = _mm512_srl_epi32(_mm512_mullo_epi32(scores[i], inverse), n);
                // The shares of lanes 2i and 2i + 1 as the halves of one u32.
                let mut pairs = [0i32; LANES / 2];
                // SAFETY: 32 bytes of `pairs`.
                unsafe { _mm256_storeu_si256(pairs.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(share)) };
                let values = &v[tile * tile_len..][..tile_len];
                // Up to the last marked lane, four lanes at a time; shares of unmarked lanes are 0.
                let quads = (LANES + 3 - mark.leading_zeros() as usize) / 4;
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
                // SAFETY: 32 bytes of `out`.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(value)) };
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

/// [`exp2neg`](super::super::fixed::exp2neg) of 16 lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn exp2neg(d: __m512i) -> __m512i {
    let (p, n) = exp2_fraction(d);
    // Shifts of 32 and more give 0, as the portable code's cut at 31 does.
    _mm512_min_epi32(_mm512_srlv_epi32(_mm512_srli_epi32(p, 1), n), _mm512_set1_epi32(32767))
}

/// P(f) in Q16 and n of 16 lanes; see [`exp2neg`](super::super::fixed::exp2neg).
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
