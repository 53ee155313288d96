//! The kernels in plain Rust: the specification of every result, and the source that the SIMD modules recompile.
//!
//! Everything is `#[inline(always)]` so that it is compiled with the target features of the function it is called from.

use super::super::fixed::{Angles, inverse_rms, rotate, silu_mul as silu_mul_one};
use super::super::kv::{LANES, MAX_TILES, Slot, TileMark};
use super::super::linear::Linear;
use crate::arithmetic::exp2neg;
use crate::gemm::PANEL;
use crate::gemm::portable::multiply;

/// i32 accumulator to output format. |acc| < 2^31 and mult < 2^31, so the product and the rounding stay below 2^63.
#[inline(always)]
fn requantize(acc: i64, mult: i32, shift: u32, limit: i32) -> i32 {
    let scaled = (acc * i64::from(mult) + (1i64 << (shift - 1))) >> shift;
    scaled.clamp(-i64::from(limit), i64::from(limit)) as i32
}

/// The outputs of a row and panel, from their sums.
#[inline(always)]
fn outputs<'a>(layer: &'a Linear, panel: usize, sums: &'a [i64; PANEL]) -> impl Iterator<Item = i32> + 'a {
    let parameters = layer.mult[panel * PANEL..].iter().zip(&layer.limit[panel * PANEL..]);
    sums.iter().zip(parameters).map(|(&acc, (&mult, &limit))| requantize(acc, mult, layer.shift, limit))
}

/// What [`linear_i16`] makes of a row's and panel's sums.
#[inline(always)]
pub(super) fn requantized(layer: &Linear, row: usize, panel: usize, sums: &[i64; PANEL], out: &mut [i16]) {
    let out = &mut out[row * layer.outputs() + panel * PANEL..][..PANEL];
    out.iter_mut().zip(outputs(layer, panel, sums)).for_each(|(out, value)| *out = value as i16);
}

/// What [`linear_add`] makes of a row's and panel's sums. Each layer that adds has one limit for all its rows.
#[inline(always)]
pub(super) fn add_requantized(layer: &Linear, row: usize, panel: usize, sums: &[i64; PANEL], out: &mut [i32]) {
    let (out, limit) = (&mut out[row * layer.outputs() + panel * PANEL..][..PANEL], layer.limit[0]);
    out.iter_mut().zip(outputs(layer, panel, sums)).for_each(|(out, value)| *out = (*out + value).clamp(-limit, limit));
}

#[inline(always)]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    multiply(&layer.panels, a, |row, panel, sums| requantized(layer, row, panel, sums, out));
}

#[inline(always)]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    multiply(&layer.panels, a, |row, panel, sums| add_requantized(layer, row, panel, sums, out));
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
pub(super) fn softmax(scores: &[[i32; LANES]], marks: &[TileMark], shares: &mut [[u32; LANES]]) {
    let mut max = i32::MIN;
    for (scores, &TileMark { lanes, .. }) in scores.iter().zip(marks) {
        for (lane, &s) in scores.iter().enumerate() {
            max = if lanes >> lane & 1 == 1 && s > max { s } else { max };
        }
    }
    let mut sum = 0u32;
    for ((scores, &TileMark { lanes, .. }), shares) in scores.iter().zip(marks).zip(shares.iter_mut()) {
        for (lane, (w, &s)) in shares.iter_mut().zip(scores).enumerate() {
            let weight = exp2neg((max as u32).wrapping_sub(s as u32) >> 2);
            *w = if lanes >> lane & 1 == 1 { weight } else { 0 };
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
fn attend_sized<const HALF: usize>(q: &[u32], k: &[u32], v: &[u32], tiles: &[TileMark], out: &mut [i16]) {
    let d = out.len();
    let tile_len = 8 * d;
    let mut scores = [[0i32; LANES]; MAX_TILES];
    let mut shares = [[0u32; LANES]; MAX_TILES];
    for (head, (q, out)) in q.chunks_exact(HALF).zip(out.chunks_exact_mut(2 * HALF)).enumerate() {
        for (scores, &TileMark { tile, .. }) in scores.iter_mut().zip(tiles) {
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
        for (shares, &TileMark { tile, lanes }) in shares.iter().zip(tiles) {
            for (i, share) in shares.chunks_exact(2).enumerate() {
                if lanes >> (2 * i) & 3 == 0 {
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
pub(super) fn attend(half: usize, q: &[u32], k: &[u32], v: &[u32], tiles: &[TileMark], out: &mut [i16]) {
    if half == 8 {
        attend_sized::<8>(q, k, v, tiles, out);
    } else {
        attend_sized::<16>(q, k, v, tiles, out);
    }
}
