//! SSIMULACRA2 (J. Sneyers, Cloudinary): a perceptual score of 8-bit sRGB images, 100 for equal ones, about 90 where no
//! difference is seen, below 0 for very poor ones.
//!
//! Computed by the crate `fast-ssim2`, pure Rust; `docs/METRICS.md` states how far it is from the C++ tool.

use super::psnr::{self, DistortionError, Image8, Layout};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use thiserror::Error;

/// Shortest side of images that have a score (as the C++ tool).
pub const SHORTEST_SIDE: usize = 8;

/// Why there is no score.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ssimulacra2Error {
    /// The images cannot be compared at all, or are gray.
    #[error(transparent)]
    Images(#[from] DistortionError),
    /// The image is too small.
    #[error("SSIMULACRA2 of {width}×{height} pixels: both sides must be at least {SHORTEST_SIDE}")]
    TooSmall {
        /// Pixels a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The crate refused the images.
    #[error("SSIMULACRA2: {0}")]
    Computation(String),
}

/// The score of `distorted` against `source`; not symmetric. Both are taken as sRGB.
///
/// # Errors
/// [`Ssimulacra2Error`]: mixed sizes, gray images, a side below 8 pixels, or more pixels than the crate accepts.
pub fn ssimulacra2(source: &Image8, distorted: &Image8) -> Result<f64, Ssimulacra2Error> {
    psnr::check(source, distorted)?;
    if source.layout() != Layout::Rgb {
        return Err(DistortionError::NotRgb.into());
    }
    let (width, height) = (source.width(), source.height());
    if width.min(height) < SHORTEST_SIDE {
        return Err(Ssimulacra2Error::TooSmall { width, height });
    }
    let computation = |e: &dyn std::fmt::Display| Ssimulacra2Error::Computation(e.to_string());
    let side = |n: usize| u32::try_from(n).map_err(|e| computation(&e));
    let (w, h) = (side(width)?, side(height)?);
    let [source, distorted] = [source, distorted].map(|image| {
        PixelSlice::new(image.samples(), w, h, width * 3, PixelDescriptor::RGB8_SRGB).map_err(|e| computation(&e))
    });
    compute_ssimulacra2(&source?, &distorted?).map_err(|e| computation(&e))
}
