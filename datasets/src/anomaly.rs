//! What is odd about single files: [`Fault`] is why one cannot be used, [`Anomaly`] what a survey reports. What can go wrong with a
//! data set as a whole is a [`DatasetError`](crate::DatasetError) instead.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// What kind of oddity a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// The file system refuses.
    Unreadable,
    /// No bytes, no samples, no codes.
    Empty,
    /// The file ends early.
    Truncated,
    /// Another format, or damaged.
    Undecodable,
    /// Too large to open, or too small for a crop.
    Size,
    /// The same decoded content as another file.
    Copy,
    /// Not the sample rate of most files, or none that can be converted.
    SampleRate,
    /// A speaker that is unknown or contradicts the folder.
    Speaker,
    /// Transcripts without recordings or the other way round.
    Transcript,
    /// A list with lines that say nothing.
    List,
}

/// What is odd about a file, or about the set (path `.`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Path relative to the folder.
    pub path: String,
    /// Its kind.
    pub kind: AnomalyKind,
    /// What was found.
    pub message: String,
    /// The file is left out for it.
    pub skipped: bool,
}

impl Anomaly {
    /// An oddity for which nothing is left out.
    pub(crate) fn new(path: &Path, kind: AnomalyKind, message: String) -> Self {
        let path = if path == Path::new(".") { ".".into() } else { portable(path) };
        Self { path, kind, message, skipped: false }
    }
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Its kind.
    pub kind: AnomalyKind,
    /// What was found.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(kind: AnomalyKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// A relative path with `/` on every system.
pub(crate) fn portable(path: &Path) -> String {
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
