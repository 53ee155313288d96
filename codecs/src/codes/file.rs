//! A file with one array of codes or several ⇄ symbols and side information, byte for byte.
//!
//! Arrays are those of a `.npy` file, of the tensors of a `.safetensors` file, or of the members of a `.npz` file that are not
//! compressed. Whatever lies between them is kept as it is.

use super::element::{self, Layout};
use super::{
    ByteOrder, CodesError, ElementType, Header, MAX_RANK, ValueMap, element_count, end, foreign, npy, tensors, zip,
};

/// What [`read_file`]'s `tensor` means beside a name: every array that can be one of codes.
pub const ALL_TENSORS: &str = "all";

/// An array as it lies in its file: everything but its symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArraySide {
    /// Type of the elements.
    pub element: ElementType,
    /// Byte order of the elements.
    pub order: ByteOrder,
    /// Whether the first index runs fastest in the file.
    pub fortran: bool,
    /// Dimensions; none for a single code.
    pub shape: Vec<usize>,
    /// How values are mapped to symbols.
    pub values: ValueMap,
    /// Bytes between the array before (or the start of the file) and the elements.
    pub before: Vec<u8>,
}

impl ArraySide {
    /// Number of elements.
    pub fn count(&self) -> usize {
        element_count(&self.shape).unwrap_or(usize::MAX)
    }

    /// Number of symbols, [`ValueMap::digits`] an element; none for the start of another array.
    pub fn symbols(&self) -> usize {
        if let ValueMap::Start(_) = self.values { 0 } else { self.count().saturating_mul(self.values.digits()) }
    }
}

/// Arrays of fewer bytes are not looked for in others.
const LEAST_SHARED: usize = 64;
/// Of more arrays none is looked for in others.
const MOST_SEARCHED: usize = 1024;

/// Everything of a file but the symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSide {
    /// The arrays, in the order of the file; at least one.
    pub arrays: Vec<ArraySide>,
    /// Bytes after the last array.
    pub after: Vec<u8>,
}

impl FileSide {
    /// Bytes of the file.
    pub fn file_length(&self) -> u64 {
        let length = |array: &ArraySide| {
            let elements = (array.count() as u64).saturating_mul(array.element.bytes() as u64);
            elements.saturating_add(array.before.len() as u64)
        };
        self.arrays.iter().map(length).fold(self.after.len() as u64, u64::saturating_add)
    }

    /// Number of elements of all arrays.
    pub fn count(&self) -> usize {
        self.arrays.iter().map(ArraySide::count).fold(0, usize::saturating_add)
    }

    /// Whether an array that shares the symbols of another is no longer than that, and both lie alike.
    pub(super) fn shares_rightly(&self, array: &ArraySide) -> bool {
        let ValueMap::Start(of) = array.values else { return true };
        self.arrays.get(of).is_some_and(|whole| {
            let own = !matches!(whole.values, ValueMap::Start(_)) && array.count() <= whole.count();
            own && !array.fortran && !whole.fortran && (array.element, array.order) == (whole.element, whole.order)
        })
    }

    /// The file that [`read_file`] read; `own` are the symbols of each array.
    ///
    /// # Errors
    /// [`CodesError::Count`] if they are not as many as the shapes need, [`CodesError::Unwritable`] for symbols that stand for no
    /// element.
    pub fn write(&self, own: &[Vec<u16>]) -> Result<Vec<u8>, CodesError> {
        let mut file = Vec::with_capacity(usize::try_from(self.file_length()).unwrap_or(0));
        for (index, array) in self.arrays.iter().enumerate() {
            let symbols = own.get(index).map_or(&[][..], Vec::as_slice);
            if array.symbols() != symbols.len() {
                return Err(CodesError::Count { codes: symbols.len(), shape: array.shape.clone() });
            }
            file.extend_from_slice(&array.before);
            let ArraySide { element, order, fortran, ref shape, .. } = *array;
            let (values, symbols) = match array.values {
                ValueMap::Start(of) => {
                    let values = &self.arrays[of].values;
                    (values, &own[of][..array.count() * values.digits()])
                }
                _ => (&array.values, symbols),
            };
            Layout { element, order, fortran, shape }.write(values, symbols, &mut file)?;
        }
        file.extend_from_slice(&self.after);
        Ok(file)
    }
}

/// Reads a file of codes: its side information, and the symbols of each array in C order (of each element its digits).
///
/// `tensor` names the tensor of a `.safetensors` or the member of a `.npz` file; [`ALL_TENSORS`] takes every one that is an array
/// of whole numbers and of a shape that `fits`. Without it the only tensor of integers is taken, or all members. No more is
/// allocated than some times the bytes of the file.
///
/// # Errors
/// [`CodesError::Unknown`] for other files, [`CodesError::Foreign`] for some of them; [`CodesError::Malformed`];
/// [`CodesError::Tensor`] if it is not said which tensor; those of which [`CodesError::is_well_formed`] for files that hold no
/// whole numbers.
pub fn read_file(
    bytes: &[u8],
    tensor: Option<&str>,
    fits: impl Fn(&[usize]) -> bool,
) -> Result<(FileSide, Vec<Vec<u16>>), CodesError> {
    let mut headers = headers(bytes, tensor)?;
    if headers.len() > 1 && headers.iter().any(|header| fits(&header.shape)) {
        headers.retain(|header| fits(&header.shape));
    }
    headers.sort_by_key(|header| header.start);
    let (mut arrays, mut symbols, mut at, mut fault) = (Vec::new(), Vec::new(), 0, None);
    let mut elements = Vec::new();
    for header in headers {
        let read = end(bytes, &header).and_then(|end| {
            if header.shape.len() > MAX_RANK {
                return Err(CodesError::Rank { found: header.shape.len() });
            }
            if header.start < at {
                return Err(CodesError::malformed(header.start, "an array begins in the one before it"));
            }
            let (values, symbols) = element::read_symbols(&bytes[header.start..end], &header)?;
            Ok((end, values, symbols))
        });
        match read {
            Ok((end, values, found)) => {
                let Header { element, order, fortran, shape, start } = header;
                arrays.push(ArraySide { element, order, fortran, shape, values, before: bytes[at..start].to_vec() });
                symbols.push(found);
                elements.push(&bytes[start..end]);
                at = end;
            }
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    if let Some(fault) = fault.filter(|_| arrays.is_empty()) {
        return Err(fault);
    }
    for (array, whole) in starts(&arrays, &elements) {
        (arrays[array].values, symbols[array]) = (ValueMap::Start(whole), Vec::new());
    }
    Ok((FileSide { arrays, after: bytes[at..].to_vec() }, symbols))
}

/// Arrays whose elements are the first ones of another, with the longest that they begin: the coarse codes beside the fine ones.
fn starts(arrays: &[ArraySide], elements: &[&[u8]]) -> Vec<(usize, usize)> {
    let start = |array: &usize| {
        let (about, found) = (&arrays[*array], elements[*array]);
        let holds = |&whole: &usize| {
            let alike =
                |side: &ArraySide| (side.element, side.order, side.fortran) == (about.element, about.order, false);
            let longer = elements[whole].len() > found.len() || elements[whole].len() == found.len() && whole < *array;
            longer && alike(&arrays[whole]) && !about.fortran && elements[whole].starts_with(found)
        };
        // Of equally long ones the first, which begins no other then.
        let whole =
            (0..arrays.len()).rev().filter(holds).max_by_key(|&whole| (elements[whole].len(), usize::MAX - whole))?;
        Some((*array, whole))
    };
    let searched = arrays.len() <= MOST_SEARCHED;
    (0..arrays.len())
        .filter(|&array| searched && elements[array].len() >= LEAST_SHARED)
        .filter_map(|a| start(&a))
        .collect()
}

/// The arrays to take; at least one.
fn headers(bytes: &[u8], tensor: Option<&str>) -> Result<Vec<Header>, CodesError> {
    let all = tensor == Some(ALL_TENSORS);
    if bytes.starts_with(npy::MAGIC) {
        return match tensor.filter(|_| !all) {
            None => Ok(vec![npy::find(bytes)?]),
            Some(name) => {
                Err(CodesError::Tensor { asked: name.into(), found: vec!["a .npy file, which has no names".into()] })
            }
        };
    }
    if let Some(error) = foreign::named(bytes) {
        return Err(error);
    }
    if zip::looks_like(bytes) {
        return members(bytes, tensor.filter(|_| !all));
    }
    if !tensors::looks_like(bytes) {
        return Err(CodesError::Unknown);
    }
    let found = if all { tensors::all(bytes)? } else { Vec::new() };
    if found.is_empty() { Ok(vec![tensors::find(bytes, tensor.filter(|_| !all), true)?]) } else { Ok(found) }
}

/// The arrays of the members of a `.npz` file, or the one of the member called `name` or `name`.npy.
fn members(bytes: &[u8], name: Option<&str>) -> Result<Vec<Header>, CodesError> {
    let members = zip::members(bytes).ok_or_else(|| CodesError::malformed(0, "a .npz file without a directory"))?;
    let asked = |member: &&zip::Member| {
        name.is_none_or(|name| member.name == name || member.name.strip_suffix(".npy") == Some(name))
    };
    let wanted: Vec<_> = members.iter().filter(asked).collect();
    if let (Some(name), true) = (name, wanted.is_empty()) {
        let found = members.iter().map(|member| member.name.clone()).collect();
        return Err(CodesError::Tensor { asked: name.into(), found });
    }
    let (mut headers, mut fault) = (Vec::new(), None);
    for member in &wanted {
        let Some(start) = member.start else { continue };
        let inside = &bytes[start..start + member.length];
        if !inside.starts_with(npy::MAGIC) {
            continue;
        }
        match npy::find(inside).and_then(|header| end(inside, &header).map(|_| header)) {
            Ok(header) => headers.push(Header { start: start + header.start, ..header }),
            Err(error) => fault = Some(error),
        }
    }
    match fault {
        _ if !headers.is_empty() => Ok(headers),
        Some(fault) => Err(fault),
        None => Err(CodesError::Deflated { members: wanted.len() }),
    }
}
