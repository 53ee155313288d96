//! `lmcodec verify`: decode in memory, check everything, write nothing.

use std::path::PathBuf;

use clap::Args;
use lmcodec::{DecodeOptions, Progress, verify};
use serde_json::json;

use super::batch::{Batch, Report};
use super::exit::{Exit, Failure};
use super::files::{Found, Source, find};
use super::{CODED_EXTENSIONS, Coding, Models};

/// Decode files in memory and check all their checksums; write nothing.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Files, folders with --recursive, or - for standard input
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Compare with this file, byte by byte (one input only)
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Verify the .ljpg, .lvq and .lrvq files in folders and their subfolders
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    coding: Coding,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let found = find(&self.inputs, self.recursive, &CODED_EXTENSIONS)?;
        if self.against.is_some() && found.len() != 1 {
            return Err(Failure::new(Exit::Usage, "--against compares one file with one file"));
        }
        let options = self.coding.decode_options(self.models.registry()?);
        let against = self.against.as_ref().map(|path| {
            Source::File(path.clone())
                .read(options.limits.max_original_bytes)
                .map_err(|failure| Failure { message: format!("{}: {}", path.display(), failure.message), ..failure })
        });
        let against = against.transpose()?;
        let batch = Batch { coding: &self.coding, data_on_stdout: false, verb: "verifying" };
        batch.run(
            &found,
            |found| found.source.to_string(),
            |found, progress| self.one(found, against.as_deref(), &options, progress),
        )
    }

    fn one(
        &self,
        found: &Found,
        against: Option<&[u8]>,
        options: &DecodeOptions,
        progress: Progress,
    ) -> Result<Report, Failure> {
        let source = &found.source;
        let bytes = source.read(options.limits.max_coded_bytes())?;
        let mut options = options.clone();
        options.execution.progress = Some(progress);
        let verified = verify(&bytes, against, &options)?;
        let text = if self.coding.json {
            let line = json!({
                "input": source.to_string(),
                "input_bytes": bytes.len(),
                "original_bytes": verified.original_bytes,
                "verified": true,
                "compared": verified.compared,
            });
            format!("{line}\n")
        } else {
            let compared = if verified.compared { ", equal to the file compared with" } else { "" };
            format!("{source}: OK, {} bytes of original{compared}\n", verified.original_bytes)
        };
        Ok(Report { text, ..Report::default() })
    }
}
