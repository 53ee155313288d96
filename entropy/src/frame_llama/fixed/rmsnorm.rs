//! RMSNorm's scale by integer square root.

/// The reciprocal of a row's root mean square, as a 31-bit factor and a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InverseRms {
    /// `floor(2^(n+29) / r)`, in 2^29..=2^30.
    pub factor: i32,
    /// n + 14, in 22..=42.
    pub shift: u32,
}

impl InverseRms {
    /// One element: Q12 (±2^23) to Q11 in i16. |x·factor| ≤ 2^53.
    #[inline(always)]
    pub const fn apply(self, x: i32) -> i16 {
        let y = (x as i64 * self.factor as i64 + (1 << (self.shift - 1))) >> self.shift;
        if y > 32767 {
            32767
        } else if y < -32768 {
            -32768
        } else {
            y as i16
        }
    }
}

/// From the sum of squares of a row of `width` elements (Q12, within ±2^23; width ≤ 512, so the sum is at most 2^55).
///
/// `r = isqrt(sum·2^8 / width)` (Q16, floors), at least 128 (2^-9); n = bit length of r (8..=28);
/// `factor = 2^(n+29) / r`, so that `x·factor >> (n+14)` = x·2^15 / r: Q12 · 2^15 / Q16 = Q11.
/// Relative error against the exact quotient: below 2^-29 by the factor and 1/r by the root.
#[inline]
pub fn inverse_rms(sum_of_squares: u64, width: usize) -> InverseRms {
    let r = isqrt((sum_of_squares << 8) / width as u64).max(128);
    let n = 64 - r.leading_zeros();
    InverseRms { factor: ((1u64 << (n + 29)) / r) as i32, shift: n + 14 }
}

/// `floor(√v)` for v ≤ 2^54. The floating-point root is only a first guess (exact within one on IEEE machines); the
/// integer comparisons decide.
#[inline(always)]
fn isqrt(v: u64) -> u64 {
    let mut r = (v as f64).sqrt() as u64;
    while r * r > v {
        r -= 1;
    }
    while (r + 1) * (r + 1) <= v {
        r += 1;
    }
    r
}
