//! The flat arrangement: latents → independent chunks of symbols, one symbol a position, for a sequence Llama.
//!
//! This is the arrangement of the paper "LLM as entropy model for transform coding": latents are flattened in a fixed scan,
//! an offset makes them non-negative, one vocabulary (one for each RVQ layer) covers them, and the stream is cut into
//! chunks that are coded independently. Two things differ: values outside the vocabulary are escaped instead of clipped
//! (clipping is there for the paper's tables, and reported as lossy), and RVQ layers may also be interleaved.
//!
//! * [`scan`]: the order in which the coefficients of a plane are taken;
//! * [`streams`]: latents ⇄ streams of symbols ⇄ chunks;
//! * [`escape`]: how a value outside the vocabulary is coded.

pub mod escape;
pub mod scan;
pub mod streams;

use serde::{Deserialize, Serialize};

pub use scan::Scan;
pub use streams::{Chunk, ChunkShape, LayerPattern, Stream, Streams};

/// The least number of symbols of a full chunk.
pub const MIN_CHUNK: u32 = 256;
/// The greatest number of symbols of a chunk.
pub const MAX_CHUNK: u32 = 8192;
/// The greatest vocabulary of a layer: symbols are `u16`.
pub const MAX_VOCABULARY: u32 = 1 << 16;
/// The greatest number of RVQ layers.
pub const MAX_LAYERS: usize = 1024;
/// The offset of the paper: −127 becomes symbol 0.
pub const JPEG_OFFSET: i32 = 127;
/// The vocabulary of the paper for JPEG coefficients.
pub const JPEG_VOCABULARY: u32 = 256;

/// What is flattened, and how. It is part of a head set's meaning and kept in its metadata as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlatArrangement {
    /// The medium and the order of its latents.
    pub medium: Medium,
    /// Added to a latent to give its symbol; 0 for codebook indices.
    pub offset: i32,
    /// Symbols of each layer, 1..=[`MAX_VOCABULARY`]; one entry unless the medium is RVQ.
    pub vocabularies: Vec<u32>,
    /// Symbols of a chunk, [`MIN_CHUNK`]..=[`MAX_CHUNK`]; the last chunk of a stream has the rest.
    pub chunk: u32,
}

/// The medium and the order of its latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Medium {
    /// Quantized DCT coefficients.
    Jpeg {
        /// Order of the coefficients of a component.
        scan: Scan,
        /// Which components.
        components: Components,
        /// What becomes of values that have no symbol.
        outside: Outside,
    },
    /// Indices into one codebook.
    Vq,
    /// A stack of codebook indices at every time step.
    Rvq {
        /// How the layers follow one another.
        order: LayerOrder,
    },
}

/// Which components of a JPEG file are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Components {
    /// The first one only.
    Luma,
    /// All, one after the other in the order of the file.
    All,
}

/// What becomes of a value that has no symbol of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outside {
    /// The last symbol of the vocabulary stands for it and its magnitude follows outside the model: lossless.
    Escape,
    /// It is moved to the nearest value that has a symbol: lossy, as in the paper; for tables, never for files.
    Clip,
}

/// How RVQ layers follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerOrder {
    /// A stream for each layer.
    Separate,
    /// One stream: all layers of a time step, then the next step.
    Interleaved,
}

/// An arrangement that cannot be, or latents that do not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrangementError {
    /// A field is outside its range.
    #[error("arrangement: {field} is {found}; allowed: {allowed}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        found: i64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// The latents are of another medium.
    #[error("the arrangement is for {expected}, the latents are {found}")]
    Medium {
        /// The arrangement's medium.
        expected: &'static str,
        /// The latents' medium.
        found: &'static str,
    },
    /// The number of latents does not fit the layers, planes or chunks.
    #[error("{what}: found {found}, expected {expected}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be, or a number that must divide them.
        expected: usize,
    },
    /// A symbol outside its layer's vocabulary.
    #[error("position {position}, layer {layer}: symbol {found} in a vocabulary of {vocabulary}")]
    Symbol {
        /// Index in the latents.
        position: usize,
        /// RVQ layer, otherwise 0.
        layer: usize,
        /// The symbol.
        found: u16,
        /// The layer's vocabulary.
        vocabulary: u32,
    },
}

impl FlatArrangement {
    /// JPEG coefficients as in the paper, but lossless: offset 127, 255 values −127..=127 and the escape.
    pub fn jpeg(scan: Scan, components: Components, chunk: u32) -> Self {
        let medium = Medium::Jpeg { scan, components, outside: Outside::Escape };
        Self { medium, offset: JPEG_OFFSET, vocabularies: vec![JPEG_VOCABULARY], chunk }
    }

    /// The paper's own, lossy form: coefficients outside −127..=128 are moved to the nearest of these.
    pub fn jpeg_clipped(scan: Scan, components: Components, chunk: u32) -> Self {
        let medium = Medium::Jpeg { scan, components, outside: Outside::Clip };
        Self { medium, offset: JPEG_OFFSET, vocabularies: vec![JPEG_VOCABULARY], chunk }
    }

    /// Indices into a codebook of `vocabulary` entries.
    pub fn vq(vocabulary: u32, chunk: u32) -> Self {
        Self { medium: Medium::Vq, offset: 0, vocabularies: vec![vocabulary], chunk }
    }

    /// RVQ codes; `vocabularies` has the codebook size of every layer.
    pub fn rvq(vocabularies: Vec<u32>, order: LayerOrder, chunk: u32) -> Self {
        Self { medium: Medium::Rvq { order }, offset: 0, vocabularies, chunk }
    }

    /// Sets offset and vocabulary to what values `min..=max` need, so that none of them is escaped or clipped. An escape
    /// symbol is kept for other data.
    ///
    /// # Errors
    /// [`ArrangementError::Medium`] unless the medium is JPEG, [`ArrangementError::Field`] if `max < min` or the range
    /// needs more than [`MAX_VOCABULARY`] symbols.
    pub fn fit_range(&mut self, min: i16, max: i16) -> Result<(), ArrangementError> {
        let Medium::Jpeg { outside, .. } = self.medium else {
            return Err(ArrangementError::Medium { expected: self.medium.name(), found: "JPEG coefficients" });
        };
        let (min, max) = (i32::from(min), i32::from(max));
        let symbols = i64::from(max) - i64::from(min) + 1 + i64::from(outside == Outside::Escape);
        if max < min || symbols > i64::from(MAX_VOCABULARY) {
            let allowed = "1..=65536 symbols, the escape included";
            return Err(ArrangementError::Field { field: "range of the values", found: symbols, allowed });
        }
        self.offset = -min;
        self.vocabularies = vec![symbols as u32];
        Ok(())
    }

    /// Sets the vocabulary of every layer to the greatest code of that layer plus one. `codes` are as for
    /// [`Streams::push_codes`].
    ///
    /// # Errors
    /// [`ArrangementError::Medium`] if the medium is JPEG.
    pub fn fit_codes(&mut self, codes: &[u16]) -> Result<(), ArrangementError> {
        if let Medium::Jpeg { .. } = self.medium {
            return Err(ArrangementError::Medium { expected: self.medium.name(), found: "codebook indices" });
        }
        let layers = self.vocabularies.len().max(1);
        let greatest = |layer: usize| codes.iter().skip(layer).step_by(layers).copied().max().unwrap_or(0);
        self.vocabularies = (0..layers).map(|layer| u32::from(greatest(layer)) + 1).collect();
        Ok(())
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ArrangementError::Field`] with the field, its value and what is allowed.
    pub fn validate(&self) -> Result<(), ArrangementError> {
        let field = |field, found, allowed| Err(ArrangementError::Field { field, found, allowed });
        if !(MIN_CHUNK..=MAX_CHUNK).contains(&self.chunk) {
            return field("chunk", i64::from(self.chunk), "256..=8192");
        }
        let layers = self.vocabularies.len();
        match self.medium {
            Medium::Rvq { .. } if layers == 0 || layers > MAX_LAYERS => {
                return field("layers", layers as i64, "1..=1024");
            }
            Medium::Jpeg { .. } | Medium::Vq if layers != 1 => return field("layers", layers as i64, "1"),
            _ => {}
        }
        for &vocabulary in &self.vocabularies {
            if vocabulary == 0 || vocabulary > MAX_VOCABULARY {
                return field("vocabulary", i64::from(vocabulary), "1..=65536");
            }
        }
        match self.medium {
            Medium::Jpeg { .. } if !(-32_767..=32_768).contains(&self.offset) => {
                field("offset", i64::from(self.offset), "−32767..=32768")
            }
            Medium::Vq | Medium::Rvq { .. } if self.offset != 0 => {
                field("offset", i64::from(self.offset), "0 for codebook indices")
            }
            _ => Ok(()),
        }
    }

    /// Whether every latent comes back.
    pub fn is_lossless(&self) -> bool {
        !matches!(self.medium, Medium::Jpeg { outside: Outside::Clip, .. })
    }

    /// The symbol that stands for values without one, if there is such a symbol.
    pub fn escape_symbol(&self) -> Option<u16> {
        match self.medium {
            Medium::Jpeg { outside: Outside::Escape, .. } => Some((self.vocabularies[0] - 1) as u16),
            _ => None,
        }
    }

    /// Layers: the length of `vocabularies`.
    pub fn layers(&self) -> usize {
        self.vocabularies.len()
    }

    /// Streams that the latents are flattened into: one for each layer if these are separate, otherwise one.
    pub fn stream_count(&self) -> usize {
        match self.medium {
            Medium::Rvq { order: LayerOrder::Separate } => self.layers(),
            _ => 1,
        }
    }

    /// The layers of the positions of a stream that starts in layer `stream` (or 0, if layers are interleaved).
    pub(crate) fn pattern(&self) -> LayerPattern {
        match self.medium {
            Medium::Rvq { order: LayerOrder::Interleaved } => LayerPattern::Cycle(self.layers() as u16),
            _ => LayerPattern::Same,
        }
    }

    /// The independent chunks of streams of these lengths, in order: all chunks of stream 0, then of stream 1, …
    pub fn chunk_shapes(&self, lengths: &[usize]) -> Vec<ChunkShape> {
        let (chunk, layers) = (self.chunk as usize, self.pattern());
        let mut shapes = Vec::with_capacity(lengths.iter().map(|length| length.div_ceil(chunk)).sum());
        for (stream, &length) in lengths.iter().enumerate() {
            for start in (0..length).step_by(chunk) {
                let first_layer = match layers {
                    LayerPattern::Same => stream as u16,
                    LayerPattern::Cycle(n) => (start % usize::from(n)) as u16,
                };
                shapes.push(ChunkShape { first_layer, layers, length: chunk.min(length - start) });
            }
        }
        shapes
    }
}

impl Medium {
    /// The medium in words.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Jpeg { .. } => "JPEG coefficients",
            Self::Vq => "VQ indices",
            Self::Rvq { .. } => "RVQ codes",
        }
    }
}

#[cfg(test)]
mod tests;
