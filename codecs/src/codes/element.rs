//! Integers of every type and byte order, in C or Fortran order ⇄ codes in C order.

use super::{CodesError, Header};

/// Type of the elements in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ElementType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
}

/// Byte order of the elements; [`Little`](Self::Little) for single bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ByteOrder {
    Little,
    Big,
}

impl ElementType {
    /// All types; the index is the type's number in side information.
    pub const ALL: [Self; 8] = [Self::U8, Self::I8, Self::U16, Self::I16, Self::U32, Self::I32, Self::U64, Self::I64];

    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        1 << (self as usize / 2)
    }

    /// The name, as in Rust.
    pub fn name(self) -> &'static str {
        ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"][self as usize]
    }

    fn is_signed(self) -> bool {
        self as usize % 2 == 1
    }

    /// The greatest value.
    fn max(self) -> u64 {
        let bits = 8 * self.bytes() as u32 - u32::from(self.is_signed());
        u64::MAX >> (64 - bits)
    }
}

fn value(bytes: &[u8], element: ElementType, order: ByteOrder) -> i128 {
    let join = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
    let raw = match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, join),
        ByteOrder::Big => bytes.iter().fold(0, join),
    };
    if element.is_signed() {
        let unused = 64 - 8 * element.bytes();
        i128::from(((raw << unused) as i64) >> unused)
    } else {
        i128::from(raw)
    }
}

/// For each position in C order, the position in the file.
fn fortran_places(shape: &[usize]) -> impl Iterator<Item = usize> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &dimension in shape {
        strides.push(stride);
        stride *= dimension;
    }
    let (shape, mut index, mut place, mut left) = (shape.to_vec(), vec![0; shape.len()], 0, stride);
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let here = place;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= shape[axis] * strides[axis];
            index[axis] = 0;
        }
        Some(here)
    })
}

/// The index of position `place` in C order.
pub fn unravel(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&dimension| {
            let i = place % dimension.max(1);
            place /= dimension.max(1);
            i
        })
        .collect();
    index.reverse();
    index
}

/// An unsigned type that codes are read into.
pub(super) trait Code: TryFrom<i128> {
    /// One above the greatest value.
    const END: u64;
}

impl Code for u16 {
    const END: u64 = 1 << 16;
}

impl Code for u32 {
    const END: u64 = 1 << 32;
}

/// Reads all elements of `bytes`, whose length fits the header's shape.
pub(super) fn read<T: Code>(bytes: &[u8], header: &Header) -> Result<Vec<T>, CodesError> {
    let width = header.element.bytes();
    let mut codes = Vec::with_capacity(bytes.len() / width);
    let mut push = |bytes: &[u8]| {
        let found = value(bytes, header.element, header.order);
        let code = T::try_from(found).map_err(|_| CodesError::Value {
            index: unravel(codes.len(), &header.shape),
            found,
            end: T::END,
        })?;
        codes.push(code);
        Ok(())
    };
    if header.fortran && !bytes.is_empty() {
        fortran_places(&header.shape).try_for_each(|place| push(&bytes[place * width..][..width]))?;
    } else {
        bytes.chunks_exact(width).try_for_each(push)?;
    }
    Ok(codes)
}

/// Appends the elements; the number of codes fits `shape`.
pub(super) fn write(
    codes: &[u16],
    element: ElementType,
    order: ByteOrder,
    shape: &[usize],
    fortran: bool,
    out: &mut Vec<u8>,
) -> Result<(), CodesError> {
    let (width, start) = (element.bytes(), out.len());
    out.resize(start + codes.len() * width, 0);
    let bytes = &mut out[start..];
    let mut put = |place: usize, i: usize| {
        let code = u64::from(codes[i]);
        if code > element.max() {
            return Err(CodesError::Value {
                index: unravel(i, shape),
                found: code.into(),
                end: element.max().saturating_add(1),
            });
        }
        let bytes = &mut bytes[place * width..][..width];
        match order {
            ByteOrder::Little => bytes.copy_from_slice(&code.to_le_bytes()[..width]),
            ByteOrder::Big => bytes.copy_from_slice(&code.to_be_bytes()[8 - width..]),
        }
        Ok(())
    };
    if fortran && !codes.is_empty() {
        fortran_places(shape).enumerate().try_for_each(|(i, place)| put(place, i))
    } else {
        (0..codes.len()).try_for_each(|i| put(i, i))
    }
}
