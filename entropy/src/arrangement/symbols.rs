//! Alphabets: how a signed coefficient value becomes a primary symbol and, rarely, an escape symbol and raw bits.
//!
//! The 31 primary symbols are the values −14..=14 and two signed escapes. A magnitude of 15 or more codes its offset
//! o = |v| − 15 as a half-octave bucket (30 buckets reach every 16-bit value) and the bits below the bucket raw, so every
//! value is exact and nothing is clipped.

/// Largest magnitude with a primary symbol of its own.
pub const PRIMARY_MAX: i32 = 14;
/// Number of primary symbols in use (the head has [`ALPHABET`] rows; the last is never coded).
pub const PRIMARY_SYMBOLS: usize = 31;
/// Rows of the primary and of the escape head.
pub const ALPHABET: usize = 32;
/// Primary symbol of the value 0.
pub const ZERO: u8 = 14;
/// Primary symbol of every value ≤ −15.
pub const ESCAPE_NEGATIVE: u8 = 29;
/// Primary symbol of every value ≥ 15.
pub const ESCAPE_POSITIVE: u8 = 30;
/// Stands for "no previous coefficient" at the first step of a frame.
pub const START: u8 = 31;
/// Number of escape buckets.
pub const ESCAPE_BUCKETS: usize = 30;

/// Primary symbol of a value.
#[inline]
pub fn primary(v: i32) -> u8 {
    if v < -PRIMARY_MAX {
        ESCAPE_NEGATIVE
    } else if v > PRIMARY_MAX {
        ESCAPE_POSITIVE
    } else {
        (v + PRIMARY_MAX) as u8
    }
}

/// Whether a primary symbol is followed by an escape symbol.
#[inline]
pub fn is_escape(symbol: u8) -> bool {
    symbol == ESCAPE_NEGATIVE || symbol == ESCAPE_POSITIVE
}

/// First offset of a bucket and the number of raw bits that follow: buckets 0..=3 hold one offset each, then each
/// octave [2^n, 2^(n+1)), n ≥ 2, has two.
#[inline]
pub fn bucket_range(bucket: u8) -> (u32, u32) {
    let b = u32::from(bucket);
    if b < 4 {
        (b, 0)
    } else {
        let octave = b / 2;
        ((2 + b % 2) << (octave - 1), octave - 1)
    }
}

/// Bucket of an offset, and the raw bits (value, count) below it.
#[inline]
pub fn bucket(offset: u32) -> (u8, u32, u32) {
    if offset < 4 {
        (offset as u8, 0, 0)
    } else {
        let octave = 31 - offset.leading_zeros();
        let half = (offset >> (octave - 1)) & 1;
        let b = (2 * octave + half) as u8;
        let (first, bits) = bucket_range(b);
        (b, offset - first, bits)
    }
}

/// Offset |v| − 15 of an escaped value.
#[inline]
pub fn escape_offset(v: i32) -> u32 {
    v.unsigned_abs() - (PRIMARY_MAX as u32 + 1)
}

/// Value from a primary escape symbol and an offset.
#[inline]
pub fn from_escape(symbol: u8, offset: u32) -> i32 {
    let magnitude = offset as i32 + PRIMARY_MAX + 1;
    if symbol == ESCAPE_NEGATIVE { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_round_trips() {
        for v in -65_600i32..=65_600 {
            let s = primary(v);
            if !is_escape(s) {
                assert_eq!(i32::from(s) - PRIMARY_MAX, v);
                continue;
            }
            let (b, raw, bits) = bucket(escape_offset(v));
            assert!(raw < 1 << bits || bits == 0 && raw == 0);
            if v.abs() <= 32_767 {
                assert!((b as usize) < ESCAPE_BUCKETS);
            }
            let (first, count) = bucket_range(b);
            assert_eq!(count, bits);
            assert_eq!(from_escape(s, first + raw), v);
        }
    }

    #[test]
    fn buckets_are_contiguous() {
        let mut next = 0;
        for b in 0..32 {
            let (first, bits) = bucket_range(b);
            assert_eq!(first, next, "bucket {b}");
            next = first + (1 << bits);
        }
    }
}
