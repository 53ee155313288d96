//! What programs hear: ViSQOL's MOS-LQO of decoded samples against the source, and the word errors of a recogniser's transcript.
//!
//! The programs are external ([`crate::metrics::external`]). Samples reach them as WAV files in a folder that is removed afterwards.

use super::waveform::{Waveform, WaveformError};
use crate::metrics::external::{ExternalError, ExternalProgram};
use crate::metrics::word_error_rate::{WordErrorRateError, WordErrors};
use serde::{Deserialize, Serialize};
use std::path::Path;
use thiserror::Error;

/// The programs, each optional.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Compares two WAV files, such as ViSQOL: MOS-LQO, 1 to 5.
    pub visqol: Option<ExternalProgram>,
    /// Transcribes a WAV file.
    pub recogniser: Option<ExternalProgram>,
}

/// What was heard. A measure is `None` without its program, or where that could not measure the files (see `notes`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// MOS-LQO of the decoded samples against the source, 1 to 5.
    #[serde(default)]
    pub visqol_mos_lqo: Option<f64>,
    /// Word errors of the transcript.
    #[serde(default)]
    pub word_errors: Option<WordErrors>,
    /// What the recogniser wrote.
    #[serde(default)]
    pub transcript: Option<String>,
}

/// Why listening stopped.
#[derive(Debug, Error)]
pub enum ListeningError {
    /// A program does not work at all.
    #[error(transparent)]
    Program(#[from] ExternalError),
    /// Transcripts that cannot be aligned.
    #[error(transparent)]
    Words(#[from] WordErrorRateError),
    /// A temporary file failed.
    #[error("temporary file: {0}")]
    Io(#[from] std::io::Error),
    /// The samples cannot be written.
    #[error(transparent)]
    Waveform(#[from] WaveformError),
}

impl Listeners {
    /// Whether there is a program at all.
    pub fn any(&self) -> bool {
        self.visqol.is_some() || self.recogniser.is_some()
    }

    /// Name and versions of the programs, for reports.
    pub fn descriptions(&self) -> Vec<(String, String)> {
        let of = |what: &str, program: &Option<ExternalProgram>| {
            program.as_ref().map(|p| (what.to_string(), p.description()))
        };
        [of("ViSQOL", &self.visqol), of("recogniser", &self.recogniser)].into_iter().flatten().collect()
    }

    /// Sends a pair to the programs. `text` is what is said; without it no transcript is asked for. A program that cannot measure
    /// these files leaves its reason in `notes`.
    ///
    /// # Errors
    /// [`ListeningError`]: a program that cannot be started, has ended or answers something else than asked.
    pub fn listen(
        &mut self,
        source: &Waveform,
        decoded: &Waveform,
        text: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Result<Heard, ListeningError> {
        let mut heard = Heard::default();
        if !self.any() {
            return Ok(heard);
        }
        let folder = tempfile::tempdir()?;
        let path = |name: &str| Path::join(folder.path(), name);
        let (reference, degraded) = (path("reference.wav"), path("degraded.wav"));
        std::fs::write(&reference, source.to_wav()?)?;
        std::fs::write(&degraded, decoded.to_wav()?)?;
        if let Some(program) = &mut self.visqol {
            heard.visqol_mos_lqo = noted("ViSQOL", program.score(&reference, &degraded), notes)?;
        }
        if let (Some(program), Some(text)) = (&mut self.recogniser, text)
            && let Some(transcript) = noted("recogniser", program.transcript(&degraded), notes)?
        {
            heard.word_errors = Some(WordErrors::of(text, &transcript)?);
            heard.transcript = Some(transcript.trim().to_string());
        }
        Ok(heard)
    }
}

/// A refusal of single files becomes a note.
fn noted<T>(what: &str, answer: Result<T, ExternalError>, notes: &mut Vec<String>) -> Result<Option<T>, ExternalError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ExternalError::Refused { message, .. }) => {
            notes.push(format!("{what}: {message}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
