//! What a file says about itself, without decoding it.

use std::sync::Arc;

use lmcodec_codecs::codes::{ArraySide, ValueMap};
use lmcodec_codecs::jpeg::JpegImage;
use lmcodec_codecs::jpeg::tables::{CHROMINANCE_QUANTIZATION, LUMINANCE_QUANTIZATION, natural_to_zigzag, scaled_table};
use lmcodec_entropy::segment::Estimation;
use serde::Serialize;
use sha2::digest::generic_array::GenericArray;

use crate::container::{CodeMedium, CodesContent, Compressor, Content, Header, VERSION, payload};
use crate::error::Error;
use crate::media;
use crate::media::codes::{CodedArray, OpenedCodes};
use crate::model_id::ModelId;
use crate::models::Model;
use crate::options::DecodeOptions;

/// What [`inspect`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Version of the format.
    pub format_version: u8,
    /// Bytes of the lmcodec file as given.
    pub file_bytes: usize,
    /// Bytes of the original.
    pub original_bytes: u64,
    /// The first 8 bytes of the original's SHA-256, in hexadecimal.
    pub original_sha256_prefix: String,
    /// `modelled` or `stored`.
    pub mode: &'static str,
    /// Bytes of the header, the side information included.
    pub header_bytes: usize,
    /// `raw` or `brotli`, for stored files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressor: Option<&'static str>,
    /// For modelled JPEG files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jpeg: Option<JpegInspection>,
    /// For files of codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<CodesInspection>,
    /// The payloads.
    pub segments: Vec<SegmentInspection>,
}

/// The JPEG file behind a modelled file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JpegInspection {
    /// The first 16 bytes of the model's SHA-256, in hexadecimal.
    pub model_sha256_prefix: String,
    /// The model's whole SHA-256, where it is at hand.
    pub model_sha256: Option<String>,
    /// The model's name, where it is at hand.
    pub model: Option<String>,
    /// Whether the model's probabilities were refined by the file at hand.
    pub refined: bool,
    /// Bytes of the serialized side information.
    pub side_information_bytes: usize,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `baseline`, `extended sequential` or `progressive`.
    pub process: &'static str,
    /// The colour components.
    pub components: Vec<ComponentInspection>,
    /// Rows of MCUs of every segment but the last, with frame models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_segment: Option<u32>,
    /// Chunks of every segment but the last, with sequence models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks_per_segment: Option<u64>,
}

/// One colour component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ComponentInspection {
    /// Component identifier.
    pub id: u8,
    /// Sampling factors, horizontal × vertical.
    pub sampling: String,
    /// Blocks in a row.
    pub blocks_wide: usize,
    /// Rows of blocks.
    pub blocks_high: usize,
    /// The quality at which libjpeg uses this component's quantization table, if there is one.
    pub quality: Option<u8>,
}

/// One payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SegmentInspection {
    /// First line of the image, and the line after the last; absent in stored files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<(u32, u32)>,
    /// Rows of MCUs; absent in stored files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcu_rows: Option<usize>,
    /// Bytes.
    pub bytes: usize,
    /// CRC-32 as the header states it, in hexadecimal.
    pub crc: String,
    /// Whether the bytes are all there and have this CRC.
    pub intact: bool,
}

/// What [`inspect`] tells of a file of codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodesInspection {
    /// `vq` or `rvq`.
    pub medium: &'static str,
    /// `adaptive`, or the first 16 bytes of the model's SHA-256 in hexadecimal, and its name.
    pub model: String,
    /// Bytes of the serialized side information.
    pub side_information_bytes: usize,
    /// The arrays, in the order of the original file.
    pub arrays: Vec<ArrayInspection>,
    /// Codes of all arrays.
    pub codes: usize,
    /// Codes (adaptive model) or chunks (sequence models, frame heads) of every segment but the last.
    pub per_segment: u64,
}

/// One array of a file of codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArrayInspection {
    /// Type of the elements in the original file.
    pub element: &'static str,
    /// Shape of the array in the original file.
    pub shape: Vec<usize>,
    /// Rows and columns of a VQ grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<(usize, usize)>,
    /// RVQ layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Symbols that codes are made of; one number stands for all layers.
    pub codebooks: Vec<u32>,
    /// Runs of consecutive values that the symbols stand for, where they do not stand for themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<usize>,
    /// The array whose first codes these are, where they are not coded themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<usize>,
    /// Symbols of a code, where it takes several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits: Option<usize>,
}

/// Reads the header of an lmcodec file and tells what it says; decodes nothing.
///
/// # Errors
/// As [`decode`](crate::decode()) for damaged headers. Damaged payloads are no error, and an unknown model is none.
pub fn inspect(bytes: &[u8], options: &DecodeOptions) -> Result<Inspection, Error> {
    let (header, header_bytes) = Header::read(bytes)?;
    let ranges = header.payload_ranges(header_bytes, bytes.len())?;
    let mut segments: Vec<_> = ranges
        .into_iter()
        .zip(&header.payloads)
        .map(|(range, entry)| SegmentInspection {
            lines: None,
            mcu_rows: None,
            bytes: entry.length,
            crc: format!("{:08x}", entry.crc),
            intact: payload(bytes, range, *entry).is_ok(),
        })
        .collect();
    let mut codes = None;
    let (mode, compressor, jpeg) = match &header.content {
        Content::Stored(Compressor::Raw) => ("stored", Some("raw"), None),
        Content::Stored(Compressor::Brotli) => ("stored", Some("brotli"), None),
        Content::Jpeg(content) => {
            let (image, rows) = media::jpeg::frame::open(content, &header, &options.limits)?;
            for (index, segment) in segments.iter_mut().enumerate() {
                let lines = rows.lines(index);
                segment.lines = Some((lines.start, lines.end));
                segment.mcu_rows = Some(rows.rows(index).len());
            }
            let model = options.models.find(content.model).ok();
            let mut about = describe_image(&image, content.model, model, content.side.len());
            about.refined = content.estimation == Estimation::Secondary;
            about.rows_per_segment = Some(content.rows_per_segment);
            ("modelled", None, Some(about))
        }
        Content::SequenceJpeg(content) => {
            let image = media::jpeg::open(&content.side, &header, &options.limits)?;
            let model = options.models.find_reference(&content.model).ok();
            let mut about = describe_image(&image, content.model.id, model, content.side.len());
            about.model.get_or_insert_with(|| format!("{} (not at hand)", content.model.name));
            about.chunks_per_segment = Some(content.chunks_per_segment);
            ("modelled", None, Some(about))
        }
        Content::Codes(content) => {
            codes = Some(describe_codes(content, &media::codes::open(content, &header, &options.limits)?));
            ("modelled", None, None)
        }
    };
    Ok(Inspection {
        format_version: VERSION,
        file_bytes: bytes.len(),
        original_bytes: header.original_length,
        original_sha256_prefix: format!("{:x}", GenericArray::from(header.original_checksum.0)),
        mode,
        header_bytes,
        compressor,
        jpeg,
        codes,
        segments,
    })
}

fn describe_image(image: &JpegImage, id: ModelId, model: Option<Arc<Model>>, side: usize) -> JpegInspection {
    JpegInspection {
        model_sha256_prefix: id.to_string(),
        model_sha256: model.as_ref().map(|model| model.sha256()),
        model: model.as_ref().map(|model| model.name().to_owned()),
        refined: false,
        side_information_bytes: side,
        width: image.width,
        height: image.height,
        process: match image.side.frame.marker {
            0xC0 => "baseline",
            0xC2 => "progressive",
            _ => "extended sequential",
        },
        components: image
            .components
            .iter()
            .map(|component| ComponentInspection {
                id: component.id,
                sampling: format!("{}x{}", component.h, component.v),
                blocks_wide: component.blocks_wide,
                blocks_high: component.blocks_high,
                quality: libjpeg_quality(&component.quantization),
            })
            .collect(),
        rows_per_segment: None,
        chunks_per_segment: None,
    }
}

fn describe_codes(content: &CodesContent, opened: &OpenedCodes) -> CodesInspection {
    let vq = matches!(content.medium, CodeMedium::Vq { .. });
    CodesInspection {
        medium: if vq { "vq" } else { "rvq" },
        model: match content.model.reference() {
            None => media::codes::ADAPTIVE.into(),
            Some(model) => format!("{} {}", model.id, model.name).trim_end().to_owned(),
        },
        side_information_bytes: content.side.len(),
        codes: opened.side.count(),
        arrays: opened
            .side
            .arrays
            .iter()
            .zip(&opened.arrays)
            .map(|(side, coded)| describe_array(side, coded, vq))
            .collect(),
        per_segment: content.per_segment,
    }
}

fn describe_array(side: &ArraySide, coded: &CodedArray, vq: bool) -> ArrayInspection {
    ArrayInspection {
        element: side.element.name(),
        shape: side.shape.clone(),
        grid: coded.order.grid(),
        layers: (!vq).then(|| coded.order.layers()),
        codebooks: coded.vocabularies.clone(),
        runs: if let ValueMap::Runs(runs) = &side.values { Some(runs.len()) } else { None },
        starts: if let ValueMap::Start(whole) = side.values { Some(whole) } else { None },
        digits: (coded.order.digits() > 1).then(|| coded.order.digits()),
    }
}

/// The quality at which libjpeg's `jpeg_set_quality` gives a quantization table (zigzag order); the highest if several do.
pub fn libjpeg_quality(table: &[u16; 64]) -> Option<u8> {
    let bases = [natural_to_zigzag(&LUMINANCE_QUANTIZATION), natural_to_zigzag(&CHROMINANCE_QUANTIZATION)];
    (1..=100).rev().find(|&quality| {
        bases.iter().any(|base| [true, false].iter().any(|&baseline| scaled_table(base, quality, baseline) == *table))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_are_recognised() {
        for quality in [10, 50, 75, 95] {
            for base in [LUMINANCE_QUANTIZATION, CHROMINANCE_QUANTIZATION] {
                let table = natural_to_zigzag(&scaled_table(&base, quality, true));
                assert_eq!(libjpeg_quality(&table), Some(quality));
            }
        }
        assert_eq!(libjpeg_quality(&[17; 64]), None);
    }
}
