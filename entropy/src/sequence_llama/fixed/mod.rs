//! The fixed-point formats of the sequence Llama and its scalar functions (`docs/MODEL.md`, "The sequence Llama in
//! integers").

mod angle;

pub use angle::{cos_sin, turns_per_position};

/// The residual stream is i64 with this many fractional bits.
pub const RESIDUAL_Q: i32 = 24;
/// Bound of the residual stream: ±2^47, that is ±2^23 in real units.
pub const RESIDUAL_LIMIT: i64 = 1 << 47;
/// Bound of the mantissas of queries, keys and values.
pub const HEAD_MANTISSA: i32 = 4095;
/// Bound of scores (Q16 log2 units): ±2^14 bits.
pub const SCORE_LIMIT: i32 = 1 << 30;
/// Bound of logits (Q16 log2 units): ±2^14 bits.
pub const LOGIT_LIMIT: i32 = 1 << 30;
