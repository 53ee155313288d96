//! JPEG (ITU-T T.81) ⇄ quantized DCT coefficients.
//!
//! References in this module ("B.2.3", "Annex K") are to ITU-T Recommendation T.81 (09/92),
//! which is the same text as ISO/IEC 10918-1.

pub mod error;
pub mod frame;
pub mod side;
pub mod tables;
mod template;
pub mod transform;

pub use error::{JpegError, Limits};
pub use frame::{Component, ComponentLayout, FrameComponent, FrameHeader, JpegImage};
pub use side::SideInformation;
pub use transform::{EncodeOptions, PixelFormat, Subsampling, encode_planes};
