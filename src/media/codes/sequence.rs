//! Codebook indices under a sequence Llama: streams of symbols, cut into chunks.

use std::num::NonZeroUsize;
use std::ops::Range;

use lmcodec_entropy::arrangement::flat::{ArrangementError, Medium, Streams};

use super::order::CodingOrder;
use super::{CodedSymbols, Symbols, segments_offset};
use crate::container::{CodesContent, CodesModel};
use crate::error::Error;
use crate::fault::SegmentFault;
use crate::media::CodedFile;
use crate::media::chunks::{ChunkSegments, chunks_per_segment};
use crate::media::payloads::{Meter, Segments, check_count};
use crate::models::{Model, SequenceModel};
use crate::options::EncodeOptions;

/// Lengths of the streams that `count` codes make, or why the model does not fit.
fn lengths(model: &Model, sequence: &SequenceModel, layers: usize, count: usize) -> Result<Vec<usize>, Error> {
    let arrangement = &sequence.arrangement;
    let fits = match arrangement.medium {
        Medium::Jpeg { .. } => false,
        Medium::Vq => layers == 1,
        Medium::Rvq { .. } => layers == arrangement.layers(),
    };
    if !fits {
        let (medium, modelled) = (arrangement.medium.name(), arrangement.layers());
        let what = format!("model {} is for {medium} of {modelled} layers, not for {layers}", model.name());
        return Err(Error::InvalidOption(what));
    }
    Ok(vec![count / arrangement.stream_count(); arrangement.stream_count()])
}

/// Codes the symbols.
pub(super) fn encode(
    input: &Symbols<'_>,
    model: &Model,
    segment_codes: Option<NonZeroUsize>,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<CodedSymbols, Error> {
    let (sequence, execution) = (model.need_sequence()?, &options.execution);
    let lengths = lengths(model, sequence, input.order.layers(), input.symbols.len())?;
    let fault = |source: ArrangementError| Error::Arrangement { name: model.name().into(), source: source.into() };
    let mut streams = Streams::new(sequence.arrangement.clone()).map_err(fault)?;
    streams.push_codes(input.symbols).map_err(fault)?;
    let per_segment = chunks_per_segment(sequence, segment_codes.map(NonZeroUsize::get));
    let segments = ChunkSegments::new(sequence, &lengths, per_segment, execution)?;
    let meter = Meter::new(execution, share, || segments.symbols());
    let payloads = segments.encode(&streams.chunks(), execution, &options.limits, &meter)?;
    Ok(CodedSymbols { payloads, model: CodesModel::Named(model.reference()), per_segment: per_segment as u64 })
}

/// Decodes `count` symbols; those of faulty segments are 0.
pub(super) fn decode(
    count: usize,
    order: &CodingOrder,
    model: &Model,
    content: &CodesContent,
    file: &CodedFile<'_>,
) -> Result<(Vec<u16>, Vec<SegmentFault>), Error> {
    let (sequence, options) = (model.need_sequence()?, file.options);
    let malformed = |error: String| Error::malformed(segments_offset(content, file.header), error);
    let lengths = lengths(model, sequence, order.layers(), count).map_err(|error| malformed(error.to_string()))?;
    let per_segment = usize::try_from(content.per_segment).unwrap_or(usize::MAX);
    let segments = ChunkSegments::new(sequence, &lengths, per_segment, &options.execution)?;
    check_count(file.payloads.len(), segments.count(), "codes need", segments_offset(content, file.header))?;
    let meter = Meter::new(&options.execution, file.share.clone(), || segments.symbols());
    let (chunks, faults) = segments.decode_all(file.payloads, &options.execution, &options.limits, &meter)?;
    let streams = Streams::from_chunks(sequence.arrangement.clone(), &lengths, &chunks);
    let codes = streams.and_then(|streams| streams.codes()).map_err(|error| malformed(error.to_string()))?;
    Ok((codes, faults))
}
