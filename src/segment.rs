//! Random access: one segment of a file, decoded alone.

use std::ops::Range;

use crate::container::{CodesModel, Content, Header, payload};
use crate::error::Error;
use crate::media::codes::adaptive::{CodeSegments, Place};
use crate::media::codes::heads::HeadSegments;
use crate::media::codes::{self, CodedArray, OpenedCodes};
use crate::media::jpeg;
use crate::media::payloads::{Meter, Segments, decode_one};
use crate::options::DecodeOptions;

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segment {
    /// Rows of a JPEG file, all components of them.
    Rows(SegmentRows),
    /// Codebook indices.
    Codes(SegmentCodes),
}

/// Some rows of a JPEG file as quantized coefficients.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentRows {
    /// Lines of the image, counted from the top.
    pub lines: Range<u32>,
    /// The components, in the order of the frame header.
    pub components: Vec<ComponentRows>,
}

/// Some rows of blocks of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComponentRows {
    /// Component identifier.
    pub id: u8,
    /// Horizontal sampling factor, 1..=4.
    pub h: u8,
    /// Vertical sampling factor, 1..=4.
    pub v: u8,
    /// Rows of blocks, counted from the top of the component.
    pub block_rows: Range<usize>,
    /// Blocks in a row.
    pub blocks_wide: usize,
    /// Quantization table in zigzag order, entries 0..=65535 (0 in damaged files only): a coefficient times its
    /// entry is the DCT coefficient.
    pub quantization: [u16; 64],
    /// The blocks of these rows in raster order, each with its 64 quantized coefficients in zigzag order, the DC as the value
    /// itself (not the difference).
    pub coefficients: Vec<[i16; 64]>,
}

/// Some codebook indices of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentCodes {
    /// Which array of the file it belongs to.
    pub array: usize,
    /// Shape of the whole array.
    pub shape: Vec<usize>,
    /// The codes, in the order in which they are coded.
    pub codes: Vec<i128>,
    /// Place of each code in the array, counted in C order (the last index runs fastest).
    pub places: Vec<usize>,
}

/// Decodes one segment of an lmcodec file and nothing else: the model runs on it alone. [`inspect`](crate::inspect()) tells how
/// many there are and which lines each has.
///
/// Checked are the header's CRC, the segment's CRC, and the final state of its range decoder; not the SHA-256 of the original,
/// which needs all of it.
///
/// # Errors
/// As [`decode`](crate::decode()); [`Error::DamagedSegments`] with this one alone; [`Error::InvalidOption`] for an index beyond the last
/// segment, and for files without segments of rows or codes: stored ones, and those of sequence models, whose segments are runs
/// of a flattened stream.
pub fn decode_segment(bytes: &[u8], index: usize, options: &DecodeOptions) -> Result<Segment, Error> {
    let (header, header_length) = Header::read(bytes)?;
    let no = |what: String| Error::InvalidOption(format!("segment {index} {what}"));
    let entry = header
        .payloads
        .get(index)
        .ok_or_else(|| no(format!("is not there: the file has {}", header.payloads.len())))?;
    let range = header.payload_ranges(header_length, bytes.len())?.swap_remove(index);
    let payload = payload(bytes, range, *entry);
    let whole = |kind: &str| no(format!("cannot be decoded alone: the file is {kind}"));
    match &header.content {
        Content::Stored(_) => Err(whole("stored, not modelled")),
        Content::SequenceJpeg(_) => Err(whole("coded with a sequence model")),
        Content::Jpeg(content) => {
            let model = options.models.find(content.model)?;
            let (image, rows) = jpeg::frame::open(content, &header, &options.limits)?;
            let segments = jpeg::frame::FrameSegments::new(&rows, &model, content.estimation, &options.execution)?;
            let planes = alone(&segments, index, &payload, options)?;
            let mut components = Vec::with_capacity(planes.len());
            for (number, (component, plane)) in image.components.iter().zip(planes).enumerate() {
                components.push(ComponentRows {
                    id: component.id,
                    h: component.h,
                    v: component.v,
                    block_rows: rows.block_rows(index, number),
                    blocks_wide: component.blocks_wide,
                    quantization: component.quantization,
                    coefficients: plane.blocks,
                });
            }
            Ok(Segment::Rows(SegmentRows { lines: rows.lines(index), components }))
        }
        Content::Codes(content) => {
            let OpenedCodes { side, arrays } = codes::open(content, &header, &options.limits)?;
            let CodedArray { order, codes: count, .. } = &arrays[0];
            let (array, range, symbols) = match &content.model {
                CodesModel::Named(_) => return Err(whole("coded with a sequence model")),
                CodesModel::Adaptive => {
                    let segments = CodeSegments::of_file(&arrays, content);
                    let Place { array, codes } = segments.locate(index);
                    (array, codes, alone(&segments, index, &payload, options)?)
                }
                CodesModel::FrameHeads(model) => {
                    let (model, execution) = (options.models.find_reference(model)?, &options.execution);
                    let segments = HeadSegments::of_file(&model, order, *count, content, &header, execution)?;
                    (0, segments.range(index), alone(&segments, index, &payload, options)?)
                }
            };
            let (order, about) = (&arrays[array].order, &side.arrays[array]);
            let codes: Option<Vec<_>> = symbols.chunks_exact(order.digits()).map(about.values.reader()).collect();
            let unknown = || Error::malformed(header_length, "symbols that stand for no code");
            let places = range.map(|code| order.place(code)).collect();
            let codes = codes.ok_or_else(unknown)?;
            Ok(Segment::Codes(SegmentCodes { array, shape: about.shape.clone(), codes, places }))
        }
    }
}

/// Decodes one payload.
fn alone<S: Segments>(
    segments: &S,
    index: usize,
    payload: &Result<&[u8], Error>,
    options: &DecodeOptions,
) -> Result<S::Latents, Error> {
    let meter = Meter::new(&options.execution, 0.0..1.0, || 1);
    decode_one(segments, index, payload, &meter)
        .map_err(|fault| Error::DamagedSegments { segments: segments.count(), faults: vec![fault] })
}
