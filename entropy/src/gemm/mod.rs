//! The product of rows of i16 activations and int8 weights, which both Llamas spend most of their time in.
//!
//! Weights come in [`Panels`] of 16 outputs; sums of products go, row by row and panel by panel, to the model's own epilogue,
//! which makes its format of them. Every instruction set has a hand-written inner loop ([`Product`]); the order in which
//! tiles of rows and panels are worked off (`schedule.rs`) is one for both models. All sums are exact, so neither decides a
//! bit of a result.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod panel;
pub(crate) mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod schedule;

pub(crate) use panel::{MAX_ROW_SUM, PANEL, PairRow, Panels};
