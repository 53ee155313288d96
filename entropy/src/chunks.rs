//! Coding chunks of the flat arrangement under a sequence Llama.
//!
//! A *group* is some chunks that share one code. Their symbols follow one another position by position: position 0 of every
//! chunk, position 1 of every chunk that is that long, and so on; an escaped value follows its symbol at once. That is the
//! order in which a decoder, which runs all chunks of a group side by side, gets them. An encoder knows the symbols and may run
//! several positions of a chunk at once: the engine gives the same bits.

use crate::arrangement::flat::escape::{self, EscapeError};
use crate::arrangement::flat::{ArrangementError, Chunk, ChunkShape, FlatArrangement, Medium, Outside};
use crate::coder::{SymbolSink, SymbolSource, WideDistribution};
use crate::isa::Isa;
use crate::sequence_llama::{Position, SequenceEngine, SequenceLlama};

/// Positions of a step that an encoder aims at.
const BATCH: usize = 64;

/// A model that cannot code this arrangement, or a code that no encoder wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The model's metadata holds no arrangement.
    #[error("the head set's arrangement cannot be read: {0}")]
    Metadata(String),
    /// The arrangement is impossible.
    #[error(transparent)]
    Arrangement(#[from] ArrangementError),
    /// The arrangement clips values: nothing that it codes comes back.
    #[error("the head set's arrangement clips values: it is for tables, not for files")]
    Lossy,
    /// Chunks are longer than the model's context.
    #[error("chunks of {chunk} symbols; the model's context is {context}")]
    Context {
        /// Symbols of a chunk.
        chunk: usize,
        /// Positions that the model allows.
        context: usize,
    },
    /// The arrangement's vocabularies are not those of the model's head.
    #[error("the arrangement's vocabularies are {found:?}, those of the model {expected:?}")]
    Vocabularies {
        /// The arrangement's.
        found: Vec<u32>,
        /// The model's.
        expected: Vec<u32>,
    },
    /// An escape that no 16-bit value has: the bytes are damaged.
    #[error("chunk {chunk}, position {position}: {source}")]
    Escape {
        /// Index of the chunk in its group.
        chunk: usize,
        /// Position in the chunk.
        position: usize,
        /// What is wrong.
        source: EscapeError,
    },
}

/// The arrangement that a head set was trained for.
///
/// # Errors
/// [`ChunkError`] if there is none in its metadata, or the model cannot run it.
pub fn arrangement_of(model: &SequenceLlama) -> Result<FlatArrangement, ChunkError> {
    let arrangement: FlatArrangement =
        serde_json::from_value(model.arrangement().clone()).map_err(|error| ChunkError::Metadata(error.to_string()))?;
    arrangement.validate()?;
    if !arrangement.is_lossless() {
        return Err(ChunkError::Lossy);
    }
    let (chunk, context) = (arrangement.chunk as usize, model.context());
    if chunk > context {
        return Err(ChunkError::Context { chunk, context });
    }
    if arrangement.vocabularies != model.vocabularies() {
        let (found, expected) = (arrangement.vocabularies, model.vocabularies().to_vec());
        return Err(ChunkError::Vocabularies { found, expected });
    }
    Ok(arrangement)
}

/// Bytes that coding a group of `chunks` chunks of up to `length` symbols takes, beside the model and the symbols.
pub fn memory_bytes(model: &SequenceLlama, chunks: usize, length: usize) -> u64 {
    let (chunks, length) = (chunks.max(1), length.max(1));
    let batch = chunks.max(BATCH);
    let vocabulary = model.vocabularies().iter().copied().max().unwrap_or(0) as usize;
    (SequenceEngine::memory_bytes(model, chunks, length, batch) as u64).saturating_add((batch * vocabulary * 4) as u64)
}

/// A model and the arrangement of the chunks that it codes.
#[derive(Debug, Clone, Copy)]
pub struct ChunkCoder<'m> {
    model: &'m SequenceLlama,
    arrangement: &'m FlatArrangement,
    isa: Isa,
}

impl<'m> ChunkCoder<'m> {
    /// A coder; `arrangement` is [`arrangement_of`] the model.
    pub fn new(model: &'m SequenceLlama, arrangement: &'m FlatArrangement, isa: Isa) -> Self {
        Self { model, arrangement, isa }
    }

    /// Codes (or, with a [`BitCounter`](crate::coder::BitCounter), counts) a group of chunks.
    ///
    /// # Panics
    /// If a chunk is longer than the model's context, a symbol is outside its vocabulary, or escapes are missing.
    pub fn encode(&self, chunks: &[Chunk], sink: &mut impl SymbolSink) {
        let longest = chunks.iter().map(|chunk| chunk.symbols.len()).max().unwrap_or(0);
        if longest == 0 {
            return;
        }
        let mut engine = SequenceEngine::new(self.model, self.isa, chunks.len(), longest, BATCH.max(chunks.len()));
        let (mut positions, mut logits, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        let mut distribution = WideDistribution::from_logits(&[0]);
        let mut escapes: Vec<_> = chunks.iter().map(|chunk| chunk.escapes.iter()).collect();
        let mut first = 0;
        while first < longest {
            let active = chunks.iter().filter(|chunk| chunk.symbols.len() > first).count();
            let end = longest.min(first + (BATCH / active).max(1));
            positions.clear();
            starts.clear();
            let mut start = 0;
            for (row, chunk) in chunks.iter().enumerate() {
                starts.push(start);
                for i in first..end.min(chunk.symbols.len()) {
                    let before = i.checked_sub(1);
                    let previous = before.map(|before| (chunk.layer(before), chunk.symbols[before]));
                    positions.push(Position { row: row as u32, previous, layer: chunk.layer(i) });
                    start += self.vocabulary(chunk.layer(i));
                }
            }
            engine.step(&positions, &mut logits);
            for i in first..end {
                for (row, chunk) in chunks.iter().enumerate().filter(|(_, chunk)| chunk.symbols.len() > i) {
                    let (symbol, vocabulary) = (chunk.symbols[i], self.vocabulary(chunk.layer(i)));
                    distribution.set_logits(&logits[starts[row]..][..vocabulary]);
                    starts[row] += vocabulary;
                    distribution.encode(usize::from(symbol), sink);
                    if Some(symbol) == self.arrangement.escape_symbol() {
                        let value = *escapes[row].next().expect("a value for every escape");
                        let (low, high) = self.values();
                        escape::encode(value, low, high, sink);
                    }
                }
            }
            first = end;
        }
    }

    /// Reads a group of chunks of known shapes. Whatever the source gives, symbols are below their vocabularies.
    ///
    /// # Errors
    /// [`ChunkError::Escape`].
    ///
    /// # Panics
    /// If a shape is longer than the model's context.
    pub fn decode(&self, shapes: &[ChunkShape], source: &mut impl SymbolSource) -> Result<Vec<Chunk>, ChunkError> {
        let empty = |shape: &ChunkShape| Chunk {
            first_layer: shape.first_layer,
            layers: shape.layers,
            symbols: Vec::with_capacity(shape.length),
            escapes: Vec::new(),
        };
        let mut chunks: Vec<Chunk> = shapes.iter().map(empty).collect();
        let longest = shapes.iter().map(|shape| shape.length).max().unwrap_or(0);
        if longest == 0 {
            return Ok(chunks);
        }
        let mut engine = SequenceEngine::new(self.model, self.isa, shapes.len(), longest, shapes.len());
        let (mut positions, mut logits) = (Vec::new(), Vec::new());
        let mut distribution = WideDistribution::from_logits(&[0]);
        for i in 0..longest {
            positions.clear();
            for (row, (shape, chunk)) in shapes.iter().zip(&chunks).enumerate().filter(|(_, (s, _))| s.length > i) {
                let previous = i.checked_sub(1).map(|before| (shape.layer(before), chunk.symbols[before]));
                positions.push(Position { row: row as u32, previous, layer: shape.layer(i) });
            }
            engine.step(&positions, &mut logits);
            let mut left = logits.as_slice();
            for position in &positions {
                let (now, later) = left.split_at(self.vocabulary(position.layer));
                left = later;
                distribution.set_logits(now);
                let symbol = distribution.decode(source) as u16;
                let chunk = &mut chunks[position.row as usize];
                chunk.symbols.push(symbol);
                if Some(symbol) == self.arrangement.escape_symbol() {
                    let (low, high) = self.values();
                    let value = escape::decode(low, high, source).map_err(|source| ChunkError::Escape {
                        chunk: position.row as usize,
                        position: i,
                        source,
                    })?;
                    chunk.escapes.push(value);
                }
            }
        }
        Ok(chunks)
    }

    fn vocabulary(&self, layer: u16) -> usize {
        self.arrangement.vocabularies[usize::from(layer)] as usize
    }

    /// The values that have symbols; only JPEG arrangements have escapes.
    fn values(&self) -> (i32, i32) {
        debug_assert!(matches!(self.arrangement.medium, Medium::Jpeg { .. }));
        self.arrangement.values(Outside::Escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrangement::flat::{Components, LayerOrder, Scan, Streams};
    use crate::arrangement::plane::CoefficientPlane;
    use crate::coder::{BitCounter, RangeDecoder, RangeEncoder};
    use crate::sequence_llama::testing::{RandomCheckpoint, small_shape};
    use crate::testing::Random;

    fn model(vocabularies: &[u32]) -> SequenceLlama {
        let (backbone, heads) = RandomCheckpoint::new(small_shape(), 5).export(vocabularies).expect("exports");
        SequenceLlama::from_bytes(&backbone, &heads).expect("loads")
    }

    fn round_trip(arrangement: &FlatArrangement, chunks: &[Chunk]) {
        let model = model(&arrangement.vocabularies);
        let coder = ChunkCoder::new(&model, arrangement, Isa::detect());
        let mut sink = RangeEncoder::new();
        coder.encode(chunks, &mut sink);
        let bytes = sink.finish();
        let shapes: Vec<_> = chunks.iter().map(Chunk::shape).collect();
        let mut source = RangeDecoder::new(&bytes);
        assert_eq!(coder.decode(&shapes, &mut source).expect("decodes"), chunks);
        source.finish().expect("clean end");
        let mut counter = BitCounter::new();
        coder.encode(chunks, &mut counter);
        assert!((counter.bits() / 8.0 - bytes.len() as f64).abs() < 8.0 + bytes.len() as f64 * 1e-3);
        for i in (0..bytes.len()).step_by(bytes.len() / 5 + 1) {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x40;
            let mut source = RangeDecoder::new(&damaged);
            if let Ok(found) = coder.decode(&shapes, &mut source) {
                assert!(found != chunks || source.finish().is_err(), "byte {i}");
            }
        }
    }

    #[test]
    fn codes_of_layers_round_trip() {
        let mut random = Random::new(3);
        for (order, steps) in [(LayerOrder::Interleaved, 300), (LayerOrder::Separate, 270)] {
            let arrangement = FlatArrangement::rvq(vec![9, 300, 2], order, 256);
            let mut streams = Streams::new(arrangement.clone()).expect("valid");
            let codes: Vec<u16> = (0..steps).flat_map(|_| [9, 300, 2].map(|v| random.below(v) as u16)).collect();
            streams.push_codes(&codes).expect("fits");
            round_trip(&arrangement, &streams.chunks());
        }
    }

    #[test]
    fn coefficients_with_escapes_round_trip() {
        let mut random = Random::new(4);
        let mut plane = CoefficientPlane::zeroed(3, 2, [1; 64]);
        for value in plane.blocks.iter_mut().flatten() {
            *value = (random.below(1 << 16) as i16) >> random.below(16);
        }
        let mut arrangement = FlatArrangement::jpeg(Scan::BlockZigzag, Components::All, 256);
        (arrangement.offset, arrangement.vocabularies) = (15, vec![32]);
        let mut streams = Streams::new(arrangement.clone()).expect("valid");
        streams.push_planes(&[plane]).expect("fits");
        assert!(streams.streams()[0].escapes.len() > 20);
        round_trip(&arrangement, &streams.chunks());
    }

    #[test]
    fn arrangements_that_do_not_fit_the_model_are_refused() {
        // The generator's metadata has the vocabularies alone.
        assert!(matches!(arrangement_of(&model(&[16])), Err(ChunkError::Metadata(_))));
        let with = |arrangement: &FlatArrangement| {
            let (backbone, heads) = RandomCheckpoint::new(small_shape(), 5).export_for(arrangement).expect("exports");
            arrangement_of(&SequenceLlama::from_bytes(&backbone, &heads).expect("loads"))
        };
        let good = FlatArrangement::vq(16, 256);
        assert_eq!(with(&good), Ok(good.clone()));
        // The small shape has a context of 256.
        let long = FlatArrangement { chunk: 257, ..good.clone() };
        assert_eq!(with(&long), Err(ChunkError::Context { chunk: 257, context: 256 }));
        let short = FlatArrangement { chunk: 3, ..good };
        assert!(matches!(with(&short), Err(ChunkError::Arrangement(_))));
        assert_eq!(
            with(&FlatArrangement::jpeg_clipped(Scan::BlockZigzag, Components::All, 256)),
            Err(ChunkError::Lossy)
        );
    }
}
