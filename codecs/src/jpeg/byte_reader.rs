//! Reads bytes and variable-length integers of serialized side information.

use super::error::JpegError;
use crate::varint::{VarintError, get_varint};

/// Reads serialized side information.
pub(crate) struct ByteReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// An error at the current position.
    pub(crate) fn error(&self, what: impl Into<String>) -> JpegError {
        JpegError::malformed(self.at, format!("side information: {}", what.into()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, JpegError> {
        Ok(self.take(1)?[0])
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], JpegError> {
        let taken = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.get(..count))
            .ok_or_else(|| self.error(format!("it ends where {count} bytes are expected")))?;
        self.at += count;
        Ok(taken)
    }

    /// A varint of at most `most`.
    pub(crate) fn varint(&mut self, what: &str, most: u64) -> Result<u64, JpegError> {
        let (value, used) = match get_varint(self.bytes.get(self.at..).unwrap_or_default()) {
            Ok(found) => found,
            Err(VarintError::Long) => return Err(self.error(format!("{what} has more than 63 bits"))),
            Err(_) => return Err(self.error(format!("it ends in {what}"))),
        };
        self.at += used;
        if value > most {
            return Err(self.error(format!("{what} is {value}, at most {most}")));
        }
        Ok(value)
    }

    /// A varint that counts items of at least one byte each.
    pub(crate) fn count(&mut self, what: &str) -> Result<usize, JpegError> {
        let left = self.bytes.len() - self.at.min(self.bytes.len());
        Ok(self.varint(what, left as u64)? as usize)
    }

    /// A varint that fits 32 bits.
    pub(crate) fn varint_u32(&mut self, what: &str) -> Result<u32, JpegError> {
        Ok(self.varint(what, u64::from(u32::MAX))? as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_or_too_large_is_said() {
        let mut reader = ByteReader::new(&[5, 0x85, 1, 7]);
        assert_eq!((reader.varint("value", 5), reader.varint_u32("value")), (Ok(5), Ok(133)));
        assert_eq!(reader.take(1), Ok(&[7][..]));
        assert!(reader.is_empty() && reader.byte().is_err());
        let says = |bytes: &[u8], text: &str| {
            let error = ByteReader::new(bytes).varint("value", 8).expect_err(text).to_string();
            assert!(error.contains(text), "{error}");
        };
        says(&[9], "value is 9, at most 8");
        says(&[0xFF; 20], "value has more than 63 bits");
        says(&[0xFF], "it ends in value");
    }
}
