//! Distortion between 8-bit images: mean squared error and PSNR, of RGB and of luma.
//!
//! In: two images of one size as slices of samples. Out: MSE in squared sample units (0 to 65025) and PSNR in dB with the
//! peak at 255. RGB PSNR pools the squared errors of the three channels before the logarithm. Luma is the Y of JFIF
//! (ITU-R BT.601 weights, full range), *not* rounded to integers: Y = 0.299 R + 0.587 G + 0.114 B.

use thiserror::Error;

/// How the samples of an image lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One sample a pixel.
    Gray,
    /// Three interleaved samples a pixel: R, G, B.
    Rgb,
}

impl Layout {
    /// Samples a pixel.
    pub fn channels(self) -> usize {
        match self {
            Layout::Gray => 1,
            Layout::Rgb => 3,
        }
    }
}

/// A borrowed 8-bit image, rows from top to bottom without padding.
#[derive(Debug, Clone, Copy)]
pub struct Image8<'a> {
    width: usize,
    height: usize,
    layout: Layout,
    samples: &'a [u8],
}

/// Why two images cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DistortionError {
    /// The slice does not hold `width × height × channels` samples, or the image is empty.
    #[error("{width}×{height} pixels of {channels} samples, but the slice holds {found}")]
    WrongLength {
        /// Pixels a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Samples a pixel.
        channels: usize,
        /// Samples found.
        found: usize,
    },
    /// The two images differ in size or layout.
    #[error("images differ: {}×{} {:?} against {}×{} {:?}", a.0, a.1, a.2, b.0, b.1, b.2)]
    Mixed {
        /// Width, height and layout of the first.
        a: (usize, usize, Layout),
        /// Width, height and layout of the second.
        b: (usize, usize, Layout),
    },
    /// A measure of colour was asked of gray images.
    #[error("RGB distortion of a gray image")]
    NotRgb,
}

impl<'a> Image8<'a> {
    /// Wraps `samples`; refuses empty images and slices of another length than `width × height × channels`.
    pub fn new(width: usize, height: usize, layout: Layout, samples: &'a [u8]) -> Result<Self, DistortionError> {
        let channels = layout.channels();
        let expected = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
        if samples.is_empty() || expected != Some(samples.len()) {
            return Err(DistortionError::WrongLength { width, height, channels, found: samples.len() });
        }
        Ok(Self { width, height, layout, samples })
    }

    /// Pixels a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// How the samples lie.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The samples, rows from top to bottom.
    pub fn samples(&self) -> &'a [u8] {
        self.samples
    }

    fn shape(&self) -> (usize, usize, Layout) {
        (self.width, self.height, self.layout)
    }
}

/// Refuses images of different size or layout.
pub(super) fn check(a: &Image8, b: &Image8) -> Result<(), DistortionError> {
    if a.shape() == b.shape() { Ok(()) } else { Err(DistortionError::Mixed { a: a.shape(), b: b.shape() }) }
}

/// Mean squared error over all samples of two RGB images.
pub fn mse_rgb(a: &Image8, b: &Image8) -> Result<f64, DistortionError> {
    check(a, b)?;
    if a.layout != Layout::Rgb {
        return Err(DistortionError::NotRgb);
    }
    Ok(mse_of_samples(a.samples, b.samples))
}

/// Mean squared error of luma; of gray images the sample is the luma.
pub fn mse_luma(a: &Image8, b: &Image8) -> Result<f64, DistortionError> {
    check(a, b)?;
    if a.layout == Layout::Gray {
        return Ok(mse_of_samples(a.samples, b.samples));
    }
    let sum: f64 = a
        .samples
        .chunks_exact(3)
        .zip(b.samples.chunks_exact(3))
        .map(|(p, q)| {
            // Luma is linear: its weights apply to the differences, here in thousandths, exactly.
            let d = |c: usize| i64::from(p[c]) - i64::from(q[c]);
            let y = 299 * d(0) + 587 * d(1) + 114 * d(2);
            (y * y) as f64
        })
        .sum();
    Ok(sum / 1e6 / (a.width * a.height) as f64)
}

/// PSNR of two RGB images in dB; infinite for equal images.
pub fn psnr_rgb(a: &Image8, b: &Image8) -> Result<f64, DistortionError> {
    mse_rgb(a, b).map(psnr_of_mse)
}

/// PSNR of luma in dB; infinite for equal lumas.
pub fn psnr_luma(a: &Image8, b: &Image8) -> Result<f64, DistortionError> {
    mse_luma(a, b).map(psnr_of_mse)
}

/// 10 log10(255² / mse) in dB; infinite at zero.
pub fn psnr_of_mse(mse: f64) -> f64 {
    10.0 * (255.0 * 255.0 / mse).log10()
}

fn mse_of_samples(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a.iter().zip(b).map(|(&p, &q)| u64::from(p.abs_diff(q)).pow(2)).sum();
    sum as f64 / a.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_hand() {
        let a = Image8::new(2, 1, Layout::Rgb, &[10, 20, 30, 40, 50, 60]).unwrap();
        let b = Image8::new(2, 1, Layout::Rgb, &[13, 20, 30, 40, 46, 60]).unwrap();
        assert_eq!(mse_rgb(&a, &b).unwrap(), 25.0 / 6.0);
        // ΔY = −0.897 and 2.348
        let expected = (0.897f64.powi(2) + 2.348f64.powi(2)) / 2.0;
        assert!((mse_luma(&a, &b).unwrap() - expected).abs() < 1e-12);
        assert!((psnr_rgb(&a, &b).unwrap() - 41.932_691_535_6).abs() < 1e-3);
        assert_eq!(psnr_rgb(&a, &a).unwrap(), f64::INFINITY);
        assert!((psnr_of_mse(65025.0)).abs() < 1e-12);
    }

    #[test]
    fn gray_has_luma_but_no_rgb() {
        let a = Image8::new(1, 2, Layout::Gray, &[0, 255]).unwrap();
        let b = Image8::new(1, 2, Layout::Gray, &[255, 255]).unwrap();
        assert_eq!(mse_luma(&a, &b).unwrap(), 32512.5);
        assert_eq!(mse_rgb(&a, &b), Err(DistortionError::NotRgb));
    }

    #[test]
    fn refuses_mixed_sizes() {
        let a = Image8::new(2, 1, Layout::Gray, &[0, 0]).unwrap();
        let b = Image8::new(1, 2, Layout::Gray, &[0, 0]).unwrap();
        assert_eq!(mse_luma(&a, &b), Err(DistortionError::Mixed { a: (2, 1, Layout::Gray), b: (1, 2, Layout::Gray) }));
        assert!(matches!(Image8::new(2, 2, Layout::Gray, &[0]), Err(DistortionError::WrongLength { found: 1, .. })));
        assert!(Image8::new(0, 2, Layout::Rgb, &[]).is_err());
    }
}
