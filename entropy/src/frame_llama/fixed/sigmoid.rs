//! The logistic function and the gated product of the feed-forward.

/// Values at the left ends of 64 segments of 0.25 over 0..16, Q15. Part of the format.
#[rustfmt::skip]
pub static SIGMOID_VALUE: [i16; 64] = [
    16384, 18421, 20397, 22255, 23955, 25470, 26790, 27917, 28862, 29644, 30282, 30799, 31214, 31545, 31808, 32015,
    32179, 32307, 32408, 32487, 32549, 32597, 32635, 32664, 32687, 32705, 32719, 32730, 32738, 32745, 32750, 32754,
    32757, 32760, 32761, 32763, 32764, 32765, 32766, 32766, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767,
    32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767,
];

/// Linear coefficients of the segments, Q15 a segment. Part of the format.
#[rustfmt::skip]
pub static SIGMOID_SLOPE: [i16; 64] = [
    2053, 2022, 1927, 1787, 1610, 1420, 1220, 1031, 857, 704, 573, 461, 368, 294, 231, 183,
    144, 113, 88, 69, 53, 41, 32, 26, 20, 15, 11, 8, 7, 5, 4, 3,
    4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// Quadratic coefficients of the segments, Q15 a segment². Part of the format.
#[rustfmt::skip]
pub static SIGMOID_CURVE: [i16; 64] = [
    -15, -46, -68, -86, -94, -100, -93, -86, -75, -66, -56, -46, -37, -32, -24, -19,
    -16, -12, -9, -7, -5, -3, -3, -3, -2, -1, 0, 0, 0, 0, 0, 0,
    -2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// `(a·b + 2^14) >> 15`: the rounding Q15 product (`pmulhrsw`, `sqrdmulh`); never −32768·−32768 here.
#[inline(always)]
const fn mul_q15(a: i16, b: i16) -> i16 {
    ((a as i32 * b as i32 + (1 << 14)) >> 15) as i16
}

/// The logistic function of `g` in Q11 (−32767..=32767), Q15: 1..=32767.
///
/// With a = |g|: segment a >> 9, t = its place in the segment in Q15, `v + t·(s + t·c)` by rounded Q15 products; for negative g
/// the complement to 32768. Largest absolute error 1.4 units of Q15 (4.2e-5).
#[inline(always)]
pub fn sigmoid(g: i16) -> i16 {
    let a = g.unsigned_abs();
    // g = −32768 does not occur (the gate is clamped to ±32767); the mask keeps the index valid all the same.
    let i = usize::from(a >> 9) & 63;
    let t = ((a & 511) << 6) as i16;
    let p = SIGMOID_VALUE[i] + mul_q15(SIGMOID_SLOPE[i] + mul_q15(SIGMOID_CURVE[i], t), t);
    if g < 0 { (32768 - p as i32) as i16 } else { p }
}

/// SiLU of the gate times up: g and u in Q11 (±32767) → Q10, saturated to i16.
///
/// `silu = (g·sigmoid(g) + 2^14) >> 15` (Q11), result `(silu·u + 2^11) >> 12`; |silu·u| + 2^11 < 2^30 + 2^11.
#[inline(always)]
pub fn silu_mul(g: i16, u: i16) -> i16 {
    let silu = mul_q15(g, sigmoid(g));
    ((silu as i32 * u as i32 + (1 << 11)) >> 12).clamp(-32768, 32767) as i16
}
