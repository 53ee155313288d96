//! The adaptive model of codebook indices: no Llama, nothing to load; it learns from the codes that it has coded.
//!
//! A symbol is coded bit by bit from the most significant down. Every bit is predicted by counts under several hashed
//! contexts and by candidate symbols (the same place of the frame before, the step before), and the predictions are mixed
//! in the logistic domain by weights that learn too, as in M. Mahoney's PAQ and lpaq. All of it is integer arithmetic. What
//! it learns depends on the codes alone, so encoder and decoder agree everywhere.
//!
//! * [`CodeLayout`]: how codes lie, and so what surrounds one (`vq.rs`, `rvq.rs`);
//! * `predictor.rs`: the bits of a symbol; `counts.rs`, `recall.rs`, `mixer.rs`, `logistic.rs`: its parts.

mod counts;
mod logistic;
mod mixer;
mod predictor;
mod recall;
mod rvq;
mod vq;

use predictor::{BitCoder, Predictor, Reading, Surroundings, Writing};

use crate::coder::{SymbolSink, SymbolSource};

/// Most layers of a stack.
pub const MAX_LAYERS: usize = 1024;
/// Base-2 logarithm of the buckets of a table at most.
const MAX_TABLE_BITS: u32 = 17;
const MIN_TABLE_BITS: u32 = 6;

/// How codes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeLayout {
    /// Grids of VQ indices, one after the other (frames of a video); each row by row.
    Grids {
        /// Rows of a grid, at least 1.
        height: usize,
        /// Columns of a grid, at least 1.
        width: usize,
    },
    /// Stacks of RVQ codes, one a time step: layer 0 first.
    Stacks {
        /// Steps after which another sequence begins, at least 1.
        steps: usize,
        /// Layers of a stack, 1..=[`MAX_LAYERS`].
        layers: usize,
    },
}

impl CodeLayout {
    /// Bytes that coding a segment takes, beside its codes.
    pub fn memory_bytes(&self, vocabularies: &[u32], symbols: usize) -> u64 {
        let contexts = match self {
            Self::Grids { .. } => vq::CONTEXTS,
            Self::Stacks { .. } => rvq::CONTEXTS,
        };
        let tables = contexts as u64 * (64 << table_bits(vocabularies, symbols));
        let sets = match self {
            Self::Grids { .. } => vq::SETS,
            Self::Stacks { layers, .. } => rvq::sets(*layers),
        };
        // Weights of 64 bytes a set and bit; the rest (recalled symbols, candidates) stays below a megabyte.
        tables + sets.iter().sum::<usize>() as u64 * 16 * 64 + (1 << 20)
    }
}

/// Some consecutive codes of a layout, coded on their own.
#[derive(Debug, Clone, Copy)]
pub struct CodeSegment<'a> {
    /// How all codes lie.
    pub layout: CodeLayout,
    /// Codebook size of every layer, 1..=65536; one entry stands for all layers.
    pub vocabularies: &'a [u32],
    /// Index of the first code, counted from the start of the layout.
    pub start: usize,
}

impl CodeSegment<'_> {
    /// Codes the symbols.
    ///
    /// # Panics
    /// If a code is not below its vocabulary, or sizes are outside what is documented.
    pub fn encode(&self, codes: &[u16], sink: &mut impl SymbolSink) {
        for (i, &code) in codes.iter().enumerate() {
            assert!(u32::from(code) < self.vocabulary(self.start + i), "code {code} at {}", self.start + i);
        }
        self.walk(&mut codes.to_vec(), &mut Writing(sink));
    }

    /// Fills `codes` from a source that holds as many. Whatever the source gives, codes are below their vocabularies.
    ///
    /// # Panics
    /// If sizes are outside what is documented.
    pub fn decode(&self, codes: &mut [u16], source: &mut impl SymbolSource) {
        self.walk(codes, &mut Reading(source));
    }

    fn vocabulary(&self, index: usize) -> u32 {
        self.vocabularies[index % self.vocabularies.len()]
    }

    fn walk(&self, codes: &mut [u16], coder: &mut impl BitCoder) {
        let bits = table_bits(self.vocabularies, codes.len());
        let mut around = Surroundings::default();
        let indices = self.start..self.start + codes.len();
        match self.layout {
            CodeLayout::Grids { height, width } => {
                let mut grids = vq::Grids::new(height, width);
                let mut predictor = Predictor::new(vq::CONTEXTS, vq::CANDIDATES, vq::SETS, bits);
                for (i, index) in indices.enumerate() {
                    grids.look(codes, self.start, index, &mut around);
                    codes[i] = predictor.symbol(&around, self.vocabulary(index), codes[i], coder);
                    grids.learn(codes[i]);
                }
            }
            CodeLayout::Stacks { steps, layers } => {
                assert!(layers <= MAX_LAYERS, "{layers} layers; at most {MAX_LAYERS}");
                let stacks = rvq::Stacks::new(steps, layers);
                let mut predictor = Predictor::new(rvq::CONTEXTS, rvq::CANDIDATES, rvq::sets(layers), bits);
                for (i, index) in indices.enumerate() {
                    stacks.look(codes, self.start, index, &mut around);
                    codes[i] = predictor.symbol(&around, self.vocabulary(index), codes[i], coder);
                }
            }
        }
    }
}

/// Base-2 logarithm of the buckets of every table: one for each four bits of each symbol, if that is not too many.
fn table_bits(vocabularies: &[u32], symbols: usize) -> u32 {
    let most = vocabularies.iter().copied().max().unwrap_or(1).max(1);
    let groups = (u32::BITS - (most - 1).leading_zeros()).div_ceil(4).max(1);
    let buckets = (symbols as u64).saturating_mul(u64::from(groups)).max(1);
    (u64::BITS - (buckets - 1).leading_zeros()).clamp(MIN_TABLE_BITS, MAX_TABLE_BITS)
}

#[cfg(test)]
mod tests;
