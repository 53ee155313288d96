//! SHA-256 in hexadecimal, of files and of decoded content.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::DatasetError;

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// SHA-256 and length of a file, read in pieces.
///
/// # Errors
/// [`DatasetError::Io`].
pub fn sha256_file(path: &Path) -> Result<(String, u64), DatasetError> {
    let mut file = std::fs::File::open(path).map_err(DatasetError::io(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    let mut bytes = 0u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((format!("{:x}", hasher.finalize()), bytes)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(DatasetError::Io { path: path.into(), source }),
        }
    }
}

/// SHA-256 of decoded pixels: width, height (u32, little-endian), then RGB bytes. The same picture in another lossless file, or
/// under another name, has the same one.
#[must_use]
pub fn pixels_sha256(pixels: &image::RgbImage) -> String {
    let mut hasher = Sha256::new();
    hasher.update(pixels.width().to_le_bytes());
    hasher.update(pixels.height().to_le_bytes());
    hasher.update(pixels.as_raw());
    format!("{:x}", hasher.finalize())
}

/// SHA-256 of decoded audio: sample rate, channels (u32, little-endian), then the interleaved samples as little-endian `f32`.
#[must_use]
pub fn samples_sha256(rate: u32, channels: u32, samples: &[f32]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(rate.to_le_bytes());
    hasher.update(channels.to_le_bytes());
    for piece in samples.chunks(4096) {
        hasher.update(piece.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>());
    }
    format!("{:x}", hasher.finalize())
}

/// SHA-256 of an array of codes: its dimensions and values as little-endian `u32`.
#[must_use]
pub fn codes_sha256(shape: &[u32], codes: &[u32]) -> String {
    let mut hasher = Sha256::new();
    hasher.update((shape.len() as u32).to_le_bytes());
    for piece in [shape].into_iter().chain(codes.chunks(4096)) {
        hasher.update(piece.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>());
    }
    format!("{:x}", hasher.finalize())
}
