//! Surroundings of an index in a sequence of grids: the same place of the frames before, the place itself, and the
//! neighbours in the frame.
//!
//! On the commaVQ example the frames before and the place carry nearly all of the gain; the neighbours are there for single
//! images.

use super::counts::key;
use super::predictor::{Candidate, Surroundings};
use super::recall::Recall;

/// Hashed contexts.
pub(super) const CONTEXTS: usize = 9;
/// Candidates.
pub(super) const CANDIDATES: usize = 7;
/// Sets of the two mixers.
pub(super) const SETS: [usize; 2] = [32, 32];
/// Candidates that are recalled.
const RECALLS: usize = 2;

/// Grids of `height` × `width` indices, one after the other.
#[derive(Debug)]
pub(super) struct Grids {
    width: usize,
    area: usize,
    recalls: [Recall; RECALLS],
    keys: [u64; RECALLS],
}

impl Grids {
    pub(super) fn new(height: usize, width: usize) -> Self {
        Self { width, area: height * width, recalls: [Recall::new(), Recall::new()], keys: [0; RECALLS] }
    }

    /// What surrounds the symbol at `index` (from the start of the first grid); nothing before `start` is looked at.
    /// `codes` begins at `start`.
    pub(super) fn look(&mut self, codes: &[u16], start: usize, index: usize, around: &mut Surroundings) {
        let place = index % self.area;
        let (row, column) = (place / self.width, place % self.width);
        // 0 stands for what lies outside, symbols count from 1.
        let at = |back: usize, inside: bool| match (index - start).checked_sub(back) {
            Some(i) if inside => u64::from(codes[i]) + 1,
            _ => 0,
        };
        let (width, area) = (self.width, self.area);
        let (has_left, has_above) = (column > 0, row > 0);
        let left = at(1, has_left);
        let above = at(width, has_above);
        let above_left = at(width + 1, has_above && has_left);
        let above_right = at(width.saturating_sub(1), has_above && column + 1 < width);
        let before = [1, 2, 3, 4].map(|frames| at(frames * area, true));
        let before_left = at(area + 1, has_left);
        let before_above = at(area + width, has_above);

        around.contexts.clear();
        around.contexts.extend([
            key(0, &[]),
            key(1, &[before[0]]),
            key(2, &[before[1]]),
            key(3, &[before[2]]),
            key(4, &[before[3]]),
            key(5, &[place as u64]),
            key(6, &[before[0], place as u64]),
            key(7, &[left]),
            key(8, &[above]),
        ]);
        self.keys = [key(9, &[before[0], place as u64]), key(10, &[before[0], before[1]])];

        let same = |a: u64, b: u64| u8::from(a == b && a != 0);
        let still = same(before[0], before[1])
            | same(before[1], before[2]) << 1
            | same(before[0], before[2]) << 2
            | same(left, before_left) << 3
            | same(above, before_above) << 4;
        let flat = same(left, above_left) | same(above, above_left) << 1 | same(above, above_right) << 2;
        let steady = same(before[2], before[3]) << 5;
        around.candidates.clear();
        let mut push = |symbol: u64, flags: u8| around.candidates.push(Candidate::new(symbol, flags));
        push(before[0], still | steady);
        push(before[1], still | steady);
        push(before[2], still | steady);
        push(left, flat | same(before[0], before_left) << 3 | same(left, before[0]) << 4);
        push(above, flat | same(before[0], before_above) << 3 | same(above, before[0]) << 4);
        for (recall, &key) in self.recalls.iter().zip(&self.keys) {
            let (symbol, run) = recall.get(key);
            push(symbol, run | same(symbol, before[0]) << 3 | (still & 3) << 4);
        }
        around.sets =
            [usize::from(still), usize::from(flat | same(left, before[0]) << 3 | same(above, before[0]) << 4)];
    }

    /// Remembers the symbol that came.
    pub(super) fn learn(&mut self, symbol: u16) {
        for (recall, &key) in self.recalls.iter_mut().zip(&self.keys) {
            recall.put(key, symbol);
        }
    }
}
