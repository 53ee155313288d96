//! The rate-distortion report as data (JSON through serde).
//!
//! Curves have the shape that CompressAI's `eval_model` writes (`name`, `description`, `results` with `bpp`, `psnr-rgb`, …,
//! `encoding_time`, `decoding_time`); everything else stands beside it. A value of `results` is the mean over the images of
//! the set: of bpp, of PSNR in dB, of linear MS-SSIM (`ms-ssim-rgb-db` is the mean MS-SSIM in dB), of wall seconds.
//! No path of the measuring machine enters the report.

use super::quality::{MS_SSIM, MS_SSIM_DB, ms_ssim_db};
use crate::rate::bd_rate::{BdDelta, Method, RatePoint};
use crate::rate::names::canonical;
use crate::recompress::bit_cost::BitCost;
use crate::recompress::codec::Commands;
use crate::report::environment::Environment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What [`ImageReport::kind`] says.
pub const KIND: &str = "lmcodec-image-report";

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageReport {
    /// [`KIND`].
    pub kind: String,
    /// Version of this shape: 1.
    pub format: u32,
    /// Title.
    pub title: String,
    /// Where it was measured.
    pub environment: Environment,
    /// Wall seconds of the run.
    pub seconds: f64,
    /// Largest resident size of the measuring process in bytes, where known. Codecs that run as processes come on top.
    pub peak_bytes: Option<u64>,
    /// One entry a set of images.
    pub sets: Vec<SetReport>,
}

/// One set of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetReport {
    /// Name of the set.
    pub name: String,
    /// The images.
    pub images: Vec<ImageFacts>,
    /// One curve a codec.
    pub curves: Vec<Curve>,
    /// BD-rates of curves against anchors.
    pub bd: Vec<BdEntry>,
    /// Where the bits of recompressed files go, summed over the images.
    pub bit_costs: Vec<BitCostEntry>,
    /// Runs that failed, in words.
    pub failures: Vec<String>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// File name without extension.
    pub image: String,
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// SHA-256 of the source file.
    pub sha256: String,
    /// A small picture as a data URI, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
}

/// One codec's curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Name of the codec.
    pub name: String,
    /// What was measured, in words.
    pub description: String,
    /// Means over the images, by measure; every list has one value a setting of `complete`.
    pub results: BTreeMap<String, Vec<f64>>,
    /// The settings that worked on all images, from the lowest quality to the highest.
    pub complete: Vec<String>,
    /// Version of the codec.
    pub version: String,
    /// Command lines, where it runs as a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Commands>,
    /// Facts such as the model's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The codec whose files this one recompresses and whose distortion it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recompresses: Option<String>,
    /// One entry an image, in the order of the set.
    pub images: Vec<ImagePoints>,
}

/// One codec's points on one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImagePoints {
    /// File name without extension.
    pub image: String,
    /// The points that could be measured, in the order of the settings.
    pub points: Vec<Point>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The codec's setting.
    pub setting: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Bits of the file over the pixels of the image.
    pub bpp: f64,
    /// Quality by measure; infinite values are left out.
    pub quality: BTreeMap<String, f64>,
    /// Wall seconds of encoding.
    pub encode_s: f64,
    /// Wall seconds of decoding.
    pub decode_s: f64,
    /// CPU seconds of encoding.
    pub encode_cpu_s: Option<f64>,
    /// CPU seconds of decoding.
    pub decode_cpu_s: Option<f64>,
    /// Largest peak of resident memory of encoder and decoder.
    pub peak_bytes: Option<u64>,
}

/// A Bjøntegaard delta of one curve against an anchor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BdEntry {
    /// The curve compared against.
    pub anchor: String,
    /// The curve under test.
    pub test: String,
    /// Measure of quality.
    pub metric: String,
    /// Interpolation.
    pub method: Method,
    /// BD-rate of the curves of means over the set, in percent.
    pub bd_rate: Option<BdDelta>,
    /// BD-quality of the curves of means over the set, in units of the measure.
    pub bd_quality: Option<BdDelta>,
    /// Mean of the BD-rates of the single images.
    pub mean_of_images: Option<f64>,
    /// Images that have a BD-rate.
    pub images: usize,
    /// Why there is no number, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where the bits of a recompressor's files go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BitCostEntry {
    /// Name of the curve.
    pub curve: String,
    /// The setting.
    pub setting: String,
    /// Images that were summed up.
    pub images: usize,
    /// Pixels of those images.
    pub pixels: u64,
    /// Bits of the files, all headers included.
    pub file_bits: u64,
    /// The sums.
    pub cost: BitCost,
}

impl Curve {
    /// Fills `results` and `complete` from the points of the images: settings that are missing for an image have no mean
    /// that could be compared, and are left out.
    pub fn sum_up(&mut self, settings: &[String]) {
        let at = |setting: &str| -> Option<Vec<&Point>> {
            self.images.iter().map(|i| i.points.iter().find(|p| p.setting == setting)).collect()
        };
        let complete: Vec<(String, Vec<&Point>)> = settings
            .iter()
            .filter_map(|s| Some((s.clone(), at(s)?)))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        let mut results = BTreeMap::new();
        let mut list = |name: &str, get: &dyn Fn(&Point) -> Option<f64>| {
            let values: Option<Vec<f64>> = complete.iter().map(|(_, points)| mean(points, get)).collect();
            if let Some(values) = values.filter(|v| !v.is_empty()) {
                results.insert(name.to_string(), values);
            }
        };
        list("bpp", &|p| Some(p.bpp));
        list("encoding_time", &|p| Some(p.encode_s));
        list("decoding_time", &|p| Some(p.decode_s));
        list("encoding_cpu_s", &|p| p.encode_cpu_s);
        list("decoding_cpu_s", &|p| p.decode_cpu_s);
        let metrics: Vec<String> = complete.iter().flat_map(|c| &c.1).flat_map(|p| p.quality.keys().cloned()).collect();
        for metric in std::collections::BTreeSet::from_iter(metrics) {
            list(&metric, &|p| p.quality.get(&metric).copied());
        }
        if let Some(linear) = results.get(MS_SSIM) {
            let db = linear.iter().map(|&v| ms_ssim_db(v)).collect();
            results.insert(MS_SSIM_DB.into(), db);
        }
        let complete = complete.into_iter().map(|c| c.0).collect();
        self.results = results;
        self.complete = complete;
    }

    /// The points of the set's means; empty where the curve lacks the measure.
    pub fn means(&self, metric: &str) -> Vec<RatePoint> {
        let (Some(rates), Some(qualities)) = (self.results.get("bpp"), self.results.get(metric)) else {
            return Vec::new();
        };
        rates.iter().zip(qualities).map(|(&bpp, &quality)| RatePoint { bpp, quality }).collect()
    }
}

impl ImagePoints {
    /// The image's own curve.
    pub fn curve(&self, metric: &str) -> Vec<RatePoint> {
        let metric = canonical(metric);
        let quality = |p: &Point| match metric {
            MS_SSIM_DB => p.quality.get(MS_SSIM).map(|&v| ms_ssim_db(v)),
            _ => p.quality.get(metric).copied(),
        };
        self.points.iter().filter_map(|p| Some(RatePoint { bpp: p.bpp, quality: quality(p)? })).collect()
    }
}

fn mean(points: &[&Point], get: &dyn Fn(&Point) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = points.iter().map(|p| get(p)).collect();
    values.map(|v| v.iter().sum::<f64>() / v.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(setting: &str, bpp: f64, psnr: f64) -> Point {
        Point {
            setting: setting.into(),
            bytes: 1,
            bpp,
            quality: [("psnr-rgb".to_string(), psnr), (MS_SSIM.to_string(), 0.9)].into(),
            encode_s: 1.0,
            decode_s: 2.0,
            encode_cpu_s: None,
            decode_cpu_s: Some(0.5),
            peak_bytes: None,
        }
    }

    #[test]
    fn means_are_of_settings_that_every_image_has() {
        let image = |name: &str, points| ImagePoints { image: name.into(), points };
        let mut curve = Curve {
            name: "c".into(),
            description: String::new(),
            results: BTreeMap::new(),
            complete: Vec::new(),
            version: String::new(),
            commands: None,
            facts: BTreeMap::new(),
            recompresses: None,
            images: vec![
                image("a", vec![point("1", 0.2, 30.0), point("2", 0.4, 32.0)]),
                image("b", vec![point("1", 0.4, 20.0)]),
            ],
        };
        curve.sum_up(&["1".into(), "2".into()]);
        assert_eq!(curve.complete, ["1"]);
        assert!((curve.results["bpp"][0] - 0.3).abs() < 1e-12);
        assert_eq!(curve.results["psnr-rgb"], [25.0]);
        assert!((curve.results[MS_SSIM_DB][0] - 10.0).abs() < 1e-9);
        assert!(!curve.results.contains_key("encoding_cpu_s") && curve.results["decoding_cpu_s"] == [0.5]);
        assert_eq!(curve.images[0].curve("psnr-rgb").len(), 2);
        assert!((curve.images[0].curve(MS_SSIM_DB)[0].quality - 10.0).abs() < 1e-9);
        assert!(curve.means("fid").is_empty());
    }
}
