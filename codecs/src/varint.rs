//! Variable-length integers of this project's formats: unsigned LEB128.
//!
//! Seven bits a byte, least significant group first; the high bit of a byte says that another one follows. A number has at
//! most 63 bits, so at most nine bytes (`docs/FORMAT.md`, "Conventions").

use thiserror::Error;

/// Most bytes of a number.
const MAX_BYTES: usize = 9;

/// Why no number could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VarintError {
    /// The bytes end inside the number.
    #[error("the bytes end inside a number")]
    Cut,
    /// More than 63 bits.
    #[error("a number of more than 63 bits")]
    Long,
}

/// Appends a number, in its shortest form.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number that some bytes begin with, and how many bytes it takes. It need not have its shortest form
/// ([`varint_length`] tells).
///
/// # Errors
/// [`VarintError`].
pub fn get_varint(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(MAX_BYTES).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, index + 1));
        }
    }
    Err(if bytes.len() < MAX_BYTES { VarintError::Cut } else { VarintError::Long })
}

/// Bytes of a number in its shortest form.
#[must_use]
pub fn varint_length(value: u64) -> usize {
    ((u64::BITS - value.leading_zeros()) as usize).div_ceil(7).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_the_bytes_they_take() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), (1 << 62) - 1, (1 << 63) - 1] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_length(value), "{value}");
            for cut in 0..bytes.len() {
                assert_eq!(get_varint(&bytes[..cut]), Err(VarintError::Cut), "{value}");
            }
            bytes.push(0xFF);
            assert_eq!(get_varint(&bytes), Ok((value, bytes.len() - 1)));
        }
        assert_eq!(get_varint(&[0xFF; 20]), Err(VarintError::Long));
        assert_eq!(get_varint(&[0x80, 0]), Ok((0, 2)), "a longer form than needed");
    }
}
