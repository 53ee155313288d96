//! Codecs that turn pixels into a file and back: as two programs, or in this process.

use crate::recompress::codec::Commands;
use crate::recompress::codec::{CodecError, Measured, measure_here};
use crate::recompress::peers::CommandLine;
use crate::recompress::process::run_measured;
use std::process::Command;

use super::source::Pixels;
use lmcodec_codecs::jpeg::{self, PixelFormat, Subsampling};

/// A codec with a quality setting.
pub trait PixelCodec: Sync {
    /// Name in reports, without spaces.
    fn name(&self) -> &str;

    /// Version, as the codec states it.
    fn version(&self) -> &str;

    /// Its settings from the lowest quality to the highest, as they appear in commands and reports.
    fn settings(&self) -> &[String];

    /// The command lines, for codecs that run as processes.
    fn commands(&self) -> Option<Commands>;

    /// What a reader should know about the rate points, in words.
    fn description(&self) -> String;

    /// True where the work is done in this process, so that CPU time can be told apart only while nothing else runs.
    fn in_process(&self) -> bool;

    /// Codes an image.
    fn encode(&self, image: &Pixels, setting: &str) -> Result<Measured, CodecError>;

    /// Decodes a file to 8-bit pixels, with the cost of decoding.
    fn decode(&self, coded: &[u8]) -> Result<(Pixels, Measured), CodecError>;
}

/// How an image is handed to a program, or taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Binary PPM.
    Ppm,
    /// PNG; its coding is part of the measured time.
    Png,
}

impl Carrier {
    fn extension(self) -> &'static str {
        match self {
            Carrier::Ppm => "ppm",
            Carrier::Png => "png",
        }
    }
}

/// A codec that runs as two programs; `IN`, `OUT` and `SETTING` stand for files and the setting.
#[derive(Debug, Clone)]
pub struct ExternalPixelCodec {
    /// Name in reports.
    pub name: String,
    /// Version, as the program states it.
    pub version: String,
    /// What it is, in words.
    pub description: String,
    /// Encoding.
    pub encode: CommandLine,
    /// Decoding.
    pub decode: CommandLine,
    /// Format of the source and of the decoded image.
    pub carriers: (Carrier, Carrier),
    /// Extension of coded files, without dot.
    pub extension: String,
    /// From the lowest quality to the highest.
    pub settings: Vec<String>,
}

impl ExternalPixelCodec {
    fn run(&self, line: &CommandLine, from: (&str, &[u8]), to: &str, setting: &str) -> Result<Measured, CodecError> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(from.0), from.1)?;
        let arguments = line.arguments.iter().map(|a| match a.as_str() {
            "IN" => from.0.to_string(),
            "OUT" => to.to_string(),
            other => other.replace("SETTING", setting),
        });
        let mut command = Command::new(&line.program);
        command.args(arguments).current_dir(folder.path());
        let usage = run_measured(&mut command, &folder.path().join("messages"))?;
        let bytes = std::fs::read(folder.path().join(to))?;
        Ok(Measured { bytes, cpu_s: usage.cpu_s, wall_s: usage.wall_s, peak_bytes: usage.peak_bytes })
    }
}

impl PixelCodec for ExternalPixelCodec {
    fn name(&self) -> &str {
        &self.name
    }
    fn version(&self) -> &str {
        &self.version
    }
    fn settings(&self) -> &[String] {
        &self.settings
    }
    fn commands(&self) -> Option<Commands> {
        Some(Commands { encode: self.encode.to_string(), decode: self.decode.to_string() })
    }
    fn description(&self) -> String {
        self.description.clone()
    }
    fn in_process(&self) -> bool {
        false
    }
    fn encode(&self, image: &Pixels, setting: &str) -> Result<Measured, CodecError> {
        let source = match self.carriers.0 {
            Carrier::Ppm => image.to_ppm(),
            Carrier::Png => image.to_png().map_err(|e| CodecError::Codec(e.into()))?,
        };
        let from = format!("source.{}", self.carriers.0.extension());
        self.run(&self.encode, (&from, &source), &format!("coded.{}", self.extension), setting)
    }
    fn decode(&self, coded: &[u8]) -> Result<(Pixels, Measured), CodecError> {
        let from = format!("coded.{}", self.extension);
        let to = format!("decoded.{}", self.carriers.1.extension());
        let measured = self.run(&self.decode, (&from, coded), &to, "")?;
        let pixels = Pixels::from_bytes(&measured.bytes, &to).map_err(|e| CodecError::Codec(e.into()))?;
        Ok((pixels, measured))
    }
}

/// JPEG by this project's encoder, whose coefficients are those of libjpeg, and the `image` crate's decoder.
#[derive(Debug, Clone)]
pub struct BuiltInJpeg {
    /// Name in reports.
    pub name: String,
    /// Chroma subsampling and Huffman tables; the quality comes from the setting.
    pub options: jpeg::EncodeOptions,
    /// Qualities, from the lowest to the highest.
    pub settings: Vec<String>,
}

impl PixelCodec for BuiltInJpeg {
    fn name(&self) -> &str {
        &self.name
    }
    fn version(&self) -> &str {
        concat!("lmcodec-codecs ", env!("CARGO_PKG_VERSION"), ", decoded by the crate image 0.25")
    }
    fn settings(&self) -> &[String] {
        &self.settings
    }
    fn commands(&self) -> Option<Commands> {
        None
    }
    fn description(&self) -> String {
        format!("JPEG {}", jpeg_words(self.options.subsampling, self.options.optimize, self.options.progressive))
    }
    fn in_process(&self) -> bool {
        true
    }
    fn encode(&self, image: &Pixels, setting: &str) -> Result<Measured, CodecError> {
        let quality = setting.parse::<u8>().map_err(|e| CodecError::Codec(format!("quality {setting}: {e}").into()))?;
        let options = jpeg::EncodeOptions { quality, ..self.options };
        measure_here(|| {
            let image = jpeg::encode_planes(&image.rgb, image.width, image.height, PixelFormat::Rgb8, &options);
            image.and_then(|image| jpeg::write(&image)).map_err(|e| CodecError::Codec(e.into()))
        })
    }
    fn decode(&self, coded: &[u8]) -> Result<(Pixels, Measured), CodecError> {
        let mut pixels = None;
        let measured = measure_here(|| {
            pixels = Some(Pixels::from_bytes(coded, "JPEG file").map_err(|e| CodecError::Codec(e.into()))?);
            Ok(Vec::new())
        })?;
        pixels.map(|p| (p, measured)).ok_or_else(|| CodecError::Codec("nothing was decoded".into()))
    }
}

/// Sampling and tables in words.
pub(super) fn jpeg_words(subsampling: Subsampling, optimize: bool, progressive: bool) -> String {
    let sampling = match subsampling {
        Subsampling::Gray => "gray",
        Subsampling::S444 => "4:4:4",
        Subsampling::S422 => "4:2:2",
        Subsampling::S420 => "4:2:0",
    };
    let tables = match (optimize, progressive) {
        (_, true) => "progressive, optimised Huffman tables",
        (true, false) => "sequential, optimised Huffman tables",
        (false, false) => "sequential, the standard's Huffman tables",
    };
    format!("{sampling}, {tables}")
}
