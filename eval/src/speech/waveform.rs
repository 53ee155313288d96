//! Mono speech of 16 bits: from WAV (crate hound) and FLAC (crate claxon) files, and to WAV.

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
        let bytes = std::fs::read(path).map_err(io)?;
        if bytes.starts_with(b"fLaC") { Self::from_flac(&bytes) } else { Self::from_wav(&bytes) }
    }

    /// Decodes a FLAC file.
    ///
    /// # Errors
    /// [`WaveformError`].
    pub fn from_flac(bytes: &[u8]) -> Result<Self, WaveformError> {
        let malformed = |e: claxon::Error| WaveformError::Malformed { format: "FLAC", reason: e.to_string() };
        let mut reader = claxon::FlacReader::new(Cursor::new(bytes)).map_err(malformed)?;
        let info = reader.streaminfo();
        if info.channels != 1 || info.bits_per_sample != 16 {
            return Err(WaveformError::Unsupported { channels: info.channels, bits: info.bits_per_sample });
        }
        let mut samples = Vec::new();
        for sample in reader.samples() {
            let sample = sample.map_err(malformed)?;
            if samples.len() == MAX_SAMPLES {
                return Err(WaveformError::TooLong);
            }
            samples.push(
                i16::try_from(sample)
                    .map_err(|e| WaveformError::Malformed { format: "FLAC", reason: e.to_string() })?,
            );
        }
        Ok(Self { sample_rate: info.sample_rate, samples })
    }

    /// Decodes a WAV file of 16-bit integers.
    ///
    /// # Errors
    /// [`WaveformError`].
    pub fn from_wav(bytes: &[u8]) -> Result<Self, WaveformError> {
        let malformed = |e: hound::Error| WaveformError::Malformed { format: "WAV", reason: e.to_string() };
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(malformed)?;
        let spec = reader.spec();
        if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
            return Err(WaveformError::Unsupported {
                channels: spec.channels.into(),
                bits: spec.bits_per_sample.into(),
            });
        }
        if reader.len() as usize > MAX_SAMPLES {
            return Err(WaveformError::TooLong);
        }
        let samples = reader.samples::<i16>().collect::<Result<_, _>>().map_err(malformed)?;
        Ok(Self { sample_rate: spec.sample_rate, samples })
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
