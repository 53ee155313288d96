//! The product with AVX2.

use super::schedule::{self, Product, Tile};
use super::{PANEL, PairRow, Panels};
use crate::arithmetic::avx2::{Lanes, store};
use std::arch::x86_64::*;
use std::ops::Range;

/// Only made by the functions of this file that have the feature.
#[derive(Clone, Copy)]
struct Avx2;

impl Product for Avx2 {
    type Lanes = Lanes;

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
    ) -> [[Lanes; P]; M] {
        const { assert!(P == 1) };
        // SAFETY: an `Avx2` is only made where the feature is there.
        unsafe { sums::<M>(weights, activations, pairs, range) }.map(|sums| [sums; P])
    }

    #[inline(always)]
    fn unpack(self, lanes: Lanes) -> [i32; PANEL] {
        let mut sums = [0; PANEL];
        // SAFETY: as above.
        unsafe { store(&mut sums, lanes) };
        sums
    }
}

/// Calls `finish(row, panel, sums)` for every row of activations and panel; whole rows' sums fit i32.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn multiply(panels: &Panels, a: &[i16], finish: impl FnMut(usize, usize, Lanes)) {
    schedule::multiply(Avx2, panels, a, finish);
}

/// As [`multiply`], for layers of any weights.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn multiply_wide(panels: &Panels, a: &[i16], finish: impl FnMut(usize, usize, &[i64; PANEL])) {
    schedule::multiply_wide(Avx2, panels, a, finish);
}

/// Sums of products of some pairs of inputs: `M` rows of activations times a panel of weights, each `pairs` long.
#[inline]
#[target_feature(enable = "avx2")]
fn sums<const M: usize>(weights: &[PairRow], activations: &[i16], pairs: usize, range: Range<usize>) -> [Lanes; M] {
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
