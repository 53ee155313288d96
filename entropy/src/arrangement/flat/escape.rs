//! Values outside the vocabulary: after the escape symbol their sign and their distance follow as raw bits.
//!
//! With the values `low..=high` that have symbols, a value v > high codes a 0 and o = v − high − 1, a value v < low a 1 and
//! o = low − 1 − v. o is an Exp-Golomb code of order 6: with q = o + 64 of n bits, n − 7 zeros, a one, and then the lower
//! n − 1 bits of q, most significant first. Sign, zeros and the one are raw bits of their own. For 16-bit values n ≤ 17.

use crate::coder::{SymbolSink, SymbolSource};

/// Order of the Exp-Golomb code.
const ORDER: u32 = 6;
/// Most zeros in front: 2^16 + 2^6 has 17 bits.
const MAX_ZEROS: u32 = 17 - ORDER - 1;

/// What an escape's raw bits say when no encoder can have written them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an escaped value that no 16-bit coefficient has")]
pub struct EscapeError;

/// Codes a value outside `low..=high`.
///
/// # Panics
/// If the value lies inside.
pub fn encode(value: i16, low: i32, high: i32, sink: &mut impl SymbolSink) {
    let value = i32::from(value);
    assert!(value < low || value > high, "{value} has a symbol in {low}..={high}");
    let negative = value < low;
    let distance = if negative { low - 1 - value } else { value - high - 1 };
    sink.bits(u32::from(negative), 1);
    let q = distance as u32 + (1 << ORDER);
    let bits = u32::BITS - q.leading_zeros();
    let below = bits - 1;
    // Bit by bit, as a decoder reads them: a range coder's bits depend on how they are grouped.
    (ORDER..below).for_each(|_| sink.bits(0, 1));
    sink.bits(1, 1);
    sink.bits(q ^ (1 << below), below);
}

/// Reads a value outside `low..=high`.
///
/// # Errors
/// [`EscapeError`] if the value does not fit 16 bits.
pub fn decode(low: i32, high: i32, source: &mut impl SymbolSource) -> Result<i16, EscapeError> {
    let negative = source.bits(1) == 1;
    let mut zeros = 0;
    while source.bits(1) == 0 {
        zeros += 1;
        if zeros > MAX_ZEROS {
            return Err(EscapeError);
        }
    }
    let below = ORDER + zeros;
    let distance = ((1 << below) | source.bits(below)) as i32 - (1 << ORDER);
    let value = if negative { low - 1 - distance } else { high + 1 + distance };
    i16::try_from(value).map_err(|_| EscapeError)
}
