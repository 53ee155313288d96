//! Keys and values of the backbone for one component plane of one segment.

use super::config::FrameConfig;
use super::kernel::{LANES, MAX_TILES};
use super::kv::KvTiles;

/// Columns before and after x that a frame in column x sees, for rows r, r−1, r−2.
const WINDOW: [(usize, usize); 3] = [(7, 0), (6, 1), (4, 3)];

/// One frame of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which of the [`PlaneState`]s given to the call.
    pub plane: u32,
    /// Row in the plane.
    pub row: u32,
    /// Column in the plane.
    pub column: u32,
}

/// The backbone's keys and values of one plane.
///
/// Each row keeps its last `16 · ring` columns, with `ring` tiles of 16 columns a row.
///
/// **One tile is enough for a wavefront**, where row r runs exactly two columns behind row r−1 in the same batches. When
/// (r, x) runs, row r−1 is at x+2 and row r−2 at x+4 in the same batch (or they have ended, and write nothing more). The
/// columns that (r, x) reads are x−7..=x of row r, x−6..=x+1 of row r−1 and x−4..=x+3 of row r−2; the newest column
/// written in those rows is x, x+2 and x+4, so the spans are 8, 9 and 9 columns, each within a ring of 16. (A row may
/// even run 7 columns further ahead.) Memory: 64·D·layers bytes a row of the plane; 64 rows of the default model 2.4 MB.
///
/// The engine checks these conditions on every batch.
#[derive(Debug, Clone)]
pub struct PlaneState {
    rows: usize,
    columns: usize,
    ring: usize,
    layers: usize,
    width: usize,
    /// Columns done in each row.
    done: Vec<u32>,
    pub(crate) tiles: KvTiles,
}

/// Tiles that a frame attends to (before the layer is chosen) with the marked lanes, and where it stores itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    pub(crate) tiles: [(usize, u16); MAX_TILES],
    pub(crate) count: usize,
    pub(crate) own_tile: usize,
    pub(crate) own_lane: usize,
}

impl PlaneState {
    /// State for a plane of `rows` × `columns` frames whose rows run as a wavefront.
    pub fn wavefront(config: &FrameConfig, rows: usize, columns: usize) -> Self {
        Self::with_ring(config, rows, columns, 1)
    }

    /// State that keeps every column, for any order in which a frame's window comes before it (raster order, say).
    pub fn raster(config: &FrameConfig, rows: usize, columns: usize) -> Self {
        Self::with_ring(config, rows, columns, columns.div_ceil(LANES).max(1))
    }

    fn with_ring(config: &FrameConfig, rows: usize, columns: usize, ring: usize) -> Self {
        Self::sized((config.layers, config.d_model), rows, columns, ring)
    }

    /// State for blocks of these layers and width.
    pub(crate) fn sized((layers, width): (usize, usize), rows: usize, columns: usize, ring: usize) -> Self {
        let tiles = KvTiles::new(rows * ring * layers, width);
        Self { rows, columns, ring, layers, width, done: vec![0; rows], tiles }
    }

    /// Rows of the plane.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the plane.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Columns of a row that have run.
    pub fn done(&self, row: usize) -> usize {
        self.done[row] as usize
    }

    /// Whether the frame (row, column) is the next of its row and all that it attends to has run.
    pub fn is_ready(&self, row: usize, column: usize) -> bool {
        row < self.rows
            && column < self.columns
            && self.done(row) == column
            && (1..=row.min(2)).all(|up| self.done(row - up) > (column + WINDOW[up].1).min(self.columns - 1))
    }

    /// Forgets everything, keeping the memory if the new size needs no more.
    pub fn reset(&mut self, rows: usize, columns: usize) {
        if self.ring > 1 {
            self.ring = columns.div_ceil(LANES).max(1);
        }
        let len = rows * self.ring * self.layers * self.width * LANES / 2;
        (self.rows, self.columns) = (rows, columns);
        self.done.clear();
        self.done.resize(rows, 0);
        self.tiles.k.resize(len, 0);
        self.tiles.v.resize(len, 0);
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn layers(&self) -> usize {
        self.layers
    }

    /// Index of a row's tile in layer 0; layer i is i further.
    fn tile(&self, row: usize, column: usize) -> usize {
        (row * self.ring + column / LANES % self.ring) * self.layers
    }

    /// Marks the frame as running. Panics on a second frame of the row in one batch.
    pub(crate) fn start(&mut self, row: usize, column: usize) {
        assert!(self.done(row) == column, "row {row}: column {column} is not next");
        self.done[row] += 1;
    }

    /// The window of a frame that has started. Panics if a row above has run so far ahead that it overwrote what is needed.
    pub(crate) fn window(&self, row: usize, column: usize) -> Window {
        let mut window = Window { own_tile: self.tile(row, column), own_lane: column % LANES, ..Window::default() };
        for (up, (before, after)) in WINDOW.into_iter().enumerate().take(row + 1) {
            let above = row - up;
            let (from, to) = (column.saturating_sub(before), (column + after).min(self.columns - 1));
            assert!(
                self.done(above) <= from + LANES * self.ring,
                "row {above} is at column {}: too far ahead of ({row}, {column})",
                self.done(above)
            );
            for x in from..=to {
                let (tile, mark) = (self.tile(above, x), 1u16 << (x % LANES));
                match window.tiles[..window.count].iter_mut().find(|t| t.0 == tile) {
                    Some(t) => t.1 |= mark,
                    None => {
                        window.tiles[window.count] = (tile, mark);
                        window.count += 1;
                    }
                }
            }
        }
        window
    }
}
