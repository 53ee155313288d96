//! From logits to integer weights, and symbols through them.

use super::symbol::{MAX_TOTAL, SymbolSink, SymbolSource};
use crate::isa::Isa;

/// Integer weights of `N` symbols (N ≤ 64), ready for the coder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution<const N: usize> {
    weights: [u32; N],
    total: u32,
}

impl<const N: usize> Distribution<N> {
    /// The weights of logits in Q16 log2 units: `exp2neg20(max − logit)`, at least 1; a symbol whose bit is set in
    /// `excluded` gets weight 0 and takes no part in the maximum (`docs/MODEL.md`, "Weights of symbols").
    ///
    /// # Panics
    /// If `logits` has another length than N, N > 64, or every symbol is excluded.
    pub fn from_logits(isa: Isa, logits: &[i32], excluded: u64) -> Self {
        const { assert!(N <= 64) };
        let mut weights = [0; N];
        // At most 64 * 2^20 = 2^26 < 2^27.
        let total = isa.symbol_weights(logits, excluded, &mut weights);
        assert!(total > 0, "every symbol is excluded");
        Self { weights, total }
    }

    /// A distribution with these weights (0 = the symbol cannot occur).
    ///
    /// # Panics
    /// If the sum is 0 or above [`MAX_TOTAL`].
    pub fn from_weights(weights: [u32; N]) -> Self {
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        assert!(total > 0 && total <= u64::from(MAX_TOTAL), "total weight {total}");
        Self { weights, total: total as u32 }
    }

    /// The weights.
    pub fn weights(&self) -> &[u32; N] {
        &self.weights
    }

    /// The sum of the weights.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Codes a symbol.
    ///
    /// # Panics
    /// If the symbol is not below N or has weight 0.
    #[inline]
    pub fn encode(&self, symbol: usize, sink: &mut impl SymbolSink) {
        let cum = self.weights[..symbol].iter().sum();
        sink.code(cum, self.weights[symbol], self.total);
    }

    /// Reads a symbol. Whatever the source gives, the result is a symbol with a nonzero weight.
    #[inline]
    pub fn decode(&self, source: &mut impl SymbolSource) -> usize {
        let target = source.target(self.total);
        let mut cum = 0;
        for (symbol, &weight) in self.weights.iter().enumerate() {
            if target < cum + weight {
                source.advance(cum, weight, self.total);
                return symbol;
            }
            cum += weight;
        }
        unreachable!("the weights sum to {} and the target is {target}", self.total)
    }
}
