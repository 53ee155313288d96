//! Codecs of speech as anchors: FLAC by the crate flacenc, and the programs `flac` and `opusenc`/`opusdec` where they are on the
//! PATH.

use super::waveform::{Waveform, WaveformError};
use crate::recompress::process::{ProcessError, run_measured};
use flacenc::component::BitRepr;
use flacenc::error::Verify;
use std::path::Path;
use std::process::{Command, Stdio};
use thiserror::Error;

/// Why a codec failed.
#[derive(Debug, Error)]
pub enum SpeechCodecError {
    /// A program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A temporary file failed.
    #[error("temporary file: {0}")]
    Io(#[from] std::io::Error),
    /// The decoded file is not usable.
    #[error(transparent)]
    Waveform(#[from] WaveformError),
    /// The encoder refused the samples.
    #[error("{codec}: {reason}")]
    Encoder {
        /// The codec.
        codec: String,
        /// Its message.
        reason: String,
    },
}

/// Samples to bytes and back.
pub trait SpeechCodec: Sync {
    /// Name for reports.
    fn name(&self) -> String;
    /// Program or crate and its version.
    fn version(&self) -> String;
    /// Whether the samples come back exactly; checked.
    fn lossless(&self) -> bool;
    /// The coded file, whole.
    ///
    /// # Errors
    /// [`SpeechCodecError`].
    fn encode(&self, source: &Waveform) -> Result<Vec<u8>, SpeechCodecError>;
    /// The samples of a coded file.
    ///
    /// # Errors
    /// [`SpeechCodecError`].
    fn decode(&self, coded: &[u8]) -> Result<Waveform, SpeechCodecError>;
}

/// FLAC by the crate flacenc with its default settings; decoded by the crate symphonia.
#[derive(Debug, Clone, Copy)]
pub struct FlacCrate;

impl SpeechCodec for FlacCrate {
    fn name(&self) -> String {
        "flac-crate".into()
    }
    fn version(&self) -> String {
        "flacenc 0.5, symphonia 0.6".into()
    }
    fn lossless(&self) -> bool {
        true
    }
    fn encode(&self, source: &Waveform) -> Result<Vec<u8>, SpeechCodecError> {
        let refused = |reason: String| SpeechCodecError::Encoder { codec: self.name(), reason };
        let samples: Vec<i32> = source.samples.iter().map(|&s| s.into()).collect();
        let config = flacenc::config::Encoder::default().into_verified().map_err(|e| refused(format!("{e:?}")))?;
        let memory = flacenc::source::MemSource::from_samples(&samples, 1, 16, source.sample_rate as usize);
        let mut stream = flacenc::encode_with_fixed_block_size(&config, memory, config.block_size)
            .map_err(|e| refused(format!("{e:?}")))?;
        // The smallest block of a stream does not count the last one (RFC 9639, 8.2), which flacenc does: decoders then take the
        // stream for one of blocks of varying size.
        let info = stream.stream_info_mut();
        info.set_block_sizes(config.block_size, config.block_size).map_err(|e| refused(format!("{e:?}")))?;
        let mut sink = flacenc::bitsink::ByteSink::new();
        stream.write(&mut sink).map_err(|e| refused(format!("{e:?}")))?;
        Ok(sink.as_slice().to_vec())
    }
    fn decode(&self, coded: &[u8]) -> Result<Waveform, SpeechCodecError> {
        Ok(Waveform::decode(coded.to_vec())?)
    }
}

/// The program `flac -8`; decoded by the crate symphonia, another implementation.
#[derive(Debug, Clone)]
pub struct FlacProgram {
    version: String,
}

impl SpeechCodec for FlacProgram {
    fn name(&self) -> String {
        "flac-8".into()
    }
    fn version(&self) -> String {
        self.version.clone()
    }
    fn lossless(&self) -> bool {
        true
    }
    fn encode(&self, source: &Waveform) -> Result<Vec<u8>, SpeechCodecError> {
        let arguments = ["-8", "--no-padding", "--silent", "-o", "out.flac", "in.wav"];
        through("flac", &arguments, &source.to_wav()?, "in.wav", "out.flac")
    }
    fn decode(&self, coded: &[u8]) -> Result<Waveform, SpeechCodecError> {
        Ok(Waveform::decode(coded.to_vec())?)
    }
}

/// `opusenc` at a bit rate, without comments or padding; `opusdec` to 16 kHz.
#[derive(Debug, Clone)]
pub struct Opus {
    kbps: u32,
    version: String,
}

impl SpeechCodec for Opus {
    fn name(&self) -> String {
        format!("opus-{}k", self.kbps)
    }
    fn version(&self) -> String {
        self.version.clone()
    }
    fn lossless(&self) -> bool {
        false
    }
    fn encode(&self, source: &Waveform) -> Result<Vec<u8>, SpeechCodecError> {
        let kbps = self.kbps.to_string();
        let arguments =
            ["--quiet", "--speech", "--padding", "0", "--discard-comments", "--bitrate", &kbps, "in.wav", "out.opus"];
        through("opusenc", &arguments, &source.to_wav()?, "in.wav", "out.opus")
    }
    fn decode(&self, coded: &[u8]) -> Result<Waveform, SpeechCodecError> {
        // The rate of the source is in the header, little-endian at byte 12 of OpusHead (RFC 7845, section 5.1).
        let rate = coded.windows(16).take(4096).find(|w| w.starts_with(b"OpusHead"));
        let rate = rate.map_or(16_000, |w| u32::from_le_bytes([w[12], w[13], w[14], w[15]])).to_string();
        let arguments = ["--quiet", "--no-dither", "--rate", &rate, "in.opus", "out.wav"];
        Ok(Waveform::decode(through("opusdec", &arguments, coded, "in.opus", "out.wav")?)?)
    }
}

/// Bit rates of the Opus anchors in kbps.
pub const OPUS_KBPS: [u32; 5] = [6, 9, 12, 16, 24];

/// The codecs that can run here, the crate's FLAC always among them; and the names of programs that are missing.
pub fn anchors() -> (Vec<Box<dyn SpeechCodec>>, Vec<&'static str>) {
    let mut found: Vec<Box<dyn SpeechCodec>> = vec![Box::new(FlacCrate)];
    let mut missing = Vec::new();
    match version_of("flac") {
        Some(version) => found.push(Box::new(FlacProgram { version })),
        None => missing.push("flac"),
    }
    match (version_of("opusenc"), version_of("opusdec")) {
        (Some(version), Some(_)) => found.extend(
            OPUS_KBPS.map(|kbps| -> Box<dyn SpeechCodec> { Box::new(Opus { kbps, version: version.clone() }) }),
        ),
        _ => missing.push("opusenc/opusdec"),
    }
    (found, missing)
}

/// First line of `program --version`; `None` if it is not on the PATH.
fn version_of(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next().unwrap_or_default().trim().to_string())
}

/// Runs a program in a fresh folder on a file with a fixed name, and gives back the file it writes.
fn through(program: &str, arguments: &[&str], input: &[u8], from: &str, to: &str) -> Result<Vec<u8>, SpeechCodecError> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| Path::join(folder.path(), name);
    std::fs::write(path(from), input)?;
    run_measured(Command::new(program).args(arguments).current_dir(folder.path()), &path("messages"))?;
    Ok(std::fs::read(path(to))?)
}
