//! What the kernels work on besides layers and caches.

use super::super::cache::{BLOCK_TILES, LANES};

/// The weights of an RMSNorm: `weight · 2^exponent`, |weight| ≤ 2^30.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    pub(crate) weight: Vec<i32>,
    pub(crate) exponent: i32,
}

/// One query head: pairs of mantissas (±4095) and their exponent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) q: &'a [u32],
    pub(crate) exponent: i32,
}

/// Intermediate values of attention.
#[derive(Debug, Clone)]
pub(crate) struct AttendScratch {
    /// `[heads of a group][positions]`, Q16.
    pub(super) scores: Vec<i32>,
    /// `[heads of a group][positions]`, at most 2^14.
    pub(super) shares: Vec<i16>,
    /// `[heads of a group][blocks]`.
    pub(super) octaves: Vec<i32>,
    /// `[columns]`.
    pub(super) sums: Vec<i32>,
    /// `[heads of a group][columns]`.
    pub(super) totals: Vec<i64>,
}

impl AttendScratch {
    /// For `group` heads over `positions` positions (whole blocks) with `columns` columns.
    pub(crate) fn new(group: usize, positions: usize, columns: usize) -> Self {
        let positions = positions.next_multiple_of(BLOCK_TILES * LANES);
        Self {
            scores: vec![0; group * positions],
            shares: vec![0; group * positions],
            octaves: vec![0; group * positions / (BLOCK_TILES * LANES)],
            sums: vec![0; columns],
            totals: vec![0; group * columns],
        }
    }

    /// Bytes of [`new`](Self::new).
    pub(crate) fn bytes(group: usize, positions: usize, columns: usize) -> usize {
        let positions = positions.next_multiple_of(BLOCK_TILES * LANES);
        group * positions * 6 + group * positions / 8 + columns * 4 + group * columns * 8
    }
}

/// Cosines and sines (Q30) of the pairs of a head at one position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Angles<'a> {
    pub(crate) cos: &'a [i32],
    pub(crate) sin: &'a [i32],
}
