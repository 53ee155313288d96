//! Two result files against each other: BD-rate and BD-quality by all methods, with bootstrap intervals over the images.
//!
//! In: two files, each a curve in CompressAI's shape or a report of `lmcodec eval image`. Out: a [`Comparison`] a pair of
//! curves. Where both have results of single images, the images are drawn with replacement, the same draw for both curves
//! (paired), and the percentiles of the resulting BD-rates bound the value (B. Efron, *Bootstrap methods: another look at
//! the jackknife*, Ann. Statist. 7(1), 1979).

use super::bd_table::{METHODS, image_pairs};
use super::quality::label;
use super::report::{Curve, ImageReport, KIND};
use super::verdict::{Verdict, sentence, verdict};
use crate::rate::bd_rate::{BdDelta, LOW_OVERLAP, Method, RatePoint, bd_quality, bd_rate};
use crate::rate::names;
use crate::rate::rate_points::{RateCurve, RateCurveError, json_fault};
use crate::report::document::{Block, Cell, Column, Document, Figure, Section, Table};
use crate::report::plot::{Plot, Series};
use serde::Serialize;
use thiserror::Error;

/// How the intervals are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Number of draws; 0 for none.
    pub resamples: u32,
    /// Seed of the draws.
    pub seed: u64,
    /// Coverage, above 0 and below 1.
    pub level: f64,
}

impl Default for Bootstrap {
    /// 2000 draws, seed 1, 95 %.
    fn default() -> Self {
        Self { resamples: 2000, seed: 1, level: 0.95 }
    }
}

/// One file: its curves, with the set they were measured on where there are several.
#[derive(Debug, Clone)]
pub struct Input {
    /// Curves; the set is empty for a single curve file.
    pub curves: Vec<(String, ComparedCurve)>,
    /// Whether the file is a report of several curves.
    pub report: bool,
}

/// A curve of means, and of single images where the file has them.
#[derive(Debug, Clone)]
pub enum ComparedCurve {
    /// A curve file.
    Means(RateCurve),
    /// A curve of a report.
    Report(Box<Curve>),
}

/// Why two files cannot be compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// Not JSON of a known shape.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// JSON of another shape.
    #[error("neither a curve (name, results) nor a report of `lmcodec eval image`; found {found}")]
    Shape {
        /// The keys found, or the kind of value.
        found: String,
    },
    /// A curve without the measure, or with lists of different lengths.
    #[error(transparent)]
    Curve(#[from] RateCurveError),
    /// A name that the report does not have.
    #[error("no curve {wanted}; there are {found}")]
    NoCurve {
        /// The name asked for.
        wanted: String,
        /// The names found.
        found: String,
    },
    /// Bits per pixel against bits per second.
    #[error("{anchor} has a rate called {anchor_rate}, {test} one called {test_rate}: no common measure")]
    Rates {
        /// Name of the anchor's curve.
        anchor: String,
        /// Name of its rate.
        anchor_rate: &'static str,
        /// Name of the curve under test.
        test: String,
        /// Name of its rate.
        test_rate: &'static str,
    },
    /// Two reports without a curve in common.
    #[error("the files have no curve of the same set and name in common; name them")]
    NothingInCommon,
}

/// One pair of curves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Set of images, empty where the files do not say.
    pub set: String,
    /// Name of the anchor's curve.
    pub anchor: String,
    /// Name of the curve under test.
    pub test: String,
    /// Measure of quality.
    pub metric: String,
    /// What the rates are called: `bpp`, or `bitrate`.
    pub rate: &'static str,
    /// Which is better, by PCHIP.
    pub verdict: Verdict,
    /// The same as a sentence.
    pub summary: String,
    /// The anchor's points.
    pub anchor_points: Vec<RatePoint>,
    /// The points of the curve under test.
    pub test_points: Vec<RatePoint>,
    /// Images that both have, 0 where the files have none.
    pub images: usize,
    /// One entry a method.
    pub methods: Vec<MethodResult>,
}

/// The answer of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodResult {
    /// Interpolation.
    pub method: Method,
    /// Percent of rate.
    pub bd_rate: Option<BdDelta>,
    /// Units of the measure.
    pub bd_quality: Option<BdDelta>,
    /// Interval of the BD-rate of the means, in percent.
    pub interval: Option<Interval>,
    /// Mean of the BD-rates of the single images, in percent.
    pub mean_of_images: Option<f64>,
    /// Why there is no number.
    pub error: Option<String>,
}

/// A bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end, in percent of rate.
    pub low: f64,
    /// Upper end, in percent of rate.
    pub high: f64,
    /// Coverage.
    pub level: f64,
    /// Draws that gave a number.
    pub resamples: u32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Input {
    /// Parses a file.
    pub fn from_json(json: &[u8]) -> Result<Self, CompareError> {
        let value: serde_json::Value = serde_json::from_slice(json).map_err(|error| json_fault(json, error))?;
        let Some(object) = value.as_object() else {
            return Err(CompareError::Shape { found: "no object".into() });
        };
        if object.get("kind").and_then(|k| k.as_str()) == Some(KIND) {
            let report: ImageReport = serde_json::from_value(value)?;
            let curves = report.sets.into_iter().flat_map(|set| {
                set.curves.into_iter().map(move |c| (set.name.clone(), ComparedCurve::Report(Box::new(c))))
            });
            return Ok(Self { curves: curves.collect(), report: true });
        }
        if object.contains_key("results") && object.contains_key("name") {
            let curve: RateCurve = serde_json::from_value(value)?;
            return Ok(Self { curves: vec![(String::new(), ComparedCurve::Means(curve))], report: false });
        }
        let keys: Vec<&str> = object.keys().map(String::as_str).take(12).collect();
        Err(CompareError::Shape { found: format!("the keys {}", keys.join(", ")) })
    }

    /// The curves called `name` (all without a name), of the set `set` if one is given.
    fn select(&self, name: Option<&str>, set: Option<&str>) -> Result<Vec<&(String, ComparedCurve)>, CompareError> {
        let fits = |(s, c): &&(String, ComparedCurve)| {
            (!self.report || name.is_none_or(|n| n == c.name()))
                && (s.is_empty() || set.is_none_or(|wanted| wanted == s))
        };
        let found: Vec<_> = self.curves.iter().filter(fits).collect();
        if found.is_empty() {
            let wanted =
                format!("{}{}", name.unwrap_or("of any name"), set.map_or(String::new(), |s| format!(" of {s}")));
            let names: Vec<String> = self.curves.iter().map(|(s, c)| format!("{s}/{}", c.name())).collect();
            return Err(CompareError::NoCurve { wanted, found: names.join(", ") });
        }
        Ok(found)
    }
}

impl ComparedCurve {
    /// Name of the codec.
    pub fn name(&self) -> &str {
        match self {
            Self::Means(c) => &c.name,
            Self::Report(c) => &c.name,
        }
    }

    /// The points of the means, and what their rate is called.
    fn means(&self, metric: &str) -> Result<(Vec<RatePoint>, &'static str), RateCurveError> {
        let curve = match self {
            Self::Means(c) => c.clone(),
            Self::Report(c) => {
                RateCurve { name: c.name.clone(), description: String::new(), results: c.results.clone() }
            }
        };
        Ok((curve.points(metric)?, curve.rate_name().unwrap_or(names::RATES[0])))
    }
}

/// Compares the curves of two files: those named, or all that have the same set and name, or the only two.
pub fn compare(
    anchor: &Input,
    test: &Input,
    names: (Option<&str>, Option<&str>),
    set: Option<&str>,
    metric: &str,
    bootstrap: &Bootstrap,
) -> Result<Vec<Comparison>, CompareError> {
    let (anchors, tests) = (anchor.select(names.0, set)?, test.select(names.1, set)?);
    let named = names.0.is_some() || names.1.is_some() || !anchor.report || !test.report;
    let mut out = Vec::new();
    for (a_set, a) in &anchors {
        for (t_set, t) in &tests {
            let same_set = a_set == t_set || a_set.is_empty() || t_set.is_empty();
            if same_set && (named || a.name() == t.name()) {
                let set = if a_set.is_empty() { t_set } else { a_set };
                out.push(pair(set, a, t, metric, bootstrap)?);
            }
        }
    }
    if out.is_empty() { Err(CompareError::NothingInCommon) } else { Ok(out) }
}

fn pair(
    set: &str,
    anchor: &ComparedCurve,
    test: &ComparedCurve,
    metric: &str,
    bootstrap: &Bootstrap,
) -> Result<Comparison, CompareError> {
    let ((a, anchor_rate), (t, test_rate)) = (anchor.means(metric)?, test.means(metric)?);
    let metric = names::canonical(metric);
    if anchor_rate != test_rate {
        let (anchor, test) = (anchor.name().into(), test.name().into());
        return Err(CompareError::Rates { anchor, anchor_rate, test, test_rate });
    }
    let images = match (anchor, test) {
        (ComparedCurve::Report(a), ComparedCurve::Report(t)) => image_pairs(a, t, metric),
        _ => Vec::new(),
    };
    // Means over draws need every setting of every image.
    let whole = !images.is_empty() && images.iter().all(|(_, x, y)| x.len() == a.len() && y.len() == t.len());
    let methods: Vec<MethodResult> = METHODS
        .into_iter()
        .map(|method| {
            let rate = bd_rate(&a, &t, method);
            let single: Vec<f64> = images.iter().filter_map(|(_, a, t)| bd_rate(a, t, method).ok()?.value).collect();
            MethodResult {
                method,
                error: rate.as_ref().err().map(ToString::to_string),
                interval: (whole && rate.as_ref().is_ok_and(|r| r.value.is_some()))
                    .then(|| interval(&images, method, bootstrap))
                    .flatten(),
                bd_rate: rate.ok(),
                bd_quality: bd_quality(&a, &t, method).ok(),
                mean_of_images: (!single.is_empty()).then(|| single.iter().sum::<f64>() / single.len() as f64),
            }
        })
        .collect();
    let pchip = methods.iter().find(|m| m.method == Method::Pchip);
    let (delta, ends) = pchip.map_or((None, None), |m| (m.bd_rate, m.interval.map(|i| (i.low, i.high))));
    Ok(Comparison {
        set: set.into(),
        anchor: anchor.name().into(),
        test: test.name().into(),
        metric: metric.into(),
        rate: anchor_rate,
        verdict: verdict(delta, ends),
        summary: sentence((anchor.name(), test.name(), metric), delta, ends),
        anchor_points: a,
        test_points: t,
        images: images.len(),
        methods,
    })
}

/// The percentile interval of the BD-rate of the curves of means, over paired draws of the images.
fn interval(
    images: &[(String, Vec<RatePoint>, Vec<RatePoint>)],
    method: Method,
    bootstrap: &Bootstrap,
) -> Option<Interval> {
    if images.len() < 2 {
        return None;
    }
    let mut random = SplitMix64(bootstrap.seed);
    let mut values = Vec::new();
    for _ in 0..bootstrap.resamples {
        let draw: Vec<usize> = (0..images.len()).map(|_| random.below(images.len() as u64) as usize).collect();
        let drawn = || draw.iter().map(|&i| &images[i]);
        let a = mean_curve(&drawn().map(|i| i.1.as_slice()).collect::<Vec<_>>());
        let t = mean_curve(&drawn().map(|i| i.2.as_slice()).collect::<Vec<_>>());
        if let Ok(BdDelta { value: Some(value), .. }) = bd_rate(&a, &t, method) {
            values.push(value);
        }
    }
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - bootstrap.level) / 2.0;
    let quantile = |q: f64| {
        let at = q * (values.len() - 1) as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        values[low] + part * (values[(low + 1).min(values.len() - 1)] - values[low])
    };
    Some(Interval {
        low: quantile(tail),
        high: quantile(1.0 - tail),
        level: bootstrap.level,
        resamples: values.len() as u32,
        seed: bootstrap.seed,
    })
}

/// The means of curves of one length, point by point.
fn mean_curve(curves: &[&[RatePoint]]) -> Vec<RatePoint> {
    let mean =
        |k: usize, get: fn(&RatePoint) -> f64| curves.iter().map(|c| get(&c[k])).sum::<f64>() / curves.len() as f64;
    let points = curves.first().map_or(0, |c| c.len());
    (0..points).map(|k| RatePoint { bpp: mean(k, |p| p.bpp), quality: mean(k, |p| p.quality) }).collect()
}

/// SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014): the same draws on every machine and in every version.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, by the high half of a product; the bias is below n / 2^64.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

/// The comparisons as a document.
pub fn document(comparisons: &[Comparison]) -> Document {
    let columns = ["BD-rate %", "interval of BD-rate %", "mean of images %", "BD-quality", "overlap %"];
    let sections = comparisons.iter().map(|c| {
        let rows = c
            .methods
            .iter()
            .map(|m| {
                let value = m.bd_rate.and_then(|d| d.value);
                let mut cell = Cell::signed(value, 3);
                if let Some(error) = &m.error {
                    cell = Cell::new("none").hint(error);
                } else if value.is_none() {
                    cell = Cell::new("none").hint("the curves do not overlap");
                }
                let interval = m.interval.map_or("–".into(), |i| format!("{:+.3} to {:+.3}", i.low, i.high));
                vec![
                    Cell::new(format!("{:?}", m.method)),
                    cell.caution(value.is_some() && m.bd_rate.is_some_and(|d| d.low_overlap || d.wild)),
                    Cell::new(interval),
                    Cell::signed(m.mean_of_images, 3),
                    Cell::signed(m.bd_quality.and_then(|d| d.value), 4),
                    Cell::number(m.bd_rate.map(|d| 100.0 * d.overlap), 1),
                ]
            })
            .collect();
        let mut notes: Vec<String> = Vec::new();
        for m in &c.methods {
            if let Some(error) = &m.error {
                notes.push(format!("{:?}: {error}", m.method));
            } else if m.bd_rate.is_some_and(|d| d.value.is_none()) {
                notes.push(format!("{:?}: the curves do not overlap", m.method));
            }
        }
        if c.methods.iter().any(|m| m.bd_rate.is_some_and(|d| d.low_overlap && d.value.is_some())) {
            notes.push(format!(
                "! the overlap is below {:.0} %: the value speaks for that part only",
                100.0 * LOW_OVERLAP
            ));
        }
        if c.methods.iter().any(|m| m.bd_rate.is_some_and(|d| d.wild)) {
            notes.push(WILD.into());
        }
        if let Some(i) = c.methods.iter().find_map(|m| m.interval) {
            notes.push(format!(
                "Intervals: {:.0} %, paired bootstrap over {} images, {} draws, seed {}.",
                100.0 * i.level,
                c.images,
                i.resamples,
                i.seed
            ));
        }
        let columns = std::iter::once(Column::text("method")).chain(columns.map(Column::number)).collect();
        let heading = if c.set.is_empty() { c.test.clone() } else { format!("{} · {}", c.set, c.test) };
        let caption = format!("{} against {}, by {}", c.test, c.anchor, c.metric);
        Section::new(heading)
            .with(Block::Headline(vec![headline(c)]))
            .with(Block::Plot(plot(c)))
            .with(Block::Table(Table { caption, columns, rows, notes, folded: false }))
    });
    Document {
        title: "Comparison".into(),
        lead: "Negative BD-rate: the test needs fewer bits. The verdict is PCHIP's.".into(),
        sections: sections.collect(),
    }
}

/// What is said where a cubic polynomial runs wild.
pub(super) const WILD: &str = "! the cubic polynomial runs wild between the points (it falls, or is more than 5 percentage \
                               points from PCHIP): do not use its value";

/// The verdict, with the BD-rate in large.
fn headline(c: &Comparison) -> Figure {
    let pchip = c.methods.iter().find(|m| m.method == Method::Pchip).and_then(|m| m.bd_rate?.value);
    let value = pchip.map_or("–".into(), |value| format!("{value:+.1} %"));
    let good = match c.verdict {
        Verdict::Better => Some(true),
        Verdict::Worse => Some(false),
        Verdict::Same | Verdict::None => None,
    };
    Figure { value, text: c.summary.clone(), good }
}

/// Both curves.
fn plot(c: &Comparison) -> Plot {
    let series = |name: &str, color, points: &[RatePoint]| {
        let mut points: Vec<(f64, f64)> = points.iter().map(|p| (p.bpp, p.quality)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series::line(name, color, points)
    };
    Plot {
        caption: format!("{} and {}", c.test, c.anchor),
        x_label: names::rate_label(c.rate).into(),
        y_label: label(&c.metric),
        log_x: true,
        series: vec![series(&c.test, 0, &c.test_points), series(&c.anchor, 1, &c.anchor_points)],
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
