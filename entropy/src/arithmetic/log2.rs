//! The integer logarithm.

/// log2(n) in Q16 for n ≥ 1, rounded down to the last bit of the squaring recurrence.
pub(crate) const fn log2_q16(n: u32) -> u32 {
    let exponent = 31 - n.leading_zeros();
    // Mantissa in [1, 2) as Q31.
    let mut mantissa = (n as u64) << (31 - exponent);
    let mut fraction = 0u32;
    let mut bit = 0;
    while bit < 16 {
        mantissa = (mantissa * mantissa) >> 31;
        fraction <<= 1;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            fraction |= 1;
        }
        bit += 1;
    }
    (exponent << 16) | fraction
}
