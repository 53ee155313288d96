//! Reports as data: headings, text, tables, plots, heat maps. Every report becomes a [`Document`], which is rendered as
//! Markdown ([`Document::to_markdown`]) or as one HTML page ([`crate::html`]).

use std::fmt::Write;

/// A whole report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// Title.
    pub title: String,
    /// One or two sentences under the title.
    pub lead: String,
    /// Sections in order.
    pub sections: Vec<Section>,
}

/// A part of a report under a heading of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// Heading.
    pub heading: String,
    /// What it holds, in order.
    pub blocks: Vec<Block>,
}

/// One element of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Short lines that belong together, such as warnings.
    Notes(Vec<String>),
    /// A table.
    Table(Table),
    /// Curves.
    Plot(Plot),
    /// Bits over the 64 coefficients of a block.
    HeatMap(HeatMap),
    /// Parts of a whole.
    Bars(Bars),
    /// Command lines or other text to copy, with a label each.
    Commands(Vec<(String, String)>),
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Headings of the columns.
    pub columns: Vec<Column>,
    /// Rows, each of as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks below the table.
    pub notes: Vec<String>,
    /// Whether a page may fold the table away.
    pub folded: bool,
}

/// A column's heading and alignment.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Heading.
    pub heading: String,
    /// Numbers are aligned to the right.
    pub numeric: bool,
}

/// A cell of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// What it says; empty where nothing is known.
    pub text: String,
    /// Whether it stands out.
    pub strong: bool,
    /// A longer explanation, such as the overlap of two curves.
    pub hint: Option<String>,
    /// A picture as a data URI.
    pub picture: Option<String>,
    /// Whether the value is to be read with caution.
    pub caution: bool,
}

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

/// A grid of 8×8 values.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What it shows.
    pub caption: String,
    /// Rows from the top, values of at least zero.
    pub values: Box<[[f64; 8]; 8]>,
    /// Unit of the values.
    pub unit: String,
}

/// Parts of a whole, drawn as one bar.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bars {
    /// What it shows.
    pub caption: String,
    /// Name and amount of every part.
    pub parts: Vec<(String, f64)>,
    /// Unit of the amounts.
    pub unit: String,
}

impl Column {
    /// A column of text.
    pub fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), numeric: false }
    }

    /// A column of numbers.
    pub fn number(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), numeric: true }
    }
}

impl Cell {
    /// A cell of text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number with so many decimals; an en dash where there is none.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        Self::new(value.map_or_else(|| "–".into(), |v| format!("{v:.decimals$}")))
    }

    /// A number with its sign.
    pub fn signed(value: Option<f64>, decimals: usize) -> Self {
        Self::new(value.map_or_else(|| "–".into(), |v| format!("{v:+.decimals$}")))
    }

    /// The same cell, standing out.
    pub fn strong(self) -> Self {
        Self { strong: true, ..self }
    }

    /// The same cell with an explanation.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same cell, marked for caution.
    pub fn caution(self, caution: bool) -> Self {
        Self { caution, ..self }
    }
}

impl Section {
    /// An empty section.
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), blocks: Vec::new() }
    }

    /// Appends a block.
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }
}

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
        let section =
            Section::new("S").with(Block::Table(table)).with(Block::Commands(vec![("x".into(), "y z".into())]));
        let document = Document { title: "T".into(), lead: "L".into(), sections: vec![section] };
        let expected = "# T\n\nL\n\n## S\n\nc\n\n| a\\|b | n |\n|---|---:|\n| x y | **1.2** |\n| \\| | – |\n\n* n\n\n\
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
