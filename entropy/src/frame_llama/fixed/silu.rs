//! The gated product of the feed-forward.

use crate::arithmetic::{mul_q15, sigmoid};

/// SiLU of the gate times up: g and u in Q11 (±32767) → Q10, saturated to i16.
///
/// `silu = (g·sigmoid(g) + 2^14) >> 15` (Q11), result `(silu·u + 2^11) >> 12`; |silu·u| + 2^11 < 2^30 + 2^11.
#[inline(always)]
pub fn silu_mul(g: i16, u: i16) -> i16 {
    let silu = mul_q15(g, sigmoid(g));
    ((silu as i32 * u as i32 + (1 << 11)) >> 12).clamp(-32768, 32767) as i16
}
