//! Side information of a file of codes, in bytes (docs/FORMAT.md, "Codes").

use super::{ArraySide, ByteOrder, CodesError, ElementType, FileSide, MAX_RANK, ValueMap, element_count, npy};
use crate::packing::{pack, unpack};
use crate::varint::{get_varint, put_varint};

/// In the place of the first array's flags: the number of arrays follows.
const SEVERAL: u8 = 15;
const BIG_ENDIAN: u8 = 1 << 4;
const FORTRAN: u8 = 1 << 5;
/// Bits 6 and 7: what `before` is.
const EXPLICIT: u8 = 0;
const NUMPY: u8 = 1;
const OLD_NUMPY: u8 = 2;
/// Bytes that follow, and then the header that numpy writes.
const PREFIXED: u8 = 3;

impl FileSide {
    /// The side information as the container keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.arrays.len() != 1 {
            out.push(SEVERAL);
            put_varint(&mut out, self.arrays.len() as u64);
        }
        let mut plain = Vec::new();
        for array in &self.arrays {
            array.put(&mut out, &mut plain);
        }
        plain.extend_from_slice(&self.after);
        let packed = compress(&plain).filter(|packed| packed.len() < plain.len());
        put_varint(&mut out, (self.after.len() as u64) << 1 | u64::from(packed.is_some()));
        out.extend_from_slice(packed.as_deref().unwrap_or(&plain));
        out
    }

    /// Reads side information. `most` bounds the bytes of the file that it stands for.
    ///
    /// # Errors
    /// [`CodesError::Malformed`], with offsets in `bytes`; sizes are checked before anything of that size is allocated.
    pub fn from_bytes(bytes: &[u8], most: u64) -> Result<Self, CodesError> {
        let mut reader = Reader { bytes, at: 0 };
        let count = if bytes.first() == Some(&SEVERAL) {
            reader.at = 1;
            reader.number()?
        } else {
            1
        };
        // An array takes two bytes at least.
        if count == 0 || count > bytes.len() {
            return Err(CodesError::malformed(0, format!("{count} arrays in {} bytes", bytes.len())));
        }
        let entries = (0..count).map(|_| Entry::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        let after = reader.number()?;
        let (packed, after) = (after & 1 == 1, after >> 1);
        let mut total = Some(after);
        let mut expected = Some(after);
        for entry in &entries {
            let elements = element_count(&entry.shape).and_then(|count| count.checked_mul(entry.element.bytes()));
            let sum = |total: Option<usize>, more: usize| total.and_then(|total| total.checked_add(more));
            total = elements.and_then(|elements| sum(sum(total, elements), entry.before));
            expected = sum(sum(expected, entry.before), entry.table);
        }
        // Tables are listed here, so that they are bounded by the bytes that there are or unpack.
        let fits = total.is_some_and(|total| total as u64 <= most);
        let expected = expected.filter(|&expected| fits && expected as u64 <= most.saturating_add(MAX_TABLE as u64));
        let Some(expected) = expected else {
            let what = format!("{count} arrays, the first of shape {:?}: more than {most} bytes", entries[0].shape);
            return Err(CodesError::malformed(2, what));
        };
        let rest = &bytes[reader.at..];
        let plain = if packed { expand(rest, expected) } else { Some(rest.to_vec()) };
        let plain = plain.filter(|plain| plain.len() == expected);
        let plain = plain
            .ok_or_else(|| CodesError::malformed(reader.at, format!("not the {expected} bytes that are stated")))?;
        let mut plain = plain.as_slice();
        let mut arrays = Vec::with_capacity(entries.len());
        for entry in entries {
            arrays.push(entry.array(&mut plain)?);
        }
        let side = Self { arrays, after: plain.to_vec() };
        if let Some(array) = side.arrays.iter().find(|array| !side.shares_rightly(array)) {
            return Err(CodesError::malformed(2, format!("shape {:?} starts no array", array.shape)));
        }
        if side.file_length() > most {
            return Err(CodesError::malformed(2, format!("{} bytes of file, more than {most}", side.file_length())));
        }
        Ok(side)
    }
}

/// Most bytes of all tables of values.
const MAX_TABLE: usize = 1 << 24;

impl ArraySide {
    /// Appends what describes the array to `out`, and its bytes to `plain`.
    fn put(&self, out: &mut Vec<u8>, plain: &mut Vec<u8>) {
        let canonical = |growth| npy::canonical(self.element, self.order, self.fortran, &self.shape, growth);
        let (new, old) = (canonical(true), canonical(false));
        let (kind, before) = if self.before == new {
            (NUMPY, &[][..])
        } else if self.before == old {
            (OLD_NUMPY, &[][..])
        } else if let Some(prefix) = self.before.strip_suffix(new.as_slice()) {
            (PREFIXED, prefix)
        } else {
            (EXPLICIT, self.before.as_slice())
        };
        let mut flags = self.element as u8 | kind << 6;
        flags |= if self.order == ByteOrder::Big { BIG_ENDIAN } else { 0 };
        flags |= if self.fortran { FORTRAN } else { 0 };
        out.extend([flags, self.shape.len() as u8 | self.values.kind() << 4]);
        self.shape.iter().for_each(|&dimension| put_varint(out, dimension as u64));
        let table = self.values.to_bytes();
        if self.values != ValueMap::Same {
            put_varint(out, table.len() as u64);
        }
        if kind == EXPLICIT || kind == PREFIXED {
            put_varint(out, before.len() as u64);
        }
        plain.extend_from_slice(&table);
        plain.extend_from_slice(before);
    }
}

/// What describes an array, before its bytes are at hand.
struct Entry {
    element: ElementType,
    order: ByteOrder,
    fortran: bool,
    shape: Vec<usize>,
    /// Kinds of what is before it, and of its values.
    kinds: [u8; 2],
    /// Bytes before it that follow.
    before: usize,
    /// Bytes of the table of values.
    table: usize,
    /// Where it is described.
    offset: usize,
}

impl Entry {
    fn read(reader: &mut Reader<'_>) -> Result<Self, CodesError> {
        let offset = reader.at;
        let [flags, kinds] = reader.array()?;
        let (rank, values, kind) = (usize::from(kinds & 15), kinds >> 4, flags >> 6);
        let element = ElementType::ALL.get(usize::from(flags & 15)).copied();
        let order = if flags & BIG_ENDIAN == 0 { ByteOrder::Little } else { ByteOrder::Big };
        let element = element
            .filter(|element| (order == ByteOrder::Little || element.bytes() > 1) && rank <= MAX_RANK && values <= 3);
        let element =
            element.ok_or_else(|| CodesError::malformed(offset, format!("flags {flags:#04x} {kinds:#04x}")))?;
        let shape = (0..rank).map(|_| reader.number()).collect::<Result<Vec<_>, _>>()?;
        let table = if values == 0 { 0 } else { reader.number()? };
        let before = if kind == EXPLICIT || kind == PREFIXED { reader.number()? } else { 0 };
        let fortran = flags & FORTRAN != 0;
        Ok(Self { element, order, fortran, shape, kinds: [kind, values], before, table, offset })
    }

    /// The array; its bytes are taken off `plain`, which has them.
    fn array(self, plain: &mut &[u8]) -> Result<ArraySide, CodesError> {
        let Self { element, order, fortran, shape, kinds: [kind, values], before, table, offset } = self;
        let mut take = |length: usize| {
            let (taken, rest) = plain.split_at(length);
            *plain = rest;
            taken
        };
        let values = ValueMap::from_bytes(values, take(table));
        let values = values.ok_or_else(|| CodesError::malformed(offset, "a table of values that is none"))?;
        let mut before = take(before).to_vec();
        if kind != EXPLICIT {
            before.extend(npy::canonical(element, order, fortran, &shape, kind != OLD_NUMPY));
        }
        Ok(ArraySide { element, order, fortran, shape, values, before })
    }
}

/// Numbers of side information, one after the other.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn ends(&self) -> CodesError {
        CodesError::malformed(self.at, "the side information ends too early")
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodesError> {
        let array = self.bytes[self.at..].first_chunk().copied().ok_or_else(|| self.ends())?;
        self.at += N;
        Ok(array)
    }

    fn number(&mut self) -> Result<usize, CodesError> {
        let (value, used) = get_varint(&self.bytes[self.at..]).map_err(|_| self.ends())?;
        self.at += used;
        usize::try_from(value).map_err(|_| CodesError::malformed(self.at, format!("a size of {value}")))
    }
}

fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    let quality = if plain.len() <= 1 << 20 { 11 } else { 5 };
    (!plain.is_empty()).then(|| pack(plain, quality, 22))
}

/// At most `length` bytes and one more, which shows that there are too many.
fn expand(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    unpack(packed, length as u64).ok()
}
