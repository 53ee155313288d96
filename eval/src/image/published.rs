//! Curves from files beside those that were measured: learned codecs' published results, another run's.
//!
//! In: a curve in CompressAI's shape. Out: a [`Curve`] of means without images, under our names of measures, and the set's
//! BD-rates made anew with it.

use std::collections::BTreeMap;

use thiserror::Error;

use super::bd_table::{METRICS, bd_entries, default_anchors};
use super::quality::MS_SSIM;
use super::report::{Curve, ImageReport};
use crate::rate::names;
use crate::rate::rate_points::RateCurve;

/// Why a curve does not go into a report.
#[derive(Debug, Error)]
pub enum PublishedError {
    /// The report has no such set.
    #[error("no set called {0}")]
    NoSet(String),
    /// The report has a curve of that name.
    #[error("the set has a curve called {0}")]
    Taken(String),
    /// Images need bits per pixel.
    #[error("{0}: no list \"bpp\" in \"results\"")]
    NoRate(String),
    /// No measure that images are compared by.
    #[error("{name}: none of {} in \"results\" with as many values as \"bpp\"", METRICS.join(", "))]
    NoQuality {
        /// Name of the curve.
        name: String,
    },
}

/// Adds a curve to the set called `set`; `source` says where it is from.
///
/// # Errors
/// [`PublishedError`].
pub fn add(report: &mut ImageReport, set: &str, curve: &RateCurve, source: &str) -> Result<(), PublishedError> {
    let set = report.sets.iter_mut().find(|s| s.name == set).ok_or_else(|| PublishedError::NoSet(set.into()))?;
    if set.curves.iter().any(|c| c.name == curve.name) {
        return Err(PublishedError::Taken(curve.name.clone()));
    }
    set.curves.push(means(curve, source)?);
    set.bd = bd_entries(&set.curves, &default_anchors(&set.curves));
    Ok(())
}

fn means(curve: &RateCurve, source: &str) -> Result<Curve, PublishedError> {
    let rates = curve.results.get(names::RATES[0]).ok_or_else(|| PublishedError::NoRate(curve.name.clone()))?;
    let mut order: Vec<usize> = (0..rates.len()).collect();
    order.sort_by(|&a, &b| rates[a].total_cmp(&rates[b]));
    let sorted = |list: &[f64]| order.iter().map(|&i| list[i]).collect::<Vec<_>>();
    let mut results: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for metric in METRICS.into_iter().chain([MS_SSIM]) {
        if let Some(list) = names::quality(&curve.results, metric).filter(|list| list.len() == rates.len()) {
            results.insert(metric.into(), sorted(&list));
        }
    }
    if !METRICS.iter().any(|metric| results.contains_key(*metric)) {
        return Err(PublishedError::NoQuality { name: curve.name.clone() });
    }
    results.insert(names::RATES[0].into(), sorted(rates));
    Ok(Curve {
        name: curve.name.clone(),
        description: curve.description.clone(),
        results,
        complete: (1..=order.len()).map(|i| i.to_string()).collect(),
        version: format!("not measured here: from {source}"),
        commands: None,
        facts: BTreeMap::new(),
        recompresses: None,
        images: Vec::new(),
    })
}

impl Curve {
    /// Whether the curve is from a file: means without images.
    pub fn is_published(&self) -> bool {
        self.images.is_empty() && !self.results.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::report::{KIND, SetReport};
    use crate::report::environment::Environment;

    #[test]
    fn a_curve_of_other_names_is_compared_with_the_anchor() {
        let curve = |name: &str, scale: f64| {
            let bpp: Vec<f64> = [0.8, 0.2, 0.4, 1.6].iter().map(|b| b * scale).collect();
            let json = serde_json::json!({"name": name, "results": {
                "bpp": bpp, "psnr": [34, 28, 31, 37], "ms-ssim": [0.99, 0.9, 0.97, 0.995], "q": ["a", "b", "c", "d"]}});
            RateCurve::from_json(json.to_string().as_bytes()).unwrap()
        };
        let set = SetReport {
            name: "s".into(),
            images: Vec::new(),
            curves: vec![means(&curve("jpeg-420", 1.0), "").unwrap()],
            bd: Vec::new(),
            bit_costs: Vec::new(),
            failures: Vec::new(),
        };
        let mut report = ImageReport {
            kind: KIND.into(),
            format: 1,
            title: "t".into(),
            environment: Environment::current(1),
            seconds: 0.0,
            peak_bytes: None,
            sets: vec![set],
        };
        add(&mut report, "s", &curve("mbt2018", 0.5), "file.json").unwrap();
        let added = &report.sets[0].curves[1];
        assert!(added.is_published() && added.version.contains("file.json"));
        assert_eq!((added.results["bpp"][0], added.results["psnr-rgb"][0], added.complete.len()), (0.1, 28.0, 4));
        let bd = &report.sets[0].bd;
        assert_eq!(bd.len(), 2 * 3, "PSNR and MS-SSIM in dB by three methods");
        assert!(bd.iter().all(|e| (e.bd_rate.unwrap().value.unwrap() + 50.0).abs() < 1e-6), "{bd:?}");
        assert!(matches!(add(&mut report, "s", &curve("mbt2018", 1.0), ""), Err(PublishedError::Taken(_))));
        assert!(matches!(add(&mut report, "x", &curve("y", 1.0), ""), Err(PublishedError::NoSet(_))));
        let video = RateCurve::from_json(br#"{"name":"v","results":{"bitrate":[1],"psnr":[2]}}"#).unwrap();
        assert!(matches!(add(&mut report, "s", &video, ""), Err(PublishedError::NoRate(_))));
        let none = RateCurve::from_json(br#"{"name":"v","results":{"bpp":[1],"psnr":[2,3]}}"#).unwrap();
        assert!(add(&mut report, "s", &none, "").unwrap_err().to_string().contains("psnr-rgb, psnr-y"));
        let text = crate::image::document::document(&report).to_markdown();
        assert!(text.contains("| mbt2018 | -50.00 | -50.00 | -50.00 |"), "{text}");
    }
}
