//! Groups of chunks: one payload each, coded on their own, by several threads, and damaged alone.

use std::num::NonZeroUsize;

use lmcodec_entropy::arrangement::flat::{Chunk, ChunkShape};
use lmcodec_entropy::chunks::{ChunkCoder, memory_bytes};
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder};

use crate::error::Error;
use crate::models::SequenceModel;
use crate::options::{Execution, Limits};
use crate::segments::{Meter, Metered, SegmentFault, SegmentPlace, in_parallel};

/// Positions of a group, about: what bounds the keys and values of a thread.
const GROUP_POSITIONS: usize = 1 << 16;
/// Chunks of a group at most: more make no step faster.
const MAX_GROUP: usize = 64;

/// Chunks of every group but the last, unless told otherwise.
pub(crate) fn default_group(chunk: usize) -> NonZeroUsize {
    NonZeroUsize::new((GROUP_POSITIONS / chunk.max(1)).clamp(1, MAX_GROUP)).unwrap_or(NonZeroUsize::MIN)
}

/// The chunks of some latents, in groups.
pub(crate) struct Groups<'a> {
    model: &'a SequenceModel,
    shapes: Vec<ChunkShape>,
    per_group: usize,
}

impl<'a> Groups<'a> {
    /// Groups of `per_group` chunks, at least 1; `lengths` are those of the arrangement's streams.
    pub(crate) fn new(model: &'a SequenceModel, lengths: &[usize], per_group: usize) -> Self {
        Self { model, shapes: model.arrangement.chunk_shapes(lengths), per_group: per_group.max(1) }
    }

    /// Groups.
    pub(crate) fn count(&self) -> usize {
        self.shapes.len().div_ceil(self.per_group)
    }

    /// Symbols of all chunks.
    pub(crate) fn symbols(&self) -> u64 {
        self.shapes.iter().map(|shape| shape.length as u64).sum()
    }

    /// As many threads as the limit has memory for.
    fn execution(&self, execution: &Execution, limits: &Limits) -> Result<Execution, Error> {
        let longest = self.shapes.iter().map(|shape| shape.length).max().unwrap_or(0);
        let bytes = memory_bytes(&self.model.llama, self.per_group.min(self.shapes.len()), longest);
        execution.within(bytes, limits)
    }

    /// Codes all groups; the payloads in order. `chunks` have the shapes of these groups.
    pub(crate) fn encode(
        &self,
        chunks: &[Chunk],
        execution: &Execution,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let (isa, execution) = (execution.isa()?, self.execution(execution, limits)?);
        let groups: Vec<&[Chunk]> = chunks.chunks(self.per_group).collect();
        in_parallel(&execution, groups.len(), |group| {
            let mut sink = Metered::new(RangeEncoder::new(), meter);
            ChunkCoder::new(&self.model.llama, &self.model.arrangement, isa).encode(groups[group], &mut sink);
            Ok(sink.coder.finish())
        })
    }

    /// Decodes all groups, of which there are as many as payloads. Chunks of faulty groups hold the symbol of the value 0.
    pub(crate) fn decode(
        &self,
        payloads: &[Result<&[u8], Error>],
        execution: &Execution,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<(Vec<Chunk>, Vec<SegmentFault>), Error> {
        let (isa, execution) = (execution.isa()?, self.execution(execution, limits)?);
        let groups: Vec<&[ChunkShape]> = self.shapes.chunks(self.per_group).collect();
        let decoded = in_parallel(&execution, groups.len(), |group| {
            let bytes = match &payloads[group] {
                Ok(bytes) => *bytes,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let mut source = Metered::new(RangeDecoder::new(bytes), meter);
            let coder = ChunkCoder::new(&self.model.llama, &self.model.arrangement, isa);
            let chunks = coder.decode(groups[group], &mut source).map_err(|error| error.to_string());
            Ok(chunks.and_then(|chunks| source.coder.finish().map(|()| chunks).map_err(|error| error.to_string())))
        })?;
        let (mut chunks, mut faults) = (Vec::with_capacity(self.shapes.len()), Vec::new());
        for (segment, (decoded, shapes)) in decoded.into_iter().zip(&groups).enumerate() {
            match decoded {
                Ok(decoded) => chunks.extend(decoded),
                Err(what) => {
                    let first = segment * self.per_group;
                    let place = SegmentPlace::Chunks(first..first + shapes.len());
                    faults.push(SegmentFault { segment, place, what });
                    chunks.extend(shapes.iter().map(|shape| self.blank(shape)));
                }
            }
        }
        Ok((chunks, faults))
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
