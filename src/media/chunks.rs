//! Segments under a sequence Llama, whatever the medium: each has some chunks, the model's independent contexts, which are
//! coded side by side.

use lmcodec_entropy::arrangement::flat::{Chunk, ChunkShape};
use lmcodec_entropy::chunks::{ChunkCoder, memory_bytes};
use lmcodec_entropy::isa::Isa;

use super::payloads::{self, Meter, Segments};
use crate::error::Error;
use crate::execution::Execution;
use crate::fault::{SegmentFault, SegmentPlace};
use crate::limits::Limits;
use crate::models::SequenceModel;

/// Positions of a segment, about: what bounds the keys and values of a thread.
const SEGMENT_POSITIONS: usize = 1 << 16;
/// Chunks of a segment at most, unless told otherwise: more make no step faster.
const MOST_CHUNKS: usize = 64;

/// Chunks of every segment but the last: as many as have about `symbols` symbols, if that is asked for.
pub(super) fn chunks_per_segment(model: &SequenceModel, symbols: Option<usize>) -> usize {
    let chunk = (model.arrangement.chunk as usize).max(1);
    symbols.map_or_else(|| (SEGMENT_POSITIONS / chunk).clamp(1, MOST_CHUNKS), |symbols| nearest(symbols, chunk))
}

/// The number of chunks, at least 1, that comes nearest to so many symbols.
pub(super) fn nearest(symbols: usize, chunk: usize) -> usize {
    (symbols.saturating_add(chunk / 2) / chunk.max(1)).max(1)
}

/// The chunks of some latents, in segments.
pub(super) struct ChunkSegments<'a> {
    model: &'a SequenceModel,
    isa: Isa,
    shapes: Vec<ChunkShape>,
    per_segment: usize,
}

impl<'a> ChunkSegments<'a> {
    /// Segments of `per_segment` chunks, at least 1; `lengths` are those of the arrangement's streams.
    pub(super) fn new(
        model: &'a SequenceModel,
        lengths: &[usize],
        per_segment: usize,
        execution: &Execution,
    ) -> Result<Self, Error> {
        let shapes = model.arrangement.chunk_shapes(lengths);
        Ok(Self { model, isa: execution.isa()?, shapes, per_segment: per_segment.max(1) })
    }

    /// Symbols of all chunks.
    pub(super) fn symbols(&self) -> u64 {
        self.shapes.iter().map(|shape| shape.length as u64).sum()
    }

    /// As many threads as the limit has memory for.
    fn execution(&self, execution: &Execution, limits: &Limits) -> Result<Execution, Error> {
        let longest = self.shapes.iter().map(|shape| shape.length).max().unwrap_or(0);
        let bytes = memory_bytes(&self.model.llama, self.per_segment.min(self.shapes.len()), longest);
        execution.within(bytes, limits.max_model_bytes)
    }

    fn coder(&self) -> ChunkCoder<'_> {
        ChunkCoder::new(&self.model.llama, &self.model.arrangement, self.isa)
    }

    fn shapes(&self, segment: usize) -> &[ChunkShape] {
        let start = segment * self.per_segment;
        &self.shapes[start..start.saturating_add(self.per_segment).min(self.shapes.len())]
    }

    /// Codes all chunks, which have the shapes of these segments.
    pub(super) fn encode(
        &self,
        chunks: &[Chunk],
        execution: &Execution,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let chunks: Vec<&[Chunk]> = chunks.chunks(self.per_segment).collect();
        self.execution(execution, limits)?.in_parallel(chunks.len(), |segment| {
            meter.encode(|sink| {
                self.coder().encode(chunks[segment], sink);
                Ok(())
            })
        })
    }

    /// Decodes all chunks; those of faulty segments hold the symbol of the value 0.
    pub(super) fn decode_all(
        &self,
        payloads: &[Result<&[u8], Error>],
        execution: &Execution,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<(Vec<Chunk>, Vec<SegmentFault>), Error> {
        let mut segments: Vec<Option<Vec<Chunk>>> = vec![None; payloads.len()];
        let accept = |segment: usize, chunks| segments[segment] = Some(chunks);
        let faults = payloads::decode(self, payloads, &self.execution(execution, limits)?, meter, accept)?;
        let blank = |segment| self.shapes(segment).iter().map(|shape| self.blank(shape)).collect();
        let segments = segments.into_iter().enumerate();
        let chunks = segments.flat_map(|(segment, chunks)| chunks.unwrap_or_else(|| blank(segment)));
        Ok((chunks.collect(), faults))
    }

    fn blank(&self, shape: &ChunkShape) -> Chunk {
        let arrangement = &self.model.arrangement;
        let (first_layer, layers, length) = (shape.first_layer, shape.layers, shape.length);
        let zero = u16::try_from(arrangement.offset).ok();
        let zero = zero.filter(|&zero| u32::from(zero) < arrangement.vocabularies[0]).unwrap_or(0);
        // Only the escape may be left to say 0 with.
        let escapes = if Some(zero) == arrangement.escape_symbol() { vec![0; length] } else { Vec::new() };
        Chunk { first_layer, layers, symbols: vec![zero; length], escapes }
    }
}

impl Segments for ChunkSegments<'_> {
    type Latents = Vec<Chunk>;

    fn count(&self) -> usize {
        self.shapes.len().div_ceil(self.per_segment)
    }

    fn place(&self, segment: usize) -> SegmentPlace {
        let first = segment * self.per_segment;
        SegmentPlace::Chunks(first..first + self.shapes(segment).len())
    }

    fn decode(&self, segment: usize, payload: &[u8], meter: &Meter) -> Result<Vec<Chunk>, String> {
        meter.decode(payload, |source| self.coder().decode(self.shapes(segment), source))
    }
}
