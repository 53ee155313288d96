//! From an array of codes to the batches of a training step. What a frame sees comes from `lmcodec_entropy::code_heads`, the code
//! that the coder itself runs.

use std::path::Path;

use lmcodec_codecs::codes::{self, unravel};
use lmcodec_entropy::code_heads::config::{CodeHeadsConfig, Medium};
use lmcodec_entropy::code_heads::context::{Context, Place, Shape};
use rand::Rng;

use crate::train::TrainError;

/// An array of codes.
#[derive(Clone, Debug)]
pub struct CodeArray {
    /// Its extents: VQ `[grids][rows][columns][1]`, RVQ `[1][1][time steps][layers]`.
    pub shape: Shape,
    /// The codes.
    pub codes: Vec<u16>,
}

impl CodeArray {
    /// Reads a `.npy` file of integers. VQ: `[grids, rows·columns]` or `[grids, rows, columns]`; RVQ: `[time steps, layers]`.
    ///
    /// # Errors
    /// [`TrainError`] if it cannot be read, has another shape, or holds a code outside the codebook.
    pub fn read(path: &Path, config: &CodeHeadsConfig) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
        let invalid = |message: String| TrainError::invalid(path, message);
        let array = codes::parse(&bytes, None).map_err(|e| invalid(e.to_string()))?;
        let found = array.side.shape;
        let (rows, columns, layers) = (config.rows, config.columns, config.code_layers);
        let shape = match (config.medium, found.as_slice()) {
            (Medium::Vq, &[grids, n]) if n == rows * columns => Shape { grids, rows, columns, layers: 1 },
            (Medium::Vq, &[grids, r, c]) if (r, c) == (rows, columns) => Shape { grids, rows, columns, layers: 1 },
            (Medium::Rvq, &[steps, l]) if l == layers => Shape { grids: 1, rows: 1, columns: steps, layers },
            _ => return Err(invalid(format!("an array of shape {found:?} does not fit the model's frames"))),
        };
        if let Some(i) = array.codes.iter().position(|&c| usize::from(c) >= config.codebook) {
            let (code, index) = (array.codes[i], unravel(i, &found));
            return Err(invalid(format!("element {index:?} is {code}, outside the codebook of {}", config.codebook)));
        }
        let codes = array.codes;
        Ok(Self { shape, codes })
    }

    /// Extent of the axis that parts are cut from: grids for VQ, time steps for RVQ.
    pub fn extent(&self, medium: Medium) -> usize {
        match medium {
            Medium::Vq => self.shape.grids,
            Medium::Rvq => self.shape.columns,
        }
    }

    /// The part `range` of that axis.
    ///
    /// # Panics
    /// If the range is not inside the array.
    pub fn part(&self, medium: Medium, range: std::ops::Range<usize>) -> Self {
        let one = self.codes.len() / self.extent(medium).max(1);
        let codes = self.codes[range.start * one..range.end * one].to_vec();
        let shape = match medium {
            Medium::Vq => Shape { grids: range.len(), ..self.shape },
            Medium::Rvq => Shape { columns: range.len(), ..self.shape },
        };
        Self { shape, codes }
    }
}

/// How sequences are drawn for training.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Share of context codes that are replaced by "outside".
    pub dropout: f64,
    /// Share of sequences that see nothing before themselves, as the first of a file.
    pub first: f64,
}

/// One training step's input: B sequences of T frames (a grid of VQ, some time steps of RVQ).
#[derive(Default, Debug)]
pub struct CodeBatch {
    /// B.
    pub sequences: usize,
    /// T.
    pub frames: usize,
    /// [B·T·S]: table rows of the backbone's input.
    pub rows: Vec<i32>,
    /// [B·T·L]: the codes.
    pub targets: Vec<i32>,
    /// [B·T·C]: codes that may be copied (0 where there is none).
    pub copies: Vec<i32>,
    /// [B·T·C]: 1 where there is one, else 0.
    pub exists: Vec<f32>,
    /// [B·T·L·s]: table rows of the depth steps' inputs.
    pub step_rows: Vec<i32>,
}

impl CodeBatch {
    /// Bits of the codes are divided by this number to report bits a code.
    pub fn codes(&self) -> usize {
        self.targets.len()
    }

    /// Adds the frames at `places`, in order, of an array seen as a whole file.
    fn push(&mut self, config: &CodeHeadsConfig, array: &CodeArray, places: impl Iterator<Item = Place>) {
        let context = Context::new(config, array.shape);
        let (mut rows, mut copies) = (Vec::new(), Vec::new());
        for at in places {
            rows.clear();
            context.frame(&array.codes, at, &mut rows);
            self.rows.extend(rows.iter().map(|&r| r as i32));
            copies.clear();
            context.copies(&array.codes, at, &mut copies);
            self.copies.extend(copies.iter().map(|c| i32::from(c.unwrap_or(0))));
            self.exists.extend(copies.iter().map(|c| f32::from(u8::from(c.is_some()))));
            if config.medium == Medium::Rvq {
                rows.clear();
                (0..config.code_layers).for_each(|layer| context.step(&array.codes, at, layer, &mut rows));
                self.step_rows.extend(rows.iter().map(|&r| r as i32));
            }
            let first = array.shape.index(at);
            self.targets.extend(array.codes[first..first + config.code_layers].iter().map(|&c| i32::from(c)));
        }
        self.sequences += 1;
    }

    /// Replaces context codes by "outside".
    fn drop_context(&mut self, config: &CodeHeadsConfig, share: f64, rng: &mut impl Rng) {
        let (period, codes) = (config.codebook + 1, config.code_layers * (config.codebook + 1));
        for row in self.rows.iter_mut().chain(&mut self.step_rows) {
            if (*row as usize) < codes && rng.random_bool(share) {
                *row = (*row as usize / period * period + config.codebook) as i32;
            }
        }
    }

    /// `count` random sequences of the array: whole grids of VQ, `frames` time steps of RVQ.
    ///
    /// # Panics
    /// If the array holds no such sequence.
    pub fn draw(
        config: &CodeHeadsConfig,
        array: &CodeArray,
        (count, frames): (usize, usize),
        draw: Draw,
        rng: &mut impl Rng,
    ) -> Self {
        let mut batch = Self::default();
        let shape = array.shape;
        for _ in 0..count {
            let first = rng.random_bool(draw.first);
            match config.medium {
                Medium::Vq => {
                    let grid = rng.random_range(0..shape.grids);
                    // What comes before may be cut off, one or all grids of it.
                    let cut = if first { grid - rng.random_range(0..=grid.min(1)) } else { 0 };
                    let part = array.part(config.medium, cut.max(grid.saturating_sub(8))..grid + 1);
                    let grid = part.shape.grids - 1;
                    batch.push(config, &part, raster(shape, grid));
                }
                Medium::Rvq => {
                    let start = rng.random_range(0..=shape.columns - frames);
                    let from = if first { start } else { start.saturating_sub(32) };
                    let part = array.part(config.medium, from..start + frames);
                    let columns = start - from..start - from + frames;
                    batch.push(config, &part, columns.map(|column| Place { grid: 0, row: 0, column }));
                }
            }
        }
        batch.frames = batch.targets.len() / config.code_layers / count.max(1);
        if draw.dropout > 0.0 {
            batch.drop_context(config, draw.dropout, rng);
        }
        batch
    }

    /// All of an array, in batches of about `count` sequences, each seeing what a file's coder sees: VQ grids one by one,
    /// RVQ in segments of `frames` time steps that see nothing before themselves.
    pub fn cover(config: &CodeHeadsConfig, array: &CodeArray, (count, frames): (usize, usize)) -> Vec<Self> {
        let shape = array.shape;
        let mut batches = Vec::new();
        let mut add = |lengths: Vec<std::ops::Range<usize>>| {
            let mut batch = Self::default();
            for range in lengths {
                match config.medium {
                    Medium::Vq => batch.push(config, array, raster(shape, range.start)),
                    Medium::Rvq => {
                        let n = range.len();
                        let part = array.part(config.medium, range);
                        batch.push(config, &part, (0..n).map(|column| Place { grid: 0, row: 0, column }));
                    }
                }
            }
            batch.frames = batch.targets.len() / config.code_layers / batch.sequences;
            batches.push(batch);
        };
        let length = if config.medium == Medium::Vq { 1 } else { frames };
        let extent = array.extent(config.medium);
        let whole: Vec<_> = (0..extent / length).map(|i| i * length..(i + 1) * length).collect();
        whole.chunks(count.max(1)).for_each(|c| add(c.to_vec()));
        let rest = extent - extent % length..extent;
        if !rest.is_empty() {
            add([rest].into());
        }
        batches
    }
}

/// The places of a grid in raster order.
fn raster(shape: Shape, grid: usize) -> impl Iterator<Item = Place> {
    (0..shape.rows * shape.columns).map(move |i| Place { grid, row: i / shape.columns, column: i % shape.columns })
}
