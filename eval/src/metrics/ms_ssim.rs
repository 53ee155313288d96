//! Multi-scale structural similarity of 8-bit images.
//!
//! Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality assessment" (2003), as the
//! package pytorch-msssim 1.0 computes it with its defaults: a separable Gaussian window of 11 samples with σ = 1.5 that stays
//! inside the image, K = (0.01, 0.03), data range 255, five scales with the paper's weights, 2×2 means between scales (an odd
//! side is padded with a zero row or column at its start), negative similarities set to zero. Of RGB images the value is the mean over
//! the three channels. All arithmetic is f64, sums run in raster order.

use super::psnr::{self, DistortionError, Image8, Layout};
use rayon::prelude::*;
use thiserror::Error;

/// Samples of the window's side.
pub const WINDOW: usize = 11;
/// Standard deviation of the window in samples.
pub const SIGMA: f64 = 1.5;
/// Exponents of the five scales, finest first.
pub const SCALE_WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Shortest side that five scales allow: at the coarsest the window must fit, and pytorch-msssim asks for
/// more than (11 − 1) · 2⁴.
pub const SHORTEST_SIDE: usize = (WINDOW - 1) * 16 + 1;

const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Why there is no MS-SSIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MsSsimError {
    /// The images cannot be compared at all.
    #[error(transparent)]
    Images(#[from] DistortionError),
    /// The image has not enough samples for five scales.
    #[error("MS-SSIM of {width}×{height} pixels: five scales need both sides to be at least {SHORTEST_SIDE}")]
    TooSmall {
        /// Pixels a row.
        width: usize,
        /// Rows.
        height: usize,
    },
}

/// MS-SSIM in 0 to 1: mean over the channels of RGB images, of gray images their one value.
///
/// # Errors
/// [`MsSsimError`]: mixed sizes or layouts, or a side below [`SHORTEST_SIDE`].
pub fn ms_ssim(a: &Image8, b: &Image8) -> Result<f64, MsSsimError> {
    let channels = a.layout().channels();
    let planes = |image: &Image8, c: usize| {
        let samples = image.samples()[c..].iter().step_by(channels).map(|&s| f64::from(s)).collect();
        Plane { width: image.width(), height: image.height(), samples }
    };
    check(a, b)?;
    let values: Vec<f64> = (0..channels).into_par_iter().map(|c| of_planes(planes(a, c), planes(b, c))).collect();
    Ok(values.iter().sum::<f64>() / channels as f64)
}

/// MS-SSIM of luma (BT.601 weights, not rounded, as [`psnr`]).
///
/// # Errors
/// As [`ms_ssim`].
pub fn ms_ssim_luma(a: &Image8, b: &Image8) -> Result<f64, MsSsimError> {
    check(a, b)?;
    if a.layout() == Layout::Gray {
        return ms_ssim(a, b);
    }
    let luma = |image: &Image8| Plane {
        width: image.width(),
        height: image.height(),
        samples: (image.samples().chunks_exact(3))
            .map(|p| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]))
            .collect(),
    };
    Ok(of_planes(luma(a), luma(b)))
}

/// −10 log10(1 − x): MS-SSIM in dB; infinite for equal images.
pub fn ms_ssim_db(linear: f64) -> f64 {
    -10.0 * (1.0 - linear).log10()
}

fn check(a: &Image8, b: &Image8) -> Result<(), MsSsimError> {
    psnr::check(a, b)?;
    let (width, height) = (a.width(), a.height());
    if width.min(height) < SHORTEST_SIDE { Err(MsSsimError::TooSmall { width, height }) } else { Ok(()) }
}

struct Plane {
    width: usize,
    height: usize,
    samples: Vec<f64>,
}

fn of_planes(mut a: Plane, mut b: Plane) -> f64 {
    let window = gaussian();
    let mut product = 1.0;
    for (scale, weight) in SCALE_WEIGHTS.into_iter().enumerate() {
        let (ssim, contrast) = similarities(&a, &b, &window);
        let last = scale + 1 == SCALE_WEIGHTS.len();
        product *= f64::max(if last { ssim } else { contrast }, 0.0).powf(weight);
        if !last {
            (a, b) = (halved(&a), halved(&b));
        }
    }
    product
}

fn gaussian() -> [f64; WINDOW] {
    let mut window = std::array::from_fn(|i| {
        let d = i as f64 - (WINDOW / 2) as f64;
        (-d * d / (2.0 * SIGMA * SIGMA)).exp()
    });
    let sum: f64 = window.iter().sum();
    window.iter_mut().for_each(|w| *w /= sum);
    window
}

/// Means over the plane of SSIM and of its contrast-structure term.
fn similarities(a: &Plane, b: &Plane, window: &[f64; WINDOW]) -> (f64, f64) {
    let product = |p: &Plane, q: &Plane| Plane {
        width: p.width,
        height: p.height,
        samples: p.samples.iter().zip(&q.samples).map(|(x, y)| x * y).collect(),
    };
    let mean_a = filtered(a, window);
    let mean_b = filtered(b, window);
    let (aa, bb, ab) = (product(a, a), product(b, b), product(a, b));
    let (aa, bb, ab) = (filtered(&aa, window), filtered(&bb, window), filtered(&ab, window));
    let (mut ssim, mut contrast) = (0.0, 0.0);
    for i in 0..mean_a.len() {
        let (p, q) = (mean_a[i], mean_b[i]);
        let cs = (2.0 * (ab[i] - p * q) + C2) / ((aa[i] - p * p) + (bb[i] - q * q) + C2);
        contrast += cs;
        ssim += (2.0 * p * q + C1) / (p * p + q * q + C1) * cs;
    }
    let n = mean_a.len() as f64;
    (ssim / n, contrast / n)
}

/// The plane under the separable window, where the window fits: (width − 10) × (height − 10) samples.
fn filtered(plane: &Plane, window: &[f64; WINDOW]) -> Vec<f64> {
    let width = plane.width - WINDOW + 1;
    let mut rows = Vec::with_capacity(width * plane.height);
    for row in plane.samples.chunks_exact(plane.width) {
        rows.extend(row.windows(WINDOW).map(|w| w.iter().zip(window).map(|(s, g)| s * g).sum::<f64>()));
    }
    let height = plane.height - WINDOW + 1;
    let mut out = vec![0.0; width * height];
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        for (k, g) in window.iter().enumerate() {
            let source = &rows[(y + k) * width..(y + k + 1) * width];
            target.iter_mut().zip(source).for_each(|(t, s)| *t += s * g);
        }
    }
    out
}

/// Means of 2×2 samples. torch pads an odd side by one zero at both ends and counts it; the last window then does not fit.
fn halved(plane: &Plane) -> Plane {
    let (pad_x, pad_y) = (plane.width % 2, plane.height % 2);
    let (width, height) = ((plane.width + 2 * pad_x) / 2, (plane.height + 2 * pad_y) / 2);
    let at = |x: usize, y: usize| {
        let inside = x >= pad_x && y >= pad_y && x - pad_x < plane.width && y - pad_y < plane.height;
        if inside { plane.samples[(y - pad_y) * plane.width + (x - pad_x)] } else { 0.0 }
    };
    let mut samples = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = (2 * x, 2 * y);
            samples.push((at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0);
        }
    }
    Plane { width, height, samples }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_images_have_one_and_small_ones_none() {
        let samples: Vec<u8> = (0..161 * 170 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let a = Image8::new(161, 170, Layout::Rgb, &samples).unwrap();
        assert!((ms_ssim(&a, &a).unwrap() - 1.0).abs() < 1e-12);
        assert!((ms_ssim_luma(&a, &a).unwrap() - 1.0).abs() < 1e-12);
        let small = Image8::new(160, 171, Layout::Gray, &samples[..160 * 171]).unwrap();
        assert_eq!(ms_ssim(&small, &small), Err(MsSsimError::TooSmall { width: 160, height: 171 }));
        assert!(matches!(ms_ssim(&a, &small), Err(MsSsimError::Images(DistortionError::Mixed { .. }))));
        assert_eq!(ms_ssim_db(1.0), f64::INFINITY);
        assert!((ms_ssim_db(0.99) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn halving_pads_odd_sides_at_the_start() {
        let plane = Plane { width: 3, height: 2, samples: vec![4.0, 8.0, 12.0, 0.0, 4.0, 8.0] };
        let half = halved(&plane);
        assert_eq!((half.width, half.height, half.samples), (2, 1, vec![1.0, 8.0]));
    }
}
