//! The kernels with AVX-512 F, BW, DQ, VL and VNNI.
//!
//! The linear layers, attention and the gated product are written with intrinsics; the rest is the portable code,
//! compiled with these features. Everything here is called through [`Isa`](super::Isa), which has checked the features
//! and the lengths of the slices.

use super::super::fixed::{Angles, SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE};
use super::super::kv::Slot;
use super::super::linear::{Linear, PANEL};
use super::{LANES, MAX_TILES, portable};
use std::arch::x86_64::*;

/// What a linear layer does with its outputs.
enum Output<'a> {
    Store(&'a mut [i16]),
    Add(&'a mut [i32]),
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    linear(layer, a, Output::Store(out));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    linear(layer, a, Output::Add(out));
}

/// Rows in tiles of 8, then 4, 2 and 1; panels in tiles that keep 16 accumulators busy.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn linear(layer: &Linear, a: &[i16], mut out: Output) {
    let m = a.len() / layer.stride();
    let mut panel = 0;
    let panels = layer.outputs() / PANEL;
    while panel < panels {
        // Panels outside, rows inside: a group of panels stays in the L1 cache while all rows pass over it.
        let group = (panels - panel).min(4);
        let mut row = 0;
        while row < m {
            row += match (m - row, group) {
                (8.., 4) => {
                    tile::<8, 2>(layer, a, row, panel, &mut out);
                    tile::<8, 2>(layer, a, row, panel + 2, &mut out)
                }
                (4..8, 4) => tile::<4, 4>(layer, a, row, panel, &mut out),
                (2..4, 4) => tile::<2, 4>(layer, a, row, panel, &mut out),
                (1, 4) => tile::<1, 4>(layer, a, row, panel, &mut out),
                (8.., 1) => tile::<8, 1>(layer, a, row, panel, &mut out),
                (left, group) => {
                    let rows = if left >= 8 { 8 } else { 1 };
                    for p in 0..group {
                        if rows == 8 {
                            tile::<8, 1>(layer, a, row, panel + p, &mut out);
                        } else {
                            tile::<1, 1>(layer, a, row, panel + p, &mut out);
                        }
                    }
                    rows
                }
            };
        }
        panel += group;
    }
}

/// `M` rows times `P` panels. Returns M.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn tile<const M: usize, const P: usize>(
    layer: &Linear,
    a: &[i16],
    row: usize,
    panel: usize,
    out: &mut Output,
) -> usize {
    let pairs = layer.pairs();
    let activations = &a[row * layer.stride()..][..M * layer.stride()];
    let weights = &layer.weights[panel * pairs..][..P * pairs];
    let mut acc = [[_mm512_setzero_si512(); P]; M];
    for k in 0..pairs {
        let mut w = [_mm512_setzero_si512(); P];
        for (p, w) in w.iter_mut().enumerate() {
            // SAFETY: p * pairs + k < P * pairs, the length of `weights`; a `PairRow` is 32 aligned bytes.
            *w = _mm512_cvtepi8_epi16(unsafe {
                _mm256_load_si256(weights.as_ptr().add(p * pairs + k).cast())
            });
        }
        for (m, acc) in acc.iter_mut().enumerate() {
            // SAFETY: m * 2 * pairs + 2 * k + 1 < M * 2 * pairs, the length of `activations`.
            let pair = unsafe {
                activations
                    .as_ptr()
                    .add(2 * (m * pairs + k))
                    .cast::<i32>()
                    .read_unaligned()
            };
            let pair = _mm512_set1_epi32(pair);
            for (acc, &w) in acc.iter_mut().zip(&w) {
                *acc = _mm512_dpwssd_epi32(*acc, w, pair);
            }
        }
    }
    let shift = _mm_cvtsi32_si128(layer.shift as i32);
    let round = _mm512_set1_epi64(1 << (layer.shift - 1));
    for p in 0..P {
        let n = (panel + p) * PANEL;
        let (mult, limit) = (load(&layer.mult[n..]), load(&layer.limit[n..]));
        for (m, acc) in acc.iter().enumerate() {
            let value = requantize(acc[p], mult, round, shift, limit);
            let at = (row + m) * layer.outputs() + n;
            match out {
                Output::Store(out) => {
                    let out: &mut [i16; 16] = (&mut out[at..][..16]).try_into().expect("16");
                    // SAFETY: 32 bytes of `out`.
                    unsafe {
                        _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(value))
                    };
                }
                Output::Add(out) => {
                    let out: &mut [i32; 16] = (&mut out[at..][..16]).try_into().expect("16");
                    let sum = _mm512_add_epi32(load(&out[..]), value);
                    let minus = _mm512_sub_epi32(_mm512_setzero_si512(), limit);
                    let sum = _mm512_min_epi32(_mm512_max_epi32(sum, minus), limit);
                    // SAFETY: 64 bytes of `out`.
                    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), sum) };
                }
            }
        }
    }
    M
}

/// `clamp((acc·mult + round) >> shift, ±limit)` of 16 lanes, even and odd ones as 64-bit products.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn requantize(
    acc: __m512i,
    mult: __m512i,
    round: __m512i,
    shift: __m128i,
    limit: __m512i,
) -> __m512i {
    let (acc_odd, mult_odd) = (_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(mult, 32));
    let even = _mm512_sra_epi64(_mm512_add_epi64(_mm512_mul_epi32(acc, mult), round), shift);
    let odd = _mm512_sra_epi64(
        _mm512_add_epi64(_mm512_mul_epi32(acc_odd, mult_odd), round),
        shift,
    );
    let (max_even, max_odd) = (
        _mm512_srli_epi64(_mm512_slli_epi64(limit, 32), 32),
        _mm512_srli_epi64(limit, 32),
    );
    let even = clamp(even, max_even);
    let odd = clamp(odd, max_odd);
    _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn clamp(value: __m512i, limit: __m512i) -> __m512i {
    _mm512_min_epi64(
        _mm512_max_epi64(value, _mm512_sub_epi64(_mm512_setzero_si512(), limit)),
        limit,
    )
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
    portable::rmsnorm(x, width, y);
}

/// 32 elements at a time: the segments' coefficients come from permutations of two registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn silu_mul(gate_up: &[i16], ffn: usize, out: &mut [i16]) {
    let table = |t: &[i16; 64]| {
        // SAFETY: 2 · 64 bytes of the table.
        unsafe {
            (
                _mm512_loadu_si512(t.as_ptr().cast()),
                _mm512_loadu_si512(t.as_ptr().add(32).cast()),
            )
        }
    };
    let (value, slope, curve) = (
        table(&SIGMOID_VALUE),
        table(&SIGMOID_SLOPE),
        table(&SIGMOID_CURVE),
    );
    for (gate_up, out) in gate_up.chunks_exact(2 * ffn).zip(out.chunks_exact_mut(ffn)) {
        let (gate, up) = gate_up.split_at(ffn);
        for ((gate, up), out) in gate.chunks(32).zip(up.chunks(32)).zip(out.chunks_mut(32)) {
            let mask = u32::MAX >> (32 - gate.len());
            // SAFETY: the mask selects the elements of these slices, which have one length (1..=32).
            let (g, u) = unsafe {
                (
                    _mm512_maskz_loadu_epi16(mask, gate.as_ptr()),
                    _mm512_maskz_loadu_epi16(mask, up.as_ptr()),
                )
            };
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
            let low = _mm512_madd_epi16(
                _mm512_unpacklo_epi16(silu, one),
                _mm512_unpacklo_epi16(u, half),
            );
            let high = _mm512_madd_epi16(
                _mm512_unpackhi_epi16(silu, one),
                _mm512_unpackhi_epi16(u, half),
            );
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
pub(super) fn attend(
    half: usize,
    q: &[u32],
    k: &[u32],
    v: &[u32],
    tiles: &[(usize, u16)],
    out: &mut [i16],
) {
    if half == 8 {
        attend_sized::<8, 1>(q, k, v, tiles, out);
    } else {
        attend_sized::<16, 2>(q, k, v, tiles, out);
    }
}

/// `HALF` pairs a head, whose `2·HALF` outputs are `BLOCKS` registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn attend_sized<const HALF: usize, const BLOCKS: usize>(
    q: &[u32],
    k: &[u32],
    v: &[u32],
    tiles: &[(usize, u16)],
    out: &mut [i16],
) {
    let d = out.len();
    let tile_len = 8 * d;
    for (head, (q, out)) in q
        .chunks_exact(HALF)
        .zip(out.chunks_exact_mut(2 * HALF))
        .enumerate()
    {
        let mut scores = [_mm512_set1_epi32(i32::MIN); MAX_TILES];
        let mut max = _mm512_set1_epi32(i32::MIN);
        for (scores, &(tile, mark)) in scores.iter_mut().zip(tiles) {
            let keys = &k[tile * tile_len + head * HALF * LANES..][..HALF * LANES];
            let mut acc = [_mm512_setzero_si512(); 2];
            for (j, &q) in q.iter().enumerate() {
                // SAFETY: j < HALF, so 64 bytes from j · LANES lie in `keys`.
                let key = unsafe { _mm512_loadu_si512(keys.as_ptr().add(j * LANES).cast()) };
                acc[j % 2] = _mm512_dpwssd_epi32(acc[j % 2], key, _mm512_set1_epi32(q as i32));
            }
            // Lanes that are not marked stay at the minimum and are masked again below.
            *scores = _mm512_mask_add_epi32(*scores, mark, acc[0], acc[1]);
            max = _mm512_max_epi32(max, *scores);
        }
        let max = _mm512_set1_epi32(_mm512_reduce_max_epi32(max));
        let mut shares = [_mm512_setzero_si512(); MAX_TILES];
        let mut sum = _mm512_setzero_si512();
        for ((share, &score), &(_, mark)) in shares.iter_mut().zip(&scores).zip(tiles) {
            *share = _mm512_maskz_mov_epi32(
                mark,
                exp2neg(_mm512_srli_epi32(_mm512_sub_epi32(max, score), 2)),
            );
            sum = _mm512_add_epi32(sum, *share);
        }
        let sum = _mm512_reduce_add_epi32(sum) as u32;
        let n = 32 - sum.leading_zeros();
        let inverse = _mm512_set1_epi32(((1u64 << (n + 15)) / u64::from(sum)) as i32);
        let n = _mm_cvtsi32_si128(n as i32);
        let mut acc = [_mm512_setzero_si512(); BLOCKS];
        for (&share, &(tile, mark)) in shares.iter().zip(tiles) {
            let share = _mm512_srl_epi32(_mm512_mullo_epi32(share, inverse), n);
            // The shares of lanes 2i and 2i + 1 as the halves of one u32.
            let mut pairs = [0i32; LANES / 2];
            // SAFETY: 32 bytes of `pairs`.
            unsafe { _mm256_storeu_si256(pairs.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(share)) };
            let values = &v[tile * tile_len..][..tile_len];
            for (i, &pair) in pairs.iter().enumerate() {
                if mark >> (2 * i) & 3 == 0 {
                    continue;
                }
                for (block, acc) in acc.iter_mut().enumerate() {
                    let values = &values[i * d + (head * BLOCKS + block) * LANES..][..LANES];
                    // SAFETY: 64 bytes of `values`.
                    let values = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
                    *acc = _mm512_dpwssd_epi32(*acc, values, _mm512_set1_epi32(pair));
                }
            }
        }
        for (acc, out) in acc.iter().zip(out.chunks_exact_mut(LANES)) {
            let value = _mm512_srai_epi32(_mm512_add_epi32(*acc, _mm512_set1_epi32(1 << 14)), 15);
            // SAFETY: 32 bytes of `out`.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(value)) };
        }
    }
}

/// [`exp2neg`](super::super::fixed::exp2neg) of 16 lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn exp2neg(d: __m512i) -> __m512i {
    let (p, n) = exp2_fraction(d);
    // Shifts of 32 and more give 0, as the portable code's cut at 31 does.
    _mm512_min_epi32(
        _mm512_srlv_epi32(_mm512_srli_epi32(p, 1), n),
        _mm512_set1_epi32(32767),
    )
}

/// P(f) in Q16 and n of 16 lanes; see [`exp2neg`](super::super::fixed::exp2neg).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn exp2_fraction(d: __m512i) -> (__m512i, __m512i) {
    let set = |x: u32| _mm512_set1_epi32(x as i32);
    let f = _mm512_and_si512(d, set(0xffff));
    let t = _mm512_sub_epi32(
        set(14197),
        _mm512_srli_epi32(_mm512_mullo_epi32(set(1922), f), 16),
    );
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
    let mask =
        |i: usize, len: usize| (u16::MAX >> (LANES - len)) & !((excluded >> (i * LANES)) as u16);
    for (i, logits) in logits.chunks(LANES).enumerate() {
        let mask = mask(i, logits.len());
        // SAFETY: the mask selects elements of `logits` only.
        max = unsafe { _mm512_max_epi32(max, _mm512_mask_loadu_epi32(max, mask, logits.as_ptr())) };
    }
    let max = _mm512_set1_epi32(_mm512_reduce_max_epi32(max));
    let mut total = _mm512_setzero_si512();
    for (i, (logits, weights)) in logits
        .chunks(LANES)
        .zip(weights.chunks_mut(LANES))
        .enumerate()
    {
        let mask = mask(i, logits.len());
        // SAFETY: as above.
        let logit = unsafe { _mm512_maskz_loadu_epi32(mask, logits.as_ptr()) };
        let (p, n) = exp2_fraction(_mm512_sub_epi32(max, logit));
        let weight = _mm512_srlv_epi32(_mm512_slli_epi32(p, 4), n);
        let weight = _mm512_maskz_max_epi32(mask, weight, _mm512_set1_epi32(1));
        total = _mm512_add_epi32(total, weight);
        // SAFETY: the mask selects the elements of `weights`, as many as of `logits`.
        unsafe {
            _mm512_mask_storeu_epi32(
                weights.as_mut_ptr().cast(),
                u16::MAX >> (LANES - weights.len()),
                weight,
            )
        };
    }
    _mm512_reduce_add_epi32(total) as u32
}
