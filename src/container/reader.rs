//! Reads bytes and variable-length integers of the header.

use lmcodec_codecs::varint::{VarintError, get_varint, varint_length};

use crate::error::Error;

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

    /// A reader of the next `count` bytes, which are passed over.
    pub(crate) fn part(&mut self, count: usize, what: &str) -> Result<Self, Error> {
        let start = self.at;
        self.take(count, what)?;
        Ok(Self { bytes: &self.bytes[..self.at], at: start })
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// A varint in its shortest form.
    pub(crate) fn varint(&mut self, what: &str) -> Result<u64, Error> {
        let (value, used) = match get_varint(self.bytes.get(self.at..).unwrap_or_default()) {
            Ok(found) => found,
            Err(VarintError::Long) => {
                return Err(Error::malformed(self.at, format!("{what}: a number of more than 63 bits")));
            }
            Err(_) => return Err(Error::malformed(self.at, format!("the header ends in {what}"))),
        };
        if used > varint_length(value) {
            return Err(Error::malformed(self.at, format!("{what}: a number with a superfluous byte")));
        }
        self.at += used;
        Ok(value)
    }
}

/// A varint that is a size in memory.
pub(super) fn length(reader: &mut HeaderReader<'_>, what: &str) -> Result<usize, Error> {
    let start = reader.offset();
    let value = reader.varint(what)?;
    usize::try_from(value).map_err(|_| Error::malformed(start, format!("{what} of {value}")))
}
