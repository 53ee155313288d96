//! The product with AVX-512 F, BW, DQ, VL and VNNI.
//!
//! Two passes of `vpdpbusd` over the bytes of the activations would start as many instructions as `vpdpwssd`; they only save
//! the widening of the weights, which is hidden here.

use super::schedule::{self, Product, Tile};
use super::{PANEL, PairRow, Panels};
use crate::arithmetic::avx512::store;
use std::arch::x86_64::*;
use std::ops::Range;

/// Only made by the functions of this file that have the features.
#[derive(Clone, Copy)]
struct Vnni;

impl Product for Vnni {
    type Lanes = __m512i;

    #[inline(always)]
    fn schedule(panels: usize, rows: usize, work: &mut impl Tile) {
        schedule::by_groups(panels, rows, work);
    }

    #[inline(always)]
    fn sums<const M: usize, const P: usize>(
        self,
        weights: &[PairRow],
        activations: &[i16],
        pairs: usize,
        range: Range<usize>,
    ) -> [[__m512i; P]; M] {
        // SAFETY: a `Vnni` is only made where the features are there.
        unsafe { sums::<M, P>(weights, activations, pairs, range) }
    }

    #[inline(always)]
    fn unpack(self, lanes: __m512i) -> [i32; PANEL] {
        let mut sums = [0; PANEL];
        // SAFETY: as above.
        unsafe { store(&mut sums, lanes) };
        sums
    }
}

/// Calls `finish(row, panel, sums)` for every row of activations and panel; whole rows' sums fit i32.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn multiply(panels: &Panels, a: &[i16], finish: impl FnMut(usize, usize, __m512i)) {
    schedule::multiply(Vnni, panels, a, finish);
}

/// As [`multiply`], for layers of any weights.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn multiply_wide(panels: &Panels, a: &[i16], finish: impl FnMut(usize, usize, &[i64; PANEL])) {
    schedule::multiply_wide(Vnni, panels, a, finish);
}

/// Sums of products of some pairs of inputs: `M` rows of activations times `P` panels of weights, each `pairs` long.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn sums<const M: usize, const P: usize>(
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
