//! Tables: wide ones scroll inside their frame, long ones fold away. On a phone a row of more than three cells becomes a card:
//! its name, and a line for each cell with the heading of the column.

use super::super::document::{Cell, Table};
use maud::{Markup, html};

pub(super) fn render(table: &Table) -> Markup {
    let framed = html! {
        div.frame tabindex="0" role="region" aria-label=(table.caption) {
            table class=[(table.columns.len() > 3).then_some("cards")] {
                @if !table.caption.is_empty() && !table.folded { caption { (table.caption) } }
                thead {
                    tr { @for column in &table.columns { th scope="col" class=[column.numeric.then_some("n")] { (column.heading) } } }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (i, cell) in row.iter().enumerate() {
                                @let numeric = table.columns.get(i).is_some_and(|c| c.numeric);
                                @if i == 0 { th scope="row" class=[classes(cell, numeric)] { (content(cell)) } }
                                @else {
                                    td class=[classes(cell, numeric)] data-label=[table.columns.get(i).map(|c| c.heading.as_str())] {
                                        (content(cell))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !table.notes.is_empty() { ul.notes { @for note in &table.notes { li { (note) } } } }
    };
    if table.folded {
        html! { details { summary { (table.caption) } (framed) } }
    } else {
        framed
    }
}

fn classes(cell: &Cell, numeric: bool) -> Option<String> {
    let names = [(numeric, "n"), (cell.strong, "strong"), (cell.caution, "caution")];
    let names: Vec<&str> = names.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

fn content(cell: &Cell) -> Markup {
    html! {
        @if let Some(picture) = &cell.picture { img src=(picture) alt="" loading="lazy"; }
        @match &cell.hint {
            Some(hint) => span.hint title=(hint) { (cell.text) },
            None => (cell.text),
        }
        @if cell.caution { sup title=(cell.hint.as_deref().unwrap_or("to be read with caution")) { "!" } }
    }
}
