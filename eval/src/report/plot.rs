//! Curves as SVG: inside a page, with a linear and, where asked for, a logarithmic horizontal axis to choose from; or alone, as a
//! file of its own ([`line_chart`]).
//!
//! Every curve and point carries classes and its values, so that a page can hide curves, follow light and dark settings, and show
//! values on hover and on focus without a script. The SVG of the crate `plotters` has neither, which is why this one is here.

use maud::{Markup, PreEscaped, html};
use std::fmt::Write;

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

impl Series {
    /// A curve whose points need no words.
    pub fn line(name: impl Into<String>, color: usize, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().map(|(x, y)| (x, y, String::new())).collect();
        Self { name: name.into(), points, color, dashed: false }
    }
}

/// Which axes of a chart are logarithmic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogAxes {
    /// The horizontal one.
    pub x: bool,
    /// The vertical one.
    pub y: bool,
}

/// The drawing in units of its view box.
const WIDTH: f64 = 660.0;
const HEIGHT: f64 = 430.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 58.0;
/// Curves of more points are drawn without a mark at each.
const MARKED_POINTS: usize = 64;
/// Rules for axes and curves.
const STYLE: &str = include_str!("plot.css");
/// Colours of curves on light and on dark ground; later curves repeat them.
const COLORS: [(&str, &str); 12] = [
    ("#1f6feb", "#6cb0ff"),
    ("#d1242f", "#ff7b72"),
    ("#1a7f37", "#56d364"),
    ("#9a6700", "#e3b341"),
    ("#8250df", "#c297ff"),
    ("#bf3989", "#ff8ac4"),
    ("#0a7ea4", "#56d4dd"),
    ("#57606a", "#adbac7"),
    ("#bc4c00", "#ffa657"),
    ("#4d7c0f", "#b5e04a"),
    ("#0f766e", "#2dd4bf"),
    ("#6d28d9", "#a78bfa"),
];

/// The style sheet of a drawing, with the classes `k0` to `k11` (strokes and marks) and `f0` to `f11` (areas) of the colours.
pub(super) fn style() -> String {
    let list = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
        COLORS.iter().enumerate().map(|(k, c)| format!("--k{k}:{};", pick(c))).collect::<String>()
    };
    let mut out = STYLE.to_string();
    let _ = writeln!(out, ":root {{ {} }}", list(|c| c.0));
    let _ = writeln!(out, "@media (prefers-color-scheme: dark) {{ :root {{ {} }} }}", list(|c| c.1));
    for k in 0..COLORS.len() {
        let rules =
            [".k# { stroke:var(--k#) }", "circle.k#, g.k# circle { fill:var(--k#) }", ".f# { background:var(--k#) }"];
        let _ = writeln!(out, "{}", rules.join(" ").replace('#', &k.to_string()));
    }
    out
}

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
        let decades = if self.log { log_ticks(self.low, self.high) } else { Vec::new() };
        // A short stretch of a logarithmic axis may hold one round number or none.
        if decades.len() > 2 { decades } else { linear_ticks(self.low, self.high) }
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
                            circle cx="13" cy="6" r="3.4" class=(format!("k{}", series.color % COLORS.len())) {}
                        }
                        (series.name)
                    }
                }
            }
        }
    }
}

fn line_class(series: &Series) -> String {
    format!("k{}{}", series.color % COLORS.len(), if series.dashed { " dashed" } else { "" })
}

/// The drawing of a plot on a page; `None` where no point can be drawn.
fn svg(plot: &Plot, log: bool) -> Option<Markup> {
    let frame = Axes::new(&plot.series, LogAxes { x: log, y: false })?;
    Some(html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(plot.caption) {
            (frame.axes(&plot.x_label, &plot.y_label))
            (frame.curves(&plot.series))
        }
    })
}

/// A chart as a whole SVG file: title, legend, axes, curves. Nothing outside of it is needed; it follows the reader's setting of
/// light or dark. Points that are not finite, or not above zero on a logarithmic axis, are left out.
pub fn line_chart(title: &str, x_label: &str, y_label: &str, series: &[Series], log: LogAxes) -> String {
    let (legend, rows) = legend(series);
    let head = 34.0 + 22.0 * rows as f64;
    let frame = Axes::new(series, log);
    let height = HEIGHT + head;
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) height=(height)
            role="img" aria-label=(title) font-family="system-ui, sans-serif" font-size="14" {
            title { (title) }
            style { (PreEscaped(style())) }
            rect width="100%" height="100%" style="fill:var(--bg)" {}
            text x=(n(LEFT)) y="24" font-size="16" font-weight="600" style="fill:var(--fg)" { (title) }
            (legend)
            g transform=(format!("translate(0 {head})")) {
                @match frame {
                    Some(frame) => { (frame.axes(x_label, y_label)) (frame.curves(series)) }
                    None => text x=(n(LEFT)) y=(n(HEIGHT / 2.0)) style="fill:var(--dim)" { "No finite point to draw." },
                }
            }
        }
    };
    markup.into_string()
}

/// Names of the curves beside a stretch of each, and how many rows they take.
fn legend(series: &[Series]) -> (Markup, usize) {
    let (mut x, mut rows) = (LEFT, 0);
    let mut places = Vec::new();
    for one in series {
        // Characters of the font are about 7.6 units wide.
        let width = 52.0 + 7.6 * one.name.chars().count() as f64;
        if rows == 0 || x + width > WIDTH - RIGHT {
            (x, rows) = (LEFT, rows + 1);
        }
        places.push((x, 22.0 * rows as f64 + 24.0, one));
        x += width;
    }
    let markup = html! {
        @for (x, y, one) in places {
            line x1=(n(x)) x2=(n(x + 26.0)) y1=(n(y - 5.0)) y2=(n(y - 5.0)) stroke-width="2.2" class=(line_class(one)) {}
            text x=(n(x + 32.0)) y=(n(y)) style="fill:var(--fg)" { (one.name) }
        }
    };
    (markup, rows)
}

/// Both axes of a drawing.
struct Axes {
    x: Axis,
    y: Axis,
}

impl Axes {
    /// Axes that hold all points; `None` where no point can be drawn.
    fn new(series: &[Series], log: LogAxes) -> Option<Self> {
        let points = || series.iter().flat_map(|s| &s.points);
        let (low, high) = range(points().map(|p| p.0), log.x)?;
        let x = Axis { low, high, log: log.x, from: LEFT, to: WIDTH - RIGHT };
        let (low, high) = range(points().map(|p| p.1), log.y)?;
        let y = Axis { low, high, log: log.y, from: HEIGHT - BOTTOM, to: TOP };
        Some(Self { x, y })
    }

    /// The points of a curve that have a place, with that place.
    fn drawable<'a>(&self, series: &'a Series) -> Vec<(f64, f64, &'a (f64, f64, String))> {
        let fits = |axis: &Axis, value: f64| value.is_finite() && (!axis.log || value > 0.0);
        let points = series.points.iter().filter(|p| fits(&self.x, p.0) && fits(&self.y, p.1));
        points.map(|p| (self.x.place(p.0), self.y.place(p.1), p)).collect()
    }

    fn axes(&self, x_label: &str, y_label: &str) -> Markup {
        html! {
            g.axes {
                @for value in self.x.ticks() {
                    @let at = self.x.place(value);
                    line x1=(n(at)) x2=(n(at)) y1=(n(TOP)) y2=(n(HEIGHT - BOTTOM)) {}
                    text x=(n(at)) y=(n(HEIGHT - BOTTOM + 20.0)) text-anchor="middle" { (tick(value)) }
                }
                @for value in self.y.ticks() {
                    @let at = self.y.place(value);
                    line x1=(n(LEFT)) x2=(n(WIDTH - RIGHT)) y1=(n(at)) y2=(n(at)) {}
                    text x=(n(LEFT - 8.0)) y=(n(at + 5.0)) text-anchor="end" { (tick(value)) }
                }
                text.title x=(n((LEFT + WIDTH - RIGHT) / 2.0)) y=(n(HEIGHT - 10.0)) text-anchor="middle" { (x_label) }
                text.title transform=(format!("translate(16 {}) rotate(-90)", n((TOP + HEIGHT - BOTTOM) / 2.0))) text-anchor="middle" { (y_label) }
            }
        }
    }

    fn curves(&self, series: &[Series]) -> Markup {
        html! {
            @for (i, series) in series.iter().enumerate() {
                @let line: Vec<String> = self.drawable(series).iter().map(|(x, y, _)| format!("{},{}", n(*x), n(*y))).collect();
                polyline class=(format!("s{i} {}", line_class(series))) points=(line.join(" ")) {}
            }
            @for (i, series) in series.iter().enumerate().filter(|(_, s)| s.points.len() <= MARKED_POINTS) {
                g class=(format!("s{i} k{}", series.color % COLORS.len())) {
                    @for (x, y, point) in self.drawable(series) { (marker(series, point, x, y)) }
                }
            }
        }
    }
}

/// A point with its values, which show on hover and on focus.
fn marker(series: &Series, point: &(f64, f64, String), x: f64, y: f64) -> Markup {
    let (first, second) = (
        format!("{} {}", series.name, point.2).trim_end().to_string(),
        format!("{}  {}", tick(point.0), tick(point.1)),
    );
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

    #[test]
    fn a_chart_is_a_file_of_its_own() {
        let loss = Series::line("training & more", 0, (1..200).map(|i| (f64::from(i), 3.0 / f64::from(i) + 1.0)));
        let held_out =
            Series { dashed: true, ..Series::line("validation", 1, [(1.0, 4.0), (100.0, 1.1), (f64::NAN, 1.0)]) };
        for log in [(false, false), (true, false), (false, true), (true, true)] {
            let log = LogAxes { x: log.0, y: log.1 };
            let svg = line_chart("Loss < 5", "step", "bits a block", &[loss.clone(), held_out.clone()], log);
            assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            for text in ["Loss &lt; 5", "training &amp; more", ">step<", ">bits a block<", "--k1:#d1242f"] {
                assert!(svg.contains(text), "{text}: {svg}");
            }
            // 199 points make a line, two make marks too.
            assert_eq!((svg.matches("<polyline").count(), svg.matches("class=\"pt\"").count()), (2, 2));
        }
        let empty = line_chart("Nothing", "x", "y", &[], LogAxes::default());
        assert!(empty.contains("No finite point"), "{empty}");
    }

    #[test]
    fn a_short_logarithmic_axis_has_ticks() {
        let axis = Axis { low: 1.1, high: 1.4, log: true, from: 0.0, to: 100.0 };
        assert!(axis.ticks().len() > 2, "{:?}", axis.ticks());
        assert_eq!(Axis { low: 0.1, high: 3.0, ..axis }.ticks(), [0.1, 0.2, 0.5, 1.0, 2.0]);
    }
}
