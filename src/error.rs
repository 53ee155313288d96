//! What can go wrong in the library: one enum, whose variants say what was found, where, and what was allowed.

use std::path::PathBuf;

use lmcodec_codecs::codes::CodesError;
use lmcodec_codecs::jpeg::JpegError;
use lmcodec_entropy::chunks::ChunkError;
use lmcodec_entropy::error::ModelError;
use thiserror::Error;

use crate::fault::SegmentFault;
use crate::model_id::ModelId;

/// Why a call failed. The command line turns each variant into an exit code (`docs/CLI.md`).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A reader or writer that the caller has given.
    #[error("{doing}: {source}")]
    Stream {
        /// "reading" or "writing".
        doing: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The bytes contradict the format of an lmcodec file, or were damaged.
    #[error("damaged or malformed at byte {offset}: {what}")]
    Malformed {
        /// What was found and what was expected.
        what: String,
        /// Byte offset in the lmcodec file.
        offset: usize,
    },
    /// Segments of an lmcodec file are damaged; the others are whole.
    #[error("{} of {segments} segments damaged: {}", faults.len(), list(faults))]
    DamagedSegments {
        /// Segments of the file.
        segments: usize,
        /// What is wrong with each damaged one.
        faults: Vec<SegmentFault>,
    },
    /// The bytes are no image and no lmcodec file.
    #[error("not {expected}: found {found}")]
    NotAnImage {
        /// What the bytes look like.
        found: String,
        /// What is read here.
        expected: &'static str,
    },
    /// An image that is no JPEG file, and nobody has asked for a lossy conversion.
    #[error("a {format} file cannot be kept exactly, only as a JPEG file of its pixels: --lossy asks for that")]
    Lossy {
        /// The image's format.
        format: &'static str,
    },
    /// A kind of file that this version does not read.
    #[error("unsupported {what}: found {found}, this version reads {supported}")]
    Unsupported {
        /// The quantity or feature.
        what: &'static str,
        /// Its value in the file.
        found: String,
        /// What this version reads.
        supported: String,
    },
    /// A size beyond the limits; found before anything of that size is allocated.
    #[error("limit exceeded: {what} is {found}, at most {allowed} is allowed")]
    Limit {
        /// The quantity that is limited.
        what: &'static str,
        /// The value that the file asks for.
        found: u64,
        /// The largest value that is allowed.
        allowed: u64,
    },
    /// The file was coded with a model that is not at hand.
    #[error("the file needs the model with SHA-256 {id}…{}, which is not among: {}", called(name.as_deref()), looked_in.join(", "))]
    UnknownModel {
        /// The first bytes of the model's SHA-256.
        id: ModelId,
        /// The model's name, if the file gives one.
        name: Option<String>,
        /// The models that were looked at, by name and hash, and the folders.
        looked_in: Vec<String>,
    },
    /// There is no model file of that path, and no model of that name or hash in the model folders.
    #[error("no model {name}: no such file, and none of that name or hash in: {}", looked_in.join(", "))]
    ModelNotFound {
        /// What was asked for.
        name: String,
        /// The folders that were looked in.
        looked_in: Vec<String>,
    },
    /// The backbone of a head set is not at hand.
    #[error("the head set {heads} needs the backbone with SHA-256 {sha256}, which is in none of: {}", looked_in.join(", "))]
    MissingBackbone {
        /// The head set's name.
        heads: String,
        /// SHA-256 of the backbone file, in hexadecimal.
        sha256: String,
        /// The folders that were looked in.
        looked_in: Vec<String>,
    },
    /// A sequence model whose arrangement cannot be coded with.
    #[error("model {name}: {source}")]
    Arrangement {
        /// Name or path of the model.
        name: String,
        /// What is wrong.
        source: ChunkError,
    },
    /// A model file that cannot be used.
    #[error("model {name}: {source}")]
    Model {
        /// Name or path of the model.
        name: String,
        /// What is wrong with it.
        source: ModelError,
    },
    /// An option that this machine, image or array cannot meet.
    #[error("{0}")]
    InvalidOption(String),
    /// What was decoded is not what was encoded.
    #[error("mismatch: {what}")]
    Mismatch {
        /// What differs, and where.
        what: String,
    },
    /// A file of codebook indices that cannot be read, or codes that do not fit what is said of them.
    #[error("codes: {0}")]
    Codes(#[source] CodesError),
    /// An image in another format than JPEG could not be read or written.
    #[error("image: {0}")]
    Image(String),
}

impl Error {
    pub(crate) fn malformed(offset: usize, what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), offset }
    }

    pub(crate) fn limit(what: &'static str, found: u64, allowed: u64) -> Result<(), Self> {
        if found > allowed { Err(Self::Limit { what, found, allowed }) } else { Ok(()) }
    }

    /// A JPEG error met while decoding an lmcodec file; `base` is the offset of the bytes that were being read.
    pub(crate) fn of_jpeg(error: JpegError, base: usize) -> Self {
        match error {
            JpegError::Malformed { what, offset } => Self::malformed(base + offset, what),
            JpegError::Limit { what, found, allowed } => Self::Limit { what, found, allowed },
            other => Self::malformed(base, other.to_string()),
        }
    }
}

impl From<CodesError> for Error {
    fn from(error: CodesError) -> Self {
        Self::Codes(error)
    }
}

fn called(name: Option<&str>) -> String {
    name.map(|name| format!(" (called {name})")).unwrap_or_default()
}

fn list(faults: &[SegmentFault]) -> String {
    const SHOWN: usize = 4;
    let mut text = faults.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if faults.len() > SHOWN {
        text.push_str(&format!("; and {} more", faults.len() - SHOWN));
    }
    text
}
