//! Numbers of every type and byte order, in C or Fortran order ⇄ values and codes in C order. Floats are whole numbers.

use super::values::ValueMap;
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
    F16,
    F32,
    F64,
    BF16,
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
    pub const ALL: [Self; 12] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::BF16,
    ];

    /// The types of integers.
    pub fn integers() -> &'static [Self] {
        &Self::ALL[..8]
    }

    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        [1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 2][self as usize]
    }

    /// The name, as in Rust.
    pub fn name(self) -> &'static str {
        ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f16", "f32", "f64", "bf16"][self as usize]
    }

    /// Whether it has an exponent.
    pub fn is_float(self) -> bool {
        self.float().is_some()
    }

    fn is_signed(self) -> bool {
        self as usize % 2 == 1
    }

    fn float(self) -> Option<Float> {
        let (exponent, mantissa) = match self {
            Self::F16 => (5, 10),
            Self::F32 => (8, 23),
            Self::F64 => (11, 52),
            Self::BF16 => (8, 7),
            _ => return None,
        };
        Some(Float { exponent, mantissa })
    }

    /// The value of an element's bits; none for floats that are no whole number of at most 63 bits, or −0.
    fn value(self, raw: u64) -> Option<i128> {
        match self.float() {
            Some(float) => float.value(raw),
            None if self.is_signed() => {
                let unused = 64 - 8 * self.bytes();
                Some(i128::from(((raw << unused) as i64) >> unused))
            }
            None => Some(i128::from(raw)),
        }
    }

    /// The bits of the element with a value, if there is one.
    fn raw(self, value: i128) -> Option<u64> {
        let raw = match self.float() {
            Some(float) => float.raw(value)?,
            None => value as u64 & (u64::MAX >> (64 - 8 * self.bytes())),
        };
        (self.value(raw) == Some(value)).then_some(raw)
    }
}

/// A format of IEEE 754 or its like, by the bits of its parts.
#[derive(Clone, Copy)]
struct Float {
    exponent: u32,
    mantissa: u32,
}

impl Float {
    fn bias(self) -> u32 {
        (1 << (self.exponent - 1)) - 1
    }

    fn value(self, raw: u64) -> Option<i128> {
        let exponent = (raw >> self.mantissa) as u32 & ((1 << self.exponent) - 1);
        if raw == 0 {
            return Some(0);
        }
        // Below 1 (zero with a sign too), or beyond 63 bits (infinity and what is no number too).
        let shift = exponent.checked_sub(self.bias()).filter(|&shift| shift < 63)?;
        if exponent == (1 << self.exponent) - 1 {
            return None;
        }
        let one = 1 << self.mantissa;
        let significand = u128::from(raw & (one - 1) | one) << shift;
        let size = significand >> self.mantissa;
        let negative = raw >> (self.mantissa + self.exponent) != 0;
        (size << self.mantissa == significand).then_some(if negative { -(size as i128) } else { size as i128 })
    }

    /// The bits of a value, which may have been rounded.
    fn raw(self, value: i128) -> Option<u64> {
        let size = value.unsigned_abs();
        let Some(shift) = size.checked_ilog2() else { return Some(0) };
        if shift > self.bias() {
            return None;
        }
        let mantissa = (size << self.mantissa >> shift) as u64 & ((1 << self.mantissa) - 1);
        let sign = u64::from(value < 0) << (self.mantissa + self.exponent);
        Some(sign | u64::from(shift + self.bias()) << self.mantissa | mantissa)
    }
}

fn bits(bytes: &[u8], order: ByteOrder) -> u64 {
    let join = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
    match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, join),
        ByteOrder::Big => bytes.iter().fold(0, join),
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

/// Goes through all values of `bytes`, whose length fits the header's shape, in C order.
fn each(
    bytes: &[u8],
    header: &Header,
    mut visit: impl FnMut(usize, i128) -> Result<(), CodesError>,
) -> Result<(), CodesError> {
    let (width, mut place) = (header.element.bytes(), 0);
    let mut next = |bytes: &[u8]| {
        let raw = bits(bytes, header.order);
        let value = header.element.value(raw);
        visit(place, value.ok_or_else(|| CodesError::Fraction { index: unravel(place, &header.shape) })?)?;
        place += 1;
        Ok(())
    };
    if header.fortran && !bytes.is_empty() {
        fortran_places(&header.shape).try_for_each(|place| next(&bytes[place * width..][..width]))
    } else {
        bytes.chunks_exact(width).try_for_each(next)
    }
}

/// Reads all elements as codes.
pub(super) fn read<T: Code>(bytes: &[u8], header: &Header) -> Result<Vec<T>, CodesError> {
    let mut codes = Vec::with_capacity(bytes.len() / header.element.bytes());
    each(bytes, header, |place, found| {
        let index = || unravel(place, &header.shape);
        codes.push(T::try_from(found).map_err(|_| CodesError::Value { index: index(), found, end: T::END })?);
        Ok(())
    })?;
    Ok(codes)
}

/// Reads all elements as symbols, and how they are mapped.
pub(super) fn read_symbols(bytes: &[u8], header: &Header) -> Result<(ValueMap, Vec<u16>), CodesError> {
    let values = |visit: &mut dyn FnMut(i128)| {
        each(bytes, header, |_, value| {
            visit(value);
            Ok(())
        })
    };
    let map = ValueMap::of(values)?;
    let mut symbols = Vec::with_capacity(bytes.len() / header.element.bytes() * map.digits());
    let mapper = map.mapper();
    values(&mut |value| mapper(value, &mut symbols))?;
    Ok((map, symbols))
}

/// How elements are written.
pub(super) struct Layout<'a> {
    pub(super) element: ElementType,
    pub(super) order: ByteOrder,
    pub(super) fortran: bool,
    pub(super) shape: &'a [usize],
}

impl Layout<'_> {
    /// Appends the elements of some symbols, which fit the shape and the map.
    pub(super) fn write(&self, map: &ValueMap, symbols: &[u16], out: &mut Vec<u8>) -> Result<(), CodesError> {
        let (width, start, digits) = (self.element.bytes(), out.len(), map.digits());
        out.resize(start + symbols.len() / digits * width, 0);
        let (bytes, reader) = (&mut out[start..], map.reader());
        let mut put = |place: usize, i: usize| {
            let symbols = &symbols[i * digits..][..digits];
            let value = reader(symbols);
            let Some(raw) = value.and_then(|value| self.element.raw(value)) else {
                let (element, index) = (self.element.name(), unravel(i, self.shape));
                return Err(CodesError::Unwritable { index, symbols: symbols.to_vec(), element });
            };
            let bytes = &mut bytes[place * width..][..width];
            match self.order {
                ByteOrder::Little => bytes.copy_from_slice(&raw.to_le_bytes()[..width]),
                ByteOrder::Big => bytes.copy_from_slice(&raw.to_be_bytes()[8 - width..]),
            }
            Ok(())
        };
        if self.fortran && !symbols.is_empty() {
            fortran_places(self.shape).enumerate().try_for_each(|(i, place)| put(place, i))
        } else {
            (0..symbols.len() / digits).try_for_each(|i| put(i, i))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_the_whole_numbers_that_they_are() {
        for value in [0.0, 1.0, -1.0, 3.0, 1023.0, 2048.0, 65_504.0, -100.0, 1e6, 16_777_217.0, 4e18, -4e18] {
            let raw64 = f64::to_bits(value);
            assert_eq!(ElementType::F64.value(raw64), Some(value as i128), "{value}");
            assert_eq!(ElementType::F64.raw(value as i128), Some(raw64), "{value}");
            let raw32 = u64::from(f32::to_bits(value as f32));
            assert_eq!(ElementType::F32.value(raw32), Some(value as f32 as i128), "{value}");
            assert_eq!(ElementType::F32.raw(value as f32 as i128), Some(raw32), "{value}");
            let bf16 = u64::from(f32::to_bits(value as f32)) >> 16;
            let back = f64::from(f32::from_bits((bf16 as u32) << 16));
            assert_eq!(ElementType::BF16.value(bf16), Some(back as i128), "{value}");
        }
        for value in [-0.0, 0.5, -1.5, 1e-300, 1e19, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(ElementType::F64.value(value.to_bits()), None, "{value}");
        }
        // 1, 2048, 65504, infinity, 0.5, the least above 0.
        let half = [0x3C00, 0x6800, 0x7BFF, 0x7C00, 0x3800, 1].map(|raw| ElementType::F16.value(raw));
        assert_eq!(half, [Some(1), Some(2048), Some(65_504), None, None, None]);
        assert_eq!([2049, 65_504, 65_536].map(|value| ElementType::F16.raw(value)), [None, Some(0x7BFF), None]);
        assert_eq!([127, 128, -129].map(|value| ElementType::I8.raw(value)), [Some(127), None, None]);
        assert_eq!([-1, 1 << 64].map(|value| ElementType::U64.raw(value)), [None, None]);
    }
}
