//! Rate–quality curves in files, in the shape that CompressAI's `eval_model` writes.
//!
//! `{"name": …, "description": …, "results": {"bpp": […], "psnr-rgb": […], …}}`: every list of `results` holds one value a
//! rate point; lists of other lengths than `bpp`'s (CompressAI adds some) matter only when they are asked for, and lists of
//! anything but numbers (names of models, settings) never. Videos have a `bitrate`, and other names are known as well
//! ([`super::names`]).

use super::bd_rate::RatePoint;
use super::names::{self, Lists};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
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
    #[serde(deserialize_with = "number_lists")]
    pub results: Lists,
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
    #[error("{name}: {rates} values of {rate}, but {qualities} of {metric}")]
    Lengths {
        /// Name of the curve.
        name: String,
        /// What the rates are called.
        rate: &'static str,
        /// List asked for.
        metric: String,
        /// Rates.
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

    /// What the file's rates are called: `bpp` or `bitrate`, if it has any.
    pub fn rate_name(&self) -> Option<&'static str> {
        names::rate(&self.results).map(|(name, _)| name)
    }

    /// The points of the rate (`bpp`, or `bitrate` where that is missing) against `metric`, in the order of the file.
    ///
    /// # Errors
    /// [`RateCurveError::NoMetric`], [`RateCurveError::Lengths`].
    pub fn points(&self, metric: &str) -> Result<Vec<RatePoint>, RateCurveError> {
        let missing = |key: &str| RateCurveError::NoMetric {
            name: self.name.clone(),
            metric: key.to_string(),
            found: self.results.keys().cloned().collect::<Vec<_>>().join(", "),
        };
        let (rate, rates) = names::rate(&self.results).ok_or_else(|| missing(names::RATES[0]))?;
        let qualities = names::quality(&self.results, metric).ok_or_else(|| missing(metric))?;
        if rates.len() != qualities.len() {
            return Err(RateCurveError::Lengths {
                name: self.name.clone(),
                rate,
                metric: metric.to_string(),
                rates: rates.len(),
                qualities: qualities.len(),
            });
        }
        Ok(rates.iter().zip(qualities.iter()).map(|(&bpp, &quality)| RatePoint { bpp, quality }).collect())
    }
}

/// The lists of numbers among the values of an object.
fn number_lists<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lists, D::Error> {
    struct Object;
    impl<'de> Visitor<'de> for Object {
        type Value = Lists;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("lists of numbers by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lists, A::Error> {
            let mut lists = Lists::new();
            while let Some(name) = map.next_key()? {
                if let List(Some(list)) = map.next_value()? {
                    lists.insert(name, list);
                }
            }
            Ok(lists)
        }
    }
    deserializer.deserialize_map(Object)
}

/// A list, if all of it are numbers. What is no number and no word is an error, as `null` is.
struct List(Option<Vec<f64>>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Value)
            .map(|value| if let Found::List(list) = value { Self(Some(list)) } else { Self(None) })
    }
}

/// What stands in `results`, or in one of its lists.
enum Found {
    Number(f64),
    List(Vec<f64>),
    /// Words, or a list that holds some.
    Other,
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Value)
    }
}

struct Value;

impl<'de> Visitor<'de> for Value {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Found, E> {
        Ok(Found::Number(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Found, E> {
        Ok(Found::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Found, E> {
        Ok(Found::Number(value as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
        let mut list = Some(Vec::new());
        while let Some(element) = seq.next_element()? {
            match (element, &mut list) {
                (Found::Number(value), Some(list)) => list.push(value),
                _ => list = None,
            }
        }
        Ok(list.map_or(Found::Other, Found::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
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
    fn reads_learned_and_video_results() {
        let json =
            br#"{"name":"ssf","results":{"q":["a-1","a-2"],"n":{"x":[1]},"psnr":[25,30],"bitrate":[100.5,200]}}"#;
        let curve = RateCurve::from_json(json).unwrap();
        assert_eq!((curve.rate_name(), curve.results.len()), (Some("bitrate"), 2));
        assert_eq!(curve.points("psnr-rgb").unwrap()[0], RatePoint { bpp: 100.5, quality: 25.0 });
        let json = br#"{"name":"x","results":{"bpp":[0.2,null],"psnr":[25,30]}}"#;
        assert!(RateCurve::from_json(json).unwrap_err().to_string().contains("null"));
        let json = br#"{"name":"x","results":{"psnr":[25,30]}}"#;
        assert!(
            RateCurve::from_json(json).unwrap().points("psnr").unwrap_err().to_string().contains("no list \"bpp\"")
        );
    }

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
