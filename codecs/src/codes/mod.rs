//! Files of codebook indices (VQ grids, RVQ stacks) ⇄ codes and side information, byte for byte.
//!
//! A `.npy` file (NEP 1 and `numpy.lib.format`, versions 1 to 3) or a tensor of a `.safetensors` file becomes an array of
//! codes in C order. Everything else of the file is [`CodeSide`]: element type, byte order, shape, and the bytes before and
//! after the elements. The header that numpy itself would write costs nothing; other bytes go through brotli.
//!
//! * [`parse`] and [`write()`]: a file, and back; [`header`] and [`wide_codes`]: a file of larger codes, one way;
//! * `npy.rs`, `tensors.rs`: where the elements of the two kinds of file are;
//! * `element.rs`: integers of every type ⇄ codes; `side.rs`: side information in bytes.

mod element;
mod error;
mod npy;
mod side;
mod tensors;

pub use element::{ByteOrder, ElementType, unravel};
pub use error::CodesError;
pub use side::CodeSide;

/// Most dimensions of an array.
pub const MAX_RANK: usize = 8;
/// Codes are below this.
pub const MAX_CODEBOOK: u32 = 1 << 16;

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

/// Whether some bytes begin as a `.npy` file or look like a `.safetensors` file.
pub fn is_code_file(bytes: &[u8]) -> bool {
    bytes.starts_with(npy::MAGIC) || tensors::looks_like(bytes)
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
        npy::find(bytes)?
    } else if tensors::looks_like(bytes) {
        tensors::find(bytes, tensor)?
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
/// [`CodesError::Count`] if the number of codes is not that of the shape, [`CodesError::Value`] for a code that the element
/// type does not hold.
pub fn write(array: &CodeArray) -> Result<Vec<u8>, CodesError> {
    let side = &array.side;
    if element_count(&side.shape) != Some(array.codes.len()) {
        return Err(CodesError::Count { codes: array.codes.len(), shape: side.shape.clone() });
    }
    let length = array.codes.len() * side.element.bytes();
    let mut file = Vec::with_capacity(side.before.len() + length + side.after.len());
    file.extend_from_slice(&side.before);
    element::write(&array.codes, side.element, side.order, &side.shape, side.fortran, &mut file)?;
    file.extend_from_slice(&side.after);
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
