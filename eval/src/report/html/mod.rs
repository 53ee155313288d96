//! A [`Document`] as one self-contained HTML page: no script, no external resource, light and dark.
//!
//! Choices (linear or logarithmic rate, which curves are shown) are radio buttons and check boxes that the style sheet
//! reacts to; values of points show on hover, on focus, and as `<title>` where neither works.

mod heat_map;
mod table;

use super::document::{Block, Document};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// What a page may look like.
#[derive(Debug, Clone, Default)]
pub struct PageOptions {
    /// Language of the page; English where empty.
    pub language: String,
}

/// Renders a document.
pub fn page(document: &Document, options: &PageOptions) -> String {
    let language = if options.language.is_empty() { "en" } else { &options.language };
    let mut plots = 0;
    let markup = html! {
        (DOCTYPE)
        html lang=(language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("lmcodec-eval ", env!("CARGO_PKG_VERSION")));
                title { (document.title) }
                style { (PreEscaped(super::plot::style())) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (document.title) }
                    @if !document.lead.is_empty() { p.lead { (document.lead) } }
                    @if document.sections.len() > 1 {
                        nav aria-label="Sections" {
                            @for (i, section) in document.sections.iter().enumerate() {
                                a href=(format!("#s{i}")) { (section.heading) }
                            }
                        }
                    }
                }
                main {
                    @for (i, section) in document.sections.iter().enumerate() {
                        section id=(format!("s{i}")) {
                            h2 { (section.heading) }
                            @for run in runs(&section.blocks) {
                                @if let [block] = run { (render(block, &mut plots)) }
                                @else { div class=(if matches!(run[0], Block::Plot(_)) { "plots" } else { "row" }) { @for block in run { (render(block, &mut plots)) } } }
                            }
                        }
                    }
                }
                footer { "lmcodec-eval " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    markup.into_string()
}

/// Neighbouring plots and neighbouring heat maps stand side by side where there is room; everything else is alone.
fn runs(blocks: &[Block]) -> impl Iterator<Item = &[Block]> {
    blocks.chunk_by(|a, b| matches!((a, b), (Block::HeatMap(_), Block::HeatMap(_)) | (Block::Plot(_), Block::Plot(_))))
}

fn render(block: &Block, plots: &mut usize) -> Markup {
    match block {
        Block::Text(text) => html! { p { (text) } },
        Block::Headline(figures) => html! {
            div.headline {
                @for figure in figures {
                    @let mood = match figure.good { Some(true) => "good", Some(false) => "bad", None => "even" };
                    div class=(mood) { b { (figure.value) } span { (figure.text) } }
                }
            }
        },
        Block::Notes(notes) => html! { ul.notes { @for note in notes { li { (note) } } } },
        Block::Table(table) => table::render(table),
        Block::Plot(plot) => {
            *plots += 1;
            super::plot::render(plot, *plots)
        }
        Block::HeatMap(map) => heat_map::render(map),
        Block::Bars(bars) => heat_map::bars(bars),
        Block::Commands(commands) => html! {
            dl.commands {
                @for (label, command) in commands { div { dt { (label) } dd { code { (command) } } } }
            }
        },
    }
}
