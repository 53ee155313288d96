//! Integer functions that both Llamas, the coder and the mixers stand on, with their error bounds.
//!
//! Each is written once, for one value, as inlinable portable code; kernels run that same code over vectors, or the
//! intrinsics of `avx2.rs` and `avx512.rs`, which are tested equal to it. No float takes part.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod bits;
mod exp2;
mod log2;
mod sigmoid;

pub(crate) use bits::{bit_length, round_shift};
pub(crate) use exp2::exp2_fraction;
pub use exp2::{exp2neg, exp2neg20, exp2neg24};
pub(crate) use log2::log2_q16;
pub(crate) use sigmoid::mul_q15;
pub use sigmoid::{SIGMOID_CURVE, SIGMOID_SLOPE, SIGMOID_VALUE, sigmoid};

#[cfg(test)]
mod tests;
