//! The bits of a symbol, from the most significant down, each predicted from hashed contexts and candidate symbols.

use super::counts::{Count, Table, hash};
use super::logistic::{squash, stretch};
use super::mixer::{INPUTS, Mixer, ONE};
use crate::coder::{SymbolSink, SymbolSource};

/// Most contexts of a symbol.
pub(super) const MAX_CONTEXTS: usize = 14;
/// Most candidates of a symbol.
pub(super) const MAX_CANDIDATES: usize = 16;
const _: () = assert!(MAX_CONTEXTS + MAX_CANDIDATES < INPUTS);

/// Flags that a candidate may carry.
pub(super) const FLAGS: usize = 64;
/// Flags of [`Candidate::NONE`].
const NO_SYMBOL: u8 = 255;
/// Bits of a symbol at most.
const DEPTH: usize = 16;
/// Past this many bits a count moves no slower.
const LIMIT: u32 = 1023;

/// A symbol that the next one may well equal, and what is known about how likely that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) symbol: u16,
    /// Below [`FLAGS`].
    pub(super) flags: u8,
}

impl Candidate {
    /// From a symbol plus one; 0: no symbol, which agrees with nothing.
    #[inline]
    pub(super) fn new(symbol: u64, flags: u8) -> Self {
        match symbol {
            0 => Self { symbol: 0, flags: NO_SYMBOL },
            _ => Self { symbol: (symbol - 1) as u16, flags },
        }
    }
}

/// What the next symbol is predicted from.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// Hashes of contexts.
    pub(super) contexts: Vec<u64>,
    /// Candidates.
    pub(super) candidates: Vec<Candidate>,
    /// Chooses the weights of both mixers; below the numbers given to [`Predictor::new`].
    pub(super) sets: [usize; 2],
}

/// What happens at a bit: written, read or counted.
pub(super) trait BitCoder {
    /// `p` is the probability of a one in Q16, 1..=65535; `truth` matters to writers. Returns the bit.
    fn bit(&mut self, p: u32, truth: bool) -> bool;
}

/// Writes or counts bits.
pub(super) struct Writing<'s, S>(pub(super) &'s mut S);

impl<S: SymbolSink> BitCoder for Writing<'_, S> {
    #[inline]
    fn bit(&mut self, p: u32, truth: bool) -> bool {
        let (cum, weight) = if truth { (0, p) } else { (p, 65_536 - p) };
        self.0.code(cum, weight, 65_536);
        truth
    }
}

/// Reads bits.
pub(super) struct Reading<'s, S>(pub(super) &'s mut S);

impl<S: SymbolSource> BitCoder for Reading<'_, S> {
    #[inline]
    fn bit(&mut self, p: u32, _: bool) -> bool {
        let bit = self.0.target(65_536) < p;
        let (cum, weight) = if bit { (0, p) } else { (p, 65_536 - p) };
        self.0.advance(cum, weight, 65_536);
        bit
    }
}

/// All that is learned.
#[derive(Debug)]
pub(super) struct Predictor {
    contexts: usize,
    tables: Vec<Table>,
    /// `[candidate][flags][bit]`: how often a candidate that was right so far is right about the next bit.
    right: Vec<Count>,
    mixers: [Mixer; 2],
}

impl Predictor {
    /// A predictor that knows nothing, with a table of 2^table_bits buckets for each context.
    pub(super) fn new(contexts: usize, candidates: usize, sets: [usize; 2], table_bits: u32) -> Self {
        assert!(contexts <= MAX_CONTEXTS && candidates <= MAX_CANDIDATES);
        let weight = i32::from(ONE) * 3 / (contexts + candidates) as i32 / 4;
        Self {
            contexts,
            tables: (0..contexts).map(|_| Table::new(table_bits)).collect(),
            right: vec![Count::with(49_152, 0); candidates * FLAGS * DEPTH],
            mixers: sets.map(|sets| Mixer::new(sets * DEPTH, weight as i16)),
        }
    }

    /// Codes a symbol below `alphabet` (1..=65536) and learns it.
    pub(super) fn symbol(
        &mut self,
        around: &Surroundings,
        alphabet: u32,
        truth: u16,
        coder: &mut impl BitCoder,
    ) -> u16 {
        let bits = u32::BITS - (alphabet - 1).leading_zeros();
        let (mut value, mut places) = (0u32, [0usize; MAX_CONTEXTS]);
        let mut inputs = [0i16; INPUTS];
        for done in 0..bits {
            let left = bits - done - 1;
            if done % 4 == 0 {
                let prefix = (u64::from(value) << 8 | u64::from(done)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let (mut hashes, mut peeked) = ([0; MAX_CONTEXTS], [0; MAX_CONTEXTS]);
                for (i, table) in self.tables.iter().enumerate() {
                    hashes[i] = hash(around.contexts[i] ^ prefix);
                    peeked[i] = table.peek(hashes[i]);
                }
                for (i, table) in self.tables.iter_mut().enumerate() {
                    places[i] = table.find(hashes[i], peeked[i]);
                }
            }
            // Symbols past the alphabet cannot occur: no bit where only zero is possible.
            if (value << 1 | 1) << left >= alphabet {
                value <<= 1;
                continue;
            }
            let group = done % 4;
            let node = ((1 << group) | (value & ((1 << group) - 1))) as usize - 1;
            for (i, (table, &place)) in self.tables.iter_mut().zip(&places).enumerate() {
                let count = *table.count(place, node);
                inputs[i] = if count.seen() == 0 { 0 } else { stretch(count.p()) };
            }
            let base = self.contexts;
            let mut candidates = [(usize::MAX, false); MAX_CANDIDATES];
            for (i, candidate) in around.candidates.iter().enumerate() {
                let symbol = u32::from(candidate.symbol);
                inputs[base + i] = 0;
                if candidate.flags != NO_SYMBOL && symbol >> (left + 1) == value && symbol < alphabet {
                    let expected = symbol >> left & 1 == 1;
                    let at = (i * FLAGS + usize::from(candidate.flags)) * DEPTH + done as usize;
                    candidates[i] = (at, expected);
                    let d = stretch(self.right[at].p());
                    inputs[base + i] = if expected { d } else { -d };
                }
            }
            inputs[base + around.candidates.len()] = 128;
            let d0 = self.mixers[0].mix(&inputs, around.sets[0] * DEPTH + done as usize);
            let d1 = self.mixers[1].mix(&inputs, around.sets[1] * DEPTH + done as usize);
            let p = squash((d0 + d1) >> 1).clamp(32, 65_536 - 32);

            let bit = coder.bit(p, truth >> left & 1 == 1);
            self.mixers.iter_mut().for_each(|mixer| mixer.update(&inputs, bit));
            for (table, &place) in self.tables.iter_mut().zip(&places) {
                table.count(place, node).update(bit, LIMIT);
            }
            for &(at, expected) in &candidates[..around.candidates.len()] {
                if at != usize::MAX {
                    self.right[at].update(bit == expected, LIMIT);
                }
            }
            value = value << 1 | u32::from(bit);
        }
        value as u16
    }
}
