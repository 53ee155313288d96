//! Keeping a file as it is, through a general compressor: the way out for whatever the model cannot code.

use std::io::{Read, Write};

use brotli::enc::BrotliEncoderParams;

use crate::container::{Checksum, Compressor, Content, Header, Payload};
use crate::error::Error;

/// Files up to this size get brotli's thorough search.
const THOROUGH_BYTES: usize = 4 << 20;

/// The lmcodec file that stores `original`: brotli, or raw where that is smaller.
pub(crate) fn pack(original: &[u8]) -> Vec<u8> {
    let packed = compress(original).filter(|packed| packed.len() < original.len());
    let (compressor, payload) = match &packed {
        Some(packed) => (Compressor::Brotli, packed.as_slice()),
        None => (Compressor::Raw, original),
    };
    let header = Header {
        original_length: original.len() as u64,
        original_checksum: Checksum::of(original),
        content: Content::Stored(compressor),
        payloads: vec![Payload::of(payload)],
    };
    let mut file = header.to_bytes();
    file.extend_from_slice(payload);
    file
}

/// The original from a stored payload; at most `length` bytes are produced.
pub(crate) fn unpack(payload: &[u8], compressor: Compressor, length: u64, offset: usize) -> Result<Vec<u8>, Error> {
    match compressor {
        Compressor::Raw => Ok(payload.to_vec()),
        Compressor::Brotli => {
            let mut original = Vec::new();
            // One byte more than expected shows that there is too much; the caller compares the lengths.
            brotli::Decompressor::new(payload, 1 << 16)
                .take(length.saturating_add(1))
                .read_to_end(&mut original)
                .map_err(|error| Error::malformed(offset, format!("the brotli stream of the payload: {error}")))?;
            Ok(original)
        }
    }
}

fn compress(original: &[u8]) -> Option<Vec<u8>> {
    let quality = if original.len() <= THOROUGH_BYTES { 9 } else { 5 };
    let parameters = BrotliEncoderParams { quality, lgwin: 22, size_hint: original.len(), ..Default::default() };
    let mut packed = Vec::new();
    {
        let mut writer = brotli::CompressorWriter::with_params(&mut packed, 1 << 16, &parameters);
        writer.write_all(original).ok()?;
        writer.flush().ok()?;
    }
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_form_is_chosen() {
        for (original, expected) in
            [(vec![7; 1000], Compressor::Brotli), (vec![], Compressor::Raw), (vec![3], Compressor::Raw)]
        {
            let file = pack(&original);
            let (header, end) = Header::read(&file).expect("reads");
            assert_eq!(header.content, Content::Stored(expected));
            let back = unpack(&file[end..], expected, original.len() as u64, end).expect("unpacks");
            assert_eq!(back, original);
        }
    }

    #[test]
    fn a_brotli_bomb_stops_at_the_stated_length() {
        let file = pack(&vec![0; 1 << 20]);
        let (_, end) = Header::read(&file).expect("reads");
        assert_eq!(unpack(&file[end..], Compressor::Brotli, 1000, end).expect("unpacks").len(), 1001);
    }
}
