//! Surroundings of an RVQ code: the layers below it in its time step, and the steps before.

use super::counts::key;
use super::predictor::{Candidate, Surroundings};

/// Hashed contexts.
pub(super) const CONTEXTS: usize = 12;
/// Candidates.
pub(super) const CANDIDATES: usize = 4;

/// Sets of the two mixers.
pub(super) fn sets(layers: usize) -> [usize; 2] {
    [layers, 8]
}

/// Stacks of `layers` codes, step after step; every `steps` of them a new sequence begins.
#[derive(Debug)]
pub(super) struct Stacks {
    steps: usize,
    layers: usize,
}

impl Stacks {
    pub(super) fn new(steps: usize, layers: usize) -> Self {
        Self { steps, layers }
    }

    /// What surrounds the symbol at `index` (from the start of the first sequence); nothing before `start` is looked at.
    /// `codes` begins at `start`.
    pub(super) fn look(&self, codes: &[u16], start: usize, index: usize, around: &mut Surroundings) {
        let (layers, layer) = (self.layers, index % self.layers);
        let step = index / layers % self.steps;
        // 0 stands for what lies outside, symbols count from 1.
        let at = |back: usize, inside: bool| match (index - start).checked_sub(back) {
            Some(i) if inside => u64::from(codes[i]) + 1,
            _ => 0,
        };
        let before = [1, 2, 3].map(|steps| at(steps * layers, step >= steps));
        let below = [1, 2, 3].map(|down| at(down, layer >= down));
        let first = at(layer, layer > 0);
        let second = at(layer.saturating_sub(1), layer > 1);
        let before_above = at(layers - 1, step > 0 && layer + 1 < layers);
        let before_below = at(layers + 1, step > 0 && layer > 0);

        let key = |context: u64, parts: &[u64]| key(context << 16 | layer as u64, parts);
        around.contexts.clear();
        around.contexts.extend([
            key(0, &[]),
            key(1, &[before[0]]),
            key(2, &[below[0]]),
            key(3, &[below[0], below[1]]),
            key(4, &[before[0], below[0]]),
            key(5, &[before[0], before[1]]),
            key(6, &[first]),
            key(7, &[first, below[0]]),
            key(8, &[first, second]),
            key(9, &[before[0], before_above]),
            key(10, &[below[1], below[2]]),
            key(11, &[before_below, below[0]]),
        ]);
        let same = |a: u64, b: u64| u8::from(a == b && a != 0);
        let flags = same(below[0], before_below) | same(before[0], before[1]) << 1 | same(before[1], before[2]) << 2;
        around.candidates.clear();
        around
            .candidates
            .extend([before[0], before[1], before[2], below[0]].map(|symbol| Candidate::new(symbol, flags)));
        around.sets = [layer, usize::from(flags)];
    }
}
