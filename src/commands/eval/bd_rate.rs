//! `lmcodec eval bd-rate`: two curve files → BD-rate and BD-quality by one method.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use lmcodec_eval::rate::bd_rate::{BdDelta, BdError, LOW_OVERLAP, Method, Side, bd_quality, bd_rate};
use lmcodec_eval::rate::rate_points::RateCurve;
use serde::Serialize;

use super::{outputs, read};
use crate::commands::exit::{Exit, Failure};

/// Average difference between two rate-quality curves (CompressAI-shaped JSON).
#[derive(Debug, Args)]
pub(super) struct BdRateArgs {
    /// Curve to compare against
    anchor: PathBuf,
    /// Curve under test
    test: PathBuf,
    /// Interpolation
    #[arg(long, value_enum, default_value = "pchip")]
    method: MethodName,
    /// List of "results" that holds the quality
    #[arg(long, default_value = "psnr-rgb")]
    metric: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodName {
    Cubic,
    Pchip,
    Akima,
}

#[derive(Serialize)]
struct Answer<'a> {
    anchor: &'a str,
    test: &'a str,
    metric: &'a str,
    method: Method,
    /// Percent of rate.
    bd_rate: BdDelta,
    /// Units of the metric.
    bd_quality: BdDelta,
}

impl BdRateArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let read = |path: &Path| {
            RateCurve::from_json(&read(path)?)
                .map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", path.display())))
        };
        let (anchor, test) = (read(&self.anchor)?, read(&self.test)?);
        let points = |curve: &RateCurve, path: &Path| {
            let points = curve.points(&self.metric);
            points.map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", path.display())))
        };
        let (a, t) = (points(&anchor, &self.anchor)?, points(&test, &self.test)?);
        let rates = [&anchor, &test].map(|curve| curve.rate_name().unwrap_or("bpp"));
        if rates[0] != rates[1] {
            let message =
                format!("{} has a rate called {}, {} one called {}", anchor.name, rates[0], test.name, rates[1]);
            return Err(Failure::new(Exit::Malformed, message));
        }
        let method = match self.method {
            MethodName::Cubic => Method::Cubic,
            MethodName::Pchip => Method::Pchip,
            MethodName::Akima => Method::Akima,
        };
        let fault = |error: BdError| {
            let path = if error.side() == Side::Anchor { &self.anchor } else { &self.test };
            Failure::new(Exit::Malformed, format!("{}: {error}", path.display()))
        };
        let answer = Answer {
            anchor: &anchor.name,
            test: &test.name,
            metric: &self.metric,
            method,
            bd_rate: bd_rate(&a, &t, method).map_err(fault)?,
            bd_quality: bd_quality(&a, &t, method).map_err(fault)?,
        };
        if self.json {
            return outputs::write(Path::new("-"), &outputs::json(&answer)?, false);
        }
        let mut text = format!("{} against {}, {:?}\n", answer.test, answer.anchor, method);
        let unit = format!(" {}", self.metric);
        for (name, delta, unit) in [("BD-rate", answer.bd_rate, " %"), ("BD-quality", answer.bd_quality, unit.as_str())]
        {
            let value = delta.value.map_or("none".to_string(), |v| format!("{v:+.4}{unit}"));
            let wild = if delta.wild { "; warning: the cubic polynomial runs wild, use --method pchip" } else { "" };
            let warning = match delta.value {
                None => "; the curves do not overlap".to_string(),
                Some(_) if delta.low_overlap => format!("; warning: below {:.0} %", 100.0 * LOW_OVERLAP),
                Some(_) => String::new(),
            };
            text += &format!("{name:<11}{value} (overlap {:.1} %{warning}{wild})\n", 100.0 * delta.overlap);
        }
        outputs::write(Path::new("-"), text.as_bytes(), false)
    }
}
