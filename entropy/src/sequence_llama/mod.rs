//! Any Llama checkpoint over sequences of symbols, in exact integers (`docs/MODEL.md`, "The sequence Llama in integers").
//!
//! Way of the data: floating-point checkpoint and head set ─[`export`, feature `export`]─▶ integer files →
//! [`SequenceLlama`] (checked, weights repacked) → [`SequenceEngine`] (model + [`Isa`](crate::isa::Isa) + keys and values
//! of some chunks) →
//!
//! ```text
//! (row, symbol before, RVQ layer) of M positions ─[SequenceEngine::step]─▶ logits ─[coder::WideDistribution]─▶ weights
//! ```
//!
//! Every result is an integer function of the row's symbols alone: kernel, batch, the other rows and whether a chunk comes
//! position by position or many at once change the speed, never a bit. The portable code in `kernel/` is the specification;
//! SIMD is tested against it.

#[cfg(any(test, feature = "testing"))]
pub mod bench;
mod cache;
mod config;
mod engine;
#[cfg(any(test, feature = "export"))]
pub mod export;
pub mod fixed;
mod kernel;
mod linear;
mod model;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use config::{BACKBONE_ARCH, BackboneConfig, FORMAT, HEADS_ARCH, HeadsConfig};
pub use engine::{Position, SequenceEngine};
pub use model::{SequenceBackbone, SequenceLlama};
