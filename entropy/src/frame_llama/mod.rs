//! The exact integer Llama over frames (`docs/MODEL.md`).
//!
//! Way of the data: model file → [`FrameLlama`] (validated, weights repacked) → [`FrameEngine`] (model + [`Isa`](crate::isa::Isa) + scratch) →
//!
//! ```text
//! features of M frames ─[FrameEngine::backbone, K/V in PlaneState]─▶ h (M×D)
//! h ─[FrameEngine::last_logits]─▶ logits of `last`
//! h, last ─[FrameEngine::depth_begin]─▶ DepthState ─[FrameEngine::depth_step, k = 1..=last]─▶ logits of the coefficients
//! h, last ─[FrameEngine::dc]─▶ logits of DC
//! ```
//!
//! Every result is an integer function of the inputs alone: kernel, batch size and the order of independent frames
//! change the speed, never a bit. The portable code in [`kernel`] is the specification; SIMD is tested against it.

mod config;
pub(crate) mod depth;
pub(crate) mod engine;
pub(crate) mod file;
pub mod fixed;
pub mod kernel;
pub(crate) mod kv;
pub(crate) mod linear;
pub(crate) mod model;
pub(crate) mod plane;
pub(crate) mod stack;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use config::{ARCH, ESCAPES, FrameConfig, LAST_SYMBOLS, MAX_STEPS, PRIMARIES};
pub use depth::DepthState;
pub use engine::FrameEngine;
pub use model::FrameLlama;
pub use plane::{PlaneState, Position};
