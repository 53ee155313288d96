//! Training of lmcodec's models in burn, and their export to the exact integer engine.
//!
//! The only crate of the workspace that depends on burn. Backends are chosen at run time by [`device`]; which ones are
//! compiled in is a matter of features (`flex` = CPU, `wgpu`, `vulkan`).
#![deny(missing_docs)]

pub mod ablation;
pub mod batch;
pub mod card;
pub mod checkpoint;
pub mod device;
pub mod export;
pub mod frames;
mod growth;
pub mod loss;
pub mod model;
pub mod parity;
pub mod plot;
pub mod sequence;
pub mod train;
