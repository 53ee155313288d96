//! The kernels in plain Rust: the specification of every result, and the source that the SIMD modules recompile.
//!
//! Everything is `#[inline(always)]` so that it is compiled with the target features of the function it is called from.

use super::super::fixed::{Angles, exp2neg, exp2neg20, inverse_rms, rotate, silu_mul as silu_mul_one};
use super::super::kv::Slot;
use super::super::linear::{Linear, PANEL, PairRow};
use super::{LANES, MAX_TILES};

/// i32 accumulator to output format. |acc| < 2^31 and mult < 2^31, so the product and the rounding stay below 2^63.
#[inline(always)]
pub(super) fn requantize(acc: i32, mult: i32, shift: u32, limit: i32) -> i32 {
    let scaled = (i64::from(acc) * i64::from(mult) + (1i64 << (shift - 1))) >> shift;
    scaled.clamp(-i64::from(limit), i64::from(limit)) as i32
}

/// Rows of activations that share a widened panel.
const ROWS: usize = 16;
/// Inputs that are widened at once.
const INPUTS: usize = 256;

/// Calls `emit(output index, value)` for every output.
///
/// Weights are widened and laid out row by row on the way, because compilers vectorise a dot product of two i16 slices
/// well (`pmaddwd` on x86-64, `smlal` on AArch64).
#[inline(always)]
fn linear(layer: &Linear, a: &[i16], mut emit: impl FnMut(usize, i32)) {
    for (panel, weights) in layer.weights.chunks_exact(layer.pairs()).enumerate() {
        for (block, a) in a.chunks(ROWS * layer.stride()).enumerate() {
            let mut sums = [[0i32; PANEL]; ROWS];
            for (part, weights) in weights.chunks(INPUTS / 2).enumerate() {
                let mut wide = [[0i16; INPUTS]; PANEL];
                for (k, PairRow(pair)) in weights.iter().enumerate() {
                    for (wide, w) in wide.iter_mut().zip(pair.as_chunks::<2>().0) {
                        (wide[2 * k], wide[2 * k + 1]) = (i16::from(w[0]), i16::from(w[1]));
                    }
                }
                for (sums, a) in sums.iter_mut().zip(a.chunks_exact(layer.stride())) {
                    let a = &a[part * INPUTS..][..2 * weights.len()];
                    for (sum, wide) in sums.iter_mut().zip(&wide) {
                        *sum += dot(&wide[..a.len()], a);
                    }
                }
            }
            for (m, sums) in sums.iter().enumerate().take(a.len() / layer.stride()) {
                for (lane, &acc) in sums.iter().enumerate() {
                    let n = panel * PANEL + lane;
                    let value = requantize(acc, layer.mult[n], layer.shift, layer.limit[n]);
                    emit((block * ROWS + m) * layer.outputs() + n, value);
                }
            }
        }
    }
}

#[inline(always)]
fn dot(w: &[i16], a: &[i16]) -> i32 {
    w.iter().zip(a).map(|(&w, &a)| i32::from(w) * i32::from(a)).sum()
}

#[inline(always)]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    linear(layer, a, |i, value| out[i] = value as i16);
}

#[inline(always)]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    // Each layer that adds has one limit for all its rows.
    let limit = layer.limit[0];
    linear(layer, a, |i, value| out[i] = (out[i] + value).clamp(-limit, limit));
}

#[inline(always)]
pub(super) fn rmsnorm(x: &[i32], width: usize, y: &mut [i16]) {
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let sum: u64 = x.iter().map(|&x| (i64::from(x) * i64::from(x)) as u64).sum();
        let inverse = inverse_rms(sum, width);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = inverse.apply(x);
        }
    }
}

#[inline(always)]
pub(super) fn silu_mul(gate_up: &[i16], ffn: usize, out: &mut [i16]) {
    for (gate_up, out) in gate_up.chunks_exact(2 * ffn).zip(out.chunks_exact_mut(ffn)) {
        let (gate, up) = gate_up.split_at(ffn);
        for ((out, &g), &u) in out.iter_mut().zip(gate).zip(up) {
            *out = silu_mul_one(g, u);
        }
    }
}

/// Two i16 as the halves of a u32, `a` low.
#[inline(always)]
fn pair(a: i32, b: i32) -> u32 {
    (a as u32 & 0xffff) | ((b as u32) << 16)
}

#[inline(always)]
fn unpair(pair: u32) -> (i32, i32) {
    (i32::from(pair as i16), i32::from((pair >> 16) as i16))
}

#[inline(always)]
fn rotated<const HALF: usize>(head: &[i16], angles: &Angles) -> [u32; HALF] {
    let (a, b) = head.split_at(HALF);
    let mut turned = [0; HALF];
    for j in 0..HALF {
        let (x, y) = rotate(i32::from(a[j]), i32::from(b[j]), angles.cos[j], angles.sin[j]);
        turned[j] = pair(x, y);
    }
    turned
}

#[inline(always)]
fn rotate_store_sized<const HALF: usize>(qkv: &[i16], angles: &Angles, q: &mut [u32], slot: Slot) {
    let (d, lane) = (qkv.len() / 3, slot.lane);
    let (q_in, rest) = qkv.split_at(d);
    let (k_in, v_in) = rest.split_at(d);
    for (out, head) in q.chunks_exact_mut(HALF).zip(q_in.chunks_exact(2 * HALF)) {
        out.copy_from_slice(&rotated::<HALF>(head, angles));
    }
    for (tile, head) in slot.k.chunks_exact_mut(HALF * LANES).zip(k_in.chunks_exact(2 * HALF)) {
        let turned = rotated::<HALF>(head, angles);
        for (row, pair) in tile.chunks_exact_mut(LANES).zip(turned) {
            row[lane] = pair;
        }
    }
    let row = &mut slot.v[lane / 2 * d..][..d];
    let (keep, shift) = if lane.is_multiple_of(2) { (0xffff_0000, 0) } else { (0xffff, 16) };
    for (pair, &v) in row.iter_mut().zip(v_in) {
        *pair = (*pair & keep) | (u32::from(v as u16) << shift);
    }
}

#[inline(always)]
pub(super) fn rotate_store(half: usize, qkv: &[i16], angles: &Angles, q: &mut [u32], slot: Slot) {
    if half == 8 {
        rotate_store_sized::<8>(qkv, angles, q, slot);
    } else {
        rotate_store_sized::<16>(qkv, angles, q, slot);
    }
}

/// Shares in Q15 (their sum is at most 2^15) of scores in Q18; lanes not marked get 0.
///
/// |score| ≤ 32·8191² < 2^31; the difference to the maximum is below 2^32 and taken as u32. The sum of weights is at
/// most 96·32767 < 2^22; n = its bit length (15..=22); `inv = 2^(n+15) / sum` ≤ 2^16, so w·inv < 2^31.
#[inline(always)]
pub(super) fn softmax(scores: &[[i32; LANES]], marks: &[(usize, u16)], shares: &mut [[u32; LANES]]) {
    let mut max = i32::MIN;
    for (scores, &(_, mark)) in scores.iter().zip(marks) {
        for (lane, &s) in scores.iter().enumerate() {
            max = if mark >> lane & 1 == 1 && s > max { s } else { max };
        }
    }
    let mut sum = 0u32;
    for ((scores, &(_, mark)), shares) in scores.iter().zip(marks).zip(shares.iter_mut()) {
        for (lane, (w, &s)) in shares.iter_mut().zip(scores).enumerate() {
            let weight = exp2neg((max as u32).wrapping_sub(s as u32) >> 2);
            *w = if mark >> lane & 1 == 1 { weight } else { 0 };
            sum += *w;
        }
    }
    let n = 32 - sum.leading_zeros();
    let inverse = ((1u64 << (n + 15)) / u64::from(sum)) as u32;
    for shares in &mut shares[..marks.len()] {
        for w in shares {
            *w = (*w * inverse) >> n;
        }
    }
}

#[inline(always)]
fn attend_sized<const HALF: usize>(q: &[u32], k: &[u32], v: &[u32], tiles: &[(usize, u16)], out: &mut [i16]) {
    let d = out.len();
    let tile_len = 8 * d;
    let mut scores = [[0i32; LANES]; MAX_TILES];
    let mut shares = [[0u32; LANES]; MAX_TILES];
    for (head, (q, out)) in q.chunks_exact(HALF).zip(out.chunks_exact_mut(2 * HALF)).enumerate() {
        for (scores, &(tile, _)) in scores.iter_mut().zip(tiles) {
            *scores = [0; LANES];
            let keys = &k[tile * tile_len + head * HALF * LANES..][..HALF * LANES];
            for (row, &q) in keys.chunks_exact(LANES).zip(q) {
                let (qa, qb) = unpair(q);
                for (score, &key) in scores.iter_mut().zip(row) {
                    let (ka, kb) = unpair(key);
                    *score += qa * ka + qb * kb;
                }
            }
        }
        softmax(&scores[..tiles.len()], tiles, &mut shares);
        // Σ share ≤ 2^15 and |v| ≤ 2^14 − 1, so |Σ share·v| < 2^29.
        let mut acc = [[0i32; HALF]; 2];
        for (shares, &(tile, mark)) in shares.iter().zip(tiles) {
            for (i, share) in shares.chunks_exact(2).enumerate() {
                if mark >> (2 * i) & 3 == 0 {
                    continue;
                }
                let values = &v[tile * tile_len + i * d + head * 2 * HALF..][..2 * HALF];
                for (acc, &value) in acc.as_flattened_mut().iter_mut().zip(values) {
                    let (even, odd) = unpair(value);
                    *acc += share[0] as i32 * even + share[1] as i32 * odd;
                }
            }
        }
        for (out, &acc) in out.iter_mut().zip(acc.as_flattened()) {
            *out = ((acc + (1 << 14)) >> 15) as i16;
        }
    }
}

#[inline(always)]
pub(super) fn attend(half: usize, q: &[u32], k: &[u32], v: &[u32], tiles: &[(usize, u16)], out: &mut [i16]) {
    if half == 8 {
        attend_sized::<8>(q, k, v, tiles, out);
    } else {
        attend_sized::<16>(q, k, v, tiles, out);
    }
}

#[inline(always)]
pub(super) fn symbol_weights(logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
    let mut max = i32::MIN;
    for (symbol, &logit) in logits.iter().enumerate() {
        max = if excluded >> symbol & 1 == 0 && logit > max { logit } else { max };
    }
    let mut total = 0;
    for (symbol, (weight, &logit)) in weights.iter_mut().zip(logits).enumerate() {
        let w = exp2neg20((max as u32).wrapping_sub(logit as u32)).max(1);
        *weight = if excluded >> symbol & 1 == 0 { w } else { 0 };
        total += *weight;
    }
    total
}
