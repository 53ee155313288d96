//! Heat maps of the 64 coefficients, and bars of parts.

use super::super::document::{Bars, HeatMap};
use maud::{Markup, html};

pub(super) fn render(map: &HeatMap) -> Markup {
    let most = map.values.as_flattened().iter().copied().fold(0.0, f64::max);
    let total: f64 = map.values.as_flattened().iter().sum();
    html! {
        figure.heat {
            figcaption { (map.caption) }
            div.grid role="table" aria-label=(map.caption) {
                @for row in map.values.iter() {
                    div role="row" {
                        @for value in row {
                            // The square root shows what is small as well; the colour is mixed by the style sheet.
                            @let share = if most > 0.0 { (value / most).sqrt() } else { 0.0 };
                            @let percent = if total > 0.0 { 100.0 * value / total } else { 0.0 };
                            span role="cell" style=(format!("--h:{:.0}%", 100.0 * share))
                                class=[(share > 0.55).then_some("deep")]
                                title=(format!("{value:.4} {} ({percent:.2} %)", map.unit)) { (short(*value)) }
                        }
                    }
                }
            }
            p.unit { (map.unit) }
        }
    }
}

/// Three digits at most.
fn short(value: f64) -> String {
    match value {
        v if v >= 99.5 => format!("{v:.0}"),
        v if v >= 9.95 => format!("{v:.0}"),
        v if v >= 0.995 => format!("{v:.1}"),
        v if v >= 0.005 => format!("{v:.2}").trim_start_matches('0').to_string(),
        v if v > 0.0 => "·".into(),
        _ => String::new(),
    }
}

pub(super) fn bars(bars: &Bars) -> Markup {
    let total: f64 = bars.parts.iter().map(|p| p.1).sum();
    let share = |amount: f64| if total > 0.0 { 100.0 * amount / total } else { 0.0 };
    html! {
        figure.bars {
            figcaption { (bars.caption) }
            div.bar {
                @for (i, (name, amount)) in bars.parts.iter().enumerate() {
                    span class=(format!("f{}", i % 12)) style=(format!("width:{:.3}%", share(*amount)))
                        title=(format!("{name}: {amount:.0} {} ({:.1} %)", bars.unit, share(*amount))) {}
                }
            }
            ul.key {
                @for (i, (name, amount)) in bars.parts.iter().enumerate() {
                    li { span class=(format!("dot f{}", i % 12)) {} (name) " " b { (format!("{:.1} %", share(*amount))) } }
                }
            }
        }
    }
}
