//! What can go wrong in fine-tuning.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use lmcodec_datasets::photos::DatasetError;
use lmcodec_entropy::arrangement::flat::ArrangementError;

use super::model::SequenceError;
use crate::checkpoint::CheckpointError;

/// Why fine-tuning cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum FinetuneError {
    /// The pretrained checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The photos.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The arrangement, or latents that do not fit it.
    #[error(transparent)]
    Arrangement(#[from] ArrangementError),
    /// A chunk that the model cannot take.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// The path in question.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A config, state, data or head-set file that says something impossible.
    #[error("{path}: {message}")]
    Invalid {
        /// The path in question.
        path: PathBuf,
        /// What was found.
        message: String,
    },
}

impl FinetuneError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.into(), source }
    }

    pub(super) fn invalid(path: &Path, message: impl ToString) -> Self {
        Self::Invalid { path: path.into(), message: message.to_string() }
    }
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FinetuneError> {
    let temporary = path.with_extension("tmp");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(|source| {
        // Whatever was written of it is of no use.
        let _ = fs::remove_file(&temporary);
        FinetuneError::Io { path: path.into(), source }
    })
}
