//! Utterances through codecs and back: kbps, SI-SDR, log-spectral distance, and what programs hear.

use super::codecs::{SpeechCodec, SpeechCodecError};
use super::listening::{Heard, Listeners, ListeningError};
use super::waveform::{Waveform, WaveformError};
use crate::metrics::log_spectral_distance::{LsdSettings, log_spectral_distance};
use crate::metrics::si_sdr::{Offset, SignalError, si_sdr};
use crate::metrics::word_error_rate::WordErrors;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;
use thiserror::Error;

/// Utterances under codecs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechEvaluation {
    /// Number of utterances.
    pub utterances: usize,
    /// Their length in all.
    pub seconds: f64,
    /// Programs that listened: what they measure, name and versions.
    #[serde(default)]
    pub listeners: Vec<(String, String)>,
    /// What the programs hear in the sources themselves; lossless codecs have the same.
    #[serde(default)]
    pub source: Option<ListeningResult>,
    /// One entry a codec.
    pub codecs: Vec<SpeechCodecResult>,
}

/// What programs heard over all utterances.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListeningResult {
    /// Mean MOS-LQO over the utterances that have one.
    #[serde(default)]
    pub mean_visqol_mos_lqo: Option<f64>,
    /// Σ word errors and reference words over the utterances with a transcript.
    #[serde(default)]
    pub word_errors: Option<WordErrors>,
    /// Σ errors / Σ words, not in percent.
    #[serde(default)]
    pub word_error_rate: Option<f64>,
}

/// An utterance on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// A mono 16-bit WAV or FLAC file.
    pub path: PathBuf,
    /// What is said in it.
    pub text: Option<String>,
}

/// One codec over all utterances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechCodecResult {
    /// Its name.
    pub name: String,
    /// Program or crate and version.
    pub version: String,
    /// Whether the samples came back exactly.
    pub lossless: bool,
    /// Σ bytes · 8 / Σ seconds / 1000: the rate of the set.
    pub kbps: f64,
    /// Mean over the utterances of their own rates.
    pub mean_kbps: f64,
    /// Mean SI-SDR in dB over the utterances that have a finite one.
    pub mean_si_sdr_db: Option<f64>,
    /// Mean log-spectral distance in dB over the utterances that have one.
    pub mean_lsd_db: Option<f64>,
    /// ViSQOL and word error rate.
    #[serde(default, flatten)]
    pub listening: ListeningResult,
    /// Σ wall seconds of encoding.
    pub encoding_seconds: f64,
    /// Σ wall seconds of decoding.
    pub decoding_seconds: f64,
    /// One entry an utterance, in the order given.
    pub per_utterance: Vec<UtteranceResult>,
}

/// One utterance under one codec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UtteranceResult {
    /// File name without its folder.
    pub name: String,
    /// Length.
    pub seconds: f64,
    /// Samples a second.
    pub sample_rate: u32,
    /// Bytes of the coded file, whole.
    pub bytes: u64,
    /// bytes · 8 / seconds / 1000.
    pub kbps: f64,
    /// SI-SDR in dB; `None` where it is infinite (lossless) or undefined (silence), see `notes`.
    pub si_sdr_db: Option<f64>,
    /// Log-spectral distance in dB; `None` for utterances shorter than a frame.
    pub lsd_db: Option<f64>,
    /// What programs heard.
    #[serde(default, flatten)]
    pub heard: Heard,
    /// Why a measure is missing.
    pub notes: Vec<String>,
}

/// Why an evaluation stopped.
#[derive(Debug, Error)]
pub enum SpeechEvaluationError {
    /// There is nothing to evaluate.
    #[error("no utterances")]
    NoUtterances,
    /// A file is not usable speech.
    #[error("{path}: {source}")]
    Source {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WaveformError,
    },
    /// A codec failed.
    #[error("{codec} on {utterance}: {source}")]
    Codec {
        /// The codec.
        codec: String,
        /// The utterance.
        utterance: String,
        /// Its error.
        source: SpeechCodecError,
    },
    /// A program that listens failed.
    #[error("{utterance}: {source}")]
    Listening {
        /// The utterance.
        utterance: String,
        /// What went wrong.
        source: ListeningError,
    },
    /// A program that was asked for heard nothing at all.
    #[error("no utterance has a {measure}: {reason}")]
    Deaf {
        /// The measure.
        measure: &'static str,
        /// Why, for the first utterance.
        reason: String,
    },
    /// What came back has another length or rate, or a lossless codec changed samples.
    #[error("{codec} on {utterance}: {reason}")]
    Mismatch {
        /// The codec.
        codec: String,
        /// The utterance.
        utterance: String,
        /// What differs.
        reason: String,
    },
}

/// Sends every file through every codec and back, and measures. `progress` is called after each pair with the number done.
///
/// # Errors
/// [`SpeechEvaluationError`]: nothing to do, a file that is not 16-bit mono WAV or FLAC, a codec that fails or gives back another
/// number of samples, a program that does not work or measured none of the sources.
pub fn evaluate_speech(
    utterances: &[Utterance],
    codecs: &[Box<dyn SpeechCodec>],
    lsd: &LsdSettings,
    listeners: &mut Listeners,
    progress: &mut dyn FnMut(usize),
) -> Result<SpeechEvaluation, SpeechEvaluationError> {
    if utterances.is_empty() {
        return Err(SpeechEvaluationError::NoUtterances);
    }
    let mut rows: Vec<Vec<UtteranceResult>> = codecs.iter().map(|_| Vec::with_capacity(utterances.len())).collect();
    let mut times = vec![(0.0, 0.0); codecs.len()];
    let mut sources = Vec::with_capacity(utterances.len());
    let (mut seconds, mut done) = (0.0, 0);
    for utterance in utterances {
        let (path, text) = (&utterance.path, utterance.text.as_deref());
        let source =
            Waveform::read(path).map_err(|source| SpeechEvaluationError::Source { path: path.clone(), source })?;
        seconds += source.seconds();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let deaf = |source| SpeechEvaluationError::Listening { utterance: name.clone(), source };
        let mut source_notes = Vec::new();
        let heard = listeners.listen(&source, &source, text, &mut source_notes).map_err(deaf)?;
        for (i, codec) in codecs.iter().enumerate() {
            let (mut row, decoded) = one(&name, &source, codec.as_ref(), lsd, &mut times[i])?;
            // The same samples are heard in the same way.
            row.heard = if decoded == source {
                row.notes.extend(source_notes.iter().cloned());
                heard.clone()
            } else {
                listeners.listen(&source, &decoded, text, &mut row.notes).map_err(deaf)?
            };
            rows[i].push(row);
            done += 1;
            progress(done);
        }
        sources.push((heard, source_notes));
    }
    let why = |measure: &'static str, missing: bool| match missing {
        true => {
            let reason = sources.iter().flat_map(|s| &s.1).next().cloned().unwrap_or_else(|| "no transcripts".into());
            Err(SpeechEvaluationError::Deaf { measure, reason })
        }
        false => Ok(()),
    };
    why("ViSQOL score", listeners.visqol.is_some() && sources.iter().all(|s| s.0.visqol_mos_lqo.is_none()))?;
    why("word error rate", listeners.recogniser.is_some() && sources.iter().all(|s| s.0.word_errors.is_none()))?;
    let codecs =
        codecs.iter().zip(rows).zip(times).map(|((codec, per_utterance), (encoding_seconds, decoding_seconds))| {
            let bytes: u64 = per_utterance.iter().map(|u| u.bytes).sum();
            SpeechCodecResult {
                name: codec.name(),
                version: codec.version(),
                lossless: codec.lossless(),
                kbps: kbps(bytes, seconds),
                mean_kbps: per_utterance.iter().map(|u| u.kbps).sum::<f64>() / per_utterance.len() as f64,
                mean_si_sdr_db: mean(per_utterance.iter().filter_map(|u| u.si_sdr_db)),
                mean_lsd_db: mean(per_utterance.iter().filter_map(|u| u.lsd_db)),
                listening: listening(per_utterance.iter().map(|u| &u.heard)),
                encoding_seconds,
                decoding_seconds,
                per_utterance,
            }
        });
    Ok(SpeechEvaluation {
        utterances: utterances.len(),
        seconds,
        codecs: codecs.collect(),
        listeners: listeners.descriptions(),
        source: listeners.any().then(|| listening(sources.iter().map(|s| &s.0))),
    })
}

fn listening<'a>(heard: impl Iterator<Item = &'a Heard> + Clone) -> ListeningResult {
    let words: Vec<WordErrors> = heard.clone().filter_map(|h| h.word_errors).collect();
    let word_errors = (!words.is_empty()).then(|| words.into_iter().sum::<WordErrors>());
    ListeningResult {
        mean_visqol_mos_lqo: mean(heard.filter_map(|h| h.visqol_mos_lqo)),
        word_errors,
        word_error_rate: word_errors.and_then(|w| w.rate().ok()),
    }
}

fn one(
    name: &str,
    source: &Waveform,
    codec: &dyn SpeechCodec,
    lsd: &LsdSettings,
    times: &mut (f64, f64),
) -> Result<(UtteranceResult, Waveform), SpeechEvaluationError> {
    let failed = |source| SpeechEvaluationError::Codec { codec: codec.name(), utterance: name.into(), source };
    let mismatch =
        |reason: String| SpeechEvaluationError::Mismatch { codec: codec.name(), utterance: name.into(), reason };
    let start = Instant::now();
    let coded = codec.encode(source).map_err(failed)?;
    times.0 += start.elapsed().as_secs_f64();
    let start = Instant::now();
    let decoded = codec.decode(&coded).map_err(failed)?;
    times.1 += start.elapsed().as_secs_f64();
    let shape = |w: &Waveform| format!("{} samples at {} Hz", w.samples.len(), w.sample_rate);
    if decoded.sample_rate != source.sample_rate || decoded.samples.len() != source.samples.len() {
        return Err(mismatch(format!("{} came back as {}", shape(source), shape(&decoded))));
    }
    if codec.lossless() && decoded != *source {
        return Err(mismatch("a lossless codec changed samples".into()));
    }
    let (reference, degraded) = (source.scaled(), decoded.scaled());
    let mut notes = Vec::new();
    let mut note = |measure: &str, value: Result<f64, SignalError>| match value {
        Ok(v) if v.is_finite() => Some(v),
        Ok(v) => {
            notes.push(format!("{measure} is {v}"));
            None
        }
        Err(e) => {
            notes.push(format!("{measure}: {e}"));
            None
        }
    };
    let si_sdr_db = note("SI-SDR", si_sdr(&reference, &degraded, Offset::Keep));
    let lsd_db = note("LSD", log_spectral_distance(&reference, &degraded, lsd));
    let result = UtteranceResult {
        name: name.into(),
        seconds: source.seconds(),
        sample_rate: source.sample_rate,
        bytes: coded.len() as u64,
        kbps: kbps(coded.len() as u64, source.seconds()),
        si_sdr_db,
        lsd_db,
        heard: Heard::default(),
        notes,
    };
    Ok((result, decoded))
}

fn kbps(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 * 8.0 / seconds / 1000.0
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}
