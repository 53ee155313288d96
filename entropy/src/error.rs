//! Typed errors of this crate: what was found, where, and what was allowed.

use thiserror::Error;

/// A model file that this crate cannot run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The bytes are no safetensors file.
    #[error("not a readable safetensors file: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// The file's metadata has no entry `lmcodec`.
    #[error("the file has no metadata entry `lmcodec`: it is no model of lmcodec")]
    MissingConfig,
    /// The metadata entry `lmcodec` is not the JSON object that is expected.
    #[error("the metadata entry `lmcodec` is malformed: {0}")]
    Config(#[from] serde_json::Error),
    /// The configuration names an architecture or format that this version does not know.
    #[error("unsupported {field}: found `{found}`, this version reads `{supported}`")]
    Unsupported {
        /// The configuration's field.
        field: &'static str,
        /// Its value in the file.
        found: String,
        /// The value that this version reads.
        supported: &'static str,
    },
    /// A size in the configuration is outside what the engine can run.
    #[error("configuration field `{field}` is {found}; allowed: {allowed}")]
    ConfigRange {
        /// The configuration's field.
        field: &'static str,
        /// Its value in the file.
        found: usize,
        /// The values that are allowed, in words.
        allowed: &'static str,
    },
    /// A model that is part of this program is not what it was when the program was built.
    #[error("the model in this program is damaged ({0}): install the program anew")]
    Damaged(String),
    /// The file has no blocks of its own and the model that it names is not at hand.
    #[error("the file needs the backbone with SHA-256 {sha256}, which is neither embedded nor given")]
    MissingBackbone {
        /// The hash in the file's configuration.
        sha256: String,
    },
    /// A tensor that the configuration calls for is not in the file.
    #[error("tensor `{name}` is missing")]
    MissingTensor {
        /// The tensor's name.
        name: String,
    },
    /// The file holds a tensor that the configuration does not call for.
    #[error("tensor `{name}` does not belong to this configuration")]
    UnexpectedTensor {
        /// The tensor's name.
        name: String,
    },
    /// A tensor has the wrong element type.
    #[error("tensor `{name}` has elements of type {found}; expected {expected}")]
    ElementType {
        /// The tensor's name.
        name: String,
        /// The type in the file.
        found: String,
        /// The type that is expected.
        expected: &'static str,
    },
    /// A tensor has the wrong shape.
    #[error("tensor `{name}` has shape {found:?}; expected {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that is expected.
        expected: Vec<usize>,
    },
    /// An element of a tensor is outside its range.
    #[error("tensor `{name}`, element {index}: found {found}; allowed: {min}..={max}")]
    Value {
        /// The tensor's name.
        name: String,
        /// The element's index in the flattened tensor.
        index: usize,
        /// Its value in the file.
        found: i64,
        /// The least value allowed.
        min: i64,
        /// The greatest value allowed.
        max: i64,
    },
    /// A row of weights could overflow the 32-bit accumulator.
    #[error("tensor `{name}`, row {row}: the weights' magnitudes sum to {sum}; at most {max} fit the accumulator")]
    Accumulator {
        /// The tensor's name.
        name: String,
        /// The row, counted over all leading dimensions.
        row: usize,
        /// Σ |w| of the row.
        sum: u32,
        /// The greatest sum allowed.
        max: u32,
    },
    /// A head set belongs to another backbone file.
    #[error("the head set belongs to the integer backbone with SHA-256 {expected}; the file given has {found}")]
    OtherBackbone {
        /// The hash that the head set names.
        expected: String,
        /// The hash of the backbone file.
        found: String,
    },
}

/// Coded bytes that no encoder of this crate can have written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CoderError {
    /// A symbol's code lay outside the model's range: damaged bytes, or another model than the encoder's.
    #[error("damaged code: byte {position} or one before it names no symbol of the model")]
    OutsideRange {
        /// Bytes read from the stream when it was noticed (bytes after the end count too).
        position: usize,
    },
    /// After the last symbol the coder's state is not the state that an encoder leaves.
    #[error("damaged or truncated code: the final state after {position} of {length} bytes is not an encoder's")]
    FinalState {
        /// Where the code should end.
        position: usize,
        /// The stream's length in bytes.
        length: usize,
    },
    /// The stream goes on after the last symbol's code.
    #[error("the code ends after {expected} bytes but {found} were given")]
    TrailingBytes {
        /// The greatest length that the decoded symbols can have.
        expected: usize,
        /// The stream's length in bytes.
        found: usize,
    },
}

/// The kernel asked for does not run on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("kernel `{name}` does not run on this processor")]
pub struct KernelUnavailable {
    /// The kernel's name.
    pub name: &'static str,
}
