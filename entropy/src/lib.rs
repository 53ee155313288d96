//! Everything between quantized latents and bytes: the arrangement of latents into frames of symbols ([`arrangement`]), the
//! exact integer Llama that gives every symbol its probability ([`llama`]), the range coder that turns probabilities into
//! bits ([`coder`]), and the walk over a segment that puts them together ([`segment`]). [`sequence`] runs any
//! Llama checkpoint over flat sequences of symbols.
//!
//! Every number that decides a bit is an integer, so files decode alike on every machine, kernel and batch size.
#![deny(missing_docs)]

pub mod adaptive;
pub mod arrangement;
pub mod chunks;
pub mod coder;
pub mod error;
pub mod frames;
pub mod llama;
mod secondary;
pub mod segment;
pub mod sequence;
pub mod weights;
