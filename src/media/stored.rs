//! Keeping a file as it is, through a general compressor: the way out for whatever the model cannot code.

use lmcodec_codecs::packing::{pack, unpack};

use super::Coded;
use crate::container::{Compressor, Content};
use crate::error::Error;

/// Files up to this size get brotli's thorough search.
const THOROUGH_BYTES: usize = 4 << 20;

/// Brotli, or the bytes themselves where that is shorter.
pub(crate) fn encode(original: &[u8]) -> Coded {
    let quality = if original.len() <= THOROUGH_BYTES { 9 } else { 5 };
    let packed = pack(original, quality, 22);
    let (compressor, payload) =
        if packed.len() < original.len() { (Compressor::Brotli, packed) } else { (Compressor::Raw, original.to_vec()) };
    Coded {
        content: Content::Stored(compressor),
        payloads: vec![payload],
        model: String::new(),
        symbols: None,
        codes: None,
        notes: Vec::new(),
    }
}

/// The original from a stored payload; at most `length` bytes are produced.
pub(crate) fn decode(payload: &[u8], compressor: Compressor, length: u64, offset: usize) -> Result<Vec<u8>, Error> {
    match compressor {
        Compressor::Raw => Ok(payload.to_vec()),
        Compressor::Brotli => {
            // One byte more than expected shows that there is too much; the caller compares the lengths.
            let original = unpack(payload, length);
            original.map_err(|error| Error::malformed(offset, format!("the brotli stream of the payload: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_form_is_chosen() {
        for (original, expected) in
            [(vec![7; 1000], Compressor::Brotli), (vec![], Compressor::Raw), (vec![3], Compressor::Raw)]
        {
            let coded = encode(&original);
            assert_eq!(coded.content, Content::Stored(expected));
            let back = decode(&coded.payloads[0], expected, original.len() as u64, 0).expect("decodes");
            assert_eq!(back, original);
        }
    }

    #[test]
    fn a_brotli_bomb_stops_at_the_stated_length() {
        let coded = encode(&vec![0; 1 << 20]);
        assert_eq!(decode(&coded.payloads[0], Compressor::Brotli, 1000, 0).expect("decodes").len(), 1001);
    }
}
