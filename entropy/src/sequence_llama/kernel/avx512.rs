//! The kernels with AVX-512 F, BW, DQ, VL and VNNI: the linear layers, attention and the logistic function by intrinsics;
//! the rest is the portable code, compiled with these features.

use super::super::cache::{KeysValues, Slot};
use super::super::fixed::SCORE_LIMIT;
use super::super::linear::{BLOCK_PAIRS, WideLinear};
use super::portable::{self, requantize};
use super::{AttendScratch, BLOCK_TILES, LANES, Norm, recompile};
use crate::frame_llama::fixed::{SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE};
use crate::frame_llama::kernel::avx512::{exp2_fraction, products};
use crate::frame_llama::linear::PANEL;
use std::arch::x86_64::*;

recompile!(#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]);

/// Groups of panels outside, rows inside, so that a group's weights stay in the L1 or L2 cache while all rows pass over
/// them. Tiles keep 8 to 16 accumulators busy (an instruction's latency is 4 to 5 cycles, two start in each).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear(layer: &WideLinear, a: &[i16], out: &mut [i32]) {
    let m = a.len() / layer.stride();
    let panels = layer.output_stride() / PANEL;
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
                (8, _) => tile::<1, 8>(layer, a, row, panel, out),
                (4, 4..) => tile::<4, 4>(layer, a, row, panel, out),
                (4, 3) => tile::<3, 4>(layer, a, row, panel, out),
                (4, 2) => tile::<2, 4>(layer, a, row, panel, out),
                (4, _) => tile::<1, 4>(layer, a, row, panel, out),
                (2, 8..) => tile::<8, 2>(layer, a, row, panel, out),
                (2, 4..) => tile::<4, 2>(layer, a, row, panel, out),
                (2, _) => tile::<1, 2>(layer, a, row, panel, out),
                (_, 4..) => tile::<4, 1>(layer, a, row, panel, out),
                _ => tile::<1, 1>(layer, a, row, panel, out),
            };
        }
        panel += group;
    }
}

/// `M` rows times `P` panels. Returns M.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn tile<const M: usize, const P: usize>(
    layer: &WideLinear,
    a: &[i16],
    row: usize,
    panel: usize,
    out: &mut [i32],
) -> usize {
    let (pairs, stride) = (layer.pairs(), layer.output_stride());
    let activations = &a[row * layer.stride()..][..M * layer.stride()];
    let weights = &layer.weights[panel * pairs..][..P * pairs];
    if layer.narrow {
        let acc = products::<M, P>(weights, activations, pairs, 0..pairs);
        for p in 0..P {
            let n = (panel + p) * PANEL;
            let mult = load(&layer.mult[n..]);
            for (m, acc) in acc.iter().enumerate() {
                store(&mut out[(row + m) * stride + n..], requantize_lanes(acc[p], layer.pre, mult));
            }
        }
        return M;
    }
    let mut sums = [[[0i64; PANEL]; P]; M];
    for from in (0..pairs).step_by(BLOCK_PAIRS) {
        let acc = products::<M, P>(weights, activations, pairs, from..pairs.min(from + BLOCK_PAIRS));
        for (sums, &acc) in sums.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
            let mut part = [0; PANEL];
            store(&mut part, acc);
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += i64::from(part));
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        let n = panel * PANEL;
        let out = &mut out[(row + m) * stride + n..][..P * PANEL];
        for ((out, &acc), &mult) in out.iter_mut().zip(sums.as_flattened()).zip(&layer.mult[n..]) {
            *out = requantize(acc, layer.pre, mult);
        }
    }
    M
}

/// [`requantize`] of 16 sums that fit i32 with their rounding (|Σ| ≤ 65535 · 32767).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn requantize_lanes(acc: __m512i, pre: u32, mult: __m512i) -> __m512i {
    let acc = _mm512_add_epi32(acc, _mm512_set1_epi32((1 << pre) >> 1));
    let acc = _mm512_sra_epi32(acc, _mm_cvtsi32_si128(pre as i32));
    let half = _mm512_set1_epi64(1 << 31);
    let even = _mm512_add_epi64(_mm512_mul_epi32(acc, mult), half);
    let odd = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(mult, 32));
    let odd = _mm512_add_epi64(odd, half);
    _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd)
}

/// The first 16 elements.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[i32]) -> __m512i {
    let values: &[i32; 16] = values[..16].try_into().expect("16");
    // SAFETY: 64 bytes of `values`.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

/// Stores to the first 16 elements.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(out: &mut [i32], value: __m512i) {
    let out: &mut [i32; 16] = (&mut out[..16]).try_into().expect("16");
    // SAFETY: 64 bytes of `out`.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), value) };
}

/// 32 elements at a time: the segments' coefficients come from permutations of two registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn complements(gate: &[i32], exponent: i32, c: &mut [i16]) {
    let table = |t: &[i16; 64]| {
        // SAFETY: 2 · 64 bytes of the table.
        unsafe { (_mm512_loadu_si512(t.as_ptr().cast()), _mm512_loadu_si512(t.as_ptr().add(32).cast())) }
    };
    let (value, slope, curve) = (table(&SIGMOID_VALUE), table(&SIGMOID_SLOPE), table(&SIGMOID_CURVE));
    let shift = exponent.saturating_add(11);
    let (left, right) = (shift.clamp(0, 15), shift.clamp(-31, 0).unsigned_abs());
    let half = _mm512_set1_epi32(((1u32 << right) >> 1) as i32);
    let limit = _mm512_set1_epi32(32767 >> left);
    let (left, right) = (_mm_cvtsi32_si128(left), _mm_cvtsi32_si128(right as i32));
    let most = _mm512_set1_epi32(32767);
    for (gate, c) in gate.chunks(32).zip(c.chunks_mut(32)) {
        let mask = u32::MAX >> (32 - gate.len());
        let magnitude = |mask: u16, gate: *const i32| {
            // SAFETY: the mask selects elements of `gate` only.
            let g = _mm512_abs_epi32(unsafe { _mm512_maskz_loadu_epi32(mask, gate) });
            let g = _mm512_srl_epi32(_mm512_add_epi32(g, half), right);
            let over = _mm512_cmpgt_epu32_mask(g, limit);
            _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(_mm512_sll_epi32(g, left), over, most))
        };
        let low = magnitude(mask as u16, gate.as_ptr());
        // With a zero mask nothing is read, wherever the pointer points.
        let high = magnitude((mask >> 16) as u16, gate.as_ptr().wrapping_add(16));
        let a = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        let i = _mm512_srli_epi16(a, 9);
        let t = _mm512_slli_epi16(_mm512_and_si512(a, _mm512_set1_epi16(511)), 6);
        let v = _mm512_permutex2var_epi16(value.0, i, value.1);
        let s = _mm512_permutex2var_epi16(slope.0, i, slope.1);
        let curved = _mm512_permutex2var_epi16(curve.0, i, curve.1);
        let s = _mm512_add_epi16(s, _mm512_mulhrs_epi16(curved, t));
        let p = _mm512_add_epi16(v, _mm512_mulhrs_epi16(s, t));
        let below = _mm512_cmplt_epi16_mask(a, _mm512_set1_epi16(i16::MAX));
        let complement = _mm512_maskz_sub_epi16(below, _mm512_set1_epi16(i16::MIN), p);
        // SAFETY: the mask selects the elements of `c`.
        unsafe { _mm512_mask_storeu_epi16(c.as_mut_ptr(), mask, complement) };
    }
}

/// Heads that are worked on together: they share the loads of keys and values.
const GROUP: usize = 4;
/// Positions of a block.
const BLOCK: usize = BLOCK_TILES * LANES;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn attend(
    q: &[u32],
    q_exponents: &[i32],
    kv: KeysValues,
    len: usize,
    scratch: &mut AttendScratch,
    out: &mut [i32],
    exponents: &mut [i32],
) {
    let half = q.len() / q_exponents.len();
    let groups = q.chunks(GROUP * half).zip(q_exponents.chunks(GROUP));
    let outputs = out.chunks_mut(2 * GROUP * half).zip(exponents.chunks_mut(GROUP));
    for ((q, q_exponents), (out, exponents)) in groups.zip(outputs) {
        match q_exponents.len() {
            4 => attend_group::<4>(q, q_exponents, kv, len, scratch, out, exponents),
            3 => attend_group::<3>(q, q_exponents, kv, len, scratch, out, exponents),
            2 => attend_group::<2>(q, q_exponents, kv, len, scratch, out, exponents),
            _ => attend_group::<1>(q, q_exponents, kv, len, scratch, out, exponents),
        }
    }
}

/// Attention of `G` heads, step by step as [`portable::attend`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn attend_group<const G: usize>(
    q: &[u32],
    q_exponents: &[i32],
    kv: KeysValues,
    len: usize,
    scratch: &mut AttendScratch,
    out: &mut [i32],
    exponents: &mut [i32],
) {
    let head_dim = out.len() / G;
    let blocks = len.div_ceil(BLOCK);
    let positions = blocks * BLOCK;
    let max = scores::<G>(q, q_exponents, kv, len, &mut scratch.scores[..G * positions]);
    let (scores, shares) = (&scratch.scores[..G * positions], &mut scratch.shares[..G * positions]);
    let octaves = &mut scratch.octaves[..G * blocks];
    let (mut denominator, mut least) = ([0; G], [0; G]);
    for g in 0..G {
        (denominator[g], least[g]) = weigh(
            &scores[g * positions..][..positions],
            max[g],
            kv.v_exponents,
            len,
            &mut shares[g * positions..][..positions],
            &mut octaves[g * blocks..][..blocks],
        );
    }
    let totals = &mut scratch.totals[..G * kv.columns];
    totals.fill(0);
    for block in 0..blocks {
        let down: [i32; G] = std::array::from_fn(|g| octaves[g * blocks + block] - least[g]);
        if down.iter().all(|&d| d >= 32) {
            continue;
        }
        let values = &kv.v[block * kv.columns * BLOCK / 2..][..kv.columns * BLOCK / 2];
        let shares: [&[i16]; G] = std::array::from_fn(|g| &shares[g * positions + block * BLOCK..][..BLOCK]);
        let mut column = 0;
        while column < kv.columns {
            column += match (kv.columns - column) / LANES {
                4.. => mix::<G, 4>(values, shares, down, kv.columns, column, totals),
                2.. => mix::<G, 2>(values, shares, down, kv.columns, column, totals),
                _ => mix::<G, 1>(values, shares, down, kv.columns, column, totals),
            };
        }
    }
    for (g, (out, exponent)) in out.chunks_exact_mut(head_dim).zip(exponents).enumerate() {
        let numerator = &totals[g * kv.columns..][..head_dim];
        *exponent = portable::divide(numerator, denominator[g], least[g], out);
    }
}

/// Lanes of a block's two tiles that hold positions below `len`.
#[inline(always)]
fn live_lanes(block: usize, len: usize) -> [u16; BLOCK_TILES] {
    let mask = match len - block * BLOCK {
        live @ ..BLOCK => (1u32 << live) - 1,
        _ => u32::MAX,
    };
    [mask as u16, (mask >> 16) as u16]
}

/// Scores of all positions, Q16 (undefined after `len`), and their maximum.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn scores<const G: usize>(q: &[u32], q_exponents: &[i32], kv: KeysValues, len: usize, scores: &mut [i32]) -> [i32; G] {
    let half = q.len() / G;
    let positions = scores.len() / G;
    let tile = half * LANES;
    let zero = _mm512_setzero_si512();
    let mut max = [_mm512_set1_epi32(i32::MIN); G];
    for block in 0..positions / BLOCK {
        let keys = &kv.k[block * BLOCK_TILES * tile..][..BLOCK_TILES * tile];
        let mut acc = [[zero; BLOCK_TILES]; G];
        for j in 0..half {
            // SAFETY: j < half, so 16 elements from j · LANES lie in each of the two tiles.
            let k: [__m512i; BLOCK_TILES] = unsafe {
                let k = keys.as_ptr().add(j * LANES);
                [_mm512_loadu_si512(k.cast()), _mm512_loadu_si512(k.add(tile).cast())]
            };
            for (g, acc) in acc.iter_mut().enumerate() {
                // SAFETY: g · half + j < G · half, the length of `q`.
                let q = _mm512_set1_epi32(unsafe { *q.get_unchecked(g * half + j) } as i32);
                acc[0] = _mm512_dpwssd_epi32(acc[0], k[0], q);
                acc[1] = _mm512_dpwssd_epi32(acc[1], k[1], q);
            }
        }
        let live = live_lanes(block, len);
        for t in 0..BLOCK_TILES {
            let at = block * BLOCK + t * LANES;
            let k_exponents = load(&kv.k_exponents[at..]);
            for g in 0..G {
                let shift = _mm512_add_epi32(k_exponents, _mm512_set1_epi32(q_exponents[g] + 16));
                let left = _mm512_min_epi32(_mm512_max_epi32(shift, zero), _mm512_set1_epi32(30));
                let right = _mm512_sub_epi32(zero, _mm512_min_epi32(shift, zero));
                let right = _mm512_min_epi32(right, _mm512_set1_epi32(31));
                let limit = _mm512_srlv_epi32(_mm512_set1_epi32(SCORE_LIMIT), left);
                let sum = _mm512_srav_epi32(acc[g][t], right);
                let sum = _mm512_max_epi32(_mm512_min_epi32(sum, limit), _mm512_sub_epi32(zero, limit));
                let score = _mm512_sllv_epi32(sum, left);
                max[g] = _mm512_mask_max_epi32(max[g], live[t], max[g], score);
                store(&mut scores[g * positions + at..], score);
            }
        }
    }
    max.map(|max| _mm512_reduce_max_epi32(max))
}

/// Shares and octaves of one head; returns the denominator and the least octave.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn weigh(
    scores: &[i32],
    max: i32,
    v_exponents: &[i32],
    len: usize,
    shares: &mut [i16],
    octaves: &mut [i32],
) -> (u64, i32) {
    let max = _mm512_set1_epi32(max);
    let mut denominator = _mm512_setzero_si512();
    let mut least = i32::MAX;
    for (block, octave) in octaves.iter_mut().enumerate() {
        let live = live_lanes(block, len);
        let (mut p, mut o) = ([_mm512_setzero_si512(); BLOCK_TILES], [_mm512_setzero_si512(); BLOCK_TILES]);
        for t in 0..BLOCK_TILES {
            let at = block * BLOCK + t * LANES;
            let n;
            (p[t], n) = exp2_fraction(_mm512_sub_epi32(max, load(&scores[at..])));
            let weight = _mm512_maskz_srlv_epi32(live[t], _mm512_slli_epi32(p[t], 14), n);
            let weights = [_mm512_castsi512_si256(weight), _mm512_extracti64x4_epi64(weight, 1)];
            let weights = weights.map(|w| _mm512_cvtepu32_epi64(w));
            denominator = _mm512_add_epi64(denominator, _mm512_add_epi64(weights[0], weights[1]));
            let most = _mm512_set1_epi32(i32::MAX);
            o[t] = _mm512_mask_sub_epi32(most, live[t], n, load(&v_exponents[at..]));
        }
        *octave = _mm512_reduce_min_epi32(_mm512_min_epi32(o[0], o[1]));
        least = least.min(*octave);
        for t in 0..BLOCK_TILES {
            let r = _mm512_sub_epi32(o[t], _mm512_set1_epi32(*octave));
            // As unsigned, so that the difference to i32::MAX does not wrap.
            let r = _mm512_min_epu32(r, _mm512_set1_epi32(29));
            let two = _mm512_set1_epi32(2);
            let rounded = _mm512_add_epi32(p[t], _mm512_sllv_epi32(two, r));
            let share = _mm512_maskz_srlv_epi32(live[t], rounded, _mm512_add_epi32(r, two));
            let shares: &mut [i16; LANES] = (&mut shares[block * BLOCK + t * LANES..][..LANES]).try_into().expect("16");
            // SAFETY: 32 bytes of `shares`.
            unsafe { _mm256_storeu_si256(shares.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(share)) };
        }
    }
    (_mm512_reduce_add_epi64(denominator) as u64, least)
}

/// Adds a block's shares · values of `C` times 16 columns to the totals of `G` heads. Returns 16 · C.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn mix<const G: usize, const C: usize>(
    values: &[u32],
    shares: [&[i16]; G],
    down: [i32; G],
    columns: usize,
    column: usize,
    totals: &mut [i64],
) -> usize {
    assert!(values.len() >= columns * BLOCK / 2 && column + C * LANES <= columns && totals.len() >= G * columns);
    assert!(shares.iter().all(|s| s.len() >= BLOCK));
    let mut acc = [[_mm512_setzero_si512(); C]; G];
    for i in 0..BLOCK / 2 {
        let mut v = [_mm512_setzero_si512(); C];
        for (c, v) in v.iter_mut().enumerate() {
            // SAFETY: i < BLOCK / 2 rows of `columns` elements, column + 16·C ≤ columns.
            *v = unsafe { _mm512_loadu_si512(values.as_ptr().add(i * columns + column + c * LANES).cast()) };
        }
        for (shares, acc) in shares.iter().zip(&mut acc) {
            // SAFETY: 2·i + 1 < BLOCK elements.
            let pair = unsafe { shares.as_ptr().add(2 * i).cast::<i32>().read_unaligned() };
            let pair = _mm512_set1_epi32(pair);
            for (acc, &v) in acc.iter_mut().zip(&v) {
                *acc = _mm512_dpwssd_epi32(*acc, v, pair);
            }
        }
    }
    for (g, acc) in acc.iter().enumerate() {
        if down[g] >= 32 {
            continue;
        }
        let down = _mm_cvtsi32_si128(down[g]);
        for (totals, &acc) in totals[g * columns + column..][..C * LANES].chunks_exact_mut(LANES).zip(acc) {
            for (totals, half) in
                totals.chunks_exact_mut(LANES / 2).zip([_mm512_castsi512_si256(acc), _mm512_extracti64x4_epi64(acc, 1)])
            {
                let sum = _mm512_sra_epi64(_mm512_slli_epi64(_mm512_cvtepi32_epi64(half), 16), down);
                // SAFETY: 8 elements, 64 bytes.
                unsafe {
                    let total = _mm512_loadu_si512(totals.as_ptr().cast());
                    _mm512_storeu_si512(totals.as_mut_ptr().cast(), _mm512_add_epi64(total, sum));
                }
            }
        }
    }
    C * LANES
}
