//! `lmcodec eval speech`: folders of speech under FLAC, Opus and what else is on the PATH.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_datasets::listing;
use lmcodec_eval::metrics::external::{Answer, ExternalError, ExternalProgram};
use lmcodec_eval::metrics::log_spectral_distance::LsdSettings;
use lmcodec_eval::report::csv::tables;
use lmcodec_eval::report::environment::Environment;
use lmcodec_eval::speech::codecs::anchors;
use lmcodec_eval::speech::document::{KIND, SpeechReport};
use lmcodec_eval::speech::evaluation::{SpeechEvaluationError, Utterance};
use lmcodec_eval::speech::{Listeners, evaluate_speech};

use super::outputs::ReportFolder;
use super::sets::{distinct_names, parse_set};
use super::{OrExit, progress_bar};
use crate::commands::exit::{Exit, Failure};

/// Bitrate, SI-SDR, log-spectral distance, and with other programs ViSQOL and word error rate, of speech codecs on folders of mono
/// 16-bit WAV or FLAC files.
#[derive(Debug, Args)]
pub(super) struct SpeechArgs {
    /// A set: its name and a folder, searched with its subfolders. May be repeated
    #[arg(long = "set", value_name = "NAME=DIR", required = true, value_parser = parse_set)]
    sets: Vec<(String, PathBuf)>,
    /// Folder for report.json, report.csv, report.md and report.html
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Utterances of every set, at most; taken evenly from the sorted files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// ViSQOL: a service ("python3 eval/external/visqol_service.py"), or a command with {reference} and {degraded} that prints
    /// "MOS-LQO:" and the number (docs/METRICS.md)
    #[arg(long, value_name = "COMMAND")]
    visqol: Option<String>,
    /// Recogniser for the word error rate: a service ("python3 eval/external/whisper_service.py"), or a command with {degraded}
    /// that prints the transcript. Needs transcripts in the folder, as LibriSpeech, LibriTTS and LJSpeech have them
    #[arg(long, value_name = "COMMAND")]
    recogniser: Option<String>,
    /// Overwrite outputs
    #[arg(long)]
    force: bool,
}

impl SpeechArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        distinct_names(self.sets.iter().map(|s| s.0.as_str()))?;
        let folder = ReportFolder::new(&self.out, self.force)?;
        let mut sets = Vec::new();
        for (name, path) in &self.sets {
            let files = spread(sound_files(path)?, self.limit);
            let texts = if self.recogniser.is_some() { transcripts(path)? } else { HashMap::new() };
            let utterances =
                files.into_iter().map(|file| Utterance { path: path.join(&file), text: texts.get(&file).cloned() });
            sets.push((name, utterances.collect::<Vec<_>>()));
        }
        let mut listeners = Listeners::default();
        if let Some(command) = &self.visqol {
            listeners.visqol =
                Some(ExternalProgram::scorer(command, Answer::After("MOS-LQO:".into())).map_err(unusable("--visqol"))?);
        }
        if let Some(command) = &self.recogniser {
            listeners.recogniser = Some(ExternalProgram::transcriber(command).map_err(unusable("--recogniser"))?);
        }
        let (codecs, missing) = anchors();
        missing.iter().for_each(|name| eprintln!("lmcodec: not on the PATH, left out: {name}"));
        let mut report = SpeechReport { kind: KIND.into(), environment: Environment::current(1), sets: Vec::new() };
        for (name, utterances) in sets {
            let bar = progress_bar((utterances.len() * codecs.len()) as u64);
            let evaluation =
                evaluate_speech(&utterances, &codecs, &LsdSettings::default(), &mut listeners, &mut |done| {
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
        SpeechEvaluationError::Source { .. } => Exit::Malformed,
        _ => Exit::Failure,
    };
    Failure::new(exit, error.to_string())
}

fn unusable(option: &'static str) -> impl Fn(ExternalError) -> Failure {
    move |error| {
        let exit = if matches!(error, ExternalError::Template { .. }) { Exit::Usage } else { Exit::Failure };
        Failure::new(exit, format!("{option}: {error}"))
    }
}

/// All .wav and .flac files of a folder and its subfolders, relative and sorted; links to folders are not followed.
fn sound_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = listing::walk(folder).or_exit(Exit::Io)?;
    files.retain(|path| {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        matches!(extension.as_deref(), Some("wav" | "flac"))
    });
    if files.is_empty() {
        return Err(Failure::new(Exit::Io, format!("{}: no .wav or .flac file", folder.display())));
    }
    Ok(files)
}

/// `limit` of the files at even distances, so that all speakers of a sorted data set are heard.
fn spread(files: Vec<PathBuf>, limit: Option<u32>) -> Vec<PathBuf> {
    let (n, limit) = (files.len(), limit.map_or(files.len(), |l| l as usize));
    if limit >= n {
        return files;
    }
    (0..limit).map(|i| files[i * n / limit].clone()).collect()
}

/// What is said, by file, from the lists that the data set's folder holds.
fn transcripts(folder: &Path) -> Result<HashMap<PathBuf, String>, Failure> {
    let needs = "word error rates need transcripts in a folder shaped like LibriSpeech, LibriTTS or LJSpeech (docs/DATASETS.md)";
    let missing = |what: String| Failure::new(Exit::Malformed, format!("{}: {what}; {needs}", folder.display()));
    let listing = listing::list(folder, None, &[]).map_err(|e| missing(e.to_string()))?;
    let texts: HashMap<_, _> = listing.items.into_iter().filter_map(|item| Some((item.path, item.text?))).collect();
    if texts.is_empty() { Err(missing("no transcripts found".into())) } else { Ok(texts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_spread_over_the_files() {
        let files: Vec<PathBuf> = (0..10).map(|i| i.to_string().into()).collect();
        let names = |limit| spread(files.clone(), limit).iter().map(|p| p.display().to_string()).collect::<String>();
        assert_eq!([names(Some(3)), names(Some(1)), names(Some(9))], ["036", "0", "012345678"]);
        assert_eq!([names(None), names(Some(10)), names(Some(99))], ["0123456789"; 3]);
    }
}
