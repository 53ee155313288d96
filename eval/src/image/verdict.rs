//! What a comparison of two curves comes to, in one sentence.
//!
//! The number is PCHIP's BD-rate. Where it has an interval, zero inside of it means that the images cannot tell the two apart;
//! where it has none, less than [`SAME_PERCENT`] counts as no difference.

use serde::Serialize;

use crate::rate::bd_rate::BdDelta;

/// Without an interval, a smaller BD-rate is none.
pub const SAME_PERCENT: f64 = 0.5;

/// Which of two curves is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The test needs fewer bits.
    Better,
    /// The test needs more bits.
    Worse,
    /// No difference that could be told.
    Same,
    /// There is no BD-rate.
    None,
}

/// The verdict on a BD-rate, and the ends of its interval, all in percent.
pub fn verdict(rate: Option<BdDelta>, interval: Option<(f64, f64)>) -> Verdict {
    let Some(value) = rate.and_then(|delta| delta.value) else { return Verdict::None };
    let same = interval.map_or(value.abs() < SAME_PERCENT, |(low, high)| low <= 0.0 && high >= 0.0);
    match value {
        _ if same => Verdict::Same,
        v if v < 0.0 => Verdict::Better,
        _ => Verdict::Worse,
    }
}

/// The verdict as a sentence about `test` and `anchor`.
pub fn sentence(
    (anchor, test, metric): (&str, &str, &str),
    rate: Option<BdDelta>,
    interval: Option<(f64, f64)>,
) -> String {
    let (Some(delta), Some(value)) = (rate, rate.and_then(|delta| delta.value)) else {
        return format!("No verdict: {test} and {anchor} have no quality by {metric} in common.");
    };
    let range = interval.map_or(String::new(), |(low, high)| format!(" (interval {low:+.1} to {high:+.1} %)"));
    let part = if delta.low_overlap {
        format!(" This speaks for the {:.0} % of the qualities that both curves reach.", 100.0 * delta.overlap)
    } else {
        String::new()
    };
    let what = match verdict(rate, interval) {
        Verdict::Better => format!("needs {:.1} % fewer bits than {anchor}", -value),
        Verdict::Worse => format!("needs {value:.1} % more bits than {anchor}"),
        Verdict::Same | Verdict::None => {
            format!("needs as many bits as {anchor}, {value:+.1} %, as far as can be told")
        }
    };
    format!("{test} {what} at equal {metric}{range}.{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_inside_the_interval_is_no_difference() {
        let delta = |value, overlap| Some(BdDelta { value, overlap, low_overlap: overlap < 0.75, wild: false });
        let say = |value, overlap, interval| sentence(("a", "t", "psnr-rgb"), delta(value, overlap), interval);
        assert_eq!(
            say(Some(-34.61), 1.0, Some((-35.0, -34.2))),
            "t needs 34.6 % fewer bits than a at equal psnr-rgb (interval -35.0 to -34.2 %)."
        );
        assert!(
            say(Some(2.0), 0.5, None)
                .starts_with("t needs 2.0 % more bits than a at equal psnr-rgb. This speaks for the 50 %")
        );
        assert!(say(Some(2.0), 1.0, Some((-1.0, 5.0))).contains("as far as can be told"));
        assert!(say(None, 0.0, None).starts_with("No verdict"));
        let kind = |value, interval| verdict(delta(Some(value), 1.0), interval);
        assert_eq!(
            [kind(-0.4, None), kind(-0.4, Some((-0.5, -0.3))), kind(0.6, None)],
            [Verdict::Same, Verdict::Better, Verdict::Worse]
        );
        assert_eq!(verdict(None, None), Verdict::None);
    }
}
