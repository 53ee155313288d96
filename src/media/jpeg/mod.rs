//! JPEG coefficients ⇄ payloads: under a frame Llama ([`frame`]) in segments of rows ([`segments`]), or under a sequence
//! Llama ([`sequence`]) in segments of chunks.

pub(crate) mod frame;
pub(crate) mod segments;
pub(crate) mod sequence;

use std::ops::Range;

use lmcodec_codecs::jpeg::{JpegError, JpegImage, SideInformation};

use super::Coded;
use crate::container::Header;
use crate::error::Error;
use crate::limits::Limits;
use crate::options::EncodeOptions;

/// Codes an image with the model of the options.
pub(crate) fn encode(image: &JpegImage, options: &EncodeOptions, share: Range<f64>) -> Result<Coded, Error> {
    let model = options.jpeg_model()?;
    match model.sequence() {
        Some(llama) => sequence::encode(image, &model, llama, options, share),
        None => frame::encode(image, &model, options, share),
    }
}

/// The image that side information describes, with all coefficients zero; its size is checked against the limits.
pub(crate) fn open(side: &[u8], header: &Header, limits: &Limits) -> Result<JpegImage, Error> {
    let fault = |error: JpegError| Error::of_jpeg(error, header.side_offset());
    let side = SideInformation::from_bytes(side, &limits.jpeg).map_err(fault)?;
    let pixels = u64::from(side.frame.width) * u64::from(side.frame.height);
    Error::limit("pixels", pixels, limits.jpeg.max_pixels)?;
    let blocks: u64 = side.layout().iter().map(|layout| layout.blocks() as u64).sum();
    let plausible = header.original_length.saturating_mul(limits.jpeg.max_coefficient_bytes_per_file_byte);
    Error::limit("coefficient bytes for an original of this size", blocks * 128, plausible.saturating_add(16 << 20))?;
    side.skeleton(&limits.jpeg).map_err(fault)
}
