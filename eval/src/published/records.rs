//! The records below `results/`: JSON files of this crate's own shapes, read when a part asks for them.

use super::PublishedError;
use crate::image::report::ImageReport;
use crate::latents::document::LatentReport;
use crate::paper::results::{Record, Results};
use crate::recompress::speed::{CodecSpeed, SpeedReport};
use crate::recompress::table::{CodecResult, RecompressionTable, SetResult};
use crate::speech::document::SpeechReport;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A folder of records.
#[derive(Debug, Clone)]
pub struct Records {
    folder: PathBuf,
}

impl Records {
    /// The records of a folder; nothing is read yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of the JSON files that begin with `prefix`, sorted.
    ///
    /// # Errors
    /// [`PublishedError::Read`].
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, PublishedError> {
        let entries = std::fs::read_dir(&self.folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(|source| PublishedError::Read { file: "results".into(), source })?;
        let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|n| n.starts_with(prefix) && n.ends_with(".json")).collect();
        names.sort();
        Ok(names)
    }

    fn bytes(&self, file: &str) -> Result<Vec<u8>, PublishedError> {
        let read_error = |source| PublishedError::Read { file: file.into(), source };
        std::fs::read(self.folder.join(file)).map_err(read_error)
    }

    fn read<T: DeserializeOwned>(&self, file: &str) -> Result<T, PublishedError> {
        serde_json::from_slice(&self.bytes(file)?)
            .map_err(|source| PublishedError::Record { file: file.into(), source })
    }

    /// A table of `lmcodec eval recompress`.
    ///
    /// # Errors
    /// [`PublishedError::Read`], [`PublishedError::Record`]; so for the others.
    pub fn table(&self, file: &str) -> Result<RecompressionTable, PublishedError> {
        self.read(file)
    }

    /// A report of `lmcodec eval speed`.
    ///
    /// # Errors
    /// As [`Records::table`].
    pub fn speed(&self, file: &str) -> Result<SpeedReport, PublishedError> {
        self.read(file)
    }

    /// A report of `lmcodec eval latents`.
    ///
    /// # Errors
    /// As [`Records::table`].
    pub fn latents(&self, file: &str) -> Result<LatentReport, PublishedError> {
        self.read(file)
    }

    /// A report of `lmcodec eval image`.
    ///
    /// # Errors
    /// As [`Records::table`].
    pub fn image(&self, file: &str) -> Result<ImageReport, PublishedError> {
        self.read(file)
    }

    /// A report of `lmcodec eval speech`.
    ///
    /// # Errors
    /// As [`Records::table`].
    pub fn speech(&self, file: &str) -> Result<SpeechReport, PublishedError> {
        self.read(file)
    }

    /// Records of coded latents, as `lmcodec eval sequence` writes them.
    ///
    /// # Errors
    /// [`PublishedError::Read`], [`PublishedError::Coded`].
    pub fn coded(&self, file: &str) -> Result<Vec<Record>, PublishedError> {
        let mut results = Results::default();
        results.read(file, &self.bytes(file)?)?;
        Ok(results.records)
    }
}

/// What a record must hold for a part.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Name of the part.
    pub part: &'a str,
    /// Name of the record's file.
    pub file: &'a str,
}

impl Place<'_> {
    /// The error that something is not there.
    pub fn missing(&self, what: impl Into<String>) -> PublishedError {
        PublishedError::Missing { part: self.part.into(), file: self.file.into(), what: what.into() }
    }

    /// A set of a table.
    ///
    /// # Errors
    /// [`PublishedError::Missing`]; so for the others.
    pub fn set<'t>(&self, table: &'t RecompressionTable, name: &str) -> Result<&'t SetResult, PublishedError> {
        table.set(name).ok_or_else(|| self.missing(format!("set {name}")))
    }

    /// A codec of a set.
    ///
    /// # Errors
    /// As [`Place::set`].
    pub fn codec<'t>(&self, set: &'t SetResult, name: &str) -> Result<&'t CodecResult, PublishedError> {
        set.codec(name).ok_or_else(|| self.missing(format!("{name} in set {}", set.name)))
    }

    /// A codec of a speed report, with one of its kernels where `kernel` names it.
    ///
    /// # Errors
    /// As [`Place::set`].
    pub fn speed<'t>(
        &self,
        report: &'t SpeedReport,
        name: &str,
        kernel: Option<&str>,
    ) -> Result<&'t CodecSpeed, PublishedError> {
        let found = report.codecs.iter().find(|c| c.codec == name && c.kernel.as_deref() == kernel);
        found.ok_or_else(|| self.missing(format!("{name} with kernel {}", kernel.unwrap_or("none"))))
    }
}
