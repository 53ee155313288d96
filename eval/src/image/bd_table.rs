//! BD-rates of the curves of a set against its anchors: of the curves of means, and image by image.

use super::quality::{MS_SSIM_DB, PSNR_RGB, PSNR_Y};
use super::report::{BdEntry, Curve};
use crate::rate::bd_rate::{BdDelta, BdError, Method, RatePoint, bd_quality, bd_rate};

/// The measures that BD-rates are given for, where the curves have them.
pub const METRICS: [&str; 3] = [PSNR_RGB, PSNR_Y, MS_SSIM_DB];
/// All interpolations.
pub const METHODS: [Method; 3] = [Method::Cubic, Method::Pchip, Method::Akima];

/// The anchors that a set is compared against: JPEG with the standard's and with optimised tables, as far as there.
pub fn default_anchors(curves: &[Curve]) -> Vec<String> {
    let wanted = ["jpeg-420", "jpeg-420-optimised", "jpeg-444", "jpeg-444-optimised"];
    wanted.iter().filter(|w| curves.iter().any(|c| c.name == **w)).map(|w| w.to_string()).collect()
}

/// Every curve against every anchor, by every measure and method.
pub fn bd_entries(curves: &[Curve], anchors: &[String]) -> Vec<BdEntry> {
    let mut entries = Vec::new();
    for anchor in anchors.iter().filter_map(|name| curves.iter().find(|c| c.name == *name)) {
        for test in curves.iter().filter(|c| c.name != anchor.name) {
            for metric in METRICS {
                if anchor.results.contains_key(metric) && test.results.contains_key(metric) {
                    entries.extend(METHODS.iter().map(|&method| bd_entry(anchor, test, metric, method)));
                }
            }
        }
    }
    entries
}

/// One curve against one anchor.
pub fn bd_entry(anchor: &Curve, test: &Curve, metric: &str, method: Method) -> BdEntry {
    let (a, t) = (anchor.means(metric), test.means(metric));
    let (rate, quality): (Result<BdDelta, BdError>, _) = (bd_rate(&a, &t, method), bd_quality(&a, &t, method));
    let single = image_pairs(anchor, test, metric)
        .into_iter()
        .filter_map(|(_, a, t)| bd_rate(&a, &t, method).ok()?.value)
        .collect::<Vec<_>>();
    BdEntry {
        anchor: anchor.name.clone(),
        test: test.name.clone(),
        metric: metric.into(),
        method,
        error: rate.as_ref().err().map(ToString::to_string),
        bd_rate: rate.ok(),
        bd_quality: quality.ok(),
        mean_of_images: (!single.is_empty()).then(|| single.iter().sum::<f64>() / single.len() as f64),
        images: single.len(),
    }
}

/// The curves of the images that both have: name, anchor's points, test's points.
pub fn image_pairs(anchor: &Curve, test: &Curve, metric: &str) -> Vec<(String, Vec<RatePoint>, Vec<RatePoint>)> {
    let pair = |image: &super::report::ImagePoints| {
        let other = test.images.iter().find(|t| t.image == image.image)?;
        Some((image.image.clone(), image.curve(metric), other.curve(metric)))
    };
    anchor.images.iter().filter_map(pair).collect()
}
