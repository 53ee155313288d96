//! Bjøntegaard deltas: how far apart two rate–quality curves lie on average.
//!
//! In: two curves of rate points (bits per pixel, or any rate above zero; quality in dB or any rising measure). Out: the
//! BD-rate in percent (negative: the test needs fewer bits for the same quality) or the BD-quality in units of quality
//! (positive: the test is better at the same rate), with the share of the range that the two curves have in common.
//!
//! Rates enter as log10. The averages run over the overlap of the two curves only; outside of it nothing is known, so a
//! small overlap is flagged and none gives no number. Values agree with the PyPI package `bjontegaard` 1.3.0 to 1e-6
//! (see the tests). Source: G. Bjøntegaard, *Calculation of average PSNR differences between RD-curves*, VCEG-M33, 2001.

use super::interpolation::Interpolant;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A cubic BD-rate farther than this from PCHIP's, in percentage points, is flagged.
pub const WILD_PERCENT: f64 = 5.0;
/// Below this overlap ([`BdDelta::overlap`]) a delta is flagged.
pub const LOW_OVERLAP: f64 = 0.75;

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    /// Rate, above zero: bits per pixel, or any other unit that both curves share.
    pub bpp: f64,
    /// Quality, larger is better: PSNR in dB, MS-SSIM in dB.
    pub quality: f64,
}

/// How a curve runs between its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One cubic polynomial (VCEG-M33); at least four points.
    Cubic,
    /// Piecewise cubic Hermite, monotone (JCT-VC).
    Pchip,
    /// Akima's piecewise cubics.
    Akima,
}

impl Method {
    /// The smallest number of points that determines a curve.
    pub fn min_points(self) -> usize {
        match self {
            Method::Cubic => 4,
            Method::Pchip | Method::Akima => 2,
        }
    }
}

/// A Bjøntegaard delta.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BdDelta {
    /// Percent of rate ([`bd_rate`]) or units of quality ([`bd_quality`]); `None` where the curves do not overlap.
    pub value: Option<f64>,
    /// Length of the common range over the length of the joint range, 0 to 1: of quality for [`bd_rate`], of log10 rate for
    /// [`bd_quality`].
    pub overlap: f64,
    /// True when `overlap` is below [`LOW_OVERLAP`]: the value speaks for a small part of the curves.
    pub low_overlap: bool,
    /// True when a cubic polynomial runs wild between the points: it falls where the points rise, or its BD-rate is more than
    /// [`WILD_PERCENT`] points away from PCHIP's. Never for the other methods.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wild: bool,
}

/// Which of the two curves an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The curve compared against.
    Anchor,
    /// The curve under test.
    Test,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Anchor => "anchor",
            Side::Test => "test",
        })
    }
}

/// Why no delta can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum BdError {
    /// A rate or a quality is NaN or infinite.
    #[error("{side}: point {index} is not finite (rate {bpp}, quality {quality})")]
    NotFinite {
        /// The curve.
        side: Side,
        /// Index in the caller's order.
        index: usize,
        /// The rate found.
        bpp: f64,
        /// The quality found.
        quality: f64,
    },
    /// A rate is zero or negative, so that it has no logarithm.
    #[error("{side}: the rate of point {index} is {bpp}, it must be above zero")]
    RateNotPositive {
        /// The curve.
        side: Side,
        /// Index in the caller's order.
        index: usize,
        /// The rate found.
        bpp: f64,
    },
    /// Too few points for the method.
    #[error("{side}: rate points: {found}; {method:?} needs at least {required}")]
    TooFewPoints {
        /// The curve.
        side: Side,
        /// The method asked for.
        method: Method,
        /// Points found.
        found: usize,
        /// Points required.
        required: usize,
    },
    /// More bits do not give more quality, or two points share a rate.
    #[error(
        "{side}: not monotone: rate {low_bpp} has quality {low_quality}, rate {high_bpp} has quality {high_quality} \
         (both must rise strictly)"
    )]
    NotMonotone {
        /// The curve.
        side: Side,
        /// Rate of the lower of the two points.
        low_bpp: f64,
        /// Its quality.
        low_quality: f64,
        /// Rate of the next point.
        high_bpp: f64,
        /// Its quality.
        high_quality: f64,
    },
}

impl BdError {
    /// The curve that is at fault.
    pub fn side(&self) -> Side {
        match *self {
            Self::NotFinite { side, .. }
            | Self::RateNotPositive { side, .. }
            | Self::TooFewPoints { side, .. }
            | Self::NotMonotone { side, .. } => side,
        }
    }
}

/// BD-rate: the average difference of rate at the same quality, in percent of the anchor's rate.
///
/// The points may come in any order. See [`BdError`] for what is refused.
pub fn bd_rate(anchor: &[RatePoint], test: &[RatePoint], method: Method) -> Result<BdDelta, BdError> {
    let (anchor, test) = (Knots::new(anchor, Side::Anchor, method)?, Knots::new(test, Side::Test, method)?);
    let mean = |method| mean_difference((&anchor.quality, &anchor.log_rate), (&test.quality, &test.log_rate), method);
    let percent = |log_ratio: f64| (10f64.powf(log_ratio) - 1.0) * 100.0;
    let mut delta = mean(method).map(percent);
    if let (Method::Cubic, Some(cubic), Some(pchip)) = (method, delta.value, mean(Method::Pchip).value) {
        delta.wild |= (cubic - percent(pchip)).abs() > WILD_PERCENT;
    }
    Ok(delta)
}

/// BD-quality (BD-PSNR): the average difference of quality at the same rate, in units of quality.
///
/// The points may come in any order. See [`BdError`] for what is refused.
pub fn bd_quality(anchor: &[RatePoint], test: &[RatePoint], method: Method) -> Result<BdDelta, BdError> {
    let (anchor, test) = (Knots::new(anchor, Side::Anchor, method)?, Knots::new(test, Side::Test, method)?);
    Ok(mean_difference((&anchor.log_rate, &anchor.quality), (&test.log_rate, &test.quality), method))
}

impl BdDelta {
    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { value: self.value.map(f), ..self }
    }
}

/// A checked curve, sorted by rate.
struct Knots {
    log_rate: Vec<f64>,
    quality: Vec<f64>,
}

impl Knots {
    fn new(points: &[RatePoint], side: Side, method: Method) -> Result<Self, BdError> {
        for (index, &RatePoint { bpp, quality }) in points.iter().enumerate() {
            if !bpp.is_finite() || !quality.is_finite() {
                return Err(BdError::NotFinite { side, index, bpp, quality });
            }
            if bpp <= 0.0 {
                return Err(BdError::RateNotPositive { side, index, bpp });
            }
        }
        let required = method.min_points();
        if points.len() < required {
            return Err(BdError::TooFewPoints { side, method, found: points.len(), required });
        }
        let mut sorted = points.to_vec();
        sorted.sort_by(|a, b| a.bpp.total_cmp(&b.bpp));
        if let Some(w) = sorted.windows(2).find(|w| w[0].bpp >= w[1].bpp || w[0].quality >= w[1].quality) {
            return Err(BdError::NotMonotone {
                side,
                low_bpp: w[0].bpp,
                low_quality: w[0].quality,
                high_bpp: w[1].bpp,
                high_quality: w[1].quality,
            });
        }
        Ok(Self {
            log_rate: sorted.iter().map(|p| p.bpp.log10()).collect(),
            quality: sorted.iter().map(|p| p.quality).collect(),
        })
    }
}

/// Mean of `test − anchor` over the common range of x, the share of that range in the joint one, and whether a curve falls there.
fn mean_difference(anchor: (&[f64], &[f64]), test: (&[f64], &[f64]), method: Method) -> BdDelta {
    let ends = |x: &[f64]| (x[0], x[x.len() - 1]);
    let ((a_low, a_high), (t_low, t_high)) = (ends(anchor.0), ends(test.0));
    let (low, high) = (a_low.max(t_low), a_high.min(t_high));
    if high <= low {
        return BdDelta { value: None, overlap: 0.0, low_overlap: true, wild: false };
    }
    let overlap = (high - low) / (a_high.max(t_high) - a_low.min(t_low));
    let [anchor, test] = [anchor, test].map(|(x, y)| match method {
        Method::Cubic => Interpolant::cubic(x, y),
        Method::Pchip => Interpolant::pchip(x, y),
        Method::Akima => Interpolant::akima(x, y),
    });
    let area = test.integral(low, high) - anchor.integral(low, high);
    let wild = method == Method::Cubic && (anchor.falls(low, high) || test.falls(low, high));
    BdDelta { value: Some(area / (high - low)), overlap, low_overlap: overlap < LOW_OVERLAP, wild }
}

#[cfg(test)]
#[path = "bd_rate_tests.rs"]
mod tests;
