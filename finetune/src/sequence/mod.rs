//! The paper's system: a pretrained Llama, frozen, over flat sequences of latent symbols, with an embedding and heads of its
//! own that are trained.
//!
//! Shapes in comments: B sequences, T positions of a sequence, D width, V symbols of an alphabet.

pub mod config;
pub mod data;
pub mod export;
pub mod head_file;
pub mod heads;
pub mod initial;
mod kernels;
pub mod linear;
pub mod lora;
pub mod model;
pub mod replicas;
pub mod step;
pub mod stepping;
#[cfg(all(test, feature = "flex"))]
mod tests;
pub mod text;
pub mod train;
pub mod validation;
