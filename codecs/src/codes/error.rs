//! What can be wrong with a file of codes.

use thiserror::Error;

use super::MAX_RANK;

/// Why a file of codes cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodesError {
    /// None of the formats.
    #[error("neither a .npy, a .npz nor a .safetensors file")]
    Unknown,
    /// The bytes contradict their format.
    #[error("malformed at byte {offset}: {what}")]
    Malformed {
        /// What was found and what was expected.
        what: String,
        /// Byte offset.
        offset: usize,
    },
    /// A container of another program, which holds codes in a way of its own.
    #[error("{what}; these two lines of Python export its codes:\n  {}\n  {}", export[0], export[1])]
    Foreign {
        /// What the file is.
        what: &'static str,
        /// Python that writes the codes to `codes.npy`.
        export: [&'static str; 2],
    },
    /// A `.npz` file without a member that is an array as it stands.
    #[error(
        "no array of its {members} members is kept uncompressed: numpy.savez writes members that can be modelled, \
             numpy.savez_compressed deflates them"
    )]
    Deflated {
        /// Members of the file.
        members: usize,
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
    /// A float that is no whole number.
    #[error("element {index:?} is not a whole number (or is \u{2212}0); floats are codes where all are whole")]
    Fraction {
        /// Its index in the array.
        index: Vec<usize>,
    },
    /// Symbols that stand for nothing that the element type holds.
    #[error("element {index:?}: symbols {symbols:?} are no {element}")]
    Unwritable {
        /// Its index in the array.
        index: Vec<usize>,
        /// Its symbols.
        symbols: Vec<u16>,
        /// The element type.
        element: &'static str,
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
        found: i128,
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
    /// Whether the file is one that its own programs read, and merely holds nothing that codes are made of.
    pub fn is_well_formed(&self) -> bool {
        matches!(self, Self::Element { .. } | Self::Fraction { .. } | Self::Deflated { .. } | Self::Rank { .. })
    }

    pub(super) fn malformed(offset: usize, what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), offset }
    }
}

fn request(name: &str) -> String {
    if name.is_empty() {
        "which tensor is not said (`all` takes all)".into()
    } else {
        format!("no tensor of integers called `{name}`")
    }
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
