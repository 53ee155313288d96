//! Bytes and variable-length integers (LEB128, unsigned) of the header.

use crate::error::Error;

/// Appends `value` in groups of seven bits, least significant first; the high bit says that another group follows.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over the file.
pub(crate) struct HeaderReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> HeaderReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], Error> {
        let left = self.bytes.get(self.at..).unwrap_or_default();
        let taken = left.get(..count).ok_or_else(|| {
            Error::malformed(self.at, format!("the header ends in {what}: {} of {count} bytes left", left.len()))
        })?;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// A varint in its shortest form.
    pub(crate) fn varint(&mut self, what: &str) -> Result<u64, Error> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let [byte] = self.array(what)?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(Error::malformed(start, format!("{what}: a number with a superfluous byte")));
                }
                return Ok(value);
            }
        }
        Err(Error::malformed(start, format!("{what}: a number of more than 63 bits")))
    }
}
