//! Files of codebook indices (VQ grids, RVQ stacks) ⇄ codes and side information, byte for byte.
//!
//! A `.npy` file (NEP 1 and `numpy.lib.format`, versions 1 to 3) or a tensor of a `.safetensors` file becomes an array of
//! codes in C order. Everything else of the file is [`CodeSide`]: element type, byte order, shape, and the bytes before and
//! after the elements. The header that numpy itself would write costs nothing; other bytes go through brotli.
//!
//! * [`parse`] and [`write()`]: a file, and back;
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

/// How elements lie in a file; what `npy.rs` and `tensors.rs` find.
struct Found {
    element: ElementType,
    order: ByteOrder,
    fortran: bool,
    shape: Vec<usize>,
    /// Offset of the first element.
    start: usize,
}

/// Whether some bytes begin as a `.npy` file or look like a `.safetensors` file.
pub fn is_code_file(bytes: &[u8]) -> bool {
    bytes.starts_with(npy::MAGIC) || tensors::looks_like(bytes)
}

/// Reads a file of codes. `tensor` names the tensor of a `.safetensors` file that has several.
///
/// # Errors
/// [`CodesError::Unknown`] for other files, [`CodesError::Malformed`], [`CodesError::Element`] for elements that are no
/// integers, [`CodesError::Tensor`] if there is not exactly one candidate, [`CodesError::Value`] with the index of the first
/// element that is negative or above 65535, [`CodesError::Rank`]. Nothing larger than the file is allocated.
pub fn parse(bytes: &[u8], tensor: Option<&str>) -> Result<CodeArray, CodesError> {
    let found = if bytes.starts_with(npy::MAGIC) {
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
    if found.shape.len() > MAX_RANK {
        return Err(CodesError::Rank { found: found.shape.len() });
    }
    let count = element_count(&found.shape)
        .ok_or_else(|| CodesError::malformed(0, format!("shape {:?} overflows", found.shape)))?;
    let length = count.checked_mul(found.element.bytes());
    let end = length.and_then(|length| found.start.checked_add(length)).filter(|&end| end <= bytes.len());
    let Some(end) = end else {
        let left = bytes.len().saturating_sub(found.start);
        let what = format!("shape {:?} of {} in {left} bytes", found.shape, found.element.name());
        return Err(CodesError::malformed(found.start, what));
    };
    let elements = &bytes[found.start..end];
    let codes = element::read(elements, found.element, found.order, &found.shape, found.fortran)?;
    let side = CodeSide {
        element: found.element,
        order: found.order,
        fortran: found.fortran,
        shape: found.shape,
        before: bytes[..found.start].to_vec(),
        after: bytes[end..].to_vec(),
    };
    Ok(CodeArray { side, codes })
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
