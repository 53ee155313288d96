//! Everything between quantized latents and bytes.
//!
//! | module | what it is |
//! |---|---|
//! | [`arrangement`] | latents → frames of symbols and features (JPEG coefficients), or flat sequences of symbols (`flat`) |
//! | [`frame_llama`] | an exact integer Llama over frames: the probabilities of JPEG coefficients |
//! | [`code_heads`] | embedding and heads that make a frame Llama a model of VQ and RVQ codes |
//! | [`sequence_llama`] | any Llama checkpoint over flat sequences of symbols, in exact integers |
//! | [`adaptive`] | a model of codes that learns from the file alone |
//! | `secondary` | corrects a frame Llama's probabilities by what the segment has shown so far |
//! | [`coder`] | the range coder that turns probabilities into bits, and the bit counter |
//! | [`segment`], [`chunks`] | the walks over a segment of JPEG coefficients and over groups of chunks |
//! | [`weights`] | the embedded models |
//! | [`isa`] | the choice of an instruction set |
//! | [`error`] | what can go wrong |
//!
//! Every number that decides a bit is an integer, so files decode alike on every machine, kernel and batch size.
#![deny(missing_docs)]

pub mod adaptive;
pub mod arrangement;
pub mod chunks;
pub mod code_heads;
pub mod coder;
pub mod error;
pub mod frame_llama;
pub mod isa;
mod secondary;
pub mod segment;
pub mod sequence_llama;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod weights;
