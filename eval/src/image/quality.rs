//! The measures of quality that a rate point gets, by the names that CompressAI uses.

use super::source::Pixels;
use crate::distortion::{DistortionError, Image8, Layout, psnr_luma, psnr_rgb};
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
pub fn qualities(source: &Pixels, decoded: &Pixels) -> Result<BTreeMap<String, f64>, DistortionError> {
    fn view(p: &Pixels) -> Result<Image8<'_>, DistortionError> {
        Image8::new(p.width as usize, p.height as usize, Layout::Rgb, &p.rgb)
    }
    let (a, b) = (view(source)?, view(decoded)?);
    let values = [(PSNR_RGB, psnr_rgb(&a, &b)?), (PSNR_Y, psnr_luma(&a, &b)?)];
    Ok(values.into_iter().filter(|(_, v)| v.is_finite()).map(|(k, v)| (k.to_string(), v)).collect())
}

/// MS-SSIM in dB.
pub fn ms_ssim_db(value: f64) -> f64 {
    -10.0 * (1.0 - value).log10()
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
}
