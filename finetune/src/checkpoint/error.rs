//! What can be wrong with a checkpoint.

use std::path::{Path, PathBuf};

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// The path in question.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path}: {message}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file that the index names is not there.
    #[error("{folder}: shard {shard} is missing; {index} asks for it")]
    MissingShard {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// File name of the shard.
        shard: String,
        /// File name of the index.
        index: String,
    },
    /// The configuration describes something else than the Llama of this crate.
    #[error("{path}: {field} is {found}; only {expected} can be used")]
    NotLlama {
        /// The configuration's file.
        path: PathBuf,
        /// The field in question.
        field: String,
        /// Its value, `missing` if there is none.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A weight that the configuration asks for is not there.
    #[error("weight {name} is missing")]
    MissingTensor {
        /// Its Hugging Face name.
        name: String,
    },
    /// A weight has another shape than the configuration says.
    #[error("weight {name} has the shape {found:?} instead of {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that follows from the configuration.
        expected: Vec<usize>,
    },
    /// A weight's number format is not supported.
    #[error("weight {name} is stored as {found}; only {expected} can be read")]
    Dtype {
        /// Its name.
        name: String,
        /// The format in the file.
        found: String,
        /// What can be read.
        expected: String,
    },
    /// A weight has values that are no numbers.
    #[error("weight {name} has values that are infinite or no numbers")]
    NotFinite {
        /// Its name.
        name: String,
    },
    /// The tokenizer.
    #[error("{path}: tokenizer: {message}")]
    Tokenizer {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

impl CheckpointError {
    pub(super) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.into(), source }
    }

    pub(super) fn corrupt(path: &Path, message: impl ToString) -> Self {
        Self::Corrupt { path: path.into(), message: message.to_string() }
    }
}
