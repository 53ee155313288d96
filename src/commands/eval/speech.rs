//! `lmcodec eval speech`: folders of speech under FLAC, Opus and what else is on the PATH.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_eval::csv_text::tables;
use lmcodec_eval::metrics::log_spectral_distance::LsdSettings;
use lmcodec_eval::report::Environment;
use lmcodec_eval::speech::codecs::anchors;
use lmcodec_eval::speech::document::SpeechReport;
use lmcodec_eval::speech::evaluate_speech;
use lmcodec_eval::speech::evaluation::SpeechEvaluationError;

use super::outputs::ReportFolder;
use super::progress_bar;
use super::sets::parse_set;
use crate::commands::exit::{Exit, Failure};

/// Bitrate, SI-SDR and log-spectral distance of speech codecs on folders of mono 16-bit WAV or FLAC files.
#[derive(Debug, Args)]
pub(super) struct SpeechArgs {
    /// A set: its name and a folder, searched with its subfolders. May be repeated
    #[arg(long = "set", value_name = "NAME=DIR", required = true, value_parser = parse_set)]
    sets: Vec<(String, PathBuf)>,
    /// Folder for report.json, report.csv, report.md and report.html
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Utterances of every set, at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Overwrite outputs
    #[arg(long)]
    force: bool,
}

impl SpeechArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let folder = ReportFolder::new(&self.out, self.force)?;
        let mut sets = Vec::new();
        for (name, path) in &self.sets {
            let mut files = Vec::new();
            collect(path, &mut files)?;
            files.sort();
            files.truncate(self.limit.unwrap_or(usize::MAX));
            if files.is_empty() {
                return Err(Failure::new(Exit::Io, format!("{}: no .wav or .flac file", path.display())));
            }
            sets.push((name, files));
        }
        let (codecs, missing) = anchors();
        missing.iter().for_each(|name| eprintln!("lmcodec: not on the PATH, left out: {name}"));
        let mut report = SpeechReport { environment: Environment::current(1), sets: Vec::new() };
        for (name, files) in sets {
            let bar = progress_bar((files.len() * codecs.len()) as u64);
            let evaluation = evaluate_speech(&files, &codecs, &LsdSettings::default(), &mut |done| {
                bar.set_position(done as u64);
            });
            bar.finish_and_clear();
            report.sets.push((name.clone(), evaluation.map_err(fault)?));
        }
        let document = report.document();
        folder.write(&report, &tables(&document), &document)
    }
}

fn fault(error: SpeechEvaluationError) -> Failure {
    let exit = match &error {
        SpeechEvaluationError::Mismatch { .. } => Exit::Mismatch,
        SpeechEvaluationError::Source { .. } | SpeechEvaluationError::Empty { .. } => Exit::Malformed,
        _ => Exit::Failure,
    };
    Failure::new(exit, error.to_string())
}

/// All .wav and .flac files of a folder and its subfolders; links to folders are not followed.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let io = |error: std::io::Error| Failure::new(Exit::Io, format!("{}: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        if entry.file_type().map_err(io)?.is_dir() {
            collect(&path, files)?;
        } else {
            let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
            if matches!(extension.as_deref(), Some("wav" | "flac")) {
                files.push(path);
            }
        }
    }
    Ok(())
}
