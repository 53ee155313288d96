//! `lmcodec eval render`: report.json of `eval image` or `eval speech` → CSV, Markdown and HTML again; several become one report.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_eval::image::csv::to_csv;
use lmcodec_eval::image::document::document;
use lmcodec_eval::image::report::{ImageReport, KIND};
use lmcodec_eval::report::csv::tables;
use lmcodec_eval::speech::document::{self as speech, SpeechReport};

use super::outputs::ReportFolder;
use super::sets::distinct_names;
use super::{OrExit, read};
use crate::commands::exit::{Exit, Failure};

/// Render reports of `eval image` or of `eval speech` again, for instance after merging several of one machine.
#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// report.json of `eval image`, or of `eval speech`; the sets of all files go into one report
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// Folder for report.json, report.csv, report.md and report.html
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Title of a report on images, instead of that of the first report
    #[arg(long)]
    title: Option<String>,
    /// Overwrite outputs
    #[arg(long)]
    force: bool,
}

impl RenderArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let folder = ReportFolder::new(&self.out, self.force)?;
        let files = self.reports.iter().map(|path| Ok((path.as_path(), read(path)?)));
        let files: Vec<(&Path, Vec<u8>)> = files.collect::<Result<_, Failure>>()?;
        if files
            .iter()
            .all(|(_, bytes)| serde_json::from_slice::<SpeechReport>(bytes).is_ok_and(|r| r.kind == speech::KIND))
        {
            return self.speech(&folder, &files);
        }
        let mut reports =
            files.iter().map(|(path, bytes)| parse(path, bytes)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let Some(mut whole) = reports.next() else { return Err(Failure::new(Exit::Usage, "no report given")) };
        for next in reports {
            if next.environment != whole.environment {
                return Err(other_environment());
            }
            whole.seconds += next.seconds;
            whole.peak_bytes = whole.peak_bytes.max(next.peak_bytes);
            whole.sets.extend(next.sets);
        }
        distinct_names(whole.sets.iter().map(|s| s.name.as_str()))?;
        if let Some(title) = &self.title {
            whole.title.clone_from(title);
        }
        folder.write(&whole, &to_csv(&whole), &document(&whole))
    }

    fn speech(&self, folder: &ReportFolder, files: &[(&Path, Vec<u8>)]) -> Result<(), Failure> {
        let mut reports =
            files.iter().map(|(_, bytes)| serde_json::from_slice::<SpeechReport>(bytes).or_exit(Exit::Malformed));
        let Some(first) = reports.next() else { return Err(Failure::new(Exit::Usage, "no report given")) };
        let mut whole = first?;
        for next in reports {
            let next = next?;
            if next.environment != whole.environment {
                return Err(other_environment());
            }
            whole.sets.extend(next.sets);
        }
        distinct_names(whole.sets.iter().map(|s| s.0.as_str()))?;
        let document = whole.document();
        folder.write(&whole, &tables(&document), &document)
    }
}

fn other_environment() -> Failure {
    let message = "the reports are of different machines, versions or thread counts; render them one by one";
    Failure::new(Exit::Usage, message)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<ImageReport, Failure> {
    let fault = |what: String| Failure::new(Exit::Malformed, format!("{}: {what}", path.display()));
    let report: ImageReport = serde_json::from_slice(bytes)
        .map_err(|e| fault(format!("no report of `eval image`, nor are all files reports of `eval speech`: {e}")))?;
    if report.kind != KIND { Err(fault(format!("a file of kind {:?}, not {KIND}", report.kind))) } else { Ok(report) }
}
