//! General-purpose compressors at their strongest level, over the codes as bytes.
//!
//! The compressors get the codes in several forms: as bytes (codes of more than 8 bits: a plane of low bytes and a plane of high bytes, or
//! 16-bit words) and as packed bits, each interleaved as the array is or layer after layer. The smallest is kept and named by one byte.

use super::stream::{BitReader, BitWriter, Head, read_head, write_head};
use super::{LatentCoder, LatentCodes, LatentError};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// A compressor of bytes.
pub trait Compressor: Sync {
    /// Name for reports.
    const NAME: &'static str;
    /// The compressed bytes.
    ///
    /// # Errors
    /// Those of the library.
    fn compress(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>>;
    /// A reader of the decompressed bytes.
    ///
    /// # Errors
    /// Those of the library.
    fn reader<'a>(&self, stream: &'a [u8]) -> std::io::Result<Box<dyn Read + 'a>>;
}

/// liblzma, preset 9 extreme, with a CRC-32.
#[derive(Debug, Clone, Copy)]
pub struct Xz;
/// libzstd, level 22.
#[derive(Debug, Clone, Copy)]
pub struct Zstd;
/// Brotli, quality 11, window of 2^24.
#[derive(Debug, Clone, Copy)]
pub struct Brotli;
/// The program `zpaq`, method 5, one thread.
#[derive(Debug, Clone, Copy)]
pub struct Zpaq;

impl Compressor for Xz {
    const NAME: &'static str = "xz-9e";
    fn compress(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        const EXTREME: u32 = 1 << 31; // LZMA_PRESET_EXTREME
        let stream = liblzma::stream::Stream::new_easy_encoder(9 | EXTREME, liblzma::stream::Check::Crc32)?;
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(bytes)?;
        encoder.finish()
    }
    fn reader<'a>(&self, stream: &'a [u8]) -> std::io::Result<Box<dyn Read + 'a>> {
        Ok(Box::new(liblzma::read::XzDecoder::new(stream)))
    }
}

impl Compressor for Zstd {
    const NAME: &'static str = "zstd-22";
    fn compress(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        zstd::bulk::compress(bytes, 22)
    }
    fn reader<'a>(&self, stream: &'a [u8]) -> std::io::Result<Box<dyn Read + 'a>> {
        Ok(Box::new(zstd::stream::read::Decoder::with_buffer(stream)?.single_frame()))
    }
}

impl Compressor for Brotli {
    const NAME: &'static str = "brotli-11";
    fn compress(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        brotli::CompressorReader::new(bytes, 1 << 16, 11, 24).read_to_end(&mut out)?;
        Ok(out)
    }
    fn reader<'a>(&self, stream: &'a [u8]) -> std::io::Result<Box<dyn Read + 'a>> {
        Ok(Box::new(brotli::Decompressor::new(stream, 1 << 16)))
    }
}

impl Zpaq {
    /// Runs zpaq in a folder of its own.
    fn run(folder: &std::path::Path, arguments: &[&str]) -> std::io::Result<()> {
        let mut command = Command::new("zpaq");
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("zpaq: {status}"))) }
    }
}

impl Compressor for Zpaq {
    const NAME: &'static str = "zpaq-m5";
    fn compress(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("codes"), bytes)?;
        Self::run(folder.path(), &["add", "archive.zpaq", "codes", "-m5", "-t1"])?;
        std::fs::read(folder.path().join("archive.zpaq"))
    }
    fn reader<'a>(&self, stream: &'a [u8]) -> std::io::Result<Box<dyn Read + 'a>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("archive.zpaq"), stream)?;
        Self::run(folder.path(), &["extract", "archive.zpaq", "codes", "-t1"])?;
        Ok(Box::new(std::io::Cursor::new(std::fs::read(folder.path().join("codes"))?)))
    }
}

/// The anchor made of a compressor.
#[derive(Debug, Clone, Copy)]
pub struct General<C>(pub C);

/// How the codes become bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// All low bytes, then all high bytes where a code has more than 8 bits.
    Planes,
    /// Two bytes a code, the low one first.
    Words,
    /// The width of the codebook a code, the top bit first.
    Packed,
}

/// Form and whether layer comes after layer; the place in this list names them in the stream.
const ARRANGEMENTS: [(Form, bool); 6] = [
    (Form::Planes, false),
    (Form::Planes, true),
    (Form::Words, false),
    (Form::Words, true),
    (Form::Packed, false),
    (Form::Packed, true),
];

/// Position in the array of the `i`-th code of an arrangement.
fn position(layer_after_layer: bool, i: usize, layers: usize, frames: usize) -> usize {
    if layer_after_layer { (i % frames) * layers + i / frames } else { i }
}

fn planes(width: u32) -> usize {
    if width <= 8 { 1 } else { 2 }
}

/// Bytes that `count` codes of `width` bits are in a form.
fn form_bytes(form: Form, width: u32, count: usize) -> usize {
    match form {
        Form::Planes => count * planes(width),
        Form::Words => 2 * count,
        Form::Packed => (count * width as usize).div_ceil(8),
    }
}

fn to_bytes(form: Form, width: u32, codes: &[u16]) -> Vec<u8> {
    match form {
        Form::Planes => {
            let mut bytes: Vec<u8> = codes.iter().map(|&c| c as u8).collect();
            if planes(width) == 2 {
                bytes.extend(codes.iter().map(|&c| (c >> 8) as u8));
            }
            bytes
        }
        Form::Words => codes.iter().flat_map(|c| c.to_le_bytes()).collect(),
        Form::Packed => {
            let mut bits = BitWriter::default();
            codes.iter().for_each(|&c| bits.put(c.into(), width));
            bits.finish()
        }
    }
}

/// The inverse of [`to_bytes`], for as many bytes as [`form_bytes`] says.
fn from_bytes(
    coder: &'static str,
    form: Form,
    width: u32,
    count: usize,
    bytes: &[u8],
) -> Result<Vec<u16>, LatentError> {
    match form {
        Form::Planes => {
            let mut codes = vec![0u16; count];
            for (plane, bytes) in bytes.chunks_exact(count.max(1)).enumerate() {
                codes.iter_mut().zip(bytes).for_each(|(code, &byte)| *code |= u16::from(byte) << (8 * plane));
            }
            Ok(codes)
        }
        Form::Words => Ok(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()),
        Form::Packed => {
            let mut bits = BitReader::new(coder, bytes);
            (0..count).map(|_| Ok(bits.take(width)? as u16)).collect()
        }
    }
}

impl<C: Compressor> LatentCoder for General<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn encode(&self, codes: &LatentCodes) -> Result<Vec<u8>, LatentError> {
        let (n, width) = (codes.codes().len(), codes.width());
        let mut best: Option<Vec<u8>> = None;
        for (tag, &(form, layer_after_layer)) in ARRANGEMENTS.iter().enumerate() {
            if (layer_after_layer && codes.layers() == 1) || (form == Form::Words && planes(width) == 1) {
                continue;
            }
            let order = |i: usize| codes.codes()[position(layer_after_layer, i, codes.layers(), codes.frames())];
            let bytes = to_bytes(form, width, &(0..n).map(order).collect::<Vec<_>>());
            let unsupported = |e: std::io::Error| LatentError::Unsupported { coder: C::NAME, reason: e.to_string() };
            let compressed = self.0.compress(&bytes).map_err(unsupported)?;
            if best.as_ref().is_none_or(|b| compressed.len() + 1 < b.len()) {
                best = Some([&[tag as u8], &compressed[..]].concat());
            }
        }
        let mut out = write_head(codes);
        out.extend(best.unwrap_or_default());
        Ok(out)
    }

    fn decode(&self, stream: &[u8]) -> Result<LatentCodes, LatentError> {
        let (head, rest) = read_head(C::NAME, stream)?;
        let damaged = |reason: String| LatentError::Damaged { coder: C::NAME, reason };
        let (&tag, rest) = rest.split_first().ok_or_else(|| damaged("it is cut off".into()))?;
        let &(form, layer_after_layer) =
            ARRANGEMENTS.get(usize::from(tag)).ok_or_else(|| damaged(format!("layout {tag}")))?;
        let width = head.width();
        let Head { codebook, layers, count } = head;
        let expected = form_bytes(form, width, count);
        let mut bytes = Vec::new();
        let reader = self.0.reader(rest).map_err(|e| damaged(e.to_string()))?;
        reader.take(expected as u64 + 1).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
        if bytes.len() != expected {
            return Err(damaged(format!("{} bytes or more; {expected} expected", bytes.len())));
        }
        let ordered = from_bytes(C::NAME, form, width, count, &bytes)?;
        let mut codes = vec![0u16; count];
        for (i, code) in ordered.into_iter().enumerate() {
            codes[position(layer_after_layer, i, layers, count / layers)] = code;
        }
        LatentCodes::new(codes, layers, codebook)
    }
}
