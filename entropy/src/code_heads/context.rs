//! Which rows of the table of vectors a frame, or a code inside it, gets as input. Training and coding both ask here.

use super::config::{CodeHeadsConfig, Medium};

/// Extents of an array of codes, in the order of its memory: `[grids][rows][columns][layers]`.
///
/// VQ: grids in time order, one layer. RVQ: grids are independent signals with one row each, whose columns are time steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Grids (VQ: frames of a video, in order; RVQ: signals).
    pub grids: usize,
    /// Rows of a grid (RVQ: 1).
    pub rows: usize,
    /// Columns of a grid (RVQ: time steps).
    pub columns: usize,
    /// Codes of a frame (VQ: 1).
    pub layers: usize,
}

impl Shape {
    /// Number of codes, if it fits.
    pub fn len(&self) -> Option<usize> {
        self.grids.checked_mul(self.rows)?.checked_mul(self.columns)?.checked_mul(self.layers)
    }

    /// Whether there is no code (or too many to count).
    pub fn is_empty(&self) -> bool {
        self.len().is_none_or(|n| n == 0)
    }

    /// Index of the first code of a frame.
    pub fn index(&self, at: Place) -> usize {
        ((at.grid * self.rows + at.row) * self.columns + at.column) * self.layers
    }
}

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Grid.
    pub grid: usize,
    /// Row.
    pub row: usize,
    /// Column.
    pub column: usize,
}

/// The codes of one array and how a model looks at them.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    config: &'a CodeHeadsConfig,
    shape: Shape,
}

/// `base + offset` inside `0..end`.
fn moved(base: usize, offset: i8, end: usize) -> Option<usize> {
    base.checked_add_signed(isize::from(offset)).filter(|&i| i < end)
}

impl<'a> Context<'a> {
    /// The view of a model on an array of this shape.
    pub fn new(config: &'a CodeHeadsConfig, shape: Shape) -> Self {
        Self { config, shape }
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Row of the table for a code of a layer; the row after a layer's codes stands for what lies outside the array.
    pub fn table_row(&self, layer: usize, code: Option<u16>) -> u32 {
        let code = code.map_or(self.config.codebook, usize::from);
        (layer * (self.config.codebook + 1) + code) as u32
    }

    /// Index of the neighbour's first code.
    fn neighbour(&self, at: Place, i: usize) -> Option<usize> {
        let [grids, rows, columns] = self.config.context[i];
        let grid = moved(at.grid, -grids, self.shape.grids)?;
        let row = moved(at.row, rows, self.shape.rows)?;
        let column = moved(at.column, columns, self.shape.columns)?;
        Some(self.shape.index(Place { grid, row, column }))
    }

    /// Appends the rows of the backbone's input: for each neighbour its codes in order of layers, then the place.
    pub fn frame(&self, codes: &[u16], at: Place, out: &mut Vec<u32>) {
        let c = self.config;
        for i in 0..c.context.len() {
            let first = self.neighbour(at, i);
            out.extend((0..c.code_layers).map(|layer| self.table_row(layer, first.map(|first| codes[first + layer]))));
        }
        if c.medium == Medium::Vq {
            let place = at.row.min(c.rows - 1) * c.columns + at.column.min(c.columns - 1);
            out.push((c.code_layers * (c.codebook + 1) + place) as u32);
        }
    }

    /// Appends the codes that may be copied (none where the neighbour lies outside).
    pub fn copies(&self, codes: &[u16], at: Place, out: &mut Vec<Option<u16>>) {
        out.extend((0..self.config.copies).map(|i| self.neighbour(at, i).map(|index| codes[index])));
    }

    /// Appends the rows of a depth step's input, for the code of `layer` in the frame at `at`.
    pub fn step(&self, codes: &[u16], at: Place, layer: usize, out: &mut Vec<u32>) {
        for &[back, up] in &self.config.step_context {
            let code = moved(layer, up, self.shape.layers)
                .zip(moved(at.column, -back, self.shape.columns))
                .map(|(layer, column)| (layer, codes[self.shape.index(Place { column, ..at }) + layer]));
            out.push(match code {
                Some((layer, code)) => self.table_row(layer, Some(code)),
                None => self.table_row(layer, None),
            });
        }
    }
}
