//! The range coder's writing half.
//!
//! The state is an interval `[low, low + range)` of 56-bit fixed point, after G. N. N. Martin, "Range encoding" (1979).
//! Invariants between calls:
//!
//! * `low < 2^56`: a carry out of bit 55 is added to the bytes already written at once;
//! * `2^48 < range <= 2^56`: whole bytes are shifted out while `range <= 2^48`.
//!
//! A symbol scales the range by `range / total` in integers; since total < 2^27 the quotient is at least 2^21 and the
//! rounding costs less than 2^-21 of a symbol's probability. `low + range <= 2^57`, so nothing overflows 64 bits.

use super::symbol::{SymbolSink, check_interval};

/// Width of the coder's window in bits.
pub(super) const WINDOW_BITS: u32 = 56;
/// `2^56`: the window's modulus.
pub(super) const WINDOW: u64 = 1 << WINDOW_BITS;
/// Bytes of the window.
pub(super) const WINDOW_BYTES: usize = 7;
/// Ranges up to this shift out a byte.
pub(super) const RENORM: u64 = 1 << (WINDOW_BITS - 8);

/// Range encoder into a growing vector of bytes.
#[derive(Debug, Clone)]
pub struct RangeEncoder {
    low: u64,
    range: u64,
    bytes: Vec<u8>,
}

impl Default for RangeEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl RangeEncoder {
    /// An encoder with no bytes.
    pub fn new() -> Self {
        Self::with_buffer(Vec::new())
    }

    /// An encoder that reuses a vector's memory; its contents are dropped.
    pub fn with_buffer(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { low: 0, range: WINDOW, bytes }
    }

    /// Bytes that are certain to be written by now (the final length is at most 7 more).
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no byte has left the window yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Ends the code and gives the bytes.
    ///
    /// The fewest bytes that name a number inside the last interval are written, and zero bytes at the end are dropped,
    /// because the decoder reads zeros after the end. An encoder that coded nothing gives no bytes. The last byte is
    /// never zero, which [`RangeDecoder::finish`](super::RangeDecoder::finish) checks.
    pub fn finish(mut self) -> Vec<u8> {
        let (value, count) = shortest_tail(self.low, self.range);
        if value >= WINDOW {
            carry(&mut self.bytes);
        }
        for i in 0..count {
            self.bytes.push((value >> (WINDOW_BITS - 8 * (i as u32 + 1))) as u8);
        }
        while self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
        self.bytes
    }
}

impl SymbolSink for RangeEncoder {
    #[inline]
    fn code(&mut self, cum: u32, weight: u32, total: u32) {
        check_interval(cum, weight, total);
        let unit = self.range / u64::from(total);
        self.low += unit * u64::from(cum);
        self.range = unit * u64::from(weight);
        if self.low >= WINDOW {
            carry(&mut self.bytes);
            self.low -= WINDOW;
        }
        while self.range <= RENORM {
            self.bytes.push((self.low >> (WINDOW_BITS - 8)) as u8);
            self.low = (self.low << 8) & (WINDOW - 1);
            self.range <<= 8;
        }
    }
}

/// Adds one to the number that the bytes spell. The first byte never overflows: the whole code is a fraction below 1.
#[cold]
fn carry(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
    // Unreachable with the invariants above; a model that broke them would have failed the interval check.
    debug_assert!(false, "carry out of the first byte");
}

/// The number in `[low, low + range)` with the fewest leading bytes followed by zeros, and how many bytes those are.
/// The number may be `2^56` (a carry, no bytes).
pub(super) fn shortest_tail(low: u64, range: u64) -> (u64, usize) {
    for count in 0..WINDOW_BYTES {
        let rest = (1u64 << (WINDOW_BITS - 8 * count as u32)) - 1;
        let value = (low + rest) & !rest;
        if value - low < range {
            return (value, count);
        }
    }
    (low, WINDOW_BYTES)
}
