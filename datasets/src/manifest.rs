//! What a data set is, file by file: hashes, sizes, speakers, splits.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::anomaly::{Anomaly, portable};
use crate::difference_hash::DifferenceHash;
use crate::error::DatasetError;
use crate::photos::Photo;
use crate::shape::Shape;
use crate::splits::{Split, SplitRatios};

/// A list of files with their hashes and splits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Where the files come from, in words.
    pub source: String,
    /// Their licence, as stated by the source.
    pub licence: String,
    /// Shape of the folder; none in manifests of [`crate::photos::load_folder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// Published parts that were taken (train, test-other, …); empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// Weights of the splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratios: Option<SplitRatios>,
    /// Bits of the difference hash within which two photos are near duplicates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_duplicate_bits: Option<u32>,
    /// One in this many files is held out by the hash of its bytes (0: none, or [`Self::ratios`] hold).
    #[serde(default)]
    pub validation_one_in: u32,
    /// The files, ordered by path.
    pub files: Vec<ManifestEntry>,
    /// Files that were not taken, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Anomaly>,
}

/// One file of a [`Manifest`], or one utterance of a file of codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Path relative to the data set's folder, with `/`.
    pub path: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Length of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the decoded content (`digest`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// Width and height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// For photos: to find near duplicates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference_hash: Option<DifferenceHash>,
    /// Duration of audio in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Sample rate of audio in Hz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Dimensions of an array of codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Vec<u32>>,
    /// For an utterance in a file of codes: first step and number of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<(u64, u64)>,
    /// Published part that it lies in (train, test-other, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Class (a WordNet identifier).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Identifier of an utterance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utterance: Option<String>,
    /// Speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Chapter that is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chapter: Option<String>,
    /// Transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The split it is in.
    pub split: Split,
    /// Why it is excluded, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ManifestEntry {
    /// An entry that knows only its file.
    #[must_use]
    pub fn new(path: &Path, sha256: String) -> Self {
        Self {
            path: portable(path),
            sha256,
            bytes: None,
            content_sha256: None,
            size: None,
            difference_hash: None,
            seconds: None,
            sample_rate: None,
            dimensions: None,
            frames: None,
            part: None,
            class: None,
            utterance: None,
            speaker: None,
            chapter: None,
            text: None,
            split: Split::Train,
            reason: None,
        }
    }

    /// The path below a folder.
    #[must_use]
    pub fn below(&self, folder: &Path) -> PathBuf {
        folder.join(&self.path)
    }
}

impl Manifest {
    /// The manifest of decoded photos, split by the hash of their bytes.
    pub fn of(photos: &[Photo], source: &str, licence: &str, validation_one_in: u32) -> Self {
        let files = photos
            .iter()
            .map(|p| ManifestEntry {
                size: Some(p.pixels.dimensions()),
                split: p.split(validation_one_in),
                ..ManifestEntry::new(&p.path, p.sha256.clone())
            })
            .collect();
        Self { source: source.into(), licence: licence.into(), validation_one_in, files, ..Self::default() }
    }

    /// Number of files in a split.
    pub fn count(&self, split: Split) -> usize {
        self.files.iter().filter(|f| f.split == split).count()
    }

    /// Writes the manifest as JSON, whole or not at all.
    ///
    /// # Errors
    /// [`DatasetError::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), DatasetError> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| DatasetError::Manifest { path: path.into(), message: e.to_string() })?;
        lmcodec_files::write(path, (json + "\n").as_bytes()).map_err(DatasetError::io(path))
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`DatasetError::Io`] or [`DatasetError::Manifest`]; a path that leads out of the data set's folder is one of the latter.
    pub fn load(path: &Path) -> Result<Self, DatasetError> {
        let text = std::fs::read_to_string(path).map_err(|source| DatasetError::Io { path: path.into(), source })?;
        let fault = |message: String| DatasetError::Manifest { path: path.into(), message };
        let manifest: Self = serde_json::from_str(&text).map_err(|e| fault(format!("not a manifest: {e}")))?;
        let inside = |p: &str| Path::new(p).components().all(|c| matches!(c, std::path::Component::Normal(_)));
        match manifest.files.iter().find(|f| f.path.is_empty() || !inside(&f.path)) {
            Some(entry) => Err(fault(format!("path {:?} leads out of the data set's folder", entry.path))),
            None => Ok(manifest),
        }
    }
}
