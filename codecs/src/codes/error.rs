//! What can be wrong with a file of codes.

use thiserror::Error;

use super::MAX_RANK;

/// Why a file of codes cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodesError {
    /// Neither of the two formats.
    #[error("neither a .npy nor a .safetensors file")]
    Unknown,
    /// The bytes contradict their format.
    #[error("malformed at byte {offset}: {what}")]
    Malformed {
        /// What was found and what was expected.
        what: String,
        /// Byte offset.
        offset: usize,
    },
    /// The elements are no integers.
    #[error("elements of type {found}; codes are integers of 8 to 64 bits, signed or not")]
    Element {
        /// The type in the file.
        found: String,
    },
    /// The tensor asked for is not there, or none was asked for where there are several.
    #[error("{}; the file has: {}", request(asked), list(found))]
    Tensor {
        /// The name asked for, or nothing.
        asked: String,
        /// The names, types and shapes in the file.
        found: Vec<String>,
    },
    /// Too many dimensions.
    #[error("{found} dimensions; at most {MAX_RANK}")]
    Rank {
        /// The number of dimensions.
        found: usize,
    },
    /// An element that is no code.
    #[error("element {index:?} is {found}; codes are 0..{end}")]
    Value {
        /// Its index in the array.
        index: Vec<usize>,
        /// Its value.
        found: i128,
        /// One above the greatest code that is allowed.
        end: u64,
    },
    /// A code that is not below its codebook's size.
    #[error("element {index:?} is {found}, which is not below the codebook size {codebook}")]
    Codebook {
        /// Its index in the array.
        index: Vec<usize>,
        /// The code.
        found: u16,
        /// The codebook's size.
        codebook: u32,
    },
    /// Codes that do not fill their shape.
    #[error("{codes} codes for shape {shape:?}")]
    Count {
        /// The number of codes.
        codes: usize,
        /// The shape.
        shape: Vec<usize>,
    },
}

impl CodesError {
    pub(super) fn malformed(offset: usize, what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), offset }
    }
}

fn request(name: &str) -> String {
    if name.is_empty() { "which tensor is not said".into() } else { format!("no tensor of integers called `{name}`") }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match (names.is_empty(), more) {
        (true, _) => "nothing".into(),
        (_, 0) => shown,
        _ => format!("{shown} and {more} more"),
    }
}
