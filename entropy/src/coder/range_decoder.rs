//! The range coder's reading half.
//!
//! It keeps `offset = code − low` instead of `low`, so that a symbol is found by one division. Bytes after the end of
//! the stream are zeros, so it never reads out of bounds whatever the bytes are.

use super::range_encoder::{RENORM, WINDOW, WINDOW_BITS, WINDOW_BYTES, shortest_tail};
use super::symbol::{MAX_TOTAL, SymbolSource, check_interval};
use crate::error::CoderError;

/// Range decoder over a slice of bytes.
#[derive(Debug, Clone)]
pub struct RangeDecoder<'a> {
    bytes: &'a [u8],
    /// Bytes shifted into the window, those after the end included.
    position: usize,
    range: u64,
    /// The code's distance from the interval's low end; less than `range`.
    offset: u64,
    /// `range / total` of the pending symbol.
    unit: u64,
    /// `position` when a code was first seen outside the model's range.
    outside: Option<usize>,
}

impl<'a> RangeDecoder<'a> {
    /// A decoder of the bytes of one [`RangeEncoder`](super::RangeEncoder).
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes, position: 0, range: WINDOW, offset: 0, unit: 0, outside: None };
        for _ in 0..WINDOW_BYTES {
            decoder.offset = (decoder.offset << 8) | decoder.next_byte();
        }
        decoder
    }

    /// Whether a damaged code has been noticed so far. Cheap; lets long decodes stop early.
    pub fn is_damaged(&self) -> bool {
        self.outside.is_some()
    }

    /// Checks that an encoder of the symbols decoded so far would have written exactly these bytes.
    ///
    /// The interval's low end is known here (code − offset), so the encoder's ending can be computed again: the bytes
    /// of the window must be that ending and nothing may follow. Damage anywhere before desynchronises the symbols and
    /// is found by this check unless the coder ends, by chance, at the same byte in a matching state; keep a CRC too.
    ///
    /// # Errors
    /// [`CoderError`], saying which of the checks failed.
    pub fn finish(self) -> Result<(), CoderError> {
        if let Some(position) = self.outside {
            return Err(CoderError::OutsideRange { position });
        }
        let start = self.position - WINDOW_BYTES;
        let code = (start..self.position).fold(0u64, |code, i| (code << 8) | self.byte(i));
        let low = code.wrapping_sub(self.offset) & (WINDOW - 1);
        let (value, count) = shortest_tail(low, self.range);
        let expected = start + count;
        if value & (WINDOW - 1) != code {
            return Err(CoderError::FinalState { position: expected, length: self.bytes.len() });
        }
        if self.bytes.len() > expected || self.bytes.last() == Some(&0) {
            return Err(CoderError::TrailingBytes { expected, found: self.bytes.len() });
        }
        Ok(())
    }

    fn byte(&self, index: usize) -> u64 {
        u64::from(self.bytes.get(index).copied().unwrap_or(0))
    }

    #[inline]
    fn next_byte(&mut self) -> u64 {
        let byte = self.byte(self.position);
        self.position += 1;
        byte
    }
}

impl SymbolSource for RangeDecoder<'_> {
    #[inline]
    fn target(&mut self, total: u32) -> u32 {
        assert!(total > 0 && total <= MAX_TOTAL, "total {total} (1..={MAX_TOTAL})");
        self.unit = self.range / u64::from(total);
        let target = self.offset / self.unit;
        if target >= u64::from(total) {
            // The sliver above unit * total that no symbol owns.
            self.outside.get_or_insert(self.position);
            return total - 1;
        }
        target as u32
    }

    #[inline]
    fn advance(&mut self, cum: u32, weight: u32, total: u32) {
        check_interval(cum, weight, total);
        debug_assert_eq!(self.unit, self.range / u64::from(total), "advance without target");
        self.range = self.unit * u64::from(weight);
        // Only damaged code lies outside the symbol's interval; clamp it so that the invariants hold.
        self.offset = self.offset.saturating_sub(self.unit * u64::from(cum)).min(self.range - 1);
        while self.range <= RENORM {
            self.range <<= 8;
            self.offset = (self.offset << 8) | self.next_byte();
        }
        debug_assert!(self.offset < self.range && self.range <= 1 << WINDOW_BITS);
    }
}
