//! General-purpose compressors at their strongest level, over the codes as bytes.
//!
//! Codes of up to 8 bits are one byte, others a plane of low bytes and a plane of high bytes, each interleaved as the array is or layer after
//! layer; the smallest of the layouts is kept and named by one byte.

use super::stream::{Head, read_head, write_head};
use super::{LatentCoder, LatentCodes, LatentError};
use std::io::{Read, Write};

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

/// The anchor made of a compressor.
#[derive(Debug, Clone, Copy)]
pub struct General<C>(pub C);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrangement {
    Interleaved,
    LayerAfterLayer,
}

const ARRANGEMENTS: [Arrangement; 2] = [Arrangement::Interleaved, Arrangement::LayerAfterLayer];

/// Position in the array of the `i`-th code of the arrangement.
fn position(arrangement: Arrangement, i: usize, layers: usize, frames: usize) -> usize {
    match arrangement {
        Arrangement::Interleaved => i,
        Arrangement::LayerAfterLayer => (i % frames) * layers + i / frames,
    }
}

fn planes(width: u32) -> usize {
    if width <= 8 { 1 } else { 2 }
}

impl<C: Compressor> LatentCoder for General<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn encode(&self, codes: &LatentCodes) -> Result<Vec<u8>, LatentError> {
        let n = codes.codes().len();
        let mut best: Option<Vec<u8>> = None;
        for (tag, &arrangement) in ARRANGEMENTS.iter().enumerate() {
            if tag > 0 && codes.layers() == 1 {
                break;
            }
            let code = |i: usize| codes.codes()[position(arrangement, i, codes.layers(), codes.frames())];
            let mut bytes: Vec<u8> = (0..n).map(|i| code(i) as u8).collect();
            if planes(codes.width()) == 2 {
                bytes.extend((0..n).map(|i| (code(i) >> 8) as u8));
            }
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
        let arrangement = ARRANGEMENTS.get(usize::from(tag)).ok_or_else(|| damaged(format!("layout {tag}")))?;
        let Head { codebook, layers, count } = head;
        let expected = count * planes(head.width());
        let mut bytes = Vec::new();
        let reader = self.0.reader(rest).map_err(|e| damaged(e.to_string()))?;
        reader.take(expected as u64 + 1).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
        if bytes.len() != expected {
            return Err(damaged(format!("{} bytes or more; {expected} expected", bytes.len())));
        }
        let mut codes = vec![0u16; count];
        for (plane, bytes) in bytes.chunks_exact(count.max(1)).enumerate() {
            for (i, &byte) in bytes.iter().enumerate() {
                codes[position(*arrangement, i, layers, count / layers)] |= u16::from(byte) << (8 * plane);
            }
        }
        LatentCodes::new(codes, layers, codebook)
    }
}
