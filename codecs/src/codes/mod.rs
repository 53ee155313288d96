//! Files of codebook indices (VQ grids, RVQ stacks) ⇄ codes and side information, byte for byte.
//!
//! A `.npy` file (NEP 1 and `numpy.lib.format`, versions 1 to 3), tensors of a `.safetensors` file or members of a `.npz` file
//! become symbols below 65,536 in C order. Everything else of the file is [`FileSide`]: element types, byte orders, shapes, how
//! values beyond are mapped to symbols, and the bytes around the elements. The header that numpy itself would write costs
//! nothing; other bytes go through brotli.
//!
//! * [`read_file`] and [`FileSide::write`]: a file of any codes, and back;
//! * [`parse`] and [`write()`]: an array whose codes are below 65,536; [`header`] and [`wide_codes`]: one of larger codes, one way;
//! * `npy.rs`, `tensors.rs`, `zip.rs`: where the elements of the three kinds of file are; `foreign.rs`: what other programs write;
//! * `element.rs`: numbers of every type ⇄ values; `values.rs`: values ⇄ symbols; `side.rs`: side information in bytes.

mod element;
mod error;
mod file;
mod foreign;
mod npy;
mod side;
mod tensors;
mod values;
mod zip;

pub use element::{ByteOrder, ElementType, unravel};
pub use error::CodesError;
pub use file::{ALL_TENSORS, ArraySide, FileSide, read_file};
pub use values::{Run, ValueMap};

/// Most dimensions of an array.
pub const MAX_RANK: usize = 8;
/// Codes are below this.
pub const MAX_CODEBOOK: u32 = 1 << 16;

/// Everything of a file with one array but its codes.
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
}

/// An array of codes and what its file has beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeArray {
    /// Everything of the file but the codes; `side.shape` is the array's shape.
    pub side: CodeSide,
    /// The codes in C order (the last index runs fastest), whatever the order in the file.
    pub codes: Vec<u16>,
}

/// How the elements lie in a file: what [`header`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type of the elements.
    pub element: ElementType,
    /// Byte order of the elements.
    pub order: ByteOrder,
    /// Whether the first index runs fastest in the file.
    pub fortran: bool,
    /// Dimensions, at most [`MAX_RANK`]; none for a single element.
    pub shape: Vec<usize>,
    /// Offset of the first element in bytes.
    pub start: usize,
}

/// What a file that may hold codes is called, by its first bytes.
pub fn kind_of_file(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(npy::MAGIC) {
        Some(".npy")
    } else if let Some(CodesError::Foreign { what, .. }) = foreign::named(bytes) {
        Some(if what.contains(".ecdc") { ".ecdc" } else { ".pt" })
    } else if zip::looks_like(bytes) {
        Some(".npz")
    } else {
        tensors::looks_like(bytes).then_some(".safetensors")
    }
}

/// Finds the elements of a file, which may end before they do. `tensor` names the tensor of a `.safetensors` file that has several.
///
/// # Errors
/// [`CodesError::Unknown`] for other files, [`CodesError::Malformed`], [`CodesError::Element`] for elements that are no
/// integers, [`CodesError::Tensor`] if there is not exactly one candidate, [`CodesError::Rank`].
pub fn header(bytes: &[u8], tensor: Option<&str>) -> Result<Header, CodesError> {
    let header = if bytes.starts_with(npy::MAGIC) {
        if let Some(name) = tensor {
            return Err(CodesError::Tensor {
                asked: name.into(),
                found: vec!["a .npy file, which has no names".into()],
            });
        }
        let header = npy::find(bytes)?;
        if header.element.is_float() {
            let mark = if header.order == ByteOrder::Big { '>' } else { '<' };
            return Err(CodesError::Element { found: format!("`{mark}f{}`", header.element.bytes()) });
        }
        header
    } else if tensors::looks_like(bytes) {
        tensors::find(bytes, tensor, false)?
    } else {
        return Err(CodesError::Unknown);
    };
    if header.shape.len() > MAX_RANK {
        return Err(CodesError::Rank { found: header.shape.len() });
    }
    Ok(header)
}

/// Where the elements end, if the file holds them all.
fn end(bytes: &[u8], header: &Header) -> Result<usize, CodesError> {
    let count = element_count(&header.shape)
        .ok_or_else(|| CodesError::malformed(0, format!("shape {:?} overflows", header.shape)))?;
    let length = count.checked_mul(header.element.bytes());
    let end = length.and_then(|length| header.start.checked_add(length)).filter(|&end| end <= bytes.len());
    end.ok_or_else(|| {
        let left = bytes.len().saturating_sub(header.start);
        let what = format!("shape {:?} of {} in {left} bytes", header.shape, header.element.name());
        CodesError::malformed(header.start, what)
    })
}

/// Reads a file of codes. `tensor` is that of [`header`].
///
/// # Errors
/// Those of [`header`]; [`CodesError::Malformed`] for a file that ends before its elements; [`CodesError::Value`] with the index of
/// the first element that is negative or above 65535. No more is allocated than twice the bytes of the file.
pub fn parse(bytes: &[u8], tensor: Option<&str>) -> Result<CodeArray, CodesError> {
    let header = header(bytes, tensor)?;
    let end = end(bytes, &header)?;
    let codes = element::read(&bytes[header.start..end], &header)?;
    let side = CodeSide {
        element: header.element,
        order: header.order,
        fortran: header.fortran,
        shape: header.shape,
        before: bytes[..header.start].to_vec(),
        after: bytes[end..].to_vec(),
    };
    Ok(CodeArray { side, codes })
}

/// The codes of a file in C order where they may be above 65535; `header` is the file's own.
///
/// # Errors
/// [`CodesError::Malformed`] for a file that ends before its elements; [`CodesError::Value`] with the index of the first element
/// that is negative or above 2³² − 1. No more is allocated than four times the bytes of the file.
pub fn wide_codes(bytes: &[u8], header: &Header) -> Result<Vec<u32>, CodesError> {
    element::read(&bytes[header.start..end(bytes, header)?], header)
}

/// The file that [`parse`] read.
///
/// # Errors
/// [`CodesError::Count`] if the number of codes is not that of the shape, [`CodesError::Unwritable`] for a code that the
/// element type does not hold.
pub fn write(array: &CodeArray) -> Result<Vec<u8>, CodesError> {
    let side = &array.side;
    if element_count(&side.shape) != Some(array.codes.len()) {
        return Err(CodesError::Count { codes: array.codes.len(), shape: side.shape.clone() });
    }
    let mut file = side.before.clone();
    let CodeSide { element, order, fortran, ref shape, ref after, .. } = *side;
    element::Layout { element, order, fortran, shape }.write(&ValueMap::Same, &array.codes, &mut file)?;
    file.extend_from_slice(after);
    Ok(file)
}

/// The product of the dimensions (1 without any); none if it overflows.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    // A zero makes the array empty however large the others are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |product, &dimension| product.checked_mul(dimension))
}

#[cfg(test)]
mod tests;
