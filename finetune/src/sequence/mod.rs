//! The paper's system: a pretrained Llama, frozen, over flat sequences of latent symbols, with an embedding and heads of its
//! own that are trained.
//!
//! Shapes in comments: B sequences, T positions of a sequence, D width, V symbols of an alphabet.

mod kernels;
pub mod model;
