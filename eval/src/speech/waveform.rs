//! Mono speech of 16 bits: from WAV and FLAC files, by the decoder that data sets are read with, and to WAV.

use lmcodec_datasets::anomaly::AnomalyKind;
use lmcodec_datasets::audio;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Most samples of one utterance: an hour at 48 kHz.
pub const MAX_SAMPLES: usize = 48_000 * 3600;

/// One channel of 16-bit samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waveform {
    /// Samples a second.
    pub sample_rate: u32,
    /// The samples.
    pub samples: Vec<i16>,
}

/// Why a file gave no samples.
#[derive(Debug, Error)]
pub enum WaveformError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The bytes are no WAV or FLAC file, or damaged.
    #[error("{format}: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// The reader's message.
        reason: String,
    },
    /// A sound file without samples, which has no bit rate.
    #[error("no samples")]
    Empty,
    /// The file is sound, but not mono speech of 16 bits.
    #[error("{channels} channels of {bits} bits; only one channel of 16-bit integers is evaluated")]
    Unsupported {
        /// Channels found.
        channels: u32,
        /// Bits a sample.
        bits: u32,
    },
    /// More samples than allowed.
    #[error("more than {MAX_SAMPLES} samples")]
    TooLong,
}

impl Waveform {
    /// Reads a WAV or FLAC file; the first bytes decide.
    ///
    /// # Errors
    /// [`WaveformError`].
    pub fn read(path: &Path) -> Result<Self, WaveformError> {
        let io = |source| WaveformError::Io { path: path.into(), source };
        // No sound file of MAX_SAMPLES 16-bit samples is longer, but for tags.
        if std::fs::metadata(path).map_err(io)?.len() > 3 * MAX_SAMPLES as u64 {
            return Err(WaveformError::TooLong);
        }
        Self::decode(std::fs::read(path).map_err(io)?)
    }

    /// Decodes a WAV or FLAC file of one channel of 16-bit integers; the first bytes decide.
    ///
    /// # Errors
    /// [`WaveformError`].
    pub fn decode(bytes: Vec<u8>) -> Result<Self, WaveformError> {
        let format = if bytes.starts_with(b"RIFF") || bytes.starts_with(b"RF64") { "WAV" } else { "FLAC" };
        let audio = audio::decode(bytes).map_err(|fault| match fault.kind {
            AnomalyKind::Empty => WaveformError::Empty,
            _ => WaveformError::Malformed { format, reason: fault.message },
        })?;
        // Floats have 32 bits.
        let (channels, bits) = (audio.channels, audio.bits.unwrap_or(32));
        if channels != 1 || bits != 16 {
            return Err(WaveformError::Unsupported { channels, bits });
        }
        if audio.samples.len() > MAX_SAMPLES {
            return Err(WaveformError::TooLong);
        }
        Ok(Self { sample_rate: audio.sample_rate, samples: audio::to_i16(&audio.samples) })
    }

    /// A WAV file.
    ///
    /// # Errors
    /// None in practice: the file is made in memory.
    pub fn to_wav(&self) -> Result<Vec<u8>, WaveformError> {
        let malformed = |e: hound::Error| WaveformError::Malformed { format: "WAV", reason: e.to_string() };
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: self.sample_rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut out = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut out, spec).map_err(malformed)?;
        self.samples.iter().try_for_each(|&s| writer.write_sample(s)).map_err(malformed)?;
        writer.finalize().map_err(malformed)?;
        Ok(out.into_inner())
    }

    /// Samples in −1 to 1.
    pub fn scaled(&self) -> Vec<f32> {
        self.samples.iter().map(|&s| f32::from(s) / 32768.0).collect()
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}
