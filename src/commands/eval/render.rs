//! `lmcodec eval render`: report.json of `eval image` or `eval speech` → CSV, Markdown and HTML again; several become one report.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_eval::image::csv::to_csv;
use lmcodec_eval::image::document::document;
use lmcodec_eval::image::report::{ImageReport, KIND};
use lmcodec_eval::report::csv::tables;
use lmcodec_eval::speech::document::{self as speech, SpeechReport};

use super::outputs::ReportFolder;
use super::published::{add_published, read_published};
use super::sets::{distinct_names, parse_set};
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
    /// Title of a report on images [default: that of the reports, or the names of their sets where they differ]
    #[arg(long)]
    title: Option<String>,
    /// Curve in CompressAI's shape to draw in a set of images. May be repeated
    #[arg(long, value_name = "SET=FILE.json", value_parser = parse_set)]
    published: Vec<(String, PathBuf)>,
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
        let mut one_title = true;
        for next in reports {
            if next.environment != whole.environment {
                return Err(other_environment());
            }
            one_title &= next.title == whole.title;
            whole.seconds += next.seconds;
            whole.peak_bytes = whole.peak_bytes.max(next.peak_bytes);
            whole.sets.extend(next.sets);
        }
        distinct_names(whole.sets.iter().map(|s| s.name.as_str()))?;
        if let Some(title) = &self.title {
            whole.title.clone_from(title);
        } else if !one_title {
            let names: Vec<&str> = whole.sets.iter().map(|set| set.name.as_str()).collect();
            whole.title = format!("Rate and distortion of image codecs: {}", names.join(", "));
        }
        add_published(&mut whole, &read_published(&self.published)?)?;
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
