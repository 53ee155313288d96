//! `lmcodec eval documents`: the numbers in README, docs and results, made anew from the committed records.

use std::path::PathBuf;

use clap::Args;
use lmcodec_eval::published::{PublishedError, documents};

use super::outputs;
use crate::commands::exit::{Exit, Failure};

/// Make every marked number in README, docs/ and results/*.md anew from results/*.json.
#[derive(Debug, Args)]
pub(super) struct DocumentsArgs {
    /// Root of the repository
    #[arg(default_value = ".")]
    root: PathBuf,
    /// Write nothing; a difference is an error
    #[arg(long)]
    check: bool,
}

impl DocumentsArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let documents = documents(&self.root).map_err(|error| {
            let exit = if matches!(error, PublishedError::Read { .. }) { Exit::Io } else { Exit::Malformed };
            Failure::new(exit, error.to_string())
        })?;
        let mut differing = Vec::new();
        for document in documents {
            let Some(line) = document.first_difference() else { continue };
            eprintln!("lmcodec: {}: differs from its records from line {line} on", document.name);
            if !self.check {
                outputs::write(&self.root.join(&document.name), document.made.as_bytes(), true)?;
            }
            differing.push(document.name);
        }
        if self.check && !differing.is_empty() {
            return Err(Failure::new(Exit::Mismatch, format!("{} of the documents differ", differing.len())));
        }
        Ok(())
    }
}
