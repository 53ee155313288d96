//! The logistic domain in integers: d = 128·log2(p / (1 − p)), −2047..=2047, and probabilities in Q16.

use crate::frame_llama::fixed::exp2neg20;

/// The greatest |d|.
pub(super) const LIMIT: i32 = 2047;

/// p in Q16 of every d, at index d + 2048 (index 0 repeats index 1).
static SQUASH: [u16; 4096] = {
    let mut table = [0; 4096];
    let mut i = 0;
    while i < 4096 {
        let d = i as i32 - 2048;
        let e = exp2neg20((d.unsigned_abs() & 0xFFF) << 9) as u64;
        // 1 / (1 + 2^−|d/128|), and its complement for negative d; 1..=65535.
        let p = ((1u64 << 36) / ((1 << 20) + e)) as u32;
        let p = if d < 0 { 65536 - p } else { p };
        table[i] = if p < 1 {
            1
        } else if p > 65535 {
            65535
        } else {
            p as u16
        };
        i += 1;
    }
    table
};

/// d of every p in steps of 16: the least d whose probability reaches the middle of the step.
static STRETCH: [i16; 4096] = {
    let mut table = [0; 4096];
    let (mut d, mut step) = (-LIMIT, 0);
    while step < 4096 {
        while d < LIMIT && (SQUASH[(d + 2048) as usize] as u32) < 16 * step + 8 {
            d += 1;
        }
        table[step as usize] = d as i16;
        step += 1;
    }
    table
};

/// Probability in Q16, 1..=65535, of a d that is cut at ±2047.
#[inline]
pub(super) fn squash(d: i32) -> u32 {
    u32::from(SQUASH[(d.clamp(-LIMIT, LIMIT) + 2048) as usize])
}

/// d of a probability in Q16, below 65536.
#[inline]
pub(super) fn stretch(p: u32) -> i16 {
    STRETCH[(p >> 4) as usize & 4095]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_inverse_and_monotone() {
        assert_eq!((squash(0), stretch(32_768).abs() <= 1), (32_768, true));
        for d in -LIMIT..LIMIT {
            assert!(squash(d) <= squash(d + 1), "{d}");
            let exact = 65_536.0 / (1.0 + (-f64::from(d) / 128.0).exp2());
            assert!((f64::from(squash(d)) - exact.clamp(1.0, 65_535.0)).abs() < 4.0, "{d}: {} {exact}", squash(d));
        }
        for p in (8..65_536).step_by(16) {
            let back = squash(i32::from(stretch(p)));
            assert!(back.abs_diff(p) <= 8 + p.min(65_536 - p) / 64, "{p} {back}");
        }
    }
}
