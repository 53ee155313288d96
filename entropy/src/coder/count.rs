//! Counting the bits of a code without writing it.

use super::symbol::{SymbolSink, check_interval};

/// A sink that adds up −log2(weight / total). For reports only: the sum is a float and never decides a bit.
#[derive(Debug, Clone, Copy, Default)]
pub struct BitCounter {
    bits: f64,
    symbols: u64,
}

impl BitCounter {
    /// A counter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what another counter has counted.
    pub fn add(&mut self, other: &Self) {
        self.bits += other.bits;
        self.symbols += other.symbols;
    }

    /// The ideal code length so far, in bits.
    pub fn bits(&self) -> f64 {
        self.bits
    }

    /// How many intervals were coded (raw bits count one per 16).
    pub fn symbols(&self) -> u64 {
        self.symbols
    }
}

impl SymbolSink for BitCounter {
    #[inline]
    fn code(&mut self, cum: u32, weight: u32, total: u32) {
        check_interval(cum, weight, total);
        self.bits += (f64::from(total) / f64::from(weight)).log2();
        self.symbols += 1;
    }
}
