//! JPEG coefficients under a sequence Llama: all of them flattened into chunks of symbols.

use std::ops::Range;

use lmcodec_codecs::jpeg::JpegImage;
use lmcodec_entropy::arrangement::flat::{ArrangementError, Components, FlatArrangement, Medium, Streams};

use super::segments::RowSegments;
use crate::container::{Content, SequenceJpegContent};
use crate::error::Error;
use crate::fault::SegmentFault;
use crate::media::chunks::{ChunkSegments, chunks_per_segment};
use crate::media::payloads::{Meter, Segments, check_count};
use crate::media::{Coded, CodedFile};
use crate::models::{Model, SequenceModel};
use crate::options::EncodeOptions;

/// What an arrangement cannot code of an image.
fn misfit(arrangement: &FlatArrangement, components: usize) -> Option<String> {
    match arrangement.medium {
        Medium::Jpeg { components: Components::Luma, .. } if components != 1 => {
            Some(format!("it codes luma alone, the image has {components} components"))
        }
        Medium::Jpeg { .. } => None,
        other => Some(format!("it is for {}", other.name())),
    }
}

/// Codes an image.
pub(super) fn encode(
    image: &JpegImage,
    model: &Model,
    sequence: &SequenceModel,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<Coded, Error> {
    let (arrangement, execution) = (&sequence.arrangement, &options.execution);
    if let Some(why) = misfit(arrangement, image.components.len()) {
        return Err(Error::InvalidOption(format!("model {} does not fit: {why}", model.name())));
    }
    let fault = |source: ArrangementError| Error::Arrangement { name: model.name().into(), source: source.into() };
    let mut streams = Streams::new(arrangement.clone()).map_err(fault)?;
    streams.push_planes(&RowSegments::whole(image).planes(0, image)).map_err(fault)?;
    let length = streams.streams()[0].symbols.len();
    let rows = image.components.first().map_or(1, |component| component.blocks_high.max(1));
    let symbols = options.segment_rows.map(|wanted| (length / rows).saturating_mul(wanted.get()));
    let per_segment = chunks_per_segment(sequence, symbols);
    let segments = ChunkSegments::new(sequence, &[length], per_segment, execution)?;
    let meter = Meter::new(execution, share, || segments.symbols());
    let payloads = segments.encode(&streams.chunks(), execution, &options.limits, &meter)?;
    let content = Content::SequenceJpeg(SequenceJpegContent {
        model: model.reference(),
        side: image.side.to_bytes(),
        chunks_per_segment: per_segment as u64,
    });
    Ok(Coded {
        content,
        payloads,
        model: model.name().to_owned(),
        symbols: Some(segments.symbols()),
        codes: None,
        notes: Vec::new(),
    })
}

/// Decodes an image; the coefficients of faulty segments stay zero.
pub(crate) fn decode(
    content: &SequenceJpegContent,
    file: &CodedFile<'_>,
) -> Result<(JpegImage, Vec<SegmentFault>), Error> {
    let CodedFile { header, payloads, options, share } = file;
    let mut image = super::open(&content.side, header, &options.limits)?;
    let offset = header.side_offset();
    let model = options.models.find_reference(&content.model)?;
    let sequence = model.need_sequence()?;
    if let Some(why) = misfit(&sequence.arrangement, image.components.len()) {
        return Err(Error::malformed(offset, format!("model {} cannot have coded this: {why}", model.name())));
    }
    let rows = RowSegments::whole(&image);
    let mut planes = rows.zeroed(0);
    let length = 64 * planes.iter().map(|plane| plane.blocks.len()).sum::<usize>();
    let per_segment = usize::try_from(content.chunks_per_segment).unwrap_or(usize::MAX);
    let segments = ChunkSegments::new(sequence, &[length], per_segment, &options.execution)?;
    check_count(payloads.len(), segments.count(), "image needs", offset)?;
    let meter = Meter::new(&options.execution, share.clone(), || segments.symbols());
    let (chunks, faults) = segments.decode_all(payloads, &options.execution, &options.limits, &meter)?;
    Streams::from_chunks(sequence.arrangement.clone(), &[length], &chunks)
        .and_then(|streams| streams.fill_planes(&mut planes))
        .map_err(|error| Error::malformed(offset, error.to_string()))?;
    rows.fill(0, &planes, &mut image);
    Ok((image, faults))
}
