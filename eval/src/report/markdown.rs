//! A [`Document`] as Markdown: the one renderer of all reports.

use super::document::{Block, Document, HeatMap, Table};
use super::plot::Plot;
use std::fmt::Write;

impl Table {
    /// The table as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        markdown_table(self, &mut out);
        out
    }
}

impl Document {
    /// The document as Markdown. Plots become tables of their points, pictures are left out.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("# {}\n\n{}\n", line(&self.title), self.lead);
        for section in &self.sections {
            let _ = write!(out, "\n## {}\n", line(&section.heading));
            for block in &section.blocks {
                out.push('\n');
                match block {
                    Block::Text(text) => {
                        let _ = writeln!(out, "{text}");
                    }
                    Block::Headline(figures) => figures.iter().for_each(|figure| {
                        let _ = writeln!(out, "* **{}** {}", line(&figure.value), line(&figure.text));
                    }),
                    Block::Notes(notes) => notes.iter().for_each(|note| {
                        let _ = writeln!(out, "* {}", line(note));
                    }),
                    Block::Table(table) => markdown_table(table, &mut out),
                    Block::Plot(plot) => markdown_plot(plot, &mut out),
                    Block::HeatMap(map) => markdown_heat_map(map, &mut out),
                    Block::Bars(bars) => {
                        let total: f64 = bars.parts.iter().map(|p| p.1).sum();
                        let _ = writeln!(out, "{}\n", line(&bars.caption));
                        for (name, amount) in &bars.parts {
                            let share = if total > 0.0 { 100.0 * amount / total } else { 0.0 };
                            let _ = writeln!(out, "* {}: {amount:.0} {} ({share:.1} %)", line(name), bars.unit);
                        }
                    }
                    Block::Commands(commands) => {
                        out.push_str("```text\n");
                        for (label, command) in commands {
                            let _ = writeln!(out, "{}: {}", line(label), line(command));
                        }
                        out.push_str("```\n");
                    }
                }
            }
        }
        out
    }
}

/// Text without line breaks.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
}

fn markdown_table(table: &Table, out: &mut String) {
    if !table.caption.is_empty() {
        let _ = writeln!(out, "{}\n", line(&table.caption));
    }
    for column in &table.columns {
        let _ = write!(out, "| {} ", cell(&column.heading));
    }
    out.push_str("|\n");
    table.columns.iter().for_each(|c| out.push_str(if c.numeric { "|---:" } else { "|---" }));
    out.push_str("|\n");
    for row in &table.rows {
        for c in row {
            let text = cell(&c.text);
            let text = if c.strong && !text.is_empty() { format!("**{text}**") } else { text };
            let _ = write!(out, "| {text}{} ", if c.caution { " (!)" } else { "" });
        }
        out.push_str("|\n");
    }
    if !table.notes.is_empty() {
        out.push('\n');
        table.notes.iter().for_each(|note| {
            let _ = writeln!(out, "* {}", line(note));
        });
    }
}

fn markdown_plot(plot: &Plot, out: &mut String) {
    let _ = writeln!(
        out,
        "{}\n\n| curve | points: {}, {} |\n|---|---|",
        line(&plot.caption),
        cell(&plot.x_label),
        cell(&plot.y_label)
    );
    for series in &plot.series {
        let points: Vec<String> = series.points.iter().map(|(x, y, _)| format!("({x:.4}, {y:.4})")).collect();
        let _ = writeln!(out, "| {} | {} |", cell(&series.name), points.join(" "));
    }
}

fn markdown_heat_map(map: &HeatMap, out: &mut String) {
    let _ = writeln!(out, "{} ({})\n", line(&map.caption), map.unit);
    let heading: String = (0..8).map(|u| format!(" u{u} |")).collect();
    let _ = writeln!(out, "| |{heading}\n|---{}|", "|---:".repeat(8));
    for (v, row) in map.values.iter().enumerate() {
        let _ = write!(out, "| v{v} ");
        row.iter().for_each(|value| {
            let _ = write!(out, "| {value:.4} ");
        });
        out.push_str("|\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::{Cell, Column, Figure, Section};

    #[test]
    fn markdown_keeps_rows_in_one_line_and_escapes_bars() {
        let table = Table {
            caption: "c".into(),
            columns: vec![Column::text("a|b"), Column::number("n")],
            rows: vec![
                vec![Cell::new("x\ny"), Cell::number(Some(1.25), 1).strong()],
                vec![Cell::new("|"), Cell::number(None, 2)],
            ],
            notes: vec!["n".into()],
            folded: false,
        };
        let figure = Figure { value: "−3 %".into(), text: "less".into(), good: Some(true) };
        let section = Section::new("S")
            .with(Block::Headline(vec![figure]))
            .with(Block::Table(table))
            .with(Block::Commands(vec![("x".into(), "y z".into())]));
        let document = Document { title: "T".into(), lead: "L".into(), sections: vec![section] };
        let expected = "# T\n\nL\n\n## S\n\n* **−3 %** less\n\nc\n\n| a\\|b | n |\n|---|---:|\n| x y | **1.2** |\n| \\| | – |\n\n* n\n\n\
                        ```text\nx: y z\n```\n";
        assert_eq!(document.to_markdown(), expected);
    }

    #[test]
    fn heat_map_has_eight_columns() {
        let map = HeatMap { caption: "c".into(), values: Box::new([[0.5; 8]; 8]), unit: "bit".into() };
        let section = Section::new("S").with(Block::HeatMap(map));
        let text = Document { sections: vec![section], ..Document::default() }.to_markdown();
        assert!(text.contains("| | u0 | u1 | u2 | u3 | u4 | u5 | u6 | u7 |\n"), "{text}");
        assert_eq!(text.matches("| v").count(), 8);
    }
}
