//! What a caller may choose, and what it gets back.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lmcodec_codecs::jpeg;

use crate::effort::Effort;
use crate::execution::Execution;
use crate::models::{Model, ModelRegistry};

/// Bounds that are checked before memory is allocated; they hold for encoding and decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bounds of the JPEG part: pixels, coefficients, metadata, scans.
    pub jpeg: jpeg::Limits,
    /// The largest original file, in bytes.
    pub max_original_bytes: u64,
    /// Most codes of a file of codebook indices; each takes two bytes while it is worked on.
    pub max_codes: u64,
    /// Most bytes of keys and values of all threads together, for sequence models and frame heads; fewer threads are used to
    /// stay below.
    pub max_model_bytes: u64,
}

impl Default for Limits {
    /// As [`jpeg::Limits`]; originals of up to 1 GiB, up to 2^28 codes, 8 GiB of keys
    /// and values.
    fn default() -> Self {
        Self {
            jpeg: jpeg::Limits::default(),
            max_original_bytes: 1 << 30,
            max_codes: 1 << 28,
            max_model_bytes: 8 << 30,
        }
    }
}

/// Options of [`encode`](crate::encode()).
#[derive(Debug, Clone)]
pub struct EncodeOptions {
    /// The effort for JPEG coefficients.
    pub effort: Effort,
    /// The model; `None`: the embedded one of the effort.
    pub model: Option<Arc<Model>>,
    /// Quality of images that are not JPEG files yet, 1..=100.
    pub quality: u8,
    /// Chroma subsampling of images that are not JPEG files yet.
    pub subsampling: jpeg::Subsampling,
    /// Decode to the very bytes of the input, whatever it is: what is no JPEG file is stored, not converted or refused.
    pub exact: bool,
    /// Decode the result and compare before it is returned.
    pub verify: bool,
    /// Keep the modelled form of a JPEG file even where storing it takes fewer bytes (for measurements).
    pub always_model: bool,
    /// Rows of blocks of the first component that a segment has, about; at least one row of MCUs.
    pub segment_rows: NonZeroUsize,
    /// Chunks of a segment, for sequence models and for frame heads (`None`: 8 to 64 by their length; grids of 2^18 codes of VQ).
    pub segment_chunks: Option<NonZeroUsize>,
    /// Bounds.
    pub limits: Limits,
    /// Threads, kernels, progress.
    pub execution: Execution,
}

/// Rows of blocks of the first component in a segment, about: 512 lines of luma.
pub const DEFAULT_SEGMENT_ROWS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            effort: Effort::Default,
            model: None,
            quality: 90,
            subsampling: jpeg::Subsampling::S420,
            exact: false,
            verify: true,
            always_model: false,
            segment_rows: DEFAULT_SEGMENT_ROWS,
            segment_chunks: None,
            limits: Limits::default(),
            execution: Execution::default(),
        }
    }
}

impl EncodeOptions {
    pub(crate) fn model(&self) -> Arc<Model> {
        self.model.clone().unwrap_or_else(|| self.effort.model())
    }

    /// Options that decode what these encode.
    pub fn decode_options(&self) -> DecodeOptions {
        let mut models = ModelRegistry::new();
        if let Some(model) = &self.model {
            models.add(Arc::clone(model));
        }
        DecodeOptions { models, limits: self.limits, execution: self.execution.clone() }
    }
}

/// Options of [`decode`](crate::decode()), [`verify`](crate::verify()) and [`inspect`](crate::inspect()).
#[derive(Debug, Clone, Default)]
pub struct DecodeOptions {
    /// Models beside the embedded one.
    pub models: ModelRegistry,
    /// Bounds.
    pub limits: Limits,
    /// Threads, kernels, progress.
    pub execution: Execution,
}

/// How a file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Coefficients coded with the model, and side information.
    Modelled,
    /// The original's bytes through a general compressor.
    Stored {
        /// Why.
        reason: StoredReason,
    },
}

/// Why a file was stored and not modelled. As text it is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredReason {
    /// The caller of [`store`](crate::store()) asked for it, with this reason.
    Asked(String),
    /// The model cannot code such a file, as the text says.
    NotModelled(String),
    /// The modelled form is no smaller than the original.
    NotSmaller {
        /// Bytes of the modelled form.
        modelled_bytes: usize,
        /// Bytes of the original.
        original_bytes: usize,
    },
    /// The modelled form did not decode to the original. The stored form does, so nothing is lost, but this is a fault of this
    /// program or this machine and should be reported; the command line exits with 7.
    VerificationFailed(String),
}

impl fmt::Display for StoredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(reason) | Self::NotModelled(reason) => f.write_str(reason),
            Self::NotSmaller { modelled_bytes, original_bytes } => {
                write!(f, "the modelled form's {modelled_bytes} bytes are no fewer than the file's {original_bytes}")
            }
            Self::VerificationFailed(problem) => write!(f, "verification of the modelled form failed: {problem}"),
        }
    }
}

/// What [`encode`](crate::encode()) gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The lmcodec file.
    pub bytes: Vec<u8>,
    /// How it keeps the original.
    pub mode: Mode,
    /// Name of the model, for modelled files.
    pub model: Option<String>,
    /// What the caller should tell the user, e.g. that transparency was lost.
    pub notes: Vec<String>,
    /// The input's format where it was no JPEG file: it has been converted.
    pub converted_from: Option<&'static str>,
    /// The file that decoding gives back, in bytes: the input's size unless it was converted.
    pub original_bytes: usize,
    /// Symbols that were coded, where each latent is one.
    pub symbols: Option<u64>,
}

impl Encoded {
    /// A coded file without model, notes and symbols.
    pub(crate) fn new(bytes: Vec<u8>, mode: Mode, original_bytes: usize) -> Self {
        Self { bytes, mode, model: None, notes: Vec::new(), converted_from: None, original_bytes, symbols: None }
    }
}

/// What a file of codes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodesMedium {
    /// VQ indices. The last two dimensions are the grid, those before count grids, unless `grid` (rows, columns) says
    /// otherwise: then the array is cut into such grids, whatever its shape.
    Vq {
        /// Rows and columns of a grid.
        grid: Option<(usize, usize)>,
    },
    /// RVQ codes of shape […, steps, layers].
    Rvq {
        /// The shape is […, layers, steps].
        layers_first: bool,
    },
}

/// Codes of a segment unless told otherwise.
pub const DEFAULT_SEGMENT_CODES: NonZeroUsize = NonZeroUsize::new(1 << 22).unwrap();

/// Options of [`encode_codes`](crate::encode_codes) beside [`EncodeOptions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodesOptions {
    /// What the codes are.
    pub medium: CodesMedium,
    /// Codebook sizes: one, or one for each RVQ layer; empty: the greatest code plus one.
    pub codebooks: Vec<u32>,
    /// The tensor to take from a `.safetensors` file that has several.
    pub tensor: Option<String>,
    /// Codes of every segment but the last. Segments are coded and damaged on their own; small ones cost bytes.
    pub segment_codes: NonZeroUsize,
}

impl CodesOptions {
    /// Codebook sizes from the codes, the only tensor, large segments.
    pub fn new(medium: CodesMedium) -> Self {
        Self { medium, codebooks: Vec::new(), tensor: None, segment_codes: DEFAULT_SEGMENT_CODES }
    }
}
