//! Arrangement: quantized latents → frames of symbols with the features that a model sees.
//!
//! A *frame* is what belongs together: here one 8×8 block of quantized DCT coefficients of one component. Everything in
//! this module is integer arithmetic on values that the decoder already knows, so that training (`finetune`), encoding and
//! decoding share one code path and cannot drift apart.
//!
//! * [`plane`]: coefficient planes and the causal neighbourhood of a frame;
//! * [`mod@reference`]: an already coded component resampled onto another component's grid (chroma from luma);
//! * [`features`]: backbone features of a frame, step features of a coefficient, features of the DC stage;
//! * [`symbols`]: alphabets of the primary and escape symbols;
//! * [`flat`]: the arrangement without frames, one symbol a position, for sequence Llamas and codebook indices;
//! * [`logarithm`]: the signed logarithm that compresses values, in integers.

pub mod features;
pub mod flat;
pub mod logarithm;
pub mod plane;
pub mod reference;
pub mod symbols;

/// Name of this arrangement in model files: feature order and alphabets are part of a model's meaning.
pub const DCT_ARRANGEMENT: &str = "dct-1";
