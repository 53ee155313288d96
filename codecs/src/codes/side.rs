//! Side information of a file of codes, in bytes (docs/FORMAT.md, "Codes").

use std::io::{Read, Write};

use super::{ByteOrder, CodesError, ElementType, MAX_RANK, element_count, npy};
use crate::varint::{get_varint, put_varint};

/// Everything of a file but its codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeSide {
    /// Type of the elements.
    pub element: ElementType,
    /// Byte order of the elements.
    pub order: ByteOrder,
    /// Whether the first index runs fastest in the file.
    pub fortran: bool,
    /// Dimensions; none for a single code.
    pub shape: Vec<usize>,
    /// Bytes before the elements.
    pub before: Vec<u8>,
    /// Bytes after the elements.
    pub after: Vec<u8>,
}

const BIG_ENDIAN: u8 = 1 << 3;
const FORTRAN: u8 = 1 << 4;
/// Bits 5 and 6: what `before` is.
const EXPLICIT: u8 = 0;
const NUMPY: u8 = 1;
const OLD_NUMPY: u8 = 2;
/// The bytes are a brotli stream.
const PACKED: u8 = 1 << 7;

impl CodeSide {
    /// That of a `.npy` file as numpy (since 1.23) writes it.
    pub fn numpy(element: ElementType, order: ByteOrder, fortran: bool, shape: &[usize]) -> Self {
        let before = npy::canonical(element, order, fortran, shape, true);
        Self { element, order, fortran, shape: shape.to_vec(), before, after: Vec::new() }
    }

    /// Number of codes.
    pub fn count(&self) -> usize {
        element_count(&self.shape).unwrap_or(usize::MAX)
    }

    /// Bytes of the file.
    pub fn file_length(&self) -> u64 {
        let elements = (self.count() as u64).saturating_mul(self.element.bytes() as u64);
        elements.saturating_add((self.before.len() + self.after.len()) as u64)
    }

    /// The side information as the container keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let canonical = |growth| npy::canonical(self.element, self.order, self.fortran, &self.shape, growth);
        let header = if self.before == canonical(true) {
            NUMPY
        } else if self.before == canonical(false) {
            OLD_NUMPY
        } else {
            EXPLICIT
        };
        let before: &[u8] = if header == EXPLICIT { &self.before } else { &[] };
        let plain = [before, &self.after].concat();
        let packed = compress(&plain).filter(|packed| packed.len() < plain.len());

        let mut flags = self.element as u8 | header << 5;
        flags |= if self.order == ByteOrder::Big { BIG_ENDIAN } else { 0 };
        flags |= if self.fortran { FORTRAN } else { 0 };
        flags |= if packed.is_some() { PACKED } else { 0 };
        let mut out = vec![flags, self.shape.len() as u8];
        self.shape.iter().for_each(|&dimension| put_varint(&mut out, dimension as u64));
        if header == EXPLICIT {
            put_varint(&mut out, self.before.len() as u64);
        }
        put_varint(&mut out, self.after.len() as u64);
        out.extend_from_slice(packed.as_deref().unwrap_or(&plain));
        out
    }

    /// Reads side information. `most` bounds the bytes of the file that it stands for.
    ///
    /// # Errors
    /// [`CodesError::Malformed`], with offsets in `bytes`; sizes are checked before anything of that size is allocated.
    pub fn from_bytes(bytes: &[u8], most: u64) -> Result<Self, CodesError> {
        let ends = |at: usize| CodesError::malformed(at, "the side information ends too early");
        let [flags, rank, ..] = *bytes else { return Err(ends(bytes.len())) };
        if usize::from(rank) > MAX_RANK {
            return Err(CodesError::Rank { found: usize::from(rank) });
        }
        let mut at = 2;
        let mut number = || {
            let (value, used) = get_varint(&bytes[at..]).map_err(|_| ends(at))?;
            at += used;
            usize::try_from(value).map_err(|_| CodesError::malformed(at, format!("a size of {value}")))
        };
        let shape = (0..rank).map(|_| number()).collect::<Result<Vec<_>, _>>()?;
        let header = flags >> 5 & 3;
        let before_length = if header == EXPLICIT { number()? } else { 0 };
        let after_length = number()?;
        let element = ElementType::ALL[usize::from(flags & 7)];
        let order = if flags & BIG_ENDIAN == 0 { ByteOrder::Little } else { ByteOrder::Big };
        let fortran = flags & FORTRAN != 0;
        if header > OLD_NUMPY || order == ByteOrder::Big && element.bytes() == 1 {
            return Err(CodesError::malformed(0, format!("flags {flags:#04x}")));
        }
        let elements = element_count(&shape).and_then(|count| count.checked_mul(element.bytes()));
        let total = elements
            .and_then(|elements| elements.checked_add(before_length))
            .and_then(|sum| sum.checked_add(after_length))
            .filter(|&total| total as u64 <= most);
        if total.is_none() {
            let what = format!("shape {shape:?} of {} and {before_length} + {after_length} bytes", element.name());
            return Err(CodesError::malformed(2, format!("{what}: more than {most} bytes")));
        }
        let rest = &bytes[at..];
        let expected = before_length + after_length;
        let plain = if flags & PACKED != 0 { expand(rest, expected) } else { Some(rest.to_vec()) };
        let plain = plain.filter(|plain| plain.len() == expected);
        let mut plain =
            plain.ok_or_else(|| CodesError::malformed(at, format!("not the {expected} bytes that are stated")))?;
        let after = plain.split_off(before_length);
        let before = match header {
            EXPLICIT => plain,
            _ => npy::canonical(element, order, fortran, &shape, header == NUMPY),
        };
        Ok(Self { element, order, fortran, shape, before, after })
    }
}

fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    if plain.is_empty() {
        return None;
    }
    let mut packed = Vec::new();
    {
        let quality = if plain.len() <= 1 << 20 { 11 } else { 5 };
        let mut writer = brotli::CompressorWriter::new(&mut packed, 1 << 16, quality, 22);
        writer.write_all(plain).and_then(|()| writer.flush()).ok()?;
    }
    Some(packed)
}

/// At most `length` bytes and one more, which shows that there are too many.
fn expand(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    brotli::Decompressor::new(packed, 1 << 16).take(length as u64 + 1).read_to_end(&mut plain).ok()?;
    Some(plain)
}
