//! The kernels with NEON (AArch64, where it is always there): the linear layers by intrinsics, the rest is the portable
//! code, which the compiler vectorises.

pub(super) use super::portable::{attend, rmsnorm, rotate_store, silu_mul, symbol_weights};

use super::super::linear::{Linear, PANEL, PairRow};
use super::portable::requantize;
use std::arch::aarch64::*;
use std::ops::Range;

pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    linear(layer, a, |i, value| out[i] = value as i16);
}

pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    // Each layer that adds has one limit for all its rows.
    let limit = layer.limit[0];
    linear(layer, a, |i, value| out[i] = (out[i] + value).clamp(-limit, limit));
}

/// A panel stays in the L1 cache while all rows pass over it, in tiles of 4 and 1.
#[inline(always)]
fn linear(layer: &Linear, a: &[i16], mut emit: impl FnMut(usize, i32)) {
    let m = a.len() / layer.stride();
    for panel in 0..layer.outputs() / PANEL {
        let mut row = 0;
        while row < m {
            row += match m - row {
                4.. => tile::<4>(layer, a, row, panel, &mut emit),
                _ => tile::<1>(layer, a, row, panel, &mut emit),
            };
        }
    }
}

/// `M` rows times one panel. Returns M.
#[inline(always)]
fn tile<const M: usize>(
    layer: &Linear,
    a: &[i16],
    row: usize,
    panel: usize,
    emit: &mut impl FnMut(usize, i32),
) -> usize {
    let pairs = layer.pairs();
    let activations = &a[row * layer.stride()..][..M * layer.stride()];
    let sums = products::<M>(&layer.weights[panel * pairs..][..pairs], activations, pairs, 0..pairs);
    for (m, sums) in sums.iter().enumerate() {
        for (lane, &sum) in sums.iter().enumerate() {
            let n = panel * PANEL + lane;
            let value = requantize(sum, layer.mult[n], layer.shift, layer.limit[n]);
            emit((row + m) * layer.outputs() + n, value);
        }
    }
    M
}

/// Sums of products of some pairs of inputs: `M` rows of activations times a panel of weights, each `pairs` long.
#[inline(always)]
pub(crate) fn products<const M: usize>(
    weights: &[PairRow],
    activations: &[i16],
    pairs: usize,
    range: Range<usize>,
) -> [[i32; PANEL]; M] {
    assert!(weights.len() >= pairs && activations.len() >= M * 2 * pairs && range.end <= pairs);
    let mut sums = [[0i32; PANEL]; M];
    // SAFETY: NEON is part of every AArch64 target that Rust's std supports. The loads stay inside their slices: a
    // `PairRow` is 32 bytes, and m * 2 * pairs + 2 * k + 1 < M * 2 * pairs, the length of `activations`; each row of
    // `sums` takes four stores of 4 lanes.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); 4]; M];
        for k in range {
            // Weights of the even and of the odd input, for 16 outputs.
            let int8x16x2_t(even, odd) = vld2q_s8(weights.get_unchecked(k).0.as_ptr());
            let even = [vmovl_s8(vget_low_s8(even)), vmovl_high_s8(even)];
            let odd = [vmovl_s8(vget_low_s8(odd)), vmovl_high_s8(odd)];
            for (m, acc) in acc.iter_mut().enumerate() {
                let a0 = *activations.as_ptr().add(2 * (m * pairs + k));
                let a1 = *activations.as_ptr().add(2 * (m * pairs + k) + 1);
                for (acc, (&even, &odd)) in acc.as_chunks_mut::<2>().0.iter_mut().zip(even.iter().zip(&odd)) {
                    acc[0] = vmlal_n_s16(acc[0], vget_low_s16(even), a0);
                    acc[1] = vmlal_high_n_s16(acc[1], even, a0);
                    acc[0] = vmlal_n_s16(acc[0], vget_low_s16(odd), a1);
                    acc[1] = vmlal_high_n_s16(acc[1], odd, a1);
                }
            }
        }
        for (sums, acc) in sums.iter_mut().zip(&acc) {
            for (i, &acc) in acc.iter().enumerate() {
                vst1q_s32(sums.as_mut_ptr().add(4 * i), acc);
            }
        }
    }
    sums
}
