//! From integer probabilities to bytes and back.
//!
//! ```text
//! logits ─[Distribution]─▶ (cumulative, weight, total) ─[SymbolSink]─▶ bytes (RangeEncoder) or a bit count (BitCounter)
//! bytes ─[RangeDecoder: SymbolSource]─▶ position in the total ─[Distribution]─▶ symbol
//! ```
//!
//! One trait, [`SymbolSink`], serves writing and counting (the idea is rav1e's `ec.rs`), so that an estimate cannot
//! drift from a file.

mod count;
mod distribution;
mod range_decoder;
mod range_encoder;
mod symbol;
mod weights;
mod wide;

pub use count::BitCounter;
pub use distribution::Distribution;
pub use range_decoder::RangeDecoder;
pub use range_encoder::RangeEncoder;
pub use symbol::{MAX_RAW_BITS, MAX_TOTAL, SymbolSink, SymbolSource};
pub use weights::symbol_weights;
pub use wide::{MAX_WIDE_SYMBOLS, WideDistribution};

#[cfg(test)]
mod tests;
