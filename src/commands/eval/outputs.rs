//! Output files of reports: refused before any work where they exist, written whole.

use std::path::{Path, PathBuf};

use lmcodec_eval::report::document::Document;
use lmcodec_eval::report::html::{PageOptions, page};
use lmcodec_eval::report::leaf_lines::leaf_lines;
use serde::Serialize;

use super::OrExit;
use crate::commands::exit::{Exit, Failure};
use crate::commands::output;
use crate::commands::output::Target;

/// Refuses outputs that exist.
pub(super) fn check<'a>(paths: impl IntoIterator<Item = &'a Path>, force: bool) -> Result<(), Failure> {
    for path in paths {
        if !force && path != Path::new("-") && path.exists() {
            return Err(Failure::new(Exit::Io, format!("{} exists; --force overwrites it", path.display())));
        }
    }
    Ok(())
}

/// Writes a file, or standard output for `-`.
pub(super) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let target = if path == Path::new("-") { Target::Stdout } else { Target::File(path.into()) };
    output::write(&target, bytes, force, None).map(drop)
}

/// JSON, a line a leaf.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    Ok(leaf_lines(&serde_json::to_string_pretty(value).or_exit(Exit::Failure)?).into_bytes())
}

/// The files of a report in one folder.
pub(super) struct ReportFolder {
    folder: PathBuf,
    force: bool,
}

impl ReportFolder {
    const FILES: [&'static str; 4] = ["report.json", "report.csv", "report.md", "report.html"];

    /// A folder whose report files do not exist yet (or may be overwritten).
    pub(super) fn new(folder: &Path, force: bool) -> Result<Self, Failure> {
        let files: Vec<PathBuf> = Self::FILES.iter().map(|name| folder.join(name)).collect();
        check(files.iter().map(PathBuf::as_path), force)?;
        Ok(Self { folder: folder.into(), force })
    }

    /// Writes the data as JSON and CSV, the document as Markdown and HTML.
    pub(super) fn write(&self, data: &impl Serialize, csv: &str, document: &Document) -> Result<(), Failure> {
        let html = page(document, &PageOptions::default());
        let contents = [json(data)?, csv.as_bytes().to_vec(), document.to_markdown().into_bytes(), html.into_bytes()];
        for (name, bytes) in Self::FILES.iter().zip(contents) {
            write(&self.folder.join(name), &bytes, self.force)?;
        }
        eprintln!("lmcodec: {} written to {}", Self::FILES.join(", "), self.folder.display());
        Ok(())
    }

    /// Writes one more file.
    pub(super) fn extra(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        write(&self.folder.join(name), bytes, self.force)
    }
}
