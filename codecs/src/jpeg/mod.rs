//! JPEG (ITU-T T.81) ⇄ quantized DCT coefficients.
//!
//! References in this module ("B.2.3", "Annex K") are to ITU-T Recommendation T.81 (09/92),
//! which is the same text as ISO/IEC 10918-1.
//!
//! The way of the data: [`parse`] reads the marker segments (`parse.rs`) and decodes each scan
//! (`scan_decode.rs`: `bits.rs`, `huffman.rs`, in the block order of `scan.rs`) into
//! [`JpegImage`] (`image.rs`): coefficients by [`Component`], everything else in
//! [`SideInformation`] (`side.rs`). [`write()`] goes back (`write.rs`, `scan_encode.rs`). Side information becomes a
//! few bytes in `side_bytes.rs`, as differences from what libjpeg would write (`template.rs`).
//! [`encode_planes`] makes a [`JpegImage`] of pixels (`transform.rs`).

mod bits;
mod byte_reader;
mod element_bytes;
mod eob_runs;
pub mod error;
pub mod frame;
mod huffman;
pub mod image;
mod metadata;
mod parse;
mod progressive_decode;
mod scan;
mod scan_decode;
mod scan_encode;
pub mod side;
mod side_bytes;
pub mod tables;
mod template;
pub mod transform;
mod write;

pub use error::{JpegError, Limits};
pub use frame::{ComponentLayout, FrameComponent, FrameHeader};
pub use image::{Component, JpegImage};
pub use metadata::Metadata;
pub use parse::{parse, start};
pub use side::SideInformation;
pub use transform::{EncodeOptions, PixelFormat, Subsampling, encode_planes};
pub use write::write;
