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

/// Bits of a magnitude: 0 for 0.
#[inline(always)]
pub(crate) const fn bit_length(v: u64) -> i32 {
    64 - v.leading_zeros() as i32
}

/// `(v + 2^(s−1)) >> s`, v itself for s = 0.
#[inline(always)]
pub(crate) const fn round_shift(v: i64, s: u32) -> i64 {
    (v + ((1i64 << s) >> 1)) >> s
}
