//! Adaptive arithmetic coding of codes: counts learned on the way, by encoder and decoder alike, in integers.
//!
//! Order 0 counts codes (increment 2 from 1: the Krichevsky–Trofimov estimator). Order 1 counts them by the code before and mixes:
//! with n₁(s) of the context and n₀(s) of all, the weight of s is n₁(s) · N₀ + D · n₀(s), that is the context's counts with a Dirichlet
//! prior of strength D around the order-0 distribution. Totals stay below the coder's limit by halving counts.

use super::stream::{read_head, write_head};
use super::{LatentCoder, LatentCodes, LatentError};
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder, SymbolSink, SymbolSource};

/// What the counts depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Zero,
    /// The layer.
    ZeroPerLayer,
    /// The layer, and the code just before in the array (in another layer where there are several).
    PreviousCode,
    /// The layer, and the code of the same layer one frame before.
    PreviousFrame,
}

/// The anchor.
#[derive(Debug, Clone, Copy)]
pub struct Adaptive {
    /// What the counts depend on.
    pub order: Order,
}

/// Largest number of counters: 512 MiB.
pub const MAX_COUNTERS: u64 = 1 << 27;
/// Strength of the order-0 prior in a context.
const PRIOR: u32 = 16;
/// Bits that the two totals of order 1 share: their product must stay below 2^27.
const TOTAL_BITS: u32 = 26;

impl LatentCoder for Adaptive {
    fn name(&self) -> &'static str {
        match self.order {
            Order::Zero => "adaptive-order0",
            Order::ZeroPerLayer => "adaptive-order0-per-layer",
            Order::PreviousCode => "adaptive-order1-code",
            Order::PreviousFrame => "adaptive-order1-frame",
        }
    }

    fn encode(&self, codes: &LatentCodes) -> Result<Vec<u8>, LatentError> {
        let mut model = AdaptiveModel::new(self, codes.codebook(), codes.layers())?;
        let mut encoder = RangeEncoder::new();
        for (i, &code) in codes.codes().iter().enumerate() {
            let symbol = code as usize;
            let at = model.at(codes.codes(), i);
            let (cum, weight, total) = model.interval(at, symbol);
            encoder.code(cum, weight, total);
            model.update(at, symbol);
        }
        let mut out = write_head(codes);
        out.extend(encoder.finish());
        Ok(out)
    }

    fn decode(&self, stream: &[u8]) -> Result<LatentCodes, LatentError> {
        let (head, rest) = read_head(self.name(), stream)?;
        let mut model = AdaptiveModel::new(self, head.codebook, head.layers)?;
        let mut decoder = RangeDecoder::new(rest);
        let damaged = |reason: String| LatentError::Damaged { coder: self.name(), reason };
        let mut codes: Vec<u16> = Vec::new();
        for i in 0..head.count {
            let at = model.at(&codes, i);
            let total = model.total(at);
            let target = decoder.target(total);
            let symbol = model.symbol(at, target);
            let (cum, weight, total) = model.interval(at, symbol);
            decoder.advance(cum, weight, total);
            if decoder.is_damaged() {
                return Err(damaged(format!("a value outside the model's range at code {i}")));
            }
            model.update(at, symbol);
            codes.push(symbol as u16);
        }
        decoder.finish().map_err(|e| damaged(e.to_string()))?;
        LatentCodes::new(codes, head.layers, head.codebook)
    }
}

/// Cumulative counts that are read and changed in logarithmic time (P. Fenwick, 1994).
#[derive(Clone)]
struct Counts {
    tree: Vec<u32>,
    total: u32,
}

impl Counts {
    fn new(symbols: usize, each: u32) -> Self {
        // Entry i holds the sum of the i & −i entries that end at i.
        let tree = (0..=symbols).map(|i| (i & i.wrapping_neg()) as u32 * each).collect();
        Self { tree, total: symbols as u32 * each }
    }

    fn add(&mut self, symbol: usize, amount: u32) {
        let mut i = symbol + 1;
        while i < self.tree.len() {
            self.tree[i] += amount;
            i += i & i.wrapping_neg();
        }
        self.total += amount;
    }

    /// Counts of the symbols below.
    fn below(&self, symbol: usize) -> u32 {
        let (mut i, mut sum) = (symbol, 0);
        while i > 0 {
            sum += self.tree[i];
            i &= i - 1;
        }
        sum
    }

    /// Halves all counts; those that were not zero stay so if `keep`.
    fn halve(&mut self, keep: bool) {
        let n = self.tree.len() - 1;
        let values: Vec<u32> = (0..n).map(|s| self.below(s + 1) - self.below(s)).collect();
        *self = Self::new(n, 0);
        for (s, v) in values.into_iter().enumerate() {
            let v = if keep { v.div_ceil(2) } else { v / 2 };
            if v > 0 {
                self.add(s, v);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct At {
    layer: usize,
    context: Option<usize>,
}

struct AdaptiveModel {
    order: Order,
    layers: usize,
    codebook: usize,
    zero: Vec<Counts>,
    zero_limit: u32,
    /// Made when first met.
    contexts: Vec<Option<Counts>>,
    context_limit: u32,
}

impl AdaptiveModel {
    fn new(coder: &Adaptive, codebook: u32, layers: usize) -> Result<Self, LatentError> {
        let order = coder.order;
        let contexts = match order {
            Order::Zero | Order::ZeroPerLayer => 0,
            Order::PreviousCode | Order::PreviousFrame => layers * codebook as usize,
        };
        let tables = if order == Order::Zero { 1 } else { layers };
        let counters = (contexts + tables) as u64 * (u64::from(codebook) + 1);
        if counters > MAX_COUNTERS {
            let reason = format!("{counters} counters for {layers} layers of {codebook} codes; at most {MAX_COUNTERS}");
            return Err(LatentError::Unsupported { coder: coder.name(), reason });
        }
        // Order 0 in order 1 needs at least eight times the codebook, contexts take the rest of the bits.
        let zero_bits = (u32::BITS - codebook.leading_zeros() + 3).clamp(14, 17);
        let (zero_limit, context_limit) =
            if contexts == 0 { (1 << TOTAL_BITS, 0) } else { (1 << zero_bits, 1 << (TOTAL_BITS - zero_bits)) };
        Ok(Self {
            order,
            layers,
            codebook: codebook as usize,
            zero: vec![Counts::new(codebook as usize, 1); tables],
            zero_limit,
            contexts: vec![None; contexts],
            context_limit,
        })
    }

    /// Where code `i` stands, from the codes before it.
    fn at(&mut self, codes: &[u16], i: usize) -> At {
        let layer = if self.order == Order::Zero { 0 } else { i % self.layers };
        let back = match self.order {
            Order::Zero | Order::ZeroPerLayer => return At { layer, context: None },
            Order::PreviousCode => 1,
            Order::PreviousFrame => self.layers,
        };
        // Before the first frame stands a frame of zeros.
        let before = i.checked_sub(back).map_or(0, |j| codes[j] as usize);
        let context = layer * self.codebook + before;
        let counts = &mut self.contexts[context];
        if counts.is_none() {
            *counts = Some(Counts::new(self.codebook, 0));
        }
        At { layer, context: Some(context) }
    }

    fn context(&self, at: At) -> Option<&Counts> {
        at.context.and_then(|c| self.contexts[c].as_ref())
    }

    fn total(&self, at: At) -> u32 {
        let zero = self.zero[at.layer].total;
        self.context(at).map_or(zero, |c| zero * (c.total + PRIOR))
    }

    /// Weights of the symbols below.
    fn below(&self, at: At, symbol: usize) -> u32 {
        let zero = &self.zero[at.layer];
        let n0 = zero.below(symbol);
        self.context(at).map_or(n0, |c| c.below(symbol) * zero.total + PRIOR * n0)
    }

    fn interval(&self, at: At, symbol: usize) -> (u32, u32, u32) {
        let cum = self.below(at, symbol);
        (cum, self.below(at, symbol + 1) - cum, self.total(at))
    }

    /// The symbol whose interval holds `target`.
    fn symbol(&self, at: At, target: u32) -> usize {
        let (mut low, mut high) = (0, self.codebook);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if self.below(at, middle) <= target { low = middle } else { high = middle }
        }
        low
    }

    fn update(&mut self, at: At, symbol: usize) {
        let zero = &mut self.zero[at.layer];
        zero.add(symbol, 2);
        if zero.total >= self.zero_limit {
            zero.halve(true);
        }
        if let Some(counts) = at.context.and_then(|c| self.contexts[c].as_mut()) {
            counts.add(symbol, 1);
            if counts.total + PRIOR >= self.context_limit {
                counts.halve(false);
            }
        }
    }
}
