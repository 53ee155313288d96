//! `lmcodec verify`: decode in memory, check everything, write nothing.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec::{DecodeOptions, Progress, verify};
use serde_json::json;

use super::batch::{Batch, Report};
use super::exit::{Exit, Failure};
use super::files::{Found, Selection, Source};
use super::names::{self, CODED_EXTENSIONS};
use super::terminal::shown;
use super::totals::{Outcome, Tally};
use super::{Coding, Models, existing};

/// Decode files in memory and check all their checksums; write nothing.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Files, folders with --recursive, or - for standard input
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Compare with this file, byte by byte; or each file with that of its original's name in this folder
    #[arg(long, value_name = "FILE|DIR")]
    against: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    coding: Coding,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let inputs = self.selection.find(&self.inputs, &CODED_EXTENSIONS)?;
        let one_file = inputs.found.len() == 1 && !inputs.folder;
        if self.against.as_ref().is_some_and(|against| !against.is_dir()) && !one_file {
            return Err(Failure::new(
                Exit::Usage,
                "--against compares one file with one file, or several with those of a folder",
            ));
        }
        let options = self.coding.decode_options(self.models.registry()?);
        let batch = Batch::new(&self.coding, ("verifying", "verified"), &inputs);
        let work = |found: &Found, progress| self.one(found, &options, progress);
        Ok(batch.run(&inputs.found, &inputs, |found| existing::pixels(&found.source), work))
    }

    fn one(&self, found: &Found, options: &DecodeOptions, progress: Progress) -> Result<Report, Failure> {
        let source = &found.source;
        let bytes = source.read(options.limits.max_coded_bytes())?.0;
        let mut options = options.clone();
        options.execution.progress = Some(progress);
        let against = self.against.as_deref().map(|against| {
            let path = if against.is_dir() { counterpart(against, found, &bytes)? } else { against.to_path_buf() };
            let read = Source::File(path.clone()).read(options.limits.max_original_bytes);
            read.map(|read| read.0)
                .map_err(|failure| Failure { message: format!("{}: {}", shown(&path), failure.message), ..failure })
        });
        let verified = verify(&bytes, against.transpose()?.as_deref(), &options)?;
        let text = if self.coding.json {
            let mut line = json!({
                "input_bytes": bytes.len(),
                "original_bytes": verified.original_bytes,
                "verified": true,
                "compared": verified.compared,
            });
            super::terminal::put_path(&mut line, "input", source.path());
            format!("{line}\n")
        } else {
            let compared = if verified.compared { ", equal to the file compared with" } else { "" };
            format!("{source}: OK, {} bytes of original{compared}\n", verified.original_bytes)
        };
        let tally = Tally {
            outcome: Outcome::Coded,
            input_bytes: bytes.len() as u64,
            output_bytes: verified.original_bytes as u64,
        };
        Ok(Report { text, tally: Some(tally), ..Report::default() })
    }
}

/// The file of a folder that a coded file was made of: in the same place below it, with the original's name.
fn counterpart(folder: &Path, found: &Found, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let attributes = lmcodec::attributes(bytes)?;
    let relative = &found.relative;
    let named = names::original(relative, &attributes, false).unwrap_or_else(|| names::usual(relative, "jpg"));
    Ok(folder.join(named))
}
