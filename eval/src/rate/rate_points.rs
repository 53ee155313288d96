//! Rate–quality curves in files, in the shape that CompressAI's `eval_model` writes.
//!
//! `{"name": …, "description": …, "results": {"bpp": […], "psnr-rgb": […], …}}`: every list of `results` holds one value a
//! rate point; lists of other lengths than `bpp`'s (CompressAI adds some) matter only when they are asked for.

use super::bd_rate::RatePoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// One curve file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateCurve {
    /// Name of the codec.
    pub name: String,
    /// What was measured, in words.
    #[serde(default)]
    pub description: String,
    /// Lists by measure; `bpp` in bits per pixel, `psnr-rgb` in dB.
    pub results: BTreeMap<String, Vec<f64>>,
}

/// Why a curve file gives no curve.
#[derive(Debug, Error)]
pub enum RateCurveError {
    /// Not JSON of the shape above.
    #[error("rate points: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that JSON has no way to write, as Python's `json` writes it.
    #[error("{token} at line {line} column {column}: every rate point needs a number")]
    NotANumber {
        /// What stands there.
        token: &'static str,
        /// Its line, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// The file has no such list.
    #[error("{name}: no list \"{metric}\" in \"results\" (there are: {found})")]
    NoMetric {
        /// Name of the curve.
        name: String,
        /// List asked for.
        metric: String,
        /// Lists found.
        found: String,
    },
    /// Two lists of different lengths.
    #[error("{name}: {rates} values of bpp, but {qualities} of {metric}")]
    Lengths {
        /// Name of the curve.
        name: String,
        /// List asked for.
        metric: String,
        /// Values of `bpp`.
        rates: usize,
        /// Values of the metric.
        qualities: usize,
    },
}

impl RateCurve {
    /// Parses a curve file.
    ///
    /// # Errors
    /// [`RateCurveError::Json`], [`RateCurveError::NotANumber`].
    pub fn from_json(json: &[u8]) -> Result<Self, RateCurveError> {
        serde_json::from_slice(json).map_err(|error| json_fault(json, error))
    }

    /// The points of `bpp` against `metric`, in the order of the file.
    pub fn points(&self, metric: &str) -> Result<Vec<RatePoint>, RateCurveError> {
        let list = |key: &str| {
            self.results.get(key).ok_or_else(|| RateCurveError::NoMetric {
                name: self.name.clone(),
                metric: key.to_string(),
                found: self.results.keys().cloned().collect::<Vec<_>>().join(", "),
            })
        };
        let (rates, qualities) = (list("bpp")?, list(metric)?);
        if rates.len() != qualities.len() {
            return Err(RateCurveError::Lengths {
                name: self.name.clone(),
                metric: metric.to_string(),
                rates: rates.len(),
                qualities: qualities.len(),
            });
        }
        Ok(rates.iter().zip(qualities).map(|(&bpp, &quality)| RatePoint { bpp, quality }).collect())
    }
}

/// What is wrong with a file that is no JSON: NaN and infinity by name, else the parser's words.
pub(crate) fn json_fault(json: &[u8], error: serde_json::Error) -> RateCurveError {
    let (line, column) = (error.line(), error.column());
    let text = json.split(|&b| b == b'\n').nth(line.saturating_sub(1)).unwrap_or_default();
    // The parser stops on the first byte of the token, or one later if that could begin a number.
    for start in [column.saturating_sub(2), column.saturating_sub(1)] {
        let rest = text.get(start..).unwrap_or_default();
        let token = ["NaN", "Infinity", "-Infinity", "null", "nan", "inf", "-inf"].into_iter();
        if let Some(token) = token.into_iter().find(|t| rest.starts_with(t.as_bytes())) {
            return RateCurveError::NotANumber { token, line, column: start + 1 };
        }
    }
    RateCurveError::Json(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_compressai_json() {
        let json = br#"{"name":"jpeg","description":"x","results":{"bpp":[0.2,0.5],"psnr-rgb":[25,30.5],"n":[1]}}"#;
        let curve = RateCurve::from_json(json).unwrap();
        assert_eq!(curve.points("psnr-rgb").unwrap()[1], RatePoint { bpp: 0.5, quality: 30.5 });
        assert!(matches!(curve.points("ms-ssim"), Err(RateCurveError::NoMetric { .. })));
        assert!(matches!(curve.points("n"), Err(RateCurveError::Lengths { rates: 2, qualities: 1, .. })));
        assert!(RateCurve::from_json(b"[]").is_err());
        for token in ["NaN", "Infinity", "-Infinity"] {
            let json = format!("{{\"name\":\"x\",\n\"results\":{{\"bpp\":[0.5, {token}]}}}}");
            let error = RateCurve::from_json(json.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("{token} at line 2 column 24: every rate point needs a number"));
        }
    }
}
