//! Utterances through codecs and back: kbps, SI-SDR and log-spectral distance.

use super::codecs::{SpeechCodec, SpeechCodecError};
use super::waveform::{Waveform, WaveformError};
use crate::metrics::log_spectral_distance::{LsdSettings, log_spectral_distance};
use crate::metrics::si_sdr::{Offset, SignalError, si_sdr};
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
    /// One entry a codec.
    pub codecs: Vec<SpeechCodecResult>,
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
    /// A file without samples has no bit rate.
    #[error("{path}: no samples")]
    Empty {
        /// The file.
        path: PathBuf,
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
/// number of samples.
pub fn evaluate_speech(
    files: &[PathBuf],
    codecs: &[Box<dyn SpeechCodec>],
    lsd: &LsdSettings,
    progress: &mut dyn FnMut(usize),
) -> Result<SpeechEvaluation, SpeechEvaluationError> {
    if files.is_empty() {
        return Err(SpeechEvaluationError::NoUtterances);
    }
    let mut rows: Vec<Vec<UtteranceResult>> = codecs.iter().map(|_| Vec::with_capacity(files.len())).collect();
    let mut times = vec![(0.0, 0.0); codecs.len()];
    let (mut seconds, mut done) = (0.0, 0);
    for path in files {
        let source =
            Waveform::read(path).map_err(|source| SpeechEvaluationError::Source { path: path.clone(), source })?;
        if source.samples.is_empty() || source.sample_rate == 0 {
            return Err(SpeechEvaluationError::Empty { path: path.clone() });
        }
        seconds += source.seconds();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (i, codec) in codecs.iter().enumerate() {
            rows[i].push(one(&name, &source, codec.as_ref(), lsd, &mut times[i])?);
            done += 1;
            progress(done);
        }
    }
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
                encoding_seconds,
                decoding_seconds,
                per_utterance,
            }
        });
    Ok(SpeechEvaluation { utterances: files.len(), seconds, codecs: codecs.collect() })
}

fn one(
    name: &str,
    source: &Waveform,
    codec: &dyn SpeechCodec,
    lsd: &LsdSettings,
    times: &mut (f64, f64),
) -> Result<UtteranceResult, SpeechEvaluationError> {
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
    Ok(UtteranceResult {
        name: name.into(),
        seconds: source.seconds(),
        sample_rate: source.sample_rate,
        bytes: coded.len() as u64,
        kbps: kbps(coded.len() as u64, source.seconds()),
        si_sdr_db,
        lsd_db,
        notes,
    })
}

fn kbps(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 * 8.0 / seconds / 1000.0
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}
