//! What a caller may choose.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lmcodec_codecs::jpeg::Subsampling;

use crate::container::FileAttributes;
use crate::effort::Effort;
use crate::error::Error;
use crate::execution::{Execution, Executor, Progress};
use crate::limits::Limits;
use crate::models::{Model, ModelRegistry};

/// The setters that both kinds of options have.
macro_rules! limits_and_execution {
    () => {
        /// Sets [`limits`](Self::limits).
        #[must_use]
        pub fn limits(self, limits: Limits) -> Self {
            Self { limits, ..self }
        }

        /// Sets [`execution`](Self::execution).
        #[must_use]
        pub fn execution(self, execution: Execution) -> Self {
            Self { execution, ..self }
        }

        /// Sets the threads of the [`execution`](Self::execution); 0 is all.
        #[must_use]
        pub fn threads(self, threads: usize) -> Self {
            let execution = self.execution.clone().threads(threads);
            self.execution(execution)
        }

        /// Sets the executor of the [`execution`](Self::execution).
        #[must_use]
        pub fn executor(self, executor: Arc<dyn Executor>) -> Self {
            let execution = self.execution.clone().executor(executor);
            self.execution(execution)
        }

        /// Sets who hears of the progress of the [`execution`](Self::execution).
        #[must_use]
        pub fn progress(self, progress: Progress) -> Self {
            let execution = self.execution.clone().progress(progress);
            self.execution(execution)
        }
    };
}

/// Options of [`encode`](crate::encode()) and [`encode_codes`](crate::encode_codes).
///
/// ```
/// use lmcodec::{Effort, EncodeOptions};
///
/// let options = EncodeOptions::new().effort(Effort::Best).threads(4);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// The effort for JPEG coefficients.
    pub effort: Effort,
    /// The model; `None`: the embedded one of the effort, and for codes the adaptive one.
    pub model: Option<Arc<Model>>,
    /// Accept images that are no JPEG files: they become JPEG files of a quality, and their pixels do not come back exactly.
    pub lossy: bool,
    /// Quality of images that are not JPEG files yet, 1..=100.
    pub quality: u8,
    /// Chroma subsampling of images that are not JPEG files yet.
    pub subsampling: Subsampling,
    /// Decode to the very bytes of the input, whatever it is: what is no JPEG file is stored, not converted or refused.
    pub exact: bool,
    /// What the header is to say of the original: name, dates, rights. Nothing unless it is given.
    pub attributes: FileAttributes,
    /// Decode the result and compare before it is returned.
    pub verify: bool,
    /// Keep the modelled form of a file even where storing it takes fewer bytes (for measurements).
    pub always_model: bool,
    /// Size of the segments of an image: rows of blocks of the first component, about; at least one row of MCUs. `None`:
    /// [`DEFAULT_SEGMENT_ROWS`], with sequence models some chunks that have 65,536 coefficients. (That of codes is
    /// [`CodesOptions::segment_codes`].)
    pub segment_rows: Option<NonZeroUsize>,
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
            lossy: false,
            quality: 90,
            subsampling: Subsampling::S420,
            exact: false,
            attributes: FileAttributes::default(),
            verify: true,
            always_model: false,
            segment_rows: None,
            limits: Limits::default(),
            execution: Execution::default(),
        }
    }
}

impl EncodeOptions {
    /// The effort `default`, verified, on all threads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`effort`](Self::effort).
    #[must_use]
    pub fn effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// Sets [`model`](Self::model).
    #[must_use]
    pub fn model(self, model: Arc<Model>) -> Self {
        Self { model: Some(model), ..self }
    }

    /// Sets [`lossy`](Self::lossy).
    #[must_use]
    pub fn lossy(self, lossy: bool) -> Self {
        Self { lossy, ..self }
    }

    /// Sets [`quality`](Self::quality), 1..=100.
    #[must_use]
    pub fn quality(self, quality: u8) -> Self {
        Self { quality, ..self }
    }

    /// Sets [`subsampling`](Self::subsampling).
    #[must_use]
    pub fn subsampling(self, subsampling: Subsampling) -> Self {
        Self { subsampling, ..self }
    }

    /// Sets [`exact`](Self::exact).
    #[must_use]
    pub fn exact(self, exact: bool) -> Self {
        Self { exact, ..self }
    }

    /// Sets [`attributes`](Self::attributes).
    #[must_use]
    pub fn attributes(self, attributes: FileAttributes) -> Self {
        Self { attributes, ..self }
    }

    /// Sets [`verify`](Self::verify).
    #[must_use]
    pub fn verify(self, verify: bool) -> Self {
        Self { verify, ..self }
    }

    /// Sets [`always_model`](Self::always_model).
    #[must_use]
    pub fn always_model(self, always_model: bool) -> Self {
        Self { always_model, ..self }
    }

    /// Sets [`segment_rows`](Self::segment_rows); 0 is the default.
    #[must_use]
    pub fn segment_rows(self, rows: usize) -> Self {
        Self { segment_rows: NonZeroUsize::new(rows), ..self }
    }

    limits_and_execution!();

    /// Options that decode what these encode.
    #[must_use]
    pub fn decode_options(&self) -> DecodeOptions {
        let mut models = ModelRegistry::new();
        if let Some(model) = &self.model {
            models.add(Arc::clone(model));
        }
        DecodeOptions { models, limits: self.limits, execution: self.execution.clone() }
    }

    pub(crate) fn jpeg_model(&self) -> Result<Arc<Model>, Error> {
        self.model.clone().map_or_else(|| self.effort.model(), Ok)
    }
}

/// Options of [`decode`](crate::decode()), [`verify`](crate::verify()) and [`inspect`](crate::inspect()).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// Models beside the embedded ones.
    pub models: ModelRegistry,
    /// Bounds.
    pub limits: Limits,
    /// Threads, kernels, progress.
    pub execution: Execution,
}

impl DecodeOptions {
    /// The embedded models, on all threads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`models`](Self::models).
    #[must_use]
    pub fn models(self, models: ModelRegistry) -> Self {
        Self { models, ..self }
    }

    /// Adds a model to [`models`](Self::models).
    #[must_use]
    pub fn model(mut self, model: Arc<Model>) -> Self {
        self.models.add(model);
        self
    }

    limits_and_execution!();
}

/// What a file of codes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

/// Options of [`encode_codes`](crate::encode_codes) beside [`EncodeOptions`].
///
/// ```
/// use lmcodec::{CodesMedium, CodesOptions};
///
/// let options = CodesOptions::new(CodesMedium::Rvq { layers_first: true }).codebooks([1024]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodesOptions {
    /// What the codes are.
    pub medium: CodesMedium,
    /// Codebook sizes: one, or one for each RVQ layer; empty: the greatest code plus one.
    pub codebooks: Vec<u32>,
    /// The tensor to take from a `.safetensors` file that has several, or the member of a `.npz` file, which is taken whole
    /// otherwise; `all` takes all that hold whole numbers.
    pub tensor: Option<String>,
    /// Size of the segments: codes of every segment but the last (with models that have chunks: as many whole chunks as fit).
    /// Segments are coded and damaged on their own; small ones cost bytes. `None`: [`DEFAULT_SEGMENT_CODES`] with the adaptive
    /// model; 64 chunks of RVQ or grids of 2^18 codes of VQ with frame heads; 65,536 codes with sequence models.
    pub segment_codes: Option<NonZeroUsize>,
}

/// Codes of a segment with the adaptive model, unless told otherwise.
pub const DEFAULT_SEGMENT_CODES: NonZeroUsize = NonZeroUsize::new(1 << 22).unwrap();

impl CodesOptions {
    /// Codebook sizes from the codes, the only tensor, large segments.
    #[must_use]
    pub fn new(medium: CodesMedium) -> Self {
        Self { medium, codebooks: Vec::new(), tensor: None, segment_codes: None }
    }

    /// Sets [`codebooks`](Self::codebooks).
    #[must_use]
    pub fn codebooks(self, codebooks: impl Into<Vec<u32>>) -> Self {
        Self { codebooks: codebooks.into(), ..self }
    }

    /// Sets [`tensor`](Self::tensor).
    #[must_use]
    pub fn tensor(self, tensor: impl Into<String>) -> Self {
        Self { tensor: Some(tensor.into()), ..self }
    }

    /// Sets [`segment_codes`](Self::segment_codes); 0 is the default.
    #[must_use]
    pub fn segment_codes(self, codes: usize) -> Self {
        Self { segment_codes: NonZeroUsize::new(codes), ..self }
    }
}
