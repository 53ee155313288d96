//! What the streams of all anchors share: the dimensions at the start, and bits from the top of each byte.

use lmcodec_codecs::varint::{get_varint, put_varint};

use super::{LatentCodes, LatentError, check_dimensions};

/// Dimensions at the start of a stream.
pub(super) struct Head {
    pub(super) codebook: u32,
    pub(super) layers: usize,
    pub(super) count: usize,
}

impl Head {
    /// As [`LatentCodes::width`].
    pub(super) fn width(&self) -> u32 {
        u32::BITS - (self.codebook - 1).leading_zeros()
    }
}

pub(super) fn write_head(codes: &LatentCodes) -> Vec<u8> {
    let mut out = Vec::new();
    for n in [u64::from(codes.codebook()), codes.layers() as u64, codes.frames() as u64] {
        put_varint(&mut out, n);
    }
    out
}

/// The dimensions and the rest of the stream.
pub(super) fn read_head<'a>(coder: &'static str, stream: &'a [u8]) -> Result<(Head, &'a [u8]), LatentError> {
    let cut = || LatentError::Damaged { coder, reason: "no dimensions".into() };
    let mut rest = stream;
    let mut number = || {
        let (n, used) = get_varint(rest).map_err(|_| cut())?;
        rest = &rest[used..];
        Ok(n)
    };
    let (codebook, layers, frames) = (number()?, number()?, number()?);
    let count = frames.checked_mul(layers).ok_or_else(cut)?;
    check_dimensions(count, layers, codebook)?;
    Ok((Head { codebook: codebook as u32, layers: layers as usize, count: count as usize }, rest))
}

/// Writes numbers of up to 32 bits, the top bit first.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter {
    pub(super) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    pub(super) fn put(&mut self, value: u32, width: u32) {
        self.pending = (self.pending << width) | u64::from(value);
        self.count += width;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.pending >> self.count) as u8);
        }
    }

    /// The bytes, the last filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        self.bytes
    }
}

/// Reads what [`BitWriter`] wrote.
pub(super) struct BitReader<'a> {
    coder: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(coder: &'static str, bytes: &'a [u8]) -> Self {
        Self { coder, bytes, position: 0 }
    }

    pub(super) fn bit(&mut self) -> Result<u32, LatentError> {
        let byte = self.bytes.get(self.position / 8);
        let byte = byte.ok_or_else(|| LatentError::Damaged { coder: self.coder, reason: "it is cut off".into() })?;
        let bit = (byte >> (7 - self.position % 8)) & 1;
        self.position += 1;
        Ok(bit.into())
    }

    pub(super) fn take(&mut self, width: u32) -> Result<u32, LatentError> {
        (0..width).try_fold(0, |n, _| Ok((n << 1) | self.bit()?))
    }

    /// Refuses bytes after the last bit, and bits other than zero.
    pub(super) fn finish(mut self) -> Result<(), LatentError> {
        let left = self.bytes.len() * 8 - self.position;
        if left >= 8 || self.take(left as u32)? != 0 {
            return Err(LatentError::Damaged { coder: self.coder, reason: "something follows the last code".into() });
        }
        Ok(())
    }

    /// Bits not read yet.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() * 8 - self.position
    }
}
