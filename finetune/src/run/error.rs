//! What can go wrong in a training run.

use std::path::{Path, PathBuf};

use lmcodec_datasets::crops::CropError;
use lmcodec_datasets::photos::DatasetError;
use lmcodec_entropy::arrangement::flat::ArrangementError;

use crate::checkpoint::CheckpointError;

/// Why a training cannot start or go on. Whatever it is, nothing is exported, and the run's folder holds the last whole
/// checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The pretrained checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The photos.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Crops of them.
    #[error(transparent)]
    Crops(#[from] CropError),
    /// The flat arrangement, or latents that do not fit it.
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
    /// A config, state, data or model file that says something impossible.
    #[error("{path}: {message}")]
    Invalid {
        /// The path in question.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// The data holds nothing to train on.
    #[error("{path}: {message}")]
    NoData {
        /// Where the data is.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// The folder holds a run, and nobody asked to go on with it.
    #[error("{folder}: there is a run here already: go on with it by --resume, or choose another folder")]
    Exists {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The folder holds a run of something else.
    #[error("{folder}: the run here was trained with another {part}: {difference}")]
    Changed {
        /// The run's folder.
        folder: PathBuf,
        /// What differs: `config`, `data` or `base`.
        part: Part,
        /// How.
        difference: String,
    },
    /// A number that is none.
    #[error("step {step}: {what} is infinite or not a number any more; lower the learning rate")]
    NotFinite {
        /// The step, from 1.
        step: usize,
        /// The number in question.
        what: &'static str,
    },
    /// The thread that makes the batches has died.
    #[error("step {step}: the thread that makes the batches panicked: {message}")]
    SourcePanicked {
        /// The step whose batches were wanted, from 1.
        step: usize,
        /// What it said.
        message: String,
    },
    /// The thread that makes the batches made too few.
    #[error("step {step}: the batches have come to an end")]
    SourceEnded {
        /// The step whose batches were wanted, from 1.
        step: usize,
    },
}

/// What a run is identified by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The configuration.
    Config,
    /// What is trained on.
    Data,
    /// The weights that training began with.
    Base,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Config => "config",
            Self::Data => "data",
            Self::Base => "base model",
        })
    }
}

impl RunError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.into(), source }
    }

    pub(crate) fn invalid(path: &Path, message: impl ToString) -> Self {
        Self::Invalid { path: path.into(), message: message.to_string() }
    }
}

/// Why a sequence cannot be run through the sequence Llama.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// More positions than the model has.
    #[error("a sequence of {length} positions is beyond the context of {context}")]
    Context {
        /// Positions asked for.
        length: usize,
        /// Positions there are.
        context: usize,
    },
    /// A symbol outside its alphabet.
    #[error("symbol {symbol} at position {position} is outside the alphabet of {vocabulary} of layer {layer}")]
    Symbol {
        /// The symbol.
        symbol: u32,
        /// Where it stands in its chunk.
        position: usize,
        /// The layer of that position.
        layer: usize,
        /// Size of the layer's alphabet.
        vocabulary: u32,
    },
    /// A batch whose rows do not fill whole sequences.
    #[error("{rows} rows are not {sequences} sequences of the same length")]
    Batch {
        /// Rows given.
        rows: usize,
        /// Sequences asked for.
        sequences: usize,
    },
}
