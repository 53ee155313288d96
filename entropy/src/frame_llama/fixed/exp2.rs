//! 2^−d for attention and for symbol weights.

/// `2^(-f / 2^16)` for a fraction `f < 2^16`, in Q16: 32768..=65536.
///
/// A polynomial of degree 4 (its quotient by f interpolates at Chebyshev nodes, then rounded coefficients were searched
/// exhaustively in integers). Largest relative error 4.2e-5 < 2^-14.5, mostly the rounding to Q16; exact at f = 0.
/// All products fit u32: 1922·65535, 14197·65535, 62904·65535 + 2^17 and 45425·65535 + 2^15 are below 2^32.
#[inline(always)]
pub(crate) const fn exp2_fraction(f: u32) -> u32 {
    let t = 14197 - ((1922 * f) >> 16); // Q18
    let t = 62904 - ((t * f) >> 16); // Q18
    let t = 45425 - ((t * f + (1 << 17)) >> 18); // Q16
    65536 - ((t * f + (1 << 15)) >> 16)
}

/// P(f) and n for d = n + f in Q16; n is cut at 31, where every result is 0, so that any d is valid.
#[inline(always)]
const fn exp2neg_q16(d: u32) -> (u32, u32) {
    let n = d >> 16;
    (exp2_fraction(d & 0xffff), if n < 31 { n } else { 31 })
}

/// `2^(-d / 2^16)` in Q15, 0..=32767 (1 is represented by 32767): weights of attention.
#[inline(always)]
pub const fn exp2neg(d: u32) -> u32 {
    let (p, n) = exp2neg_q16(d);
    let w = (p >> 1) >> n;
    if w < 32767 { w } else { 32767 }
}

/// `2^(-d / 2^16)` in Q20, 0..=2^20: weights of symbols.
#[inline(always)]
pub const fn exp2neg20(d: u32) -> u32 {
    let (p, n) = exp2neg_q16(d);
    (p << 4) >> n
}

/// `2^(-d / 2^16)` in Q24, 0..=2^24: weights of symbols of large alphabets.
#[inline(always)]
pub const fn exp2neg24(d: u32) -> u32 {
    let (p, n) = exp2neg_q16(d);
    (p << 8) >> n
}
