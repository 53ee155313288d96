//! What codes symbols: a sink (encoder, bit counter) and a source (decoder).

/// The greatest total of a model's weights.
pub const MAX_TOTAL: u32 = (1 << 27) - 1;

/// The greatest number of raw bits of one call.
pub const MAX_RAW_BITS: u32 = 32;

/// Takes symbols with their integer probabilities.
pub trait SymbolSink {
    /// Codes the symbol that owns `cum..cum + weight` of `0..total`.
    ///
    /// # Panics
    /// Unless `0 < weight`, `cum + weight <= total` and `total <=` [`MAX_TOTAL`] (checked in every build: a broken
    /// model must not become a broken file).
    fn code(&mut self, cum: u32, weight: u32, total: u32);

    /// Codes the low `count` bits of `value`, each worth exactly one bit; `count` ≤ [`MAX_RAW_BITS`].
    ///
    /// # Panics
    /// If `count` is greater, or `value` has more bits than `count`.
    fn bits(&mut self, value: u32, count: u32) {
        check_bits(value, count);
        // From the top, at most 16 bits at a time.
        let mut left = count;
        while left > 0 {
            let now = left.min(16);
            left -= now;
            self.code((value >> left) & ((1 << now) - 1), 1, 1 << now);
        }
    }
}

/// Gives back what a [`SymbolSink`] took, in the same order.
pub trait SymbolSource {
    /// Where in `0..total` the next symbol lies. The symbol is the one with `cum <= target < cum + weight`; hand its
    /// interval to [`advance`](Self::advance) before anything else.
    ///
    /// # Panics
    /// Unless `0 < total <=` [`MAX_TOTAL`].
    fn target(&mut self, total: u32) -> u32;

    /// Passes the symbol that [`target`](Self::target) pointed at, with the `total` given there.
    ///
    /// # Panics
    /// As [`SymbolSink::code`].
    fn advance(&mut self, cum: u32, weight: u32, total: u32);

    /// Reads `count` raw bits written by [`SymbolSink::bits`].
    ///
    /// # Panics
    /// If `count` is greater than [`MAX_RAW_BITS`].
    fn bits(&mut self, count: u32) -> u32 {
        check_bits(0, count);
        let (mut left, mut value) = (count, 0u32);
        while left > 0 {
            let now = left.min(16);
            left -= now;
            let part = self.target(1 << now);
            self.advance(part, 1, 1 << now);
            value = (value << now) | part;
        }
        value
    }
}

fn check_bits(value: u32, count: u32) {
    assert!(count <= MAX_RAW_BITS, "{count} raw bits; at most {MAX_RAW_BITS}");
    assert!(u64::from(value) >> count == 0, "{value} has more than {count} bits");
}

/// The contract of one coded interval.
#[inline]
pub(super) fn check_interval(cum: u32, weight: u32, total: u32) {
    assert!(
        weight > 0 && total <= MAX_TOTAL && u64::from(cum) + u64::from(weight) <= u64::from(total),
        "interval {cum}+{weight} of {total} (at most {MAX_TOTAL})"
    );
}
