//! `lmcodec eval compare`: two runs, or two curve files, by all three methods.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_eval::image::compare::{Bootstrap, Input, compare, document};
use lmcodec_eval::report::html::{PageOptions, page};

use super::{OrExit, outputs, read};
use crate::commands::exit::{Exit, Failure};

/// BD-rate of one result file against another: reports of `eval image`, or CompressAI-shaped curves.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// File to compare against
    anchor: PathBuf,
    /// File under test
    test: PathBuf,
    /// Curve of the first file, if it is a report [default: all that the second has as well]
    #[arg(long, value_name = "NAME")]
    anchor_curve: Option<String>,
    /// Curve of the second file, if it is a report
    #[arg(long, value_name = "NAME")]
    test_curve: Option<String>,
    /// Only this set of images
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Measure of quality
    #[arg(long, default_value = "psnr-rgb")]
    metric: String,
    /// Bootstrap draws; 0 for no intervals
    #[arg(long, default_value_t = Bootstrap::default().resamples)]
    resamples: u32,
    /// Seed of the draws
    #[arg(long, default_value_t = Bootstrap::default().seed)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write an HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Overwrite the page
    #[arg(long)]
    force: bool,
}

impl CompareArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        outputs::check(self.html.as_deref(), self.force)?;
        let input = |path: &Path| {
            Input::from_json(&read(path)?)
                .map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", path.display())))
        };
        let (anchor, test) = (input(&self.anchor)?, input(&self.test)?);
        let names = (self.anchor_curve.as_deref(), self.test_curve.as_deref());
        let bootstrap = Bootstrap { resamples: self.resamples, seed: self.seed, ..Bootstrap::default() };
        let out =
            compare(&anchor, &test, names, self.set.as_deref(), &self.metric, &bootstrap).or_exit(Exit::Malformed)?;
        // A table of nothing but errors is no answer; that curves do not overlap is one.
        let errors: Option<Vec<String>> = out.iter().flat_map(|c| &c.methods).map(|m| m.error.clone()).collect();
        if let Some(mut errors) = errors.filter(|e| !e.is_empty()) {
            errors.sort();
            errors.dedup();
            let files = format!("{} (anchor), {} (test)", self.anchor.display(), self.test.display());
            let message = format!("no BD-rate by any method; {files}: {}", errors.join("; "));
            return Err(Failure::new(Exit::Malformed, message));
        }
        let document = document(&out);
        if let Some(path) = &self.html {
            outputs::write(path, page(&document, &PageOptions::default()).as_bytes(), self.force)?;
        }
        let text = if self.json { outputs::json(&out)? } else { document.to_markdown().into_bytes() };
        outputs::write(Path::new("-"), &text, false)
    }
}
