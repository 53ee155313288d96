//! The kernels in plain Rust: the specification of every result, and the source that the SIMD modules recompile.
//!
//! Everything is `#[inline(always)]` so that it is compiled with the target features of the function it is called from.

use super::super::cache::{KeysValues, Slot};
use super::super::fixed::{
    HEAD_MANTISSA, LOGIT_LIMIT, RESIDUAL_LIMIT, RESIDUAL_Q, SCORE_LIMIT, bit_length, round_shift,
};
use super::super::linear::{BLOCK_PAIRS, WideLinear};
use super::{AttendScratch, BLOCK_TILES, LANES, Norm, Query};
use crate::frame_llama::fixed::{exp2_fraction, sigmoid};
use crate::frame_llama::linear::{PANEL, PairRow};

/// `(((acc + 2^(pre−1)) >> pre) · mult + 2^31) >> 32`. The loader has checked that the result is within ±2^30.
#[inline(always)]
pub(super) fn requantize(acc: i64, pre: u32, mult: i32) -> i32 {
    ((round_shift(acc, pre) * i64::from(mult) + (1 << 31)) >> 32) as i32
}

/// Rows of activations that share a widened panel.
const ROWS: usize = 16;

/// Weights are widened and laid out row by row on the way, because compilers vectorise a dot product of two i16 slices
/// well (`pmaddwd` on x86-64, `smlal` on AArch64).
#[inline(always)]
pub(super) fn linear(layer: &WideLinear, a: &[i16], out: &mut [i32]) {
    let (stride, output_stride) = (layer.stride(), layer.output_stride());
    for (panel, weights) in layer.weights.chunks_exact(layer.pairs()).enumerate() {
        for (a, out) in a.chunks(ROWS * stride).zip(out.chunks_mut(ROWS * output_stride)) {
            let mut sums = [[0i64; PANEL]; ROWS];
            // 512 · 127 · 32767 < 2^31.
            for (block, weights) in weights.chunks(BLOCK_PAIRS).enumerate() {
                let mut wide = [[0i16; 2 * BLOCK_PAIRS]; PANEL];
                for (k, PairRow(pair)) in weights.iter().enumerate() {
                    for (wide, w) in wide.iter_mut().zip(pair.as_chunks::<2>().0) {
                        (wide[2 * k], wide[2 * k + 1]) = (i16::from(w[0]), i16::from(w[1]));
                    }
                }
                for (sums, a) in sums.iter_mut().zip(a.chunks_exact(stride)) {
                    let a = &a[2 * block * BLOCK_PAIRS..][..2 * weights.len()];
                    for (sum, wide) in sums.iter_mut().zip(&wide) {
                        *sum += i64::from(dot(&wide[..a.len()], a));
                    }
                }
            }
            for (sums, out) in sums.iter().zip(out.chunks_exact_mut(output_stride)) {
                for (lane, (out, &acc)) in out[panel * PANEL..][..PANEL].iter_mut().zip(sums).enumerate() {
                    *out = requantize(acc, layer.pre, layer.mult[panel * PANEL + lane]);
                }
            }
        }
    }
}

#[inline(always)]
fn dot(w: &[i16], a: &[i16]) -> i32 {
    w.iter().zip(a).map(|(&w, &a)| i32::from(w) * i32::from(a)).sum()
}

/// The greatest magnitude.
#[inline(always)]
fn peak(values: &[i32]) -> u32 {
    values.iter().fold(0, |max, v| max.max(v.unsigned_abs()))
}

/// Mantissas of at most 15 bits: `clamp((v + 2^(s−1)) >> s, ±32767)` with s from the greatest magnitude (below 2^31 − 2^15).
/// Returns s.
#[inline(always)]
pub(super) fn pack(values: &[i32], y: &mut [i16]) -> i32 {
    let s = (bit_length(u64::from(peak(values))) - 15).max(0);
    let half = (1i32 << s) >> 1;
    for (y, &v) in y.iter_mut().zip(values) {
        *y = ((v + half) >> s).clamp(-32767, 32767) as i16;
    }
    s
}

/// RMSNorm of one row, times the norm's weights; returns the exponent.
///
/// `v` = x shifted so that the greatest has 30 bits, `u = v >> 6`, so that Σu² ≤ D·2^48 ≤ 2^62; `mean = Σu² / D + ε` in u's
/// units, its root r in 31 bits, `f = 2^61 / r`; `t = v·f >> 31`, `p = t·weight >> 30`, all within ±2^30, then packed.
#[inline(always)]
pub(super) fn rms_norm(x: &[i64], norm: &Norm, eps_q48: u64, values: &mut [i32], y: &mut [i16]) -> i32 {
    let peak = x.iter().fold(0, |max: u64, v| max.max(v.unsigned_abs()));
    let down = bit_length(peak) - 30;
    let (left, right) = ((-down).max(0), down.max(0));
    let half = (1i64 << right) >> 1;
    let mut sum = 0u64;
    for (v, &x) in values.iter_mut().zip(x) {
        *v = (((x << left) + half) >> right) as i32;
        let u = i64::from(*v >> 6);
        sum += (u * u) as u64;
    }
    // u is in units of 2^(down + 6 − 24), −24 ≤ down + 6 ≤ 24, and ε in their squares: at most 2^96.
    let units = 2 * (down + 6);
    let eps = if units < 0 { u128::from(eps_q48) << -units } else { u128::from(eps_q48) >> units };
    let mean = (u128::from(sum / x.len() as u64) + eps).max(1);
    let z = (62 - (128 - mean.leading_zeros() as i32)) & !1;
    let root = (if z < 0 { mean >> -z } else { mean << z } as u64).isqrt();
    let factor = ((1u64 << 61) / root).min(i32::MAX as u64) as i64;
    for (v, &w) in values.iter_mut().zip(&norm.weight) {
        let t = (i64::from(*v) * factor + (1 << 30)) >> 31;
        *v = ((t * i64::from(w) + (1 << 29)) >> 30) as i32;
    }
    // x / rms = t · 2^(z/2 − 6 − 30).
    pack(values, y) + z / 2 - 6 + norm.exponent
}

/// `x += out · 2^exponent`, saturated at ±2^47.
#[inline(always)]
pub(super) fn add(x: &mut [i64], out: &[i32], exponent: i32) {
    let shift = exponent.saturating_add(RESIDUAL_Q);
    if shift >= 0 {
        // |out << 32| ≤ 2^62.
        let shift = shift.min(32);
        for (x, &out) in x.iter_mut().zip(out) {
            *x = (*x + (i64::from(out) << shift)).clamp(-RESIDUAL_LIMIT, RESIDUAL_LIMIT);
        }
    } else {
        let shift = shift.max(-32).unsigned_abs();
        for (x, &out) in x.iter_mut().zip(out) {
            *x = (*x + round_shift(i64::from(out), shift)).clamp(-RESIDUAL_LIMIT, RESIDUAL_LIMIT);
        }
    }
}

/// One head turned by the position's angles, in place: `[a; half] ++ [b; half]`, |a|, |b| ≤ 2^30, so results are within
/// √2·2^30 < 2^31.
#[inline(always)]
fn rotate(head: &mut [i32], cos: &[i32], sin: &[i32]) {
    let (a, b) = head.split_at_mut(cos.len());
    for (((a, b), &cos), &sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
        let (x, y, cos, sin) = (i64::from(*a), i64::from(*b), i64::from(cos), i64::from(sin));
        *a = ((x * cos - y * sin + (1 << 29)) >> 30) as i32;
        *b = ((y * cos + x * sin + (1 << 29)) >> 30) as i32;
    }
}

/// A head's mantissas, ±4095, in place of its values; returns the shift.
#[inline(always)]
fn pack_head(head: &mut [i32]) -> i32 {
    let s = (bit_length(u64::from(peak(head))) - 12).max(0);
    // |v| ≤ √2·2^30, s ≤ 19.
    let half = (1i32 << s) >> 1;
    head.iter_mut().for_each(|v| *v = ((*v + half) >> s).clamp(-HEAD_MANTISSA, HEAD_MANTISSA));
    s
}

#[inline(always)]
fn pair(low: i32, high: i32) -> u32 {
    (low as u16 as u32) | (high as u32) << 16
}

#[inline(always)]
fn unpair(pair: u32) -> (i32, i32) {
    (i32::from(pair as i16), i32::from((pair >> 16) as i16))
}

/// The query heads of one position: turned, packed, in pairs of the elements that turn together.
#[inline(always)]
pub(super) fn place_query(head: &mut [i32], exponent: i32, cos: &[i32], sin: &[i32], q: &mut [u32]) -> i32 {
    rotate(head, cos, sin);
    let s = pack_head(head);
    let (a, b) = head.split_at(cos.len());
    for ((q, &a), &b) in q.iter_mut().zip(a).zip(b) {
        *q = pair(a, b);
    }
    exponent + s
}

/// One key head and one value head of a position into a lane of their tile.
#[inline(always)]
pub(super) fn place_key_value(key: &mut [i32], value: &mut [i32], exponent: i32, cos: &[i32], sin: &[i32], slot: Slot) {
    let lane = slot.lane;
    rotate(key, cos, sin);
    *slot.k_exponent = exponent + pack_head(key);
    let (a, b) = key.split_at(cos.len());
    for ((row, &a), &b) in slot.k.chunks_exact_mut(LANES).zip(a).zip(b) {
        row[lane] = pair(a, b);
    }
    *slot.v_exponent = exponent + pack_head(value);
    let columns = slot.v.len() / (LANES / 2);
    let row = &mut slot.v[lane / 2 * columns..][..value.len()];
    let (keep, shift) = if lane.is_multiple_of(2) { (0xffff_0000, 0) } else { (0xffff, 16) };
    for (pair, &v) in row.iter_mut().zip(&*value) {
        *pair = (*pair & keep) | (u32::from(v as u16) << shift);
    }
}

/// A score in Q16 log2 units from the sum of products and its exponent, within ±2^30.
#[inline(always)]
pub(super) fn score(sum: i32, exponent: i32) -> i32 {
    let shift = exponent + 16;
    if shift <= 0 {
        (sum >> shift.max(-31).unsigned_abs()).clamp(-SCORE_LIMIT, SCORE_LIMIT)
    } else {
        let shift = shift.min(30);
        let limit = SCORE_LIMIT >> shift;
        sum.clamp(-limit, limit) << shift
    }
}

/// Adds up Σ q·k of a tile's lanes. |Σ| ≤ 128 · 4095² < 2^31.
#[inline(always)]
pub(super) fn score_tile(q: &[u32], k: &[u32]) -> [i32; LANES] {
    let mut sums = [0i32; LANES];
    for (row, &q) in k.chunks_exact(LANES).zip(q) {
        let (qa, qb) = unpair(q);
        for (sum, &key) in sums.iter_mut().zip(row) {
            let (ka, kb) = unpair(key);
            *sum += qa * ka + qb * kb;
        }
    }
    sums
}

/// Adds shares · values of a tile to `sums`, one for each column.
#[inline(always)]
pub(super) fn mix_tile(shares: &[i16], v: &[u32], sums: &mut [i32]) {
    for (shares, row) in shares.chunks_exact(2).zip(v.chunks_exact(sums.len())) {
        let (even, odd) = (i32::from(shares[0]), i32::from(shares[1]));
        for (sum, &value) in sums.iter_mut().zip(row) {
            let (a, b) = unpair(value);
            *sum += even * a + odd * b;
        }
    }
}

/// The two inner loops of attention, which some instruction sets have intrinsics for.
pub(super) trait Products: Copy {
    /// As [`score_tile`].
    fn score_tile(self, q: &[u32], k: &[u32]) -> [i32; LANES];
    /// As [`mix_tile`].
    fn mix_tile(self, shares: &[i16], v: &[u32], sums: &mut [i32]);
}

/// In plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Products for Plain {
    #[inline(always)]
    fn score_tile(self, q: &[u32], k: &[u32]) -> [i32; LANES] {
        score_tile(q, k)
    }

    #[inline(always)]
    fn mix_tile(self, shares: &[i16], v: &[u32], sums: &mut [i32]) {
        mix_tile(shares, v, sums);
    }
}

/// Attention of one query head over the first `len` positions; returns the exponent of `out` (|out| ≤ 2^30).
///
/// 1. Scores s of every position, Q16 log2 units; `d = max − s`, its fraction gives P (Q16, 2^15..=2^16), its integer part
///    n: the weight is P·2^(−16−n).
/// 2. Denominator: Σ (P << 14) >> n, Q30. Numerator: a value's own exponent e joins its weight's, o = n − e; the least o of
///    a block of 32 positions is the block's; shares `w = (P + 2^(r+1)) >> (r + 2)`, r = o − the block's, are at most 2^14,
///    so Σ w·v ≤ 32 · 2^14 · 4095 < 2^31.
/// 3. The blocks' sums, 16 bits up, are shifted to the least o of all and added in i64 (at most 2^12 blocks: |Σ| < 2^59).
///    Blocks that are 32 octaves down add nothing.
/// 4. Numerator and denominator are cut to 30 and 31 bits and divided.
#[inline(always)]
pub(super) fn attend(
    products: impl Products,
    query: Query,
    kv: KeysValues,
    len: usize,
    scratch: &mut AttendScratch,
    out: &mut [i32],
) -> i32 {
    let tiles = len.div_ceil(LANES);
    let (key_tile, value_tile) = (query.q.len() * LANES, kv.columns * LANES / 2);
    let scores = &mut scratch.scores[..tiles * LANES];
    for ((scores, k), exponents) in
        scores.chunks_exact_mut(LANES).zip(kv.k.chunks_exact(key_tile)).zip(kv.k_exponents.chunks_exact(LANES))
    {
        let sums = products.score_tile(query.q, k);
        for ((score_out, sum), exponent) in scores.iter_mut().zip(sums).zip(exponents) {
            *score_out = score(sum, query.exponent + exponent);
        }
    }
    let max = scores[..len].iter().copied().fold(i32::MIN, i32::max);

    let shares = &mut scratch.shares[..tiles * LANES];
    let mut denominator = 0u64;
    let mut least = i32::MAX;
    for (block, scores) in scores.chunks(BLOCK_TILES * LANES).enumerate() {
        let first = block * BLOCK_TILES * LANES;
        let live = (len - first).min(scores.len());
        let v_exponents = &kv.v_exponents[first..][..scores.len()];
        let (mut p, mut o) = ([0u32; BLOCK_TILES * LANES], [i32::MAX; BLOCK_TILES * LANES]);
        for i in 0..live {
            let d = (max as u32).wrapping_sub(scores[i] as u32);
            let n = d >> 16;
            p[i] = exp2_fraction(d & 0xffff);
            denominator += u64::from((p[i] << 14) >> n.min(31));
            o[i] = n as i32 - v_exponents[i];
        }
        let octave = o[..live].iter().copied().fold(i32::MAX, i32::min);
        for (i, share) in shares[first..][..scores.len()].iter_mut().enumerate() {
            let r = if i < live { (o[i] - octave).min(29) } else { 0 };
            // Lanes after the last position have P = 0 and get 0.
            *share = ((p[i] + ((1 << r) << 1)) >> (r + 2)) as i16;
        }
        scratch.octaves[block] = octave;
        least = least.min(octave);
    }

    let totals = &mut scratch.totals[..kv.columns];
    totals.fill(0);
    for (block, shares) in shares.chunks(BLOCK_TILES * LANES).enumerate() {
        let down = scratch.octaves[block] - least;
        if down >= 32 {
            continue;
        }
        let sums = &mut scratch.sums[..kv.columns];
        sums.fill(0);
        let values = &kv.v[block * BLOCK_TILES * value_tile..];
        for (shares, v) in shares.chunks_exact(LANES).zip(values.chunks_exact(value_tile)) {
            products.mix_tile(shares, v, sums);
        }
        for (total, &sum) in totals.iter_mut().zip(&*sums) {
            *total += (i64::from(sum) << 16) >> down;
        }
    }
    divide(&totals[..out.len()], denominator, least, out)
}

/// `numerator / denominator`, the numerator in units of 2^(−30 − least), the denominator Q30 (2^30..=2^47).
#[inline(always)]
pub(super) fn divide(numerator: &[i64], denominator: u64, least: i32, out: &mut [i32]) -> i32 {
    let peak = numerator.iter().fold(0, |max: u64, v| max.max(v.unsigned_abs()));
    let s = (bit_length(peak) - 30).max(0);
    let bits = bit_length(denominator);
    let inverse = ((1u64 << 61) / (denominator >> (bits - 31))).min(i32::MAX as u64) as i64;
    let half = (1i64 << s) >> 1;
    for (out, &v) in out.iter_mut().zip(numerator) {
        *out = ((((v + half) >> s) * inverse + (1 << 30)) >> 31) as i32;
    }
    // out·2^31 = n·2^-s·2^61·2^(bits − 31) / denominator, and numerator / denominator = n / denominator·2^-least.
    s - least - bits + 1
}

/// The heads of one position as one block floating point vector; returns its exponent.
#[inline(always)]
pub(super) fn pack_heads(values: &[i32], exponents: &[i32], head_dim: usize, y: &mut [i16]) -> i32 {
    let heads = || values.chunks_exact(head_dim).zip(exponents);
    let top = heads().filter_map(|(v, &e)| match peak(v) {
        0 => None,
        peak => Some(e + bit_length(u64::from(peak))),
    });
    let Some(top) = top.max() else {
        y[..values.len()].fill(0);
        return 0;
    };
    let exponent = top - 15;
    for (y, (values, &e)) in y.chunks_exact_mut(head_dim).zip(heads()) {
        if e <= exponent {
            let s = (exponent - e).min(31);
            let half = (1i64 << s) >> 1;
            for (y, &v) in y.iter_mut().zip(values) {
                *y = ((i64::from(v) + half) >> s).clamp(-32767, 32767) as i16;
            }
        } else {
            // A head of fewer than 15 bits: v·2^(e − exponent) has at most 15. A head of zeros has any exponent.
            let s = (e - exponent).min(15);
            y.iter_mut().zip(values).for_each(|(y, &v)| *y = (v << s) as i16);
        }
    }
    exponent
}

/// `σ(−|g|)` in Q15 for `g = mantissa · 2^exponent`, 0 from |g| = 16 on: how far the gate is from all or nothing.
#[inline(always)]
pub(super) fn complements(gate: &[i32], exponent: i32, c: &mut [i16]) {
    let shift = exponent.saturating_add(11);
    for (c, &g) in c.iter_mut().zip(gate) {
        let a = magnitude_q11(g, shift);
        *c = if a == i16::MAX { 0 } else { sigmoid(-a) };
    }
}

/// `|g| · 2^shift` saturated at 32767.
#[inline(always)]
pub(super) fn magnitude_q11(g: i32, shift: i32) -> i16 {
    let g = g.unsigned_abs();
    if shift < 0 {
        let s = shift.max(-31).unsigned_abs();
        ((g + ((1 << s) >> 1)) >> s).min(32767) as i16
    } else {
        let s = shift.min(15);
        if g > 32767 >> s { i16::MAX } else { (g << s) as i16 }
    }
}

/// `silu(gate) · up` of one row from the gate's complements; returns the exponent.
///
/// `silu = g − g·c` for g ≥ 0, `g·c` below; |silu|, |up| ≤ 2^30, the products stay in i64 until their greatest is known.
#[inline(always)]
pub(super) fn gate_products(
    gate: &[i32],
    up: &[i32],
    c: &[i16],
    exponent: i32,
    products: &mut [i64],
    h: &mut [i16],
) -> i32 {
    let mut peak = 0u64;
    for (((product, &g), &u), &c) in products.iter_mut().zip(gate).zip(up).zip(c) {
        let part = ((i64::from(g) * i64::from(c) + (1 << 14)) >> 15) as i32;
        let silu = if g < 0 { part } else { g - part };
        *product = i64::from(silu) * i64::from(u);
        peak = peak.max(product.unsigned_abs());
    }
    let s = (bit_length(peak) - 15).max(0);
    let half = (1i64 << s) >> 1;
    for (h, &product) in h.iter_mut().zip(&*products) {
        *h = ((product + half) >> s).clamp(-32767, 32767) as i16;
    }
    2 * exponent + s
}

/// Logits in Q16 log2 units, within ±2^30.
#[inline(always)]
pub(super) fn logits(out: &[i32], exponent: i32, logits: &mut [i32]) {
    let shift = exponent.saturating_add(16);
    let (limit, left, right) = (i64::from(LOGIT_LIMIT), shift.clamp(0, 31), shift.clamp(-32, 0).unsigned_abs());
    for (logit, &out) in logits.iter_mut().zip(out) {
        *logit = round_shift(i64::from(out) << left, right).clamp(-limit, limit) as i32;
    }
}
