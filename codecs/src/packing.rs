//! Brotli (RFC 7932), for what no model codes: side information and stored files. Compiled here once, as the encoder is large.

use std::io::{self, Read, Write};

/// Bytes that are handed on at a time.
const BUFFER: usize = 1 << 16;

/// A brotli stream of some bytes, at a quality of 0 to 11, looking back over 2^`window` bytes (10 to 24).
pub fn pack(bytes: &[u8], quality: i32, window: i32) -> Vec<u8> {
    let parameters =
        brotli::enc::BrotliEncoderParams { quality, lgwin: window, size_hint: bytes.len(), ..Default::default() };
    let mut packed = Vec::new();
    {
        let mut writer = brotli::CompressorWriter::with_params(&mut packed, BUFFER, &parameters);
        // Memory takes everything; the stream ends as the writer goes. (The flush before is a byte of every stream.)
        let _ = writer.write_all(bytes).and_then(|()| writer.flush());
    }
    packed
}

/// The bytes of a stream, `most` and one more at most, which shows that there are too many.
///
/// # Errors
/// What is wrong with the stream.
pub fn unpack(packed: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    brotli::Decompressor::new(packed, BUFFER).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_never_more_than_asked_for() {
        for length in [0, 1, 1000, 200_000] {
            let bytes: Vec<u8> = (0..length).map(|i: u32| (i.wrapping_mul(i) >> 7) as u8).collect();
            for (quality, window) in [(5, 22), (9, 22), (11, 10)] {
                let packed = pack(&bytes, quality, window);
                assert_eq!(unpack(&packed, 1 << 20).expect("unpacks"), bytes);
                let cut = unpack(&packed, 9).expect("unpacks");
                assert_eq!(cut, bytes[..bytes.len().min(10)]);
                if length > 0 {
                    assert!(unpack(&packed[..packed.len() - 1], 1 << 20).is_err(), "{length}");
                }
            }
        }
    }
}
