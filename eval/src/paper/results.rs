//! Result files: what experiments write and the tables read.
//!
//! One [`Record`] is one coded set of latents. A file holds one record, a list of records, `{"records": [...]}`, a report of
//! `lmcodec eval image` or `lmcodec eval speech`, or a table of `lmcodec eval recompress`; a report of `lmcodec eval speed` is known but
//! not used, other JSON files are left out.

use crate::image::report::{ImageReport, KIND};
use crate::recompress::speed::{KIND as SPEED_KIND, SpeedReport};
use crate::recompress::table::RecompressionTable;
use crate::speech::document::{KIND as SPEECH_KIND, SpeechReport};
use serde::{Deserialize, Serialize};
use std::path::Path;
use thiserror::Error;

/// The largest result file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 28;

/// One coded set of latents. Optional fields that do not apply are left out or null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was done, in words, such as `kodak qf20 chunk 2048`.
    pub experiment: String,
    /// `jpeg`, `vq` or `rvq`.
    pub medium: String,
    /// Name of the entropy model.
    pub model: String,
    /// Codec that made the latents, such as `JPEG`, `VQGAN`, `Lyra v2`.
    #[serde(default)]
    pub codec: Option<String>,
    /// Dataset, such as `Kodak`, `CLIC`, `Imagenet-val`, `LibriTTS-clean`, `LJSpeech`.
    #[serde(default)]
    pub dataset: Option<String>,
    /// Order of the symbols, such as `block-raster`, `block-zigzag`, `separate`, `interleaved`.
    #[serde(default)]
    pub arrangement: String,
    /// Symbols that are coded under one context.
    #[serde(default)]
    pub chunk: Option<u32>,
    /// Size of the codebook, or of the vocabulary of JPEG.
    #[serde(default)]
    pub codebook: Option<u32>,
    /// JPEG quality.
    #[serde(default)]
    pub quality: Option<u32>,
    /// RVQ layers from the first on.
    #[serde(default)]
    pub layers: Option<u32>,
    /// Symbols coded.
    pub symbols: u64,
    /// Bytes written.
    pub coded_bytes: u64,
    /// Bits of the raw latents: symbols times the bits of one.
    pub raw_bits: f64,
    /// 100 · 8 · `coded_bytes` / `raw_bits`.
    #[serde(default)]
    pub cr_percent: Option<f64>,
    /// Seconds of encoding and decoding together.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Seconds of encoding.
    #[serde(default)]
    pub encoding_seconds: Option<f64>,
    /// Seconds of decoding and comparing.
    #[serde(default)]
    pub decoding_seconds: Option<f64>,
    /// Pixels of the images.
    #[serde(default)]
    pub pixels: Option<u64>,
    /// Seconds of the speech.
    #[serde(default)]
    pub duration_s: Option<f64>,
    /// Parameters that were trained.
    #[serde(default)]
    pub trained_parameters: Option<u64>,
    /// Whether the latents come back exactly; false for clipped values.
    #[serde(default)]
    pub lossless: Option<bool>,
}

impl Record {
    /// Coded size over raw size in percent, from the bytes.
    pub fn cr(&self) -> f64 {
        100.0 * 8.0 * self.coded_bytes as f64 / self.raw_bits
    }
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Names of the files that were used.
    pub files: Vec<String>,
    /// All records.
    pub records: Vec<Record>,
    /// Reports of `eval image`.
    pub images: Vec<ImageReport>,
    /// Tables of `eval recompress`.
    pub tables: Vec<RecompressionTable>,
    /// Reports of `eval speech`.
    pub speech: Vec<SpeechReport>,
}

/// What the JSON file of `eval paper` holds: the records, without the reports they stand beside.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    /// Names of the files that were used.
    pub files: &'a [String],
    /// All records.
    pub records: &'a [Record],
}

/// Why results cannot be used.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// A file or folder cannot be read.
    #[error("{what}: {source}")]
    Read {
        /// The file or folder.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A record whose numbers contradict each other.
    #[error("{file}: {experiment}: {what}")]
    Record {
        /// The file.
        file: String,
        /// The record.
        experiment: String,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileShape {
    List { records: Vec<Record> },
    Bare(Vec<Record>),
    One(Box<Record>),
    Table(RecompressionTable),
}

impl Results {
    /// Reads all `.json` files of a folder and its subfolders, in the order of their names; returns those left out.
    pub fn read_folder(&mut self, folder: &Path) -> Result<Vec<String>, ResultsError> {
        let fault = |path: &Path, source| ResultsError::Read { what: path.display().to_string(), source };
        let mut skipped = Vec::new();
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<_> = entries.map_err(|e| fault(folder, e))?.into_iter().map(|e| e.path()).collect();
        paths.sort();
        for path in paths {
            // Links to folders may lead in circles.
            let kind = path.symlink_metadata().map_err(|e| fault(&path, e))?;
            if kind.is_dir() {
                skipped.extend(self.read_folder(&path)?);
            } else if path.extension().is_some_and(|e| e == "json") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if kind.len() > MAX_BYTES || !self.read(&name, &std::fs::read(&path).map_err(|e| fault(&path, e))?)? {
                    skipped.push(name);
                }
            }
        }
        Ok(skipped)
    }

    /// Reads one file; false if it has no known shape.
    pub fn read(&mut self, name: &str, json: &[u8]) -> Result<bool, ResultsError> {
        if let Ok(report) = serde_json::from_slice::<ImageReport>(json)
            && report.kind == KIND
        {
            self.images.push(report);
        } else if let Ok(report) = serde_json::from_slice::<SpeechReport>(json)
            && report.kind == SPEECH_KIND
        {
            self.speech.push(report);
        } else if serde_json::from_slice::<SpeedReport>(json).is_ok_and(|report| report.kind == SPEED_KIND) {
            // Speed beside other programs: the paper has no such table.
            return Ok(true);
        } else {
            match serde_json::from_slice::<FileShape>(json) {
                Ok(FileShape::List { records } | FileShape::Bare(records)) => self.add(name, records)?,
                Ok(FileShape::One(record)) => self.add(name, vec![*record])?,
                Ok(FileShape::Table(table)) => self.tables.push(table),
                Err(_) => return Ok(false),
            }
        }
        self.files.push(name.into());
        Ok(true)
    }

    fn add(&mut self, file: &str, records: Vec<Record>) -> Result<(), ResultsError> {
        for record in records {
            let fault =
                |what: String| ResultsError::Record { file: file.into(), experiment: record.experiment.clone(), what };
            if !(record.raw_bits.is_finite() && record.raw_bits > 0.0) {
                return Err(fault(format!("raw_bits is {}, it must be above zero", record.raw_bits)));
            }
            if let Some(stated) = record.cr_percent
                && (stated - record.cr()).abs() > 0.01 * record.cr().max(1.0)
            {
                return Err(fault(format!("cr_percent is {stated}, but the bytes give {:.3}", record.cr())));
            }
            self.records.push(record);
        }
        Ok(())
    }

    /// What goes into the JSON file.
    pub fn summary(&self) -> Summary<'_> {
        Summary { files: &self.files, records: &self.records }
    }

    /// Records of a medium and dataset that fulfil a condition, the best CR first.
    pub fn find(&self, medium: &str, dataset: Option<&str>, fits: impl Fn(&Record) -> bool) -> Vec<&Record> {
        let same = |r: &&Record| {
            r.medium.eq_ignore_ascii_case(medium)
                && dataset.is_none_or(|d| r.dataset.as_deref().is_some_and(|own| same_dataset(own, d)))
                && fits(r)
        };
        let mut found: Vec<&Record> = self.records.iter().filter(same).collect();
        found.sort_by(|a, b| a.cr().total_cmp(&b.cr()));
        found
    }
}

/// Whether two records are of one model on the same latents, so that what differs is how they were coded.
pub fn same_subject(a: &Record, b: &Record) -> bool {
    let key = |r: &Record| (r.model.clone(), r.codec.clone(), r.codebook, r.quality, r.layers, r.symbols, r.lossless);
    key(a) == key(b)
}

/// The best pair of records that may be compared: the first of `firsts` for which one of `seconds` is [`same_subject`] and fits.
/// Where there is none, the best of `firsts` or else of `seconds` alone.
pub fn best_pair<'a>(
    firsts: &[&'a Record],
    seconds: &[&'a Record],
    fits: impl Fn(&Record, &Record) -> bool,
) -> (Option<&'a Record>, Option<&'a Record>) {
    let mut pairs = firsts.iter().flat_map(|first| seconds.iter().map(move |second| (*first, *second)));
    match pairs.find(|(first, second)| same_subject(first, second) && fits(first, second)) {
        Some((first, second)) => (Some(first), Some(second)),
        None if firsts.is_empty() => (None, seconds.first().copied()),
        None => (firsts.first().copied(), None),
    }
}

/// Whether two names mean one dataset: letters and digits alone count, and `clic2025` is a CLIC.
pub fn same_dataset(a: &str, b: &str) -> bool {
    let plain = |s: &str| s.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let (a, b) = (plain(a), plain(b));
    a == b || (a.starts_with("clic") && b.starts_with("clic")) || (a.starts_with("kodak") && b.starts_with("kodak"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"experiment":"e","medium":"jpeg","model":"m","dataset":"kodak","arrangement":"block-raster",
        "chunk":2048,"codebook":256,"quality":20,"symbols":1000,"coded_bytes":50,"raw_bits":8000,"cr_percent":5.0,
        "seconds":1.5,"trained_parameters":null}"#;

    #[test]
    fn reads_records_in_all_shapes() {
        let mut results = Results::default();
        assert!(results.read("a", RECORD.as_bytes()).unwrap());
        assert!(results.read("b", format!("[{RECORD},{RECORD}]").as_bytes()).unwrap());
        assert!(results.read("c", format!("{{\"records\":[{RECORD}]}}").as_bytes()).unwrap());
        assert!(!results.read("d", b"{\"something\":1}").unwrap() && !results.read("e", b"no json").unwrap());
        assert_eq!((results.records.len(), results.files.join(" ").as_str()), (4, "a b c"));
        assert_eq!(results.find("JPEG", Some("Kodak"), |r| r.quality == Some(20)).len(), 4);
        assert!(results.find("vq", None, |_| true).is_empty());
    }

    #[test]
    fn refuses_numbers_that_contradict_each_other() {
        let mut results = Results::default();
        let wrong = RECORD.replace("5.0", "4.0");
        let error = results.read("a", wrong.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "a: e: cr_percent is 4, but the bytes give 5.000");
        assert!(results.read("a", RECORD.replace("8000", "0").as_bytes()).is_err());
        assert!(results.read_folder(Path::new("/no/such/folder")).is_err());
    }
}
