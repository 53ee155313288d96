//! Magnitudes and rounding shifts.

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
