//! Codebook indices under a sequence Llama.

use std::ops::Range;

use lmcodec_entropy::arrangement::flat::{ArrangementError, Medium, Streams};

use super::groups::{Groups, default_group};
use crate::error::Error;
use crate::models::{Model, SequenceModel};
use crate::options::{DecodeOptions, EncodeOptions};
use crate::segments::{Meter, SegmentFault};

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
        return Err(Error::Option(what));
    }
    Ok(vec![count / arrangement.stream_count(); arrangement.stream_count()])
}

/// Codes symbols in coding order: the payloads, and the chunks of every segment but the last.
pub(crate) fn encode(
    symbols: &[u16],
    layers: usize,
    model: &Model,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<(Vec<Vec<u8>>, u64), Error> {
    let sequence = model.need_sequence()?;
    let lengths = lengths(model, sequence, layers, symbols.len())?;
    let fault = |source: ArrangementError| Error::Arrangement { name: model.name().into(), source: source.into() };
    let mut streams = Streams::new(sequence.arrangement.clone()).map_err(fault)?;
    streams.push_codes(symbols).map_err(fault)?;
    let per_group = options.segment_chunks.unwrap_or_else(|| default_group(sequence.arrangement.chunk as usize));
    let groups = Groups::new(sequence, &lengths, per_group.get());
    let meter = Meter::of_symbols(&options.execution, groups.symbols(), share);
    let payloads = groups.encode(&streams.chunks(), &options.execution, &options.limits, &meter)?;
    Ok((payloads, per_group.get() as u64))
}

/// Decodes `count` symbols; those of faulty groups are 0.
pub(crate) fn decode(
    count: usize,
    layers: usize,
    model: &Model,
    per_segment: u64,
    payloads: &[Result<&[u8], Error>],
    options: &DecodeOptions,
    (base, share): (usize, Range<f64>),
) -> Result<(Vec<u16>, Vec<SegmentFault>), Error> {
    let sequence = model.need_sequence()?;
    let malformed = |error: String| Error::malformed(base, error);
    let lengths = lengths(model, sequence, layers, count).map_err(|error| malformed(error.to_string()))?;
    let groups = Groups::new(sequence, &lengths, usize::try_from(per_segment).unwrap_or(usize::MAX));
    if groups.count() != payloads.len() {
        let needed = groups.count();
        return Err(malformed(format!("{} segments where the codes need {needed}", payloads.len())));
    }
    let meter = Meter::of_symbols(&options.execution, groups.symbols(), share);
    let (chunks, faults) = groups.decode(payloads, &options.execution, &options.limits, &meter)?;
    let streams = Streams::from_chunks(sequence.arrangement.clone(), &lengths, &chunks);
    let codes = streams.and_then(|streams| streams.codes()).map_err(|error| malformed(error.to_string()))?;
    Ok((codes, faults))
}
