//! The file: a header with everything that decoding needs, then the payloads (`docs/FORMAT.md`, byte by byte).
//!
//! This module knows bytes, lengths and checksums and nothing about images. It is no part of the library's interface: it is
//! public for the tests and fuzz targets of this repository, and changes with the format.

mod attributes;
mod codes;
mod model;
mod reader;

use std::ops::Range;

use lmcodec_entropy::segment::Estimation;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::model_id::{ModelId, ModelReference};
pub use crate::sniff::MAGIC;
pub use attributes::FileAttributes;
pub use codes::{CodeMedium, CodesContent, CodesModel};
use lmcodec_codecs::varint::{put_varint, varint_length};
use model::{model_length, put_model, read_model};
use reader::{HeaderReader, length};

/// The format version that this crate writes, and the only one that it reads.
pub const VERSION: u8 = 1;

const STORED_RAW: u8 = 0;
const STORED_BROTLI: u8 = 1;
const JPEG_MODELLED: u8 = 2;
const SEQUENCE_JPEG: u8 = 3;
const VQ_CODES: u8 = 4;
const RVQ_CODES: u8 = 5;
const JPEG_REFINED: u8 = 6;
/// Added to the content where attributes of the original follow.
const WITH_ATTRIBUTES: u8 = 0x80;
/// Least bytes of an entry of the segment table: a length of one byte, a CRC of four.
const LEAST_ENTRY: usize = 5;

/// What the payloads are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One payload: the original, through a general compressor.
    Stored(Compressor),
    /// Segments of JPEG coefficients.
    Jpeg(JpegContent),
    /// Groups of chunks of JPEG coefficients, coded with a sequence model.
    SequenceJpeg(SequenceJpegContent),
    /// Segments of codebook indices.
    Codes(CodesContent),
}

/// How a stored file's payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compressor {
    /// Not at all.
    Raw,
    /// Brotli (RFC 7932).
    Brotli,
}

/// What the header of a modelled JPEG file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JpegContent {
    /// The model.
    pub model: ModelId,
    /// Whose probabilities the coefficients are coded with.
    pub estimation: Estimation,
    /// Serialized side information (`lmcodec_codecs::jpeg::SideInformation`).
    pub side: Vec<u8>,
    /// MCU rows of every segment but the last, which has the rest; at least 1.
    pub rows_per_segment: u32,
}

/// What the header of a JPEG file that was coded with a sequence model says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceJpegContent {
    /// The head set. Its arrangement says how coefficients become chunks.
    pub model: ModelReference,
    /// Serialized side information (`lmcodec_codecs::jpeg::SideInformation`).
    pub side: Vec<u8>,
    /// Chunks of every segment but the last, which has the rest; at least 1.
    pub chunks_per_segment: u64,
}

/// The first 8 bytes of the SHA-256 of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub [u8; 8]);

impl Checksum {
    /// The checksum of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut checksum = [0; 8];
        checksum.copy_from_slice(&Sha256::digest(bytes)[..8]);
        Self(checksum)
    }
}

/// One payload as the header lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// Bytes.
    pub length: usize,
    /// CRC-32 (ISO-HDLC, as in zlib) of these bytes.
    pub crc: u32,
}

impl Payload {
    /// The entry that describes some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), crc: crc32fast::hash(bytes) }
    }
}

/// Everything before the payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Length of the original in bytes.
    pub original_length: u64,
    /// Checksum of the original.
    pub original_checksum: Checksum,
    /// What a file system says of the original.
    pub attributes: FileAttributes,
    /// What the payloads are.
    pub content: Content,
    /// The payloads in the order of the file; exactly one where the content is stored.
    pub payloads: Vec<Payload>,
}

impl Header {
    /// The header's bytes, its own CRC included.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        let kind = match &self.content {
            Content::Stored(Compressor::Raw) => STORED_RAW,
            Content::Stored(Compressor::Brotli) => STORED_BROTLI,
            Content::Jpeg(jpeg) => match jpeg.estimation {
                Estimation::Model => JPEG_MODELLED,
                Estimation::Secondary => JPEG_REFINED,
            },
            Content::SequenceJpeg(_) => SEQUENCE_JPEG,
            Content::Codes(codes) => match codes.medium {
                CodeMedium::Vq { .. } => VQ_CODES,
                CodeMedium::Rvq { .. } => RVQ_CODES,
            },
        };
        out.push(if self.attributes.is_empty() { kind } else { kind | WITH_ATTRIBUTES });
        put_varint(&mut out, self.original_length);
        out.extend_from_slice(&self.original_checksum.0);
        if !self.attributes.is_empty() {
            self.attributes.put(&mut out);
        }
        if let Content::Jpeg(jpeg) = &self.content {
            out.extend_from_slice(&jpeg.model.0);
            put_varint(&mut out, jpeg.side.len() as u64);
            out.extend_from_slice(&jpeg.side);
            put_varint(&mut out, u64::from(jpeg.rows_per_segment));
            put_varint(&mut out, self.payloads.len() as u64);
        }
        if let Content::SequenceJpeg(jpeg) = &self.content {
            put_model(&mut out, &jpeg.model);
            put_varint(&mut out, jpeg.side.len() as u64);
            out.extend_from_slice(&jpeg.side);
            put_varint(&mut out, jpeg.chunks_per_segment);
            put_varint(&mut out, self.payloads.len() as u64);
        }
        if let Content::Codes(codes) = &self.content {
            codes.put(&mut out);
            put_varint(&mut out, self.payloads.len() as u64);
        }
        for payload in &self.payloads {
            put_varint(&mut out, payload.length as u64);
            out.extend_from_slice(&payload.crc.to_le_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Offset of the side information in a modelled file.
    pub(crate) fn side_offset(&self) -> usize {
        let (model, side) = match &self.content {
            Content::Jpeg(jpeg) => (16, jpeg.side.len()),
            Content::SequenceJpeg(jpeg) => (model_length(&jpeg.model), jpeg.side.len()),
            Content::Codes(codes) => (1 + codes.model.reference().map_or(0, model_length), codes.side.len()),
            Content::Stored(_) => (0, 0),
        };
        let mut attributes = Vec::new();
        if !self.attributes.is_empty() {
            self.attributes.put(&mut attributes);
        }
        // Version and content; checksum.
        MAGIC.len()
            + 2
            + varint_length(self.original_length)
            + 8
            + attributes.len()
            + model
            + varint_length(side as u64)
    }

    /// Reads the header at the start of a file. Returns it and its length, which is the offset of the first payload.
    ///
    /// Nothing is allocated beyond the size of `bytes`, whatever they say.
    ///
    /// # Errors
    /// [`Error::NotAnImage`] without the magic number, [`Error::Unsupported`] for another version or content,
    /// [`Error::Malformed`] for anything that does not add up, the header's CRC included.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), Error> {
        if !bytes.starts_with(&MAGIC) {
            let found = crate::sniff::describe(bytes);
            return Err(Error::NotAnImage { found, expected: "an lmcodec file" });
        }
        let mut reader = HeaderReader::new(bytes);
        reader.take(MAGIC.len(), "the magic number")?;
        let [version] = reader.array("the version")?;
        if version != VERSION {
            let (found, supported) = (version.to_string(), VERSION.to_string());
            return Err(Error::Unsupported { what: "format version", found, supported });
        }
        let [kind] = reader.array("the content")?;
        let original_length = reader.varint("the original length")?;
        let original_checksum = Checksum(reader.array("the original checksum")?);
        let (attributes, kind) = match kind & WITH_ATTRIBUTES {
            0 => (FileAttributes::default(), kind),
            _ => (FileAttributes::read(&mut reader)?, kind & !WITH_ATTRIBUTES),
        };
        let (content, count) = match kind {
            STORED_RAW => (Content::Stored(Compressor::Raw), 1),
            STORED_BROTLI => (Content::Stored(Compressor::Brotli), 1),
            JPEG_MODELLED | JPEG_REFINED => {
                let estimation = if kind == JPEG_REFINED { Estimation::Secondary } else { Estimation::Model };
                let (jpeg, count) = read_jpeg(&mut reader, estimation)?;
                (Content::Jpeg(jpeg), count)
            }
            SEQUENCE_JPEG => {
                let model = read_model(&mut reader)?;
                let side = length(&mut reader, "the side information's length")?;
                let side = reader.take(side, "the side information")?.to_vec();
                let start = reader.offset();
                let chunks_per_segment = reader.varint("the chunks of a segment")?;
                if chunks_per_segment == 0 {
                    return Err(Error::malformed(start, "segments of 0 chunks"));
                }
                let content = SequenceJpegContent { model, side, chunks_per_segment };
                (Content::SequenceJpeg(content), length(&mut reader, "the number of segments")?)
            }
            VQ_CODES | RVQ_CODES => {
                let codes = CodesContent::read(&mut reader, kind == RVQ_CODES)?;
                (Content::Codes(codes), length(&mut reader, "the number of segments")?)
            }
            other => {
                return Err(Error::Unsupported {
                    what: "content",
                    found: other.to_string(),
                    supported: format!("{STORED_RAW}..={JPEG_REFINED}"),
                });
            }
        };
        let left = bytes.len() - reader.offset();
        if count > left / LEAST_ENTRY {
            let what = format!("a table of {count} segments in the {left} bytes that are left");
            return Err(Error::malformed(reader.offset(), what));
        }
        let mut payloads = Vec::with_capacity(count);
        for _ in 0..count {
            let length = length(&mut reader, "a payload's length")?;
            payloads.push(Payload { length, crc: u32::from_le_bytes(reader.array("a payload's CRC")?) });
        }
        let end = reader.offset();
        let (stated, found) = (u32::from_le_bytes(reader.array("the header's CRC")?), crc32fast::hash(&bytes[..end]));
        if stated != found {
            let what = format!("the header's CRC is {found:08x}, the file says {stated:08x}: the header is damaged");
            return Err(Error::malformed(end, what));
        }
        Ok((Self { original_length, original_checksum, attributes, content, payloads }, end + 4))
    }

    /// The byte ranges of the payloads in a file whose header has `header_length` bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the lengths overflow or bytes follow the last payload. A truncated file is no error
    /// here: ranges may reach beyond its end.
    pub fn payload_ranges(&self, header_length: usize, file_length: usize) -> Result<Vec<Range<usize>>, Error> {
        let mut start = header_length;
        let mut ranges = Vec::with_capacity(self.payloads.len());
        for payload in &self.payloads {
            let end = start.checked_add(payload.length);
            let end = end.ok_or_else(|| Error::malformed(header_length, "payload lengths that overflow"))?;
            ranges.push(start..end);
            start = end;
        }
        if file_length > start {
            return Err(Error::malformed(start, format!("{} bytes after the last payload", file_length - start)));
        }
        Ok(ranges)
    }
}

/// A payload's bytes, checked against the table.
pub(crate) fn payload(file: &[u8], range: Range<usize>, entry: Payload) -> Result<&[u8], Error> {
    let Some(bytes) = file.get(range.clone()) else {
        let what = format!("the file ends here, {} bytes before the payload's end", range.end - file.len());
        return Err(Error::malformed(file.len(), what));
    };
    let crc = crc32fast::hash(bytes);
    if crc != entry.crc {
        let what = format!("the payload's CRC is {crc:08x}, the header says {:08x}", entry.crc);
        return Err(Error::malformed(range.start, what));
    }
    Ok(bytes)
}

fn read_jpeg(reader: &mut HeaderReader<'_>, estimation: Estimation) -> Result<(JpegContent, usize), Error> {
    let model = ModelId(reader.array("the model's SHA-256")?);
    let side = length(reader, "the side information's length")?;
    let side = reader.take(side, "the side information")?.to_vec();
    let start = reader.offset();
    let rows = reader.varint("the rows of a segment")?;
    let rows_per_segment = u32::try_from(rows).ok().filter(|&rows| rows > 0);
    let rows_per_segment =
        rows_per_segment.ok_or_else(|| Error::malformed(start, format!("segments of {rows} rows of MCUs")))?;
    let count = length(reader, "the number of segments")?;
    Ok((JpegContent { model, estimation, side, rows_per_segment }, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> Header {
        Header {
            original_length: 1234,
            original_checksum: Checksum([7; 8]),
            attributes: FileAttributes::default(),
            content: Content::Jpeg(JpegContent {
                model: ModelId([9; 16]),
                estimation: Estimation::Secondary,
                side: vec![1, 2, 3],
                rows_per_segment: 64,
            }),
            payloads: vec![Payload { length: 900, crc: 5 }],
        }
    }

    #[test]
    fn a_small_header_costs_at_most_fifty_bytes_beside_the_side_information() {
        let bytes = small().to_bytes();
        assert_eq!(bytes.len() - 3, 44);
        assert_eq!(Header::read(&bytes).expect("reads"), (small(), bytes.len()));
        assert_eq!(bytes[small().side_offset()..][..3], [1, 2, 3]);
    }

    #[test]
    fn attributes_move_the_side_information() {
        let mut header = small();
        header.attributes.name = Some(b"IMG.JPG".to_vec());
        let bytes = header.to_bytes();
        assert_eq!(bytes.len(), small().to_bytes().len() + 10);
        assert_eq!(bytes[header.side_offset()..][..3], [1, 2, 3]);
        assert_eq!(Header::read(&bytes).expect("reads"), (header, bytes.len()));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_an_error() {
        let bytes = small().to_bytes();
        for i in 0..bytes.len() {
            assert!(Header::read(&bytes[..i]).is_err(), "{i} bytes");
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[i] ^= 1 << bit;
                assert!(Header::read(&damaged).is_err(), "byte {i}, bit {bit}");
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = small().to_bytes();
        bytes[3] = 9;
        let text = Header::read(&bytes).expect_err("unsupported").to_string();
        assert_eq!(text, "unsupported format version: found 9, this version reads 1");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Header::read(&bytes);
            let mut with_magic = vec![MAGIC[0], MAGIC[1], MAGIC[2], VERSION];
            with_magic.extend_from_slice(&bytes);
            if let Ok((header, end)) = Header::read(&with_magic) {
                let _ = header.payload_ranges(end, with_magic.len());
            }
        }

        #[test]
        fn any_header_round_trips(
            original_length in 0..u64::MAX / 2,
            checksum: [u8; 8],
            model: [u8; 16],
            side in proptest::collection::vec(any::<u8>(), 0..300),
            rows_per_segment in 1u32..,
            payloads in proptest::collection::vec((0..usize::MAX / 2, any::<u32>()), 1..20),
            kind in 0..7,
            (height, width, layers_first, named) in (1u64..1 << 40, 1u64..1 << 40, any::<bool>(), 0..3),
            vocabularies in proptest::collection::vec(1u32..=65_536, 1..9),
            attributes in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        ) {
            let mut payloads: Vec<_> = payloads.into_iter().map(|(length, crc)| Payload { length, crc }).collect();
            let content = match kind {
                0 => Content::Stored(Compressor::Raw),
                1 => Content::Stored(Compressor::Brotli),
                2 | 6 => Content::Jpeg(JpegContent {
                    model: ModelId(model),
                    estimation: if kind == 6 { Estimation::Secondary } else { Estimation::Model },
                    side,
                    rows_per_segment,
                }),
                5 => Content::SequenceJpeg(SequenceJpegContent {
                    model: ModelReference { id: ModelId(model), name: "größe".into() },
                    side,
                    chunks_per_segment: u64::from(rows_per_segment),
                }),
                _ => Content::Codes(CodesContent {
                    medium: if kind == 3 { CodeMedium::Vq { height, width } } else { CodeMedium::Rvq { layers_first } },
                    model: match named {
                        0 => CodesModel::Adaptive,
                        1 => CodesModel::Named(ModelReference { id: ModelId(model), name: String::new() }),
                        _ => CodesModel::FrameHeads(ModelReference { id: ModelId(model), name: "köpfe".into() }),
                    },
                    vocabularies: if kind == 3 { vec![rows_per_segment.min(65_536)] } else { vocabularies },
                    per_segment: u64::from(rows_per_segment),
                    side,
                }),
            };
            if kind < 2 {
                payloads.truncate(1);
            }
            let attributes = FileAttributes { name: attributes, ..FileAttributes::default() };
            let header = Header { original_length, original_checksum: Checksum(checksum), attributes, content, payloads };
            let bytes = header.to_bytes();
            prop_assert_eq!(Header::read(&bytes).expect("reads"), (header, bytes.len()));
        }
    }
}
