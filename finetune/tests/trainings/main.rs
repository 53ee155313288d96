//! Training end to end on tiny models, in one program (linking burn takes its time).
#![cfg(feature = "flex")]

mod codes;
mod frame;
mod sequence;
mod tiny;
#[cfg(feature = "wgpu")]
mod wgpu;
