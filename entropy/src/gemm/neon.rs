//! The product with NEON (AArch64, where it is always there).

use super::schedule::{self, Product, Tile};
use super::{PANEL, PairRow, Panels};
use std::arch::aarch64::*;
use std::ops::Range;

#[derive(Clone, Copy)]
struct Neon;

impl Product for Neon {
    type Lanes = [i32; PANEL];

    #[inline(always)]
    fn schedule(panels: usize, rows: usize, work: &mut impl Tile) {
        schedule::by_panels(panels, rows, work);
    }

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        weights: &[PairRow],
        activations: &[i16],
        pairs: usize,
        range: Range<usize>,
    ) -> [[Self::Lanes; P]; M] {
        const { assert!(P == 1) };
        sums::<M>(weights, activations, pairs, range).map(|sums| [sums; P])
    }

    #[inline(always)]
    fn unpack(self, lanes: Self::Lanes) -> [i32; PANEL] {
        lanes
    }
}

/// Calls `finish(row, panel, sums)` for every row of activations and panel; whole rows' sums fit i32.
#[inline(always)]
pub(crate) fn multiply(panels: &Panels, a: &[i16], finish: impl FnMut(usize, usize, [i32; PANEL])) {
    schedule::multiply(Neon, panels, a, finish);
}

/// As [`multiply`], for layers of any weights.
#[inline(always)]
pub(crate) fn multiply_wide(panels: &Panels, a: &[i16], finish: impl FnMut(usize, usize, &[i64; PANEL])) {
    schedule::multiply_wide(Neon, panels, a, finish);
}

/// Sums of products of some pairs of inputs: `M` rows of activations times a panel of weights, each `pairs` long.
#[inline(always)]
fn sums<const M: usize>(
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
