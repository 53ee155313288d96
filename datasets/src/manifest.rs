//! What a model was trained on, file by file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::photos::{DatasetError, Photo, Split};

/// A list of files with their hashes and splits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Where the files come from, in words.
    pub source: String,
    /// Their licence, as stated by the source.
    pub licence: String,
    /// One in this many files is held out (0: none).
    pub validation_one_in: u32,
    /// The files, ordered by path.
    pub files: Vec<ManifestEntry>,
}

/// One file of a [`Manifest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Path relative to the data set's folder.
    pub path: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The split it is in.
    pub split: Split,
}

impl Manifest {
    /// The manifest of decoded photos.
    pub fn of(photos: &[Photo], source: &str, licence: &str, validation_one_in: u32) -> Self {
        let files = photos
            .iter()
            .map(|p| ManifestEntry {
                path: p.path.to_string_lossy().into_owned(),
                sha256: p.sha256.clone(),
                size: p.pixels.dimensions(),
                split: p.split(validation_one_in),
            })
            .collect();
        Self { source: source.into(), licence: licence.into(), validation_one_in, files }
    }

    /// Number of files in a split.
    pub fn count(&self, split: Split) -> usize {
        self.files.iter().filter(|f| f.split == split).count()
    }

    /// Writes the manifest as JSON.
    ///
    /// # Errors
    /// [`DatasetError::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), DatasetError> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| DatasetError::Manifest { path: path.into(), message: e.to_string() })?;
        std::fs::write(path, json + "\n").map_err(|source| DatasetError::Io { path: path.into(), source })
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`DatasetError::Io`] or [`DatasetError::Manifest`].
    pub fn load(path: &Path) -> Result<Self, DatasetError> {
        let text = std::fs::read_to_string(path).map_err(|source| DatasetError::Io { path: path.into(), source })?;
        serde_json::from_str(&text).map_err(|e| DatasetError::Manifest { path: path.into(), message: e.to_string() })
    }
}
