//! Reports as data: headings, text, tables, plots, heat maps. Every report becomes a [`Document`], which is rendered as
//! Markdown ([`super::markdown`]), one HTML page ([`super::html`]) or, its tables alone, CSV ([`super::csv`]).

use super::plot::Plot;

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
    /// What a report comes to, in few numbers.
    Headline(Vec<Figure>),
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

/// A number that stands out, and what it says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figure {
    /// The number, with its unit.
    pub value: String,
    /// A sentence.
    pub text: String,
    /// Whether it is good or bad, where it is one of them.
    pub good: Option<bool>,
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
