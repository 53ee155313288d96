//! `lmcodec eval render`: report.json of `eval image` → CSV, Markdown and HTML again; several become one report.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_eval::image::csv::to_csv;
use lmcodec_eval::image::document::document;
use lmcodec_eval::image::report::{ImageReport, KIND};

use super::outputs::ReportFolder;
use super::read;
use crate::commands::exit::{Exit, Failure};

/// Render reports of `eval image` again, for instance after merging several of one machine.
#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// report.json of `eval image`; the sets of all files go into one report
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// Folder for report.json, report.csv, report.md and report.html
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Title, instead of that of the first report
    #[arg(long)]
    title: Option<String>,
    /// Overwrite outputs
    #[arg(long)]
    force: bool,
}

impl RenderArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let folder = ReportFolder::new(&self.out, self.force)?;
        let mut reports = self.reports.iter().map(|path| parse(path)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let Some(mut whole) = reports.next() else { return Err(Failure::new(Exit::Usage, "no report given")) };
        for next in reports {
            if next.environment != whole.environment {
                let message =
                    "the reports are of different machines, versions or thread counts; render them one by one";
                return Err(Failure::new(Exit::Usage, message));
            }
            whole.seconds += next.seconds;
            whole.peak_bytes = whole.peak_bytes.max(next.peak_bytes);
            whole.sets.extend(next.sets);
        }
        if let Some(title) = &self.title {
            whole.title.clone_from(title);
        }
        folder.write(&whole, &to_csv(&whole), &document(&whole))
    }
}

fn parse(path: &Path) -> Result<ImageReport, Failure> {
    let fault = |what: String| Failure::new(Exit::Malformed, format!("{}: {what}", path.display()));
    let report: ImageReport = serde_json::from_slice(&read(path)?).map_err(|e| fault(e.to_string()))?;
    if report.kind != KIND { Err(fault(format!("a file of kind {:?}, not {KIND}", report.kind))) } else { Ok(report) }
}
