//! Everything between quantized latents and bytes: the exact integer Llama that gives every symbol its
//! probability ([`llama`]) and the range coder that turns probabilities into bits ([`coder`]).
//!
//! Every number that decides a bit is an integer, so files decode alike on every machine, kernel and batch size.
#![deny(missing_docs)]

pub mod coder;
pub mod error;
pub mod llama;
