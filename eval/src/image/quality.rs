//! The measures of quality that a rate point gets, by the names that CompressAI uses.

use super::source::Pixels;
pub use crate::metrics::ms_ssim::ms_ssim_db;
use crate::metrics::ms_ssim::{MsSsimError, ms_ssim};
use crate::metrics::psnr::{DistortionError, Image8, Layout, psnr_luma, psnr_rgb};
use std::collections::BTreeMap;

/// PSNR over the samples of R, G and B, in dB.
pub const PSNR_RGB: &str = "psnr-rgb";
/// PSNR of luma (ITU-R BT.601, unrounded), in dB.
pub const PSNR_Y: &str = "psnr-y";
/// MS-SSIM, mean of R, G and B, at most 1.
pub const MS_SSIM: &str = "ms-ssim-rgb";
/// −10 log10(1 − MS-SSIM), in dB.
pub const MS_SSIM_DB: &str = "ms-ssim-rgb-db";

/// Names of the measures in words, with unit, for axes and headings.
pub fn label(metric: &str) -> String {
    match metric {
        PSNR_RGB => "PSNR of RGB [dB]".into(),
        PSNR_Y => "PSNR of luma [dB]".into(),
        MS_SSIM => "MS-SSIM of RGB".into(),
        MS_SSIM_DB => "MS-SSIM of RGB [dB]".into(),
        other => other.into(),
    }
}

/// Every measure of `decoded` against `source`. Infinite values (equal images) are left out: they have no place on a curve.
/// MS-SSIM is left out for images that are too small for its five scales.
pub fn qualities(source: &Pixels, decoded: &Pixels) -> Result<BTreeMap<String, f64>, DistortionError> {
    fn view(p: &Pixels) -> Result<Image8<'_>, DistortionError> {
        Image8::new(p.width as usize, p.height as usize, Layout::Rgb, &p.rgb)
    }
    let (a, b) = (view(source)?, view(decoded)?);
    let mut values = vec![(PSNR_RGB, psnr_rgb(&a, &b)?), (PSNR_Y, psnr_luma(&a, &b)?)];
    match ms_ssim(&a, &b) {
        // An MS-SSIM of 1 has no place on a scale in dB.
        Ok(value) if value < 1.0 => values.push((MS_SSIM, value)),
        Ok(_) | Err(MsSsimError::TooSmall { .. }) => {}
        Err(MsSsimError::Images(error)) => return Err(error),
    }
    Ok(values.into_iter().filter(|(_, v)| v.is_finite()).map(|(k, v)| (k.to_string(), v)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_images_have_no_finite_psnr() {
        let a = Pixels { width: 2, height: 1, rgb: vec![10, 20, 30, 40, 50, 60] };
        assert!(!qualities(&a, &a).unwrap().contains_key(PSNR_RGB));
        let b = Pixels { rgb: vec![11, 21, 31, 41, 51, 61], ..a.clone() };
        assert!((qualities(&a, &b).unwrap()[PSNR_Y] - 48.130_803_608_679).abs() < 1e-9);
        let c = Pixels { width: 1, height: 2, ..a.clone() };
        assert!(qualities(&a, &c).is_err());
        assert!((ms_ssim_db(0.99) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn ms_ssim_is_there_where_five_scales_fit() {
        let image = |size: u32, step: u32| Pixels {
            width: size,
            height: size,
            rgb: (0..3 * size * size).map(|i| (i * step % 251) as u8).collect(),
        };
        assert!(!qualities(&image(160, 1), &image(160, 2)).unwrap().contains_key(MS_SSIM));
        let large = qualities(&image(161, 1), &image(161, 2)).unwrap();
        assert!(large[MS_SSIM] < 0.9, "{large:?}");
        assert!(!qualities(&image(161, 1), &image(161, 1)).unwrap().contains_key(MS_SSIM));
    }
}
