//! Codebook indices under frame heads (`lmcodec_entropy::code_heads`): a segment has some chunks.
//!
//! A chunk of RVQ is up to 256 time steps of a signal, the model's context; a chunk of VQ is a grid, which sees the grids
//! before it in its segment.

use std::num::NonZeroUsize;
use std::ops::Range;

use lmcodec_entropy::adaptive::CodeLayout;
use lmcodec_entropy::code_heads::config::Medium;
use lmcodec_entropy::code_heads::{
    CodeHeads, CodeHeadsError, Codes, GROUP, SEGMENT, Shape, decode_from, decode_signals_from, encode_into,
    encode_signals_into, memory_bytes,
};
use lmcodec_entropy::coder::{SymbolSink, SymbolSource};
use lmcodec_entropy::isa::Isa;

use super::order::CodingOrder;
use super::{CodedSymbols, Symbols, segments_offset};
use crate::container::{CodesContent, CodesModel, Header};
use crate::error::Error;
use crate::execution::Execution;
use crate::fault::{SegmentFault, SegmentPlace};
use crate::limits::Limits;
use crate::media::CodedFile;
use crate::media::chunks::nearest;
use crate::media::payloads::{self, Meter, Segments, check_count};
use crate::models::Model;
use crate::options::EncodeOptions;

/// Codes of a segment of VQ, about, unless told otherwise: grids that cannot see the ones before cost bytes.
const SEGMENT_CODES: usize = 1 << 18;

/// Where the segments of some codes begin and end.
pub(crate) struct HeadSegments<'a> {
    heads: &'a CodeHeads,
    isa: Isa,
    layout: CodeLayout,
    /// Codes in all.
    codes: usize,
    /// Chunks of every segment but the last.
    per_segment: usize,
}

/// Size of every segment but the last.
enum Size {
    /// As the file says.
    Chunks(u64),
    /// About so many codes.
    Codes(NonZeroUsize),
    Unsaid,
}

/// What one segment holds.
struct Segment {
    /// Its codes, in coding order.
    codes: Range<usize>,
    /// Grids (VQ), or the time steps of its chunks (RVQ).
    content: SegmentContent,
}

enum SegmentContent {
    Grids(Shape),
    Signals(Vec<usize>),
}

impl<'a> HeadSegments<'a> {
    /// The segments, if the model is for such an array.
    fn new(
        model: &'a Model,
        order: &CodingOrder,
        codes: usize,
        size: Size,
        execution: &Execution,
    ) -> Result<Self, Error> {
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
            return Err(Error::InvalidOption(format!("model {} is for {allowed}, not for {found}", model.name())));
        }
        let per_segment = match (size, layout) {
            (Size::Chunks(chunks), _) => usize::try_from(chunks).unwrap_or(usize::MAX),
            (Size::Codes(codes), CodeLayout::Grids { height, width }) => nearest(codes.get(), height * width),
            (Size::Codes(codes), CodeLayout::Stacks { layers, .. }) => nearest(codes.get(), SEGMENT * layers),
            (Size::Unsaid, CodeLayout::Grids { height, width }) => (SEGMENT_CODES / (height * width).max(1)).max(1),
            (Size::Unsaid, CodeLayout::Stacks { .. }) => GROUP,
        };
        Ok(Self { heads, isa: execution.isa()?, layout, codes, per_segment: per_segment.max(1) })
    }

    /// Those of a coded file.
    pub(crate) fn of_file(
        model: &'a Model,
        order: &CodingOrder,
        codes: usize,
        content: &CodesContent,
        header: &Header,
        execution: &Execution,
    ) -> Result<Self, Error> {
        let offset = segments_offset(content, header);
        let segments = Self::new(model, order, codes, Size::Chunks(content.per_segment), execution);
        let segments = segments.map_err(|error| Error::malformed(offset, error.to_string()))?;
        check_count(header.payloads.len(), segments.count(), "codes need", offset)?;
        Ok(segments)
    }

    /// The codes of a segment, in coding order.
    pub(crate) fn range(&self, segment: usize) -> Range<usize> {
        self.segment(segment).codes
    }

    /// Chunks of one signal (RVQ), and their number in all.
    fn chunks(&self) -> (usize, usize) {
        match self.layout {
            CodeLayout::Grids { height, width } => (1, self.codes / (height * width)),
            CodeLayout::Stacks { steps, layers } => {
                let chunks = steps.div_ceil(SEGMENT);
                (chunks, self.codes / (steps * layers) * chunks)
            }
        }
    }

    fn segment(&self, index: usize) -> Segment {
        let (of_signal, chunks) = self.chunks();
        // Segments start inside the chunks, so nothing overflows.
        let start = index * self.per_segment;
        let end = start.saturating_add(self.per_segment).min(chunks);
        match self.layout {
            CodeLayout::Grids { height, width } => {
                let shape = Shape { grids: end - start, rows: height, columns: width, layers: 1 };
                let grid = height * width;
                Segment { codes: start * grid..end * grid, content: SegmentContent::Grids(shape) }
            }
            CodeLayout::Stacks { steps, layers } => {
                let first = |chunk: usize| chunk / of_signal * steps + (chunk % of_signal) * SEGMENT;
                let length = |chunk: usize| SEGMENT.min(steps - chunk % of_signal * SEGMENT);
                let content = SegmentContent::Signals((start..end).map(length).collect());
                Segment { codes: first(start) * layers..first(end) * layers, content }
            }
        }
    }

    /// As many threads as the limit has memory for.
    fn execution(&self, execution: &Execution, limits: &Limits) -> Result<Execution, Error> {
        let shape = match self.layout {
            CodeLayout::Grids { height, width } => {
                let grids = self.per_segment.min(self.chunks().1);
                Shape { grids, rows: height, columns: width, layers: 1 }
            }
            CodeLayout::Stacks { layers, .. } => Shape { grids: GROUP, rows: 1, columns: SEGMENT, layers },
        };
        execution.within(memory_bytes(self.heads, shape), limits.max_model_bytes)
    }

    fn encode(&self, segment: &Segment, codes: &[u16], sink: &mut impl SymbolSink) -> Result<(), CodeHeadsError> {
        match &segment.content {
            SegmentContent::Grids(shape) => encode_into(self.heads, self.isa, Codes { shape: *shape, codes }, sink),
            SegmentContent::Signals(steps) => encode_signals_into(self.heads, self.isa, steps, codes, sink),
        }
    }

    fn read(&self, segment: &Segment, source: &mut impl SymbolSource) -> Result<Vec<u16>, CodeHeadsError> {
        match &segment.content {
            SegmentContent::Grids(shape) => decode_from(self.heads, self.isa, *shape, source),
            SegmentContent::Signals(steps) => decode_signals_from(self.heads, self.isa, steps, source),
        }
    }
}

impl Segments for HeadSegments<'_> {
    type Latents = Vec<u16>;

    fn count(&self) -> usize {
        self.chunks().1.div_ceil(self.per_segment)
    }

    fn place(&self, segment: usize) -> SegmentPlace {
        SegmentPlace::Codes(self.range(segment))
    }

    fn decode(&self, segment: usize, payload: &[u8], meter: &Meter) -> Result<Vec<u16>, String> {
        meter.decode(payload, |source| self.read(&self.segment(segment), source))
    }
}

/// Codes the symbols.
pub(super) fn encode(
    input: &Symbols<'_>,
    model: &Model,
    segment_codes: Option<NonZeroUsize>,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<CodedSymbols, Error> {
    let Symbols { symbols, order, vocabularies } = *input;
    let size = segment_codes.map_or(Size::Unsaid, Size::Codes);
    let segments = HeadSegments::new(model, order, symbols.len(), size, &options.execution)?;
    let codebook = segments.heads.config().codebook;
    if let Some(vocabulary) = vocabularies.iter().find(|&&vocabulary| vocabulary as usize > codebook) {
        let what = format!("model {} has a codebook of {codebook}, the codes need {vocabulary}", model.name());
        return Err(Error::InvalidOption(what));
    }
    let execution = segments.execution(&options.execution, &options.limits)?;
    let meter = Meter::new(&options.execution, share, || symbols.len() as u64);
    let payloads = execution.in_parallel(segments.count(), |index| {
        let segment = segments.segment(index);
        let payload = meter.encode(|sink| segments.encode(&segment, &symbols[segment.codes.clone()], sink));
        payload.map_err(|error| Error::InvalidOption(format!("model {}: {error}", model.name())))
    })?;
    let per_segment = segments.per_segment as u64;
    Ok(CodedSymbols { payloads, model: CodesModel::FrameHeads(model.reference()), per_segment })
}

/// Decodes the symbols; those of faulty segments are 0.
pub(super) fn decode(
    codes: usize,
    order: &CodingOrder,
    model: &Model,
    content: &CodesContent,
    file: &CodedFile<'_>,
) -> Result<(Vec<u16>, Vec<SegmentFault>), Error> {
    let options = file.options;
    let segments = HeadSegments::of_file(model, order, codes, content, file.header, &options.execution)?;
    let execution = segments.execution(&options.execution, &options.limits)?;
    let meter = Meter::new(&options.execution, file.share.clone(), || codes as u64);
    let mut symbols = vec![0; codes];
    let accept = |index, codes: Vec<u16>| symbols[segments.range(index)].copy_from_slice(&codes);
    let faults = payloads::decode(&segments, file.payloads, &execution, &meter, accept)?;
    Ok((symbols, faults))
}
