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
//! coefficients are cut into segments ([`segments`]) and coded with the model's probabilities (`lmcodec_entropy`), and a
//! header goes in front ([`container`]). What cannot be modelled is stored as it is, so every file comes back.
//!
//! Results depend on input, model and options alone: never on the number of threads, the processor or its kernels.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bit_cost;
mod codes;
pub mod container;
mod decode;
mod effort;
mod encode;
mod error;
mod inspect;
pub mod models;
mod options;
#[cfg(feature = "images")]
pub mod pixels;
pub mod segments;
mod sequence;
pub mod sniff;
mod stored;

pub use bit_cost::{BitCost, ComponentCost, bit_cost};
pub use codes::{CodesInspection, CodesMedium, CodesOptions, DEFAULT_SEGMENT_CODES, encode_codes};
pub use decode::{Salvaged, Verified, decode, salvage, verify};
pub use effort::Effort;
pub use encode::{encode, store};
pub use error::Error;
pub use inspect::{ComponentInspection, Inspection, JpegInspection, SegmentInspection, inspect, libjpeg_quality};
pub use lmcodec_codecs::codes::CodesError;
pub use lmcodec_codecs::jpeg::Subsampling;
pub use lmcodec_entropy::isa::Kernel;
pub use lmcodec_entropy::segment::Estimation;
pub use models::{Model, ModelId, ModelReference, ModelRegistry, default_model};
pub use options::{DEFAULT_SEGMENT_ROWS, DecodeOptions, EncodeOptions, Encoded, Execution, Limits, Mode, Progress};
