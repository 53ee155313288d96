//! Recompresses JPEG files byte for byte, with an exact integer Llama as the entropy model.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use lmcodec_codecs::jpeg;
//! # let gray = [128; 64];
//! # let image = jpeg::encode_planes(&gray, 8, 8, jpeg::PixelFormat::Gray8, &jpeg::EncodeOptions::default())?;
//! # let photo: Vec<u8> = jpeg::write(&image)?;
//! let encoded = lmcodec::encode(&photo, &lmcodec::EncodeOptions::default())?;
//! let decoded = lmcodec::decode(&encoded.bytes, &lmcodec::DecodeOptions::default())?;
//! assert_eq!(decoded, photo);
//! # Ok(())
//! # }
//! ```
//!
//! The way of the data: a JPEG file becomes quantized DCT coefficients and side information (`lmcodec_codecs::jpeg`), the
//! coefficients are cut into segments (`media/`) and coded with the model's probabilities (`lmcodec_entropy`), and a
//! header goes in front ([`container`]). What cannot be modelled is stored as it is, so every file comes back.
//!
//! Results depend on input, model and options alone: never on the number of threads, the processor or its kernels.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bit_cost;
pub mod container;
mod decode;
mod effort;
mod encode;
mod error;
mod execution;
mod fault;
mod inspect;
mod media;
mod model_id;
pub mod models;
mod options;
#[cfg(feature = "images")]
pub mod pixels;
pub mod sniff;

pub use bit_cost::{BitCost, ComponentCost, bit_cost};
pub use decode::{Salvaged, Verified, decode, salvage, verify};
pub use effort::Effort;
pub use encode::{encode, encode_codes, store};
pub use error::Error;
pub use execution::{Execution, Executor, Progress};
pub use fault::{SegmentFault, SegmentPlace};
pub use inspect::{
    CodesInspection, ComponentInspection, Inspection, JpegInspection, SegmentInspection, inspect, libjpeg_quality,
};
pub use lmcodec_codecs::codes::CodesError;
pub use lmcodec_codecs::jpeg::Subsampling;
pub use lmcodec_entropy::isa::Kernel;
pub use lmcodec_entropy::segment::Estimation;
pub use model_id::{ModelId, ModelReference};
pub use models::{Model, ModelRegistry, default_model};
pub use options::{
    CodesMedium, CodesOptions, DEFAULT_SEGMENT_CODES, DEFAULT_SEGMENT_ROWS, DecodeOptions, EncodeOptions, Encoded,
    Limits, Mode, StoredReason,
};
