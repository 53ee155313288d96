//! The fixed-point functions of the model, by integers only, with their error bounds.
//!
//! Each is written once, for one value, as inlinable portable code; the kernels run the same code over vectors (or
//! intrinsics that are tested equal to it).

mod exp2;
mod rmsnorm;
mod rope;
mod sigmoid;

pub(crate) use exp2::exp2_fraction;
pub use exp2::{exp2neg, exp2neg20, exp2neg24};
pub use rmsnorm::{InverseRms, inverse_rms};
pub use rope::{Angles, RopeTable, rotate};
pub use sigmoid::{SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE, sigmoid, silu_mul};

/// Bound of the residual stream: Q12 values within ±2^23 (±2048).
pub const RESIDUAL_LIMIT: i32 = 1 << 23;
/// Bound of queries and keys, Q9 (±16).
pub const QK_LIMIT: i32 = 8191;
/// Bound of values, Q10 (±16).
pub const V_LIMIT: i32 = 16383;
/// Bound of gate and up, Q11 (±16).
pub const GATE_UP_LIMIT: i32 = 32767;
/// Bound of logits, Q16 log2 units (±32 bits).
pub const LOGIT_LIMIT: i32 = 1 << 21;

#[cfg(test)]
mod tests;
