//! Logistic mixing (M. Mahoney, "Adaptive weighing of context models for lossless data compression", 2005): the inputs, in
//! the logistic domain, are added with weights that follow the gradient of the code length.

use super::logistic::{LIMIT, squash};

/// Inputs of a mixer; those that are not used are 0.
pub(super) const INPUTS: usize = 32;
/// One in the weights' fixed point: they reach ±2.
pub(super) const ONE: i16 = 1 << 14;

/// Sets of weights, one of which is chosen for every bit.
#[derive(Debug)]
pub(super) struct Mixer {
    weights: Vec<[i16; INPUTS]>,
    chosen: usize,
    p: u32,
}

impl Mixer {
    /// `sets` sets of equal weights (Q14).
    pub(super) fn new(sets: usize, weight: i16) -> Self {
        Self { weights: vec![[weight; INPUTS]; sets], chosen: 0, p: 1 << 15 }
    }

    /// The weighted sum of the inputs (each within ±2047), in the logistic domain.
    #[inline]
    pub(super) fn mix(&mut self, inputs: &[i16; INPUTS], set: usize) -> i32 {
        self.chosen = set;
        // At most 32 · 32767 · 2047 < 2^31.
        let sum: i32 = self.weights[set].iter().zip(inputs).map(|(&w, &x)| i32::from(w) * i32::from(x)).sum();
        let d = (sum >> 14).clamp(-LIMIT, LIMIT);
        self.p = squash(d);
        d
    }

    /// Moves the weights of the last [`mix`](Self::mix) towards a bit.
    #[inline]
    pub(super) fn update(&mut self, inputs: &[i16; INPUTS], bit: bool) {
        // |error| < 2^16, so a step's is below 2^15.
        let error = ((((i32::from(bit) << 16) - self.p as i32) * RATE) >> 6) as i16;
        for (w, &x) in self.weights[self.chosen].iter_mut().zip(inputs) {
            // 16-bit arithmetic throughout, which every vector unit has: |2x| < 2^12.
            let step = ((i32::from(2 * x) * i32::from(error)) >> 16) as i16;
            *w = w.saturating_add((step + 1) >> 1);
        }
    }
}

/// Step of the weights, in units of 2^-8 of the gradient; below 32.
const RATE: i32 = 24;
