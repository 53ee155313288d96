//! lmcodec file → the original's bytes, with every check on the way; and what can be saved from a damaged file.

use std::ops::Range;

use lmcodec_codecs::codes::FileSide;
use lmcodec_codecs::jpeg::side::{Deviations, Element, HuffmanCodes};
use lmcodec_codecs::jpeg::{self, JpegImage, SideInformation};

use crate::container::{Checksum, Content, Header, payload};
use crate::error::Error;
use crate::fault::SegmentFault;
use crate::media::codes::DecodedCodes;
use crate::media::{self, CodedFile, stored};
use crate::options::DecodeOptions;

/// Decodes an lmcodec file to the very bytes that were encoded.
///
/// Checked are the header's CRC, every payload's CRC, the final state of every range decoder, and the length and the
/// SHA-256 prefix of the result.
///
/// # Errors
/// [`Error::NotAnImage`] for other files, [`Error::Unsupported`] for other versions, [`Error::UnknownModel`],
/// [`Error::Limit`] before anything large is allocated, [`Error::Malformed`] and [`Error::DamagedSegments`] for damage,
/// [`Error::Mismatch`] if only the last check fails.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Vec<u8>, Error> {
    decode_share(bytes, options, 0.0..1.0)
}

/// [`decode`] as a part of a longer call: progress goes through `share`.
pub(crate) fn decode_share(bytes: &[u8], options: &DecodeOptions, share: Range<f64>) -> Result<Vec<u8>, Error> {
    let decoded = open(bytes, options, share)?;
    if !decoded.faults.is_empty() {
        return Err(Error::DamagedSegments { segments: decoded.segments, faults: decoded.faults });
    }
    let original = match decoded.content {
        Decoded::Stored(original) => original,
        Decoded::Codes(side, symbols) => side.write(&symbols)?,
        Decoded::Jpeg(image) => jpeg::write(&image).map_err(|error| {
            Error::malformed(
                decoded.header.side_offset(),
                format!("the side information and the coefficients do not fit: {error}"),
            )
        })?,
    };
    check_original(&original, &decoded.header)?;
    Ok(original)
}

/// What [`verify`] found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Length of the original in bytes.
    pub original_bytes: usize,
    /// Whether it was compared with a given file.
    pub compared: bool,
}

/// Decodes a file in memory, with all checks, and compares it with `against` where that is given.
///
/// # Errors
/// As [`decode`]; [`Error::Mismatch`] with the first differing byte.
pub fn verify(bytes: &[u8], against: Option<&[u8]>, options: &DecodeOptions) -> Result<Verified, Error> {
    let original = decode(bytes, options)?;
    if let Some(against) = against
        && against != original
    {
        let same = original.iter().zip(against).take_while(|(a, b)| a == b).count();
        let what = format!(
            "the file decodes to {} bytes, the other file has {}; they differ from byte {same}",
            original.len(),
            against.len()
        );
        return Err(Error::Mismatch { what });
    }
    Ok(Verified { original_bytes: original.len(), compared: against.is_some() })
}

/// What [`salvage`] recovered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Salvaged {
    /// A file of the original's kind; the original's bytes if `faults` is empty.
    pub bytes: Vec<u8>,
    /// Segments of the file.
    pub segments: usize,
    /// The segments that were lost; their part of the picture is gray, their codes are 0.
    pub faults: Vec<SegmentFault>,
}

/// Decodes what can be decoded of a modelled file whose header is whole. Lost parts of a JPEG file become gray, lost codes 0.
///
/// # Errors
/// As [`decode`] for what cannot be salvaged: a damaged header, a damaged stored payload, an unknown model.
pub fn salvage(bytes: &[u8], options: &DecodeOptions) -> Result<Salvaged, Error> {
    let decoded = open(bytes, options, 0.0..1.0)?;
    let mut image = match decoded.content {
        Decoded::Stored(bytes) => {
            check_original(&bytes, &decoded.header)?;
            return Ok(Salvaged { bytes, segments: decoded.segments, faults: Vec::new() });
        }
        Decoded::Codes(side, symbols) => {
            let original = side.write(&symbols)?;
            if decoded.faults.is_empty() {
                check_original(&original, &decoded.header)?;
            }
            return Ok(Salvaged { bytes: original, segments: decoded.segments, faults: decoded.faults });
        }
        Decoded::Jpeg(image) => image,
    };
    let fault = |error| Error::of_jpeg(error, decoded.header.side_offset());
    let original = match jpeg::write(&image) {
        Ok(original) => original,
        // Exact bytes are out of reach: drop the records of how this file deviates from libjpeg's, which may point at
        // blocks that are gone, and make Huffman tables that fit what is there.
        Err(_) if !decoded.faults.is_empty() => {
            simplify(&mut image.side);
            jpeg::write(&image).map_err(fault)?
        }
        Err(error) => return Err(fault(error)),
    };
    if decoded.faults.is_empty() {
        check_original(&original, &decoded.header)?;
    }
    Ok(Salvaged { bytes: original, segments: decoded.segments, faults: decoded.faults })
}

fn simplify(side: &mut SideInformation) {
    for element in &mut side.elements {
        match element {
            Element::Scan(scan) => scan.deviations = Deviations::default(),
            Element::Huffman(tables) => tables.iter_mut().for_each(|table| table.codes = HuffmanCodes::Optimal),
            _ => {}
        }
    }
}

enum Decoded {
    Stored(Vec<u8>),
    Codes(FileSide, Vec<Vec<u16>>),
    Jpeg(JpegImage),
}

struct Open {
    header: Header,
    content: Decoded,
    segments: usize,
    faults: Vec<SegmentFault>,
}

/// Reads the header and decodes the payloads; damage in segments is listed, not an error.
fn open(bytes: &[u8], options: &DecodeOptions, share: Range<f64>) -> Result<Open, Error> {
    let (header, header_length) = Header::read(bytes)?;
    Error::limit("bytes of the original", header.original_length, options.limits.max_original_bytes)?;
    let ranges = header.payload_ranges(header_length, bytes.len())?;
    let payloads: Vec<_> =
        ranges.into_iter().zip(&header.payloads).map(|(range, entry)| payload(bytes, range, *entry)).collect();
    let file = CodedFile { header: &header, payloads: &payloads, options, share };
    let (content, faults) = match &header.content {
        Content::Stored(compressor) => {
            let payload = match payloads.into_iter().next() {
                Some(payload) => payload?,
                None => return Err(Error::malformed(header_length, "no payload")),
            };
            let original = stored::decode(payload, *compressor, header.original_length, header_length)?;
            (Decoded::Stored(original), Vec::new())
        }
        Content::Jpeg(content) => {
            let (image, faults) = media::jpeg::frame::decode(content, &file)?;
            (Decoded::Jpeg(image), faults)
        }
        Content::SequenceJpeg(content) => {
            let (image, faults) = media::jpeg::sequence::decode(content, &file)?;
            (Decoded::Jpeg(image), faults)
        }
        Content::Codes(content) => {
            let DecodedCodes { side, symbols, faults } = media::codes::decode(content, &file)?;
            (Decoded::Codes(side, symbols), faults)
        }
    };
    Ok(Open { segments: header.payloads.len(), header, content, faults })
}

fn check_original(original: &[u8], header: &Header) -> Result<(), Error> {
    let what = if original.len() as u64 != header.original_length {
        format!("decoding gave {} bytes, the header says {}", original.len(), header.original_length)
    } else if Checksum::of(original) != header.original_checksum {
        format!("the {} decoded bytes do not have the SHA-256 that the header states", original.len())
    } else {
        return Ok(());
    };
    Err(Error::Mismatch { what })
}
