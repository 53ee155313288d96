//! What can go wrong with a data set as a whole. Faults of single files are [`crate::anomaly::Anomaly`]s instead.

use std::path::{Path, PathBuf};

/// What went wrong while reading or preparing a data set.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The path in question.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// No image at all.
    #[error("{0}: no decodable image in this folder (looked for jpg, jpeg, png, webp, tif, tiff, bmp, ppm)")]
    Empty(PathBuf),
    /// A manifest, config or index that cannot be read.
    #[error("{path}: {message}")]
    Manifest {
        /// The path in question.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// The folder has none of the known shapes, or nothing of the shape that was asked for.
    #[error("{folder}: {message}")]
    Shape {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        message: String,
    },
    /// An option that makes no sense, alone or with this data.
    #[error("{0}")]
    InvalidOption(String),
    /// The output folder holds a preparation with other inputs or options.
    #[error(
        "{folder}: holds a preparation of other files or with other options (plan {found}, now {expected}); \
             name another folder, or remove this one"
    )]
    OtherPreparation {
        /// The output folder.
        folder: PathBuf,
        /// SHA-256 of the plan that is there.
        found: String,
        /// SHA-256 of the plan that was asked for.
        expected: String,
    },
    /// A shard that is not what the index or its own header says.
    #[error("{path}: damaged or foreign shard: {message}")]
    Shard {
        /// The shard.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// A size beyond what is allowed.
    #[error("{path}: limit exceeded: {what} is {found} bytes, at most {allowed} is allowed")]
    Limit {
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        allowed: u64,
    },
    /// A file that was listed a moment ago gives something else now.
    #[error("{path}: changed since the manifest was made: {message}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// What differs.
        message: String,
    },
}

impl DatasetError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}
