//! Latents ⇄ streams of symbols ⇄ chunks.

use super::{ArrangementError, Components, FlatArrangement, LayerOrder, Medium, Outside};
use crate::arrangement::plane::CoefficientPlane;

/// The layers of consecutive positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerPattern {
    /// All positions have the first one's layer.
    Same,
    /// Layers 0..n in turn.
    Cycle(u16),
}

/// What is known of a chunk before its symbols are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkShape {
    /// Layer of the first position.
    pub first_layer: u16,
    /// Layers of the others.
    pub layers: LayerPattern,
    /// Positions, at least 1.
    pub length: usize,
}

impl ChunkShape {
    /// The layer of a position.
    #[inline]
    pub fn layer(&self, position: usize) -> u16 {
        match self.layers {
            LayerPattern::Same => self.first_layer,
            LayerPattern::Cycle(n) => ((usize::from(self.first_layer) + position) % usize::from(n)) as u16,
        }
    }
}

/// An independent sequence: nothing outside it is seen when it is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Layer of the first position.
    pub first_layer: u16,
    /// Layers of the others.
    pub layers: LayerPattern,
    /// One symbol a position, each below its layer's vocabulary.
    pub symbols: Vec<u16>,
    /// The values of the escape symbols, in order; they are coded outside the model.
    pub escapes: Vec<i16>,
}

impl Chunk {
    /// First layer, pattern and length.
    pub fn shape(&self) -> ChunkShape {
        ChunkShape { first_layer: self.first_layer, layers: self.layers, length: self.symbols.len() }
    }

    /// The layer of a position.
    #[inline]
    pub fn layer(&self, position: usize) -> u16 {
        self.shape().layer(position)
    }
}

/// Symbols in a row, before they are cut into chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// The symbols.
    pub symbols: Vec<u16>,
    /// The values of the escape symbols, in order.
    pub escapes: Vec<i16>,
}

/// The streams of some latents under an arrangement. What is pushed later is concatenated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams {
    arrangement: FlatArrangement,
    streams: Vec<Stream>,
    clipped: u64,
}

impl Streams {
    /// Empty streams.
    ///
    /// # Errors
    /// As [`FlatArrangement::validate`].
    pub fn new(arrangement: FlatArrangement) -> Result<Self, ArrangementError> {
        arrangement.validate()?;
        let streams = vec![Stream::default(); arrangement.stream_count()];
        Ok(Self { arrangement, streams, clipped: 0 })
    }

    /// The arrangement.
    pub fn arrangement(&self) -> &FlatArrangement {
        &self.arrangement
    }

    /// The streams.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Values that were clipped: their latents do not come back.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Appends the coefficients of an image, given as its components' planes in the order of the file.
    ///
    /// # Errors
    /// [`ArrangementError::Medium`] if the arrangement is for another medium.
    pub fn push_planes(&mut self, planes: &[CoefficientPlane]) -> Result<(), ArrangementError> {
        let Medium::Jpeg { scan, components, outside } = self.arrangement.medium else {
            return Err(self.arrangement.mismatch("JPEG coefficients"));
        };
        let mut values = Vec::new();
        for plane in &planes[..components.of(planes.len())] {
            scan.gather(&plane.blocks, plane.blocks_wide, plane.blocks_high, &mut values);
        }
        let (low, high) = self.arrangement.values(outside);
        let escape = self.arrangement.escape_symbol();
        let (stream, offset) = (&mut self.streams[0], self.arrangement.offset);
        stream.symbols.reserve(values.len());
        for value in values {
            let wide = i32::from(value);
            let symbol = match escape {
                _ if (low..=high).contains(&wide) => (wide + offset) as u16,
                Some(escape) => {
                    stream.escapes.push(value);
                    escape
                }
                None => {
                    self.clipped += 1;
                    (wide.clamp(low, high) + offset) as u16
                }
            };
            stream.symbols.push(symbol);
        }
        Ok(())
    }

    /// Appends codebook indices: for RVQ time step after time step, in each all layers.
    ///
    /// # Errors
    /// [`ArrangementError::Medium`] for a JPEG arrangement, [`ArrangementError::Count`] if the number of codes is no
    /// multiple of the layers, [`ArrangementError::Symbol`] for a code outside its vocabulary. Then nothing is appended.
    pub fn push_codes(&mut self, codes: &[u16]) -> Result<(), ArrangementError> {
        if let Medium::Jpeg { .. } = self.arrangement.medium {
            return Err(self.arrangement.mismatch("codebook indices"));
        }
        let layers = self.arrangement.layers();
        if !codes.len().is_multiple_of(layers) {
            let what = "codes that are no multiple of the layers";
            return Err(ArrangementError::Count { what, found: codes.len(), expected: layers });
        }
        for (position, &found) in codes.iter().enumerate() {
            let layer = position % layers;
            let vocabulary = self.arrangement.vocabularies[layer];
            if u32::from(found) >= vocabulary {
                return Err(ArrangementError::Symbol { position, layer, found, vocabulary });
            }
        }
        match self.streams.as_mut_slice() {
            [stream] => stream.symbols.extend_from_slice(codes),
            streams => {
                for (layer, stream) in streams.iter_mut().enumerate() {
                    stream.symbols.extend(codes.iter().skip(layer).step_by(layers));
                }
            }
        }
        Ok(())
    }

    /// Cuts the streams into chunks: all of stream 0, then of stream 1, …
    pub fn chunks(&self) -> Vec<Chunk> {
        let lengths: Vec<usize> = self.streams.iter().map(|stream| stream.symbols.len()).collect();
        let mut shapes = self.arrangement.chunk_shapes(&lengths).into_iter();
        let escape = self.arrangement.escape_symbol();
        let mut chunks = Vec::with_capacity(shapes.len());
        for stream in &self.streams {
            let mut escapes = stream.escapes.as_slice();
            for symbols in stream.symbols.chunks(self.arrangement.chunk as usize) {
                let ChunkShape { first_layer, layers, .. } = shapes.next().expect("a shape for every chunk");
                let count = symbols.iter().filter(|&&symbol| Some(symbol) == escape).count();
                let (now, later) = escapes.split_at(count);
                escapes = later;
                chunks.push(Chunk { first_layer, layers, symbols: symbols.to_vec(), escapes: now.to_vec() });
            }
        }
        chunks
    }

    /// The inverse of [`chunks`](Self::chunks).
    ///
    /// # Errors
    /// As [`FlatArrangement::validate`]; [`ArrangementError::Count`] if the chunks are not those of streams of these
    /// `lengths`.
    pub fn from_chunks(
        arrangement: FlatArrangement,
        lengths: &[usize],
        chunks: &[Chunk],
    ) -> Result<Self, ArrangementError> {
        let mut all = Self::new(arrangement)?;
        let count = |what, found, expected| ArrangementError::Count { what, found, expected };
        if lengths.len() != all.streams.len() {
            return Err(count("streams", lengths.len(), all.streams.len()));
        }
        let shapes = all.arrangement.chunk_shapes(lengths);
        if shapes.len() != chunks.len() {
            return Err(count("chunks", chunks.len(), shapes.len()));
        }
        let mut left = chunks.iter().zip(&shapes);
        for (stream, &length) in all.streams.iter_mut().zip(lengths) {
            while stream.symbols.len() < length {
                let (chunk, shape) = left.next().expect("a chunk for every shape");
                if chunk.shape() != *shape {
                    return Err(count("symbols of a chunk", chunk.symbols.len(), shape.length));
                }
                stream.symbols.extend_from_slice(&chunk.symbols);
                stream.escapes.extend_from_slice(&chunk.escapes);
            }
        }
        Ok(all)
    }

    /// The inverse of [`push_planes`](Self::push_planes) for one image: fills the planes. With clipping on, values
    /// are the clipped ones; with luma only, the other planes stay as they are.
    ///
    /// # Errors
    /// [`ArrangementError::Medium`], or [`ArrangementError::Count`] if the planes take another number of coefficients or
    /// escapes are missing, or [`ArrangementError::Symbol`] for a symbol that is no 16-bit value.
    pub fn fill_planes(&self, planes: &mut [CoefficientPlane]) -> Result<(), ArrangementError> {
        let Medium::Jpeg { scan, components, .. } = self.arrangement.medium else {
            return Err(self.arrangement.mismatch("JPEG coefficients"));
        };
        let coded = components.of(planes.len());
        let (planes, stream) = (&mut planes[..coded], &self.streams[0]);
        let expected = 64 * planes.iter().map(|plane| plane.blocks_wide * plane.blocks_high).sum::<usize>();
        if stream.symbols.len() != expected {
            let what = "coefficients of the planes";
            return Err(ArrangementError::Count { what, found: stream.symbols.len(), expected });
        }
        let escape = self.arrangement.escape_symbol();
        let escaped = stream.symbols.iter().filter(|&&symbol| Some(symbol) == escape).count();
        if escaped != stream.escapes.len() {
            return Err(ArrangementError::Count {
                what: "escaped values",
                found: stream.escapes.len(),
                expected: escaped,
            });
        }
        let mut escapes = stream.escapes.iter();
        let vocabulary = self.arrangement.vocabularies[0];
        let value = |(position, &found): (usize, &u16)| match escape {
            Some(escape) if found == escape => Ok(*escapes.next().expect("counted")),
            // A vocabulary may reach beyond 16-bit values; no encoder uses such symbols.
            _ => i16::try_from(i32::from(found) - self.arrangement.offset).map_err(|_| ArrangementError::Symbol {
                position,
                layer: 0,
                found,
                vocabulary,
            }),
        };
        let values = stream.symbols.iter().enumerate().map(value).collect::<Result<Vec<i16>, _>>()?;
        let mut left = values.as_slice();
        for plane in planes {
            scan.scatter(&mut left, plane.blocks_wide, plane.blocks_high, &mut plane.blocks);
        }
        Ok(())
    }

    /// The inverse of [`push_codes`](Self::push_codes): all codes that were pushed.
    ///
    /// # Errors
    /// [`ArrangementError::Medium`] for a JPEG arrangement, [`ArrangementError::Count`] if layers differ in length.
    pub fn codes(&self) -> Result<Vec<u16>, ArrangementError> {
        match (self.arrangement.medium, self.streams.as_slice()) {
            (Medium::Jpeg { .. }, _) => Err(self.arrangement.mismatch("codebook indices")),
            (Medium::Rvq { order: LayerOrder::Separate }, streams) => {
                let steps = streams[0].symbols.len();
                if let Some(other) = streams.iter().find(|stream| stream.symbols.len() != steps) {
                    let found = other.symbols.len();
                    return Err(ArrangementError::Count { what: "symbols of a layer", found, expected: steps });
                }
                Ok((0..steps).flat_map(|step| streams.iter().map(move |stream| stream.symbols[step])).collect())
            }
            (_, streams) => Ok(streams[0].symbols.clone()),
        }
    }
}

impl FlatArrangement {
    /// The 16-bit values `low..=high` that have a symbol of their own; none (`high < low`) if there is only the escape.
    pub fn values(&self, outside: Outside) -> (i32, i32) {
        let symbols = self.vocabularies[0] as i32 - i32::from(outside == Outside::Escape);
        ((-self.offset).max(-32_768), (symbols - 1 - self.offset).min(32_767))
    }

    fn mismatch(&self, found: &'static str) -> ArrangementError {
        ArrangementError::Medium { expected: self.medium.name(), found }
    }
}

impl Components {
    /// How many of `count` components are coded.
    pub fn of(self, count: usize) -> usize {
        match self {
            Self::Luma => count.min(1),
            Self::All => count,
        }
    }
}
