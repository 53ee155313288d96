//! What a caller may choose, and what it gets back.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lmcodec_codecs::jpeg;
use lmcodec_entropy::isa::{Isa, Kernel};

use crate::effort::Effort;
use crate::error::Error;
use crate::models::{Model, ModelRegistry};

/// Hears how much of a call is done: called from any thread with a fraction from 0 to 1.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(f64) + Send + Sync>);

impl Progress {
    /// Wraps a function.
    pub fn new(hear: impl Fn(f64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(crate) fn at(&self, fraction: f64) {
        (self.0)(fraction.clamp(0.0, 1.0));
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

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

/// How many threads, and with which instructions. Neither changes a bit of any result.
#[derive(Debug, Clone, Default)]
pub struct Execution {
    /// Threads for the segments of this call; `None`: the current rayon pool, by default one thread a core.
    pub threads: Option<NonZeroUsize>,
    /// The kernels of the model; `None`: the fastest of this processor.
    pub kernel: Option<Kernel>,
    /// Hears how far the call is.
    pub progress: Option<Progress>,
}

impl Execution {
    pub(crate) fn isa(&self) -> Result<Isa, Error> {
        Ok(self.kernel.map_or_else(|| Ok(Isa::detect()), Isa::new)?)
    }

    /// With as many threads as the limit has memory for, each taking `bytes` of keys and values.
    pub(crate) fn within(&self, bytes: u64, limits: &Limits) -> Result<Self, Error> {
        Error::limit("bytes of keys and values", bytes, limits.max_model_bytes)?;
        let most = usize::try_from(limits.max_model_bytes / bytes.max(1)).unwrap_or(usize::MAX);
        let threads = self.threads.map_or_else(rayon::current_num_threads, NonZeroUsize::get);
        let threads = if most < threads { NonZeroUsize::new(most) } else { self.threads };
        Ok(Self { threads, ..self.clone() })
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
    /// Decode the result and compare before it is returned.
    pub verify: bool,
    /// Keep the modelled form of a JPEG file even where storing it takes fewer bytes (for measurements).
    pub always_model: bool,
    /// Rows of blocks of the first component that a segment has, about; at least one row of MCUs.
    pub segment_rows: NonZeroUsize,
    /// Chunks of a segment, for sequence models (`None`: 8 to 64, by their length); pieces of a segment, for frame heads
    /// (`None`: 64 of RVQ, grids of 2^18 codes of VQ).
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
        /// Why, in words.
        reason: String,
    },
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
