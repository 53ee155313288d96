//! JPEG coefficients under a frame Llama: a segment is some rows of MCUs, and one walk of `lmcodec_entropy::segment`.

use std::ops::Range;

use lmcodec_codecs::jpeg::JpegImage;
use lmcodec_entropy::arrangement::plane::CoefficientPlane;
use lmcodec_entropy::frame_llama::FrameLlama;
use lmcodec_entropy::isa::Isa;
use lmcodec_entropy::segment::{Estimation, SegmentBits, SegmentCoder, SegmentError};

use super::segments::RowSegments;
use crate::container::{Content, Header, JpegContent};
use crate::error::Error;
use crate::execution::Execution;
use crate::fault::{SegmentFault, SegmentPlace};
use crate::limits::Limits;
use crate::media::payloads::{self, Meter, Segments};
use crate::media::{Coded, CodedFile};
use crate::models::Model;
use crate::options::{DEFAULT_SEGMENT_ROWS, EncodeOptions};

/// The segments of an image, and what codes one.
pub(crate) struct FrameSegments<'a> {
    rows: &'a RowSegments,
    model: &'a Model,
    llama: &'a FrameLlama,
    isa: Isa,
    estimation: Estimation,
}

impl<'a> FrameSegments<'a> {
    pub(crate) fn new(
        rows: &'a RowSegments,
        model: &'a Model,
        estimation: Estimation,
        execution: &Execution,
    ) -> Result<Self, Error> {
        let llama = model.need_frame()?;
        Ok(Self { rows, model, llama, isa: execution.isa()?, estimation })
    }

    /// The coder of one segment.
    fn coder(&self) -> Result<SegmentCoder<'a>, Error> {
        SegmentCoder::new(self.llama, self.isa, self.estimation)
            .map_err(|source| Error::Model { name: self.model.name().into(), source })
    }
}

impl Segments for FrameSegments<'_> {
    type Latents = Vec<CoefficientPlane>;

    fn count(&self) -> usize {
        self.rows.count()
    }

    fn place(&self, segment: usize) -> SegmentPlace {
        SegmentPlace::Lines(self.rows.lines(segment))
    }

    fn decode(&self, segment: usize, payload: &[u8], meter: &Meter) -> Result<Vec<CoefficientPlane>, String> {
        let mut coder = self.coder().map_err(|error| error.to_string())?;
        let mut planes = self.rows.zeroed(segment);
        meter.decode(payload, |source| coder.decode(&mut planes, source))?;
        Ok(planes)
    }
}

/// A coefficient that the model has no symbol for; no JPEG file has one.
fn without_symbol(error: SegmentError) -> Error {
    Error::Unsupported { what: "coefficient", found: error.to_string(), supported: "up to ±32767".into() }
}

fn rows(image: &JpegImage, options: &EncodeOptions) -> RowSegments {
    RowSegments::balanced(image, options.segment_rows.unwrap_or(DEFAULT_SEGMENT_ROWS))
}

/// Codes an image.
pub(super) fn encode(
    image: &JpegImage,
    model: &Model,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<Coded, Error> {
    let (rows, estimation) = (rows(image, options), options.effort.estimation());
    let segments = FrameSegments::new(&rows, model, estimation, &options.execution)?;
    let symbols = |block: &[i16; 64]| 2 + block.iter().rposition(|&v| v != 0).unwrap_or(0) as u64;
    let blocks = || image.components.iter().flat_map(|component| component.coefficients.as_chunks().0);
    let meter = Meter::new(&options.execution, share, || blocks().map(symbols).sum());
    let payloads = options.execution.in_parallel(rows.count(), |segment| {
        let mut coder = segments.coder()?;
        meter.encode(|sink| coder.encode(&rows.planes(segment, image), sink).map_err(without_symbol))
    })?;
    let content = Content::Jpeg(JpegContent {
        model: model.id(),
        estimation,
        side: image.side.to_bytes(),
        rows_per_segment: u32::try_from(rows.rows_per_segment()).unwrap_or(u32::MAX),
    });
    Ok(Coded { content, payloads, model: model.name().to_owned(), symbols: None, codes: None, notes: Vec::new() })
}

/// Counts the bits that encoding would write, by segment.
pub(crate) fn count(image: &JpegImage, model: &Model, options: &EncodeOptions) -> Result<Vec<SegmentBits>, Error> {
    let rows = rows(image, options);
    let segments = FrameSegments::new(&rows, model, options.effort.estimation(), &options.execution)?;
    let count = |segment| segments.coder()?.count(&rows.planes(segment, image)).map_err(without_symbol);
    options.execution.in_parallel(rows.count(), count)
}

/// The image without its coefficients, and how it is cut; both checked against the limits and the header.
pub(crate) fn open(content: &JpegContent, header: &Header, limits: &Limits) -> Result<(JpegImage, RowSegments), Error> {
    let image = super::open(&content.side, header, limits)?;
    let rows = RowSegments::new(&image, content.rows_per_segment as usize);
    let offset = header.side_offset() + content.side.len();
    payloads::check_count(header.payloads.len(), rows.count(), "image needs", offset)?;
    Ok((image, rows))
}

/// Decodes an image; what faulty segments hold stays zero.
pub(crate) fn decode(content: &JpegContent, file: &CodedFile<'_>) -> Result<(JpegImage, Vec<SegmentFault>), Error> {
    let CodedFile { header, payloads, options, share } = file;
    let model = options.models.find(content.model)?;
    let (mut image, rows) = open(content, header, &options.limits)?;
    let segments = FrameSegments::new(&rows, &model, content.estimation, &options.execution)?;
    let blocks = (image.coefficient_count() / 64) as u64;
    let bytes: u64 = payloads.iter().flatten().map(|payload| payload.len() as u64).sum();
    // Two symbols a block, and a coefficient takes about four bits.
    let meter = Meter::new(&options.execution, share.clone(), || 2 * blocks + 2 * bytes);
    let accept = |segment, planes: Vec<CoefficientPlane>| rows.fill(segment, &planes, &mut image);
    let faults = payloads::decode(&segments, payloads, &options.execution, &meter, accept)?;
    Ok((image, faults))
}
