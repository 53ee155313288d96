//! `lmcodec eval paper`: the tables and figures of the paper, our measurements beside its numbers.

use std::path::PathBuf;

use clap::Args;
use lmcodec_eval::paper::document;
use lmcodec_eval::paper::results::{Results, ResultsError};
use lmcodec_eval::report::csv::tables;

use super::outputs::ReportFolder;
use crate::commands::exit::{Exit, Failure};

/// Build every table and figure of the paper for which result files are at hand.
#[derive(Debug, Args)]
pub(super) struct PaperArgs {
    /// Folder of result files (JSON, searched with its subfolders). May be repeated
    #[arg(long, value_name = "DIR", required = true)]
    results: Vec<PathBuf>,
    /// Folder for report.json, report.csv, report.md and report.html
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Overwrite outputs
    #[arg(long)]
    force: bool,
}

impl PaperArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let folder = ReportFolder::new(&self.out, self.force)?;
        let mut results = Results::default();
        for path in &self.results {
            let skipped = results.read_folder(path).map_err(|error| {
                let exit = if matches!(error, ResultsError::Read { .. }) { Exit::Io } else { Exit::Malformed };
                Failure::new(exit, error.to_string())
            })?;
            skipped.iter().for_each(|file| eprintln!("lmcodec: {file}: no result of a known shape, left out"));
        }
        if results.files.is_empty() {
            let folders: Vec<String> = self.results.iter().map(|p| p.display().to_string()).collect();
            return Err(Failure::new(Exit::Io, format!("{}: no result file of a known shape", folders.join(", "))));
        }
        let document = document(&results);
        folder.write(&results.summary(), &tables(&document), &document)
    }
}
