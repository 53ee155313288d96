//! The numbers that the repository's documents print, from the records under `results/`.
//!
//! In: `results/*.json` ([`records`]) and the documents. A document marks where numbers belong:
//!
//! ```text
//! <!-- table: kodak-bpp -->
//! (a table, made anew each time)
//! <!-- end -->
//!
//! … took <!-- value: kodak-files -->240<!-- end --> files …
//! ```
//!
//! Out: the same documents with every marked part made from the records ([`parts`]). `lmcodec eval documents` writes them, the
//! example `documents` does so without the rest of the program, and the test `published` fails where a document and its
//! records differ.

pub mod codes;
pub mod kodak;
pub mod markers;
pub mod parts;
pub mod quality;
pub mod records;
pub mod speed;

use crate::paper::results::ResultsError;
use records::Records;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The documents that may hold numbers, from the root of the repository; of folders all Markdown files.
const DOCUMENTS: [&str; 3] = ["README.md", "docs", "results"];

/// Why documents cannot be made.
#[derive(Debug, Error)]
pub enum PublishedError {
    /// A document or record cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A record is not of the shape that its name promises.
    #[error("{file}: {source}")]
    Record {
        /// The file.
        file: String,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// A record of coded latents that contradicts itself.
    #[error(transparent)]
    Coded(#[from] ResultsError),
    /// A mark that cannot be understood.
    #[error("{document}, line {line}: {what}")]
    Mark {
        /// The document.
        document: String,
        /// Line number from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A record does not hold what a part needs.
    #[error("{part}: {file} holds no {what}")]
    Missing {
        /// Name of the part.
        part: String,
        /// The record.
        file: String,
        /// What was looked for.
        what: String,
    },
}

/// A document as it is and as the records say it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Path from the root of the repository.
    pub name: String,
    /// What the file holds.
    pub found: String,
    /// What it should hold.
    pub made: String,
}

impl Document {
    /// Number of the first line that differs, from 1.
    pub fn first_difference(&self) -> Option<usize> {
        if self.found == self.made {
            return None;
        }
        let same = self.found.lines().zip(self.made.lines()).take_while(|(a, b)| a == b).count();
        Some(same + 1)
    }
}

/// Reads all documents below `root` that hold marked parts, and makes the parts anew.
///
/// # Errors
/// [`PublishedError`].
pub fn documents(root: &Path) -> Result<Vec<Document>, PublishedError> {
    let records = Records::new(&root.join("results"));
    let mut documents = Vec::new();
    for path in paths(root)? {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let found =
            std::fs::read_to_string(&path).map_err(|source| PublishedError::Read { file: name.clone(), source })?;
        let made = markers::rewrite(&name, &found, |part| parts::make(part, &records))?;
        documents.push(Document { name, found, made });
    }
    Ok(documents)
}

fn paths(root: &Path) -> Result<Vec<PathBuf>, PublishedError> {
    let mut paths = Vec::new();
    for name in DOCUMENTS {
        let path = root.join(name);
        let fault = |source| PublishedError::Read { file: name.into(), source };
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(fault)?;
            let mut files: Vec<_> = entries.into_iter().map(|e| e.path()).collect();
            files.retain(|p| p.extension().is_some_and(|e| e == "md"));
            files.sort();
            paths.extend(files);
        } else {
            paths.push(path);
        }
    }
    Ok(paths)
}
