//! Bytes and variable-length integers of serialized side information.

use super::error::JpegError;

/// Appends `value` in groups of seven bits, least significant first; the high bit of a byte says
/// that another one follows.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

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
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                if value > most {
                    return Err(self.error(format!("{what} is {value}, at most {most}")));
                }
                return Ok(value);
            }
        }
        Err(self.error(format!("{what} has more than 63 bits")))
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
    fn varints_come_back() {
        let values = [0, 1, 127, 128, 300, 65535, u64::from(u32::MAX), (1 << 62) - 1];
        let mut bytes = Vec::new();
        for value in values {
            put_varint(&mut bytes, value);
        }
        let mut reader = ByteReader::new(&bytes);
        for value in values {
            assert_eq!(reader.varint("value", u64::MAX).unwrap(), value);
        }
        assert!(reader.is_empty());
        assert!(reader.byte().is_err());
        assert!(ByteReader::new(&[0xFF; 20]).varint("value", u64::MAX).is_err());
        assert!(ByteReader::new(&[9]).varint("value", 8).is_err());
    }
}
