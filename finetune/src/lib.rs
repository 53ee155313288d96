//! Training of lmcodec's models in burn, and their export to the exact integer engine.
//!
//! The only crate of the workspace that depends on burn. Backends are chosen at run time by [`device`]; which ones are
//! compiled in is a matter of features (`flex` = CPU, `wgpu`, `vulkan`).
//!
//! | room | what is trained |
//! |---|---|
//! | [`frame`] | the frame Llama, on photos as JPEG coefficients |
//! | [`codes`] | an embedding and heads for VQ and RVQ codes, on the blocks of a frame Llama |
//! | [`sequence`] | an embedding and heads for flat sequences, on a pretrained Llama ([`checkpoint`]) |
//!
//! All three stand on [`run`]: folder, checkpoints, batches made ahead, log, observer.
#![deny(missing_docs)]

pub mod checkpoint;
pub mod codes;
pub mod device;
pub mod frame;
pub mod run;
pub mod sequence;
