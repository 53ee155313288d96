//! Curves as inline SVG, with a linear and, where asked for, a logarithmic horizontal axis.

use maud::{Markup, html};

/// Curves over one pair of axes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub caption: String,
    /// Name of the horizontal axis, with unit.
    pub x_label: String,
    /// Name of the vertical axis, with unit.
    pub y_label: String,
    /// Whether a logarithmic horizontal axis is offered beside the linear one.
    pub log_x: bool,
    /// The curves.
    pub series: Vec<Series>,
}

/// One curve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Name.
    pub name: String,
    /// Points `(x, y, label)` in the order in which they are joined.
    pub points: Vec<(f64, f64, String)>,
    /// Number that fixes the colour over all plots of a document.
    pub color: usize,
    /// Whether the line is broken.
    pub dashed: bool,
}

/// The drawing in units of its view box.
const WIDTH: f64 = 660.0;
const HEIGHT: f64 = 430.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 58.0;
/// Curves that the style sheet can tell apart; later ones repeat colours.
const COLORS: usize = 12;

/// One axis: from values to units of the view box.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let f = |v: f64| if self.log { v.log10() } else { v };
        let (low, high) = (f(self.low), f(self.high));
        let share = if high > low { (f(value) - low) / (high - low) } else { 0.5 };
        self.from + share * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log { log_ticks(self.low, self.high) } else { linear_ticks(self.low, self.high) }
    }
}

/// About five round values inside `low..=high`.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * power).find(|s| *s >= raw * 0.999).unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// 1, 2 and 5 times powers of ten inside `low..=high`.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let values = decades.flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(d)));
    values.filter(|v| (low * 0.999..=high * 1.001).contains(v)).collect()
}

/// A tick's value without superfluous zeros.
fn tick(value: f64) -> String {
    if value.abs() >= 1000.0 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Lowest and highest value with some room; `None` without a finite value.
fn range(values: impl Iterator<Item = f64>, positive: bool) -> Option<(f64, f64)> {
    let usable = values.filter(|v| v.is_finite() && (!positive || *v > 0.0));
    let (low, high) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return None;
    }
    if positive {
        return Some((low / 1.12, high * 1.12));
    }
    let room = if high > low { 0.05 * (high - low) } else { 0.5 * high.abs().max(1.0) };
    let bottom = if low >= 0.0 && low < 0.3 * high { 0.0 } else { low - room };
    Some((bottom, high + room))
}

pub(super) fn render(plot: &Plot, number: usize) -> Markup {
    let log = plot.log_x.then(|| svg(plot, true)).flatten();
    let Some(linear) = svg(plot, false) else {
        return html! { figure.plot { figcaption { (plot.caption) } p { "No finite point to draw." } } };
    };
    html! {
        figure.plot {
            figcaption { (plot.caption) }
            @if log.is_some() {
                input.pick-lin type="radio" name=(format!("x{number}")) id=(format!("lin{number}")) checked;
                label for=(format!("lin{number}")) { "linear" }
                input.pick-log type="radio" name=(format!("x{number}")) id=(format!("log{number}"));
                label for=(format!("log{number}")) { "logarithmic" }
            }
            div.lin { (linear) }
            @if let Some(log) = log { div.log { (log) } }
            div.legend {
                @for (i, series) in plot.series.iter().enumerate() {
                    label {
                        input type="checkbox" checked class=(format!("c{i}"));
                        svg width="26" height="12" aria-hidden="true" {
                            line x1="1" x2="25" y1="6" y2="6" class=(line_class(series)) {}
                            circle cx="13" cy="6" r="3.4" class=(format!("k{}", series.color % COLORS)) {}
                        }
                        (series.name)
                    }
                }
            }
        }
    }
}

fn line_class(series: &Series) -> String {
    format!("k{}{}", series.color % COLORS, if series.dashed { " dashed" } else { "" })
}

/// The drawing; `None` where no point can be drawn.
fn svg(plot: &Plot, log: bool) -> Option<Markup> {
    let points = || plot.series.iter().flat_map(|s| &s.points);
    let (low, high) = range(points().map(|p| p.0), log)?;
    let x = Axis { low, high, log, from: LEFT, to: WIDTH - RIGHT };
    let (low, high) = range(points().map(|p| p.1), false)?;
    let y = Axis { low, high, log: false, from: HEIGHT - BOTTOM, to: TOP };
    let drawable = |p: &&(f64, f64, String)| p.0.is_finite() && p.1.is_finite() && (!log || p.0 > 0.0);
    Some(html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(plot.caption) {
            g.axes {
                @for value in x.ticks() {
                    @let at = x.place(value);
                    line x1=(n(at)) x2=(n(at)) y1=(n(TOP)) y2=(n(HEIGHT - BOTTOM)) {}
                    text x=(n(at)) y=(n(HEIGHT - BOTTOM + 20.0)) text-anchor="middle" { (tick(value)) }
                }
                @for value in y.ticks() {
                    @let at = y.place(value);
                    line x1=(n(LEFT)) x2=(n(WIDTH - RIGHT)) y1=(n(at)) y2=(n(at)) {}
                    text x=(n(LEFT - 8.0)) y=(n(at + 5.0)) text-anchor="end" { (tick(value)) }
                }
                text.title x=(n((LEFT + WIDTH - RIGHT) / 2.0)) y=(n(HEIGHT - 10.0)) text-anchor="middle" { (plot.x_label) }
                text.title transform=(format!("translate(16 {}) rotate(-90)", n((TOP + HEIGHT - BOTTOM) / 2.0))) text-anchor="middle" { (plot.y_label) }
            }
            @for (i, series) in plot.series.iter().enumerate() {
                @let line: Vec<String> = series.points.iter().filter(drawable)
                    .map(|p| format!("{},{}", n(x.place(p.0)), n(y.place(p.1)))).collect();
                polyline class=(format!("s{i} {}", line_class(series))) points=(line.join(" ")) {}
            }
            @for (i, series) in plot.series.iter().enumerate() {
                g class=(format!("s{i} k{}", series.color % COLORS)) {
                    @for point in series.points.iter().filter(drawable) {
                        (marker(series, point, x.place(point.0), y.place(point.1)))
                    }
                }
            }
        }
    })
}

/// A point with its values, which show on hover and on focus.
fn marker(series: &Series, point: &(f64, f64, String), x: f64, y: f64) -> Markup {
    let (first, second) = (format!("{} {}", series.name, point.2), format!("{}  {}", tick(point.0), tick(point.1)));
    let width = 16.0 + 7.6 * first.chars().count().max(second.chars().count()) as f64;
    let left = (x - width / 2.0).clamp(2.0, (WIDTH - width - 2.0).max(2.0));
    let top = if y > 64.0 { y - 56.0 } else { y + 14.0 };
    html! {
        g.pt tabindex="0" {
            title { (first) ": " (second) }
            circle.target cx=(n(x)) cy=(n(y)) r="10" {}
            circle cx=(n(x)) cy=(n(y)) r="3.6" {}
            g.tip {
                rect x=(n(left)) y=(n(top)) width=(n(width)) height="44" rx="5" {}
                text x=(n(left + 8.0)) y=(n(top + 18.0)) { (first) }
                text x=(n(left + 8.0)) y=(n(top + 36.0)) { (second) }
            }
        }
    }
}

/// A coordinate with one decimal.
fn n(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(linear_ticks(0.0, 2.3), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(linear_ticks(28.3, 41.9), [30.0, 35.0, 40.0]);
        assert_eq!(log_ticks(0.1, 3.0), [0.1, 0.2, 0.5, 1.0, 2.0]);
        assert_eq!((tick(0.5), tick(40.0), tick(-0.0)), ("0.5".into(), "40".into(), "0".into()));
    }

    #[test]
    fn ends_of_an_axis_are_ends_of_the_frame() {
        for log in [false, true] {
            let axis = Axis { low: 0.1, high: 4.0, log, from: 10.0, to: 110.0 };
            assert!((axis.place(0.1) - 10.0).abs() < 1e-9 && (axis.place(4.0) - 110.0).abs() < 1e-9);
        }
        let axis = Axis { low: 0.1, high: 10.0, log: true, from: 0.0, to: 100.0 };
        assert!((axis.place(1.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn points_that_have_no_place_are_left_out() {
        let points = vec![(0.0, 1.0, "a".into()), (f64::NAN, 1.0, "b".into()), (2.0, f64::INFINITY, "c".into())];
        let series = Series { name: "S".into(), points, ..Series::default() };
        let plot = Plot { series: vec![series], log_x: true, ..Plot::default() };
        let text = render(&plot, 1).into_string();
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert_eq!(text.matches("class=\"pt\"").count(), 1);
        assert!(render(&Plot::default(), 1).into_string().contains("No finite point"));
    }
}
