//! Codebook indices under frame heads (`lmcodec_entropy::code_heads`).
//!
//! What is coded without a view of anything else is a *piece*: a signal of RVQ is cut into pieces of 256 time steps, the last
//! with the rest; of VQ a piece is a grid, which sees the grids before it in its segment. A segment has some pieces.

use std::num::NonZeroUsize;
use std::ops::Range;

use lmcodec_entropy::adaptive::CodeLayout;
use lmcodec_entropy::code_heads::config::Medium;
use lmcodec_entropy::code_heads::{
    CodeHeads, CodeHeadsError, Codes, GROUP, SEGMENT, Shape, decode_from, decode_signals_from, encode_into,
    encode_signals_into, memory_bytes,
};
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder, SymbolSink, SymbolSource};
use lmcodec_entropy::isa::Isa;

use super::shape::CodingOrder;
use crate::error::Error;
use crate::models::Model;
use crate::options::{DecodeOptions, EncodeOptions, Execution, Limits};
use crate::segments::{Meter, Metered, SegmentFault, SegmentPlace, in_parallel};

/// Codes of a segment of VQ, about, unless told otherwise: grids that cannot see the ones before cost bytes.
const SEGMENT_CODES: usize = 1 << 18;

/// Where the segments of some codes begin and end.
struct Pieces<'a> {
    heads: &'a CodeHeads,
    layout: CodeLayout,
    /// Codes in all.
    count: usize,
    /// Pieces of every segment but the last.
    per_segment: usize,
}

/// What one segment holds.
struct Segment {
    /// Its codes, in coding order.
    codes: Range<usize>,
    /// Grids (VQ), or the time steps of its pieces (RVQ).
    content: SegmentContent,
}

enum SegmentContent {
    Grids(Shape),
    Signals(Vec<usize>),
}

impl<'a> Pieces<'a> {
    /// The pieces, if the model is for such an array.
    fn new(model: &'a Model, order: &CodingOrder, count: usize, per_segment: Option<u64>) -> Result<Self, Error> {
        let (heads, layout) = (model.need_frame_heads()?, order.layout());
        let c = heads.config();
        let fits = match (c.medium, layout) {
            (Medium::Vq, CodeLayout::Grids { .. }) => true,
            (Medium::Rvq, CodeLayout::Stacks { layers, .. }) => layers == c.code_layers,
            _ => false,
        };
        if !fits {
            let found = match layout {
                CodeLayout::Grids { height, width } => format!("VQ grids of {height}x{width}"),
                CodeLayout::Stacks { layers, .. } => format!("RVQ codes of {layers} layers"),
            };
            let allowed = match c.medium {
                Medium::Vq => "VQ grids".to_owned(),
                Medium::Rvq => format!("RVQ codes of {} layers", c.code_layers),
            };
            return Err(Error::Option(format!("model {} is for {allowed}, not for {found}", model.name())));
        }
        let chosen = match layout {
            CodeLayout::Grids { height, width } => (SEGMENT_CODES / (height * width).max(1)).max(1),
            CodeLayout::Stacks { .. } => GROUP,
        };
        let per_segment = per_segment.map_or(chosen, |n| usize::try_from(n).unwrap_or(usize::MAX));
        Ok(Self { heads, layout, count, per_segment: per_segment.max(1) })
    }

    /// Pieces of one signal (RVQ), and their number in all.
    fn pieces(&self) -> (usize, usize) {
        match self.layout {
            CodeLayout::Grids { height, width } => (1, self.count / (height * width)),
            CodeLayout::Stacks { steps, layers } => {
                let pieces = steps.div_ceil(SEGMENT);
                (pieces, self.count / (steps * layers) * pieces)
            }
        }
    }

    /// Segments.
    fn segments(&self) -> usize {
        self.pieces().1.div_ceil(self.per_segment)
    }

    fn segment(&self, index: usize) -> Segment {
        let (of_signal, pieces) = self.pieces();
        // Segments start inside the pieces, so nothing overflows.
        let start = index * self.per_segment;
        let end = start.saturating_add(self.per_segment).min(pieces);
        match self.layout {
            CodeLayout::Grids { height, width } => {
                let shape = Shape { grids: end - start, rows: height, columns: width, layers: 1 };
                let grid = height * width;
                Segment { codes: start * grid..end * grid, content: SegmentContent::Grids(shape) }
            }
            CodeLayout::Stacks { steps, layers } => {
                let first = |piece: usize| piece / of_signal * steps + (piece % of_signal) * SEGMENT;
                let length = |piece: usize| SEGMENT.min(steps - piece % of_signal * SEGMENT);
                let content = SegmentContent::Signals((start..end).map(length).collect());
                Segment { codes: first(start) * layers..first(end) * layers, content }
            }
        }
    }

    /// As many threads as the limit has memory for.
    fn execution(&self, execution: &Execution, limits: &Limits) -> Result<Execution, Error> {
        let shape = match self.layout {
            CodeLayout::Grids { height, width } => {
                let grids = self.per_segment.min(self.pieces().1);
                Shape { grids, rows: height, columns: width, layers: 1 }
            }
            CodeLayout::Stacks { layers, .. } => Shape { grids: GROUP, rows: 1, columns: SEGMENT, layers },
        };
        execution.within(memory_bytes(self.heads, shape), limits)
    }

    fn encode(
        &self,
        segment: &Segment,
        isa: Isa,
        codes: &[u16],
        sink: &mut impl SymbolSink,
    ) -> Result<(), CodeHeadsError> {
        match &segment.content {
            SegmentContent::Grids(shape) => encode_into(self.heads, isa, Codes { shape: *shape, codes }, sink),
            SegmentContent::Signals(steps) => encode_signals_into(self.heads, isa, steps, codes, sink),
        }
    }

    fn decode(&self, segment: &Segment, isa: Isa, source: &mut impl SymbolSource) -> Result<Vec<u16>, CodeHeadsError> {
        match &segment.content {
            SegmentContent::Grids(shape) => decode_from(self.heads, isa, *shape, source),
            SegmentContent::Signals(steps) => decode_signals_from(self.heads, isa, steps, source),
        }
    }
}

/// Codes symbols in coding order: the payloads, and the pieces of every segment but the last.
pub(super) fn encode(
    symbols: &[u16],
    order: &CodingOrder,
    vocabularies: &[u32],
    model: &Model,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<(Vec<Vec<u8>>, u64), Error> {
    let pieces = Pieces::new(model, order, symbols.len(), options.segment_chunks.map(|n| NonZeroUsize::get(n) as u64))?;
    let codebook = pieces.heads.config().codebook;
    if let Some(vocabulary) = vocabularies.iter().find(|&&vocabulary| vocabulary as usize > codebook) {
        let what = format!("model {} has a codebook of {codebook}, the codes need {vocabulary}", model.name());
        return Err(Error::Option(what));
    }
    let isa = options.execution.isa()?;
    let execution = pieces.execution(&options.execution, &options.limits)?;
    let meter = Meter::of_symbols(&options.execution, symbols.len() as u64, share);
    let payloads = in_parallel(&execution, pieces.segments(), |index| {
        let segment = pieces.segment(index);
        let mut sink = Metered::new(RangeEncoder::new(), &meter);
        let coded = pieces.encode(&segment, isa, &symbols[segment.codes.clone()], &mut sink);
        coded.map_err(|error| Error::Option(format!("model {}: {error}", model.name())))?;
        Ok(sink.coder.finish())
    })?;
    Ok((payloads, pieces.per_segment as u64))
}

/// Decodes `count` symbols; those of faulty segments are 0.
pub(super) fn decode(
    count: usize,
    order: &CodingOrder,
    model: &Model,
    per_segment: u64,
    payloads: &[Result<&[u8], Error>],
    options: &DecodeOptions,
    (base, share): (usize, Range<f64>),
) -> Result<(Vec<u16>, Vec<SegmentFault>), Error> {
    let malformed = |what: String| Error::malformed(base, what);
    let pieces = Pieces::new(model, order, count, Some(per_segment)).map_err(|error| malformed(error.to_string()))?;
    if pieces.segments() != payloads.len() {
        let needed = pieces.segments();
        return Err(malformed(format!("{} segments where the codes need {needed}", payloads.len())));
    }
    let isa = options.execution.isa()?;
    let execution = pieces.execution(&options.execution, &options.limits)?;
    let meter = Meter::of_symbols(&options.execution, count as u64, share);
    let decoded = in_parallel(&execution, payloads.len(), |index| {
        let bytes = match &payloads[index] {
            Ok(bytes) => *bytes,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut source = Metered::new(RangeDecoder::new(bytes), &meter);
        let codes = pieces.decode(&pieces.segment(index), isa, &mut source).map_err(|error| error.to_string());
        Ok(codes.and_then(|codes| source.coder.finish().map(|()| codes).map_err(|error| error.to_string())))
    })?;
    let (mut symbols, mut faults) = (vec![0; count], Vec::new());
    for (segment, decoded) in decoded.into_iter().enumerate() {
        let range = pieces.segment(segment).codes;
        match decoded {
            Ok(codes) => symbols[range].copy_from_slice(&codes),
            Err(what) => faults.push(SegmentFault { segment, place: SegmentPlace::Codes(range), what }),
        }
    }
    Ok((symbols, faults))
}
