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
//! | `export` | floating-point models → integer files (feature `export`) |
//! | [`weights`] | the embedded models |
//! | [`arithmetic`] | the integer functions that all of them share: exponential, logistic function, logarithm |
//! | `gemm` | the product of activations and int8 weights, for every instruction set |
//! | [`isa`] | the choice of an instruction set |
//! | `tensors` | reading and writing the tensors of model files |
//! | [`FileHash`] | the SHA-256 of a model file, as text |
//! | [`error`] | what can go wrong |
//!
//! Every number that decides a bit is an integer, so files decode alike on every machine, kernel and batch size.
#![deny(missing_docs)]

pub mod adaptive;
pub mod arithmetic;
pub mod arrangement;
pub mod chunks;
pub mod code_heads;
pub mod coder;
pub mod error;
#[cfg(any(test, feature = "export"))]
pub mod export;
mod file_hash;
pub mod frame_llama;
mod gemm;
pub mod isa;
mod secondary;
pub mod segment;
pub mod sequence_llama;
mod tensors;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod weights;

pub use file_hash::{FileHash, NoFileHash};
