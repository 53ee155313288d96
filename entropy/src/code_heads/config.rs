//! The configuration in a frame-heads file: what a frame is, what it sees, and the sizes of the layers it runs on.

use crate::error::ModelError;
use crate::frame_llama::FrameConfig;
use serde::{Deserialize, Serialize};

/// The value of `arch`.
pub const ARCH: &str = "frame-heads";
/// The value of `format`.
pub const FORMAT: u32 = 1;
/// Lag of a grid behind the grid before it, in steps of the wavefront (see `walk.rs`). Part of the format.
pub const GRID_LAG: i32 = 4;

/// The greatest codebook: what a distribution of the coder holds.
pub const MAX_CODEBOOK: usize = 1 << 14;

/// What the codes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// Grids of vector-quantization indices, in time order; a frame is one position and holds one code.
    Vq,
    /// Residual vector quantization of a signal; a frame is one time step and holds a code of each layer.
    Rvq,
}

/// A frame before this one: `[grids back, rows down, columns right]`.
pub type Neighbour = [i8; 3];
/// A code before this one: `[columns back, layers up]`.
pub type StepNeighbour = [i8; 2];

/// Metadata entry `lmcodec` of a frame-heads file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeHeadsConfig {
    /// Architecture: `frame-heads`.
    pub arch: String,
    /// Version of the tensor layout: 1.
    pub format: u32,
    /// SHA-256 (hexadecimal) of the model whose blocks are used; none if the file holds blocks of its own.
    pub backbone_sha256: Option<String>,
    /// VQ or RVQ.
    pub medium: Medium,
    /// Codes of a layer's alphabet (2..=16384).
    pub codebook: usize,
    /// Codes of a frame (VQ: 1; RVQ: 1..=63).
    pub code_layers: usize,
    /// Width of a code's vector (1..=256).
    pub code_width: usize,
    /// Rows of the table of places (VQ: 1..=256; positions beyond use the last; RVQ: 0).
    pub rows: usize,
    /// Columns of the table of places, likewise.
    pub columns: usize,
    /// Frames whose codes are the backbone's input (1..=64 of them).
    pub context: Vec<Neighbour>,
    /// How many of the first frames in `context` may be copied: their codes get a logit of their own (VQ only, ≤ 64).
    pub copies: usize,
    /// Codes that are a depth step's input (RVQ only, 1..=64 of them).
    pub step_context: Vec<StepNeighbour>,
    /// D, width of the backbone.
    pub d_model: usize,
    /// Blocks of the backbone.
    pub layers: usize,
    /// Attention heads of the backbone.
    pub heads: usize,
    /// Width of the backbone's feed-forward.
    pub ffn: usize,
    /// E, width of the depth decoder (the four are 0 for VQ).
    pub depth_d: usize,
    /// Blocks of the depth decoder.
    pub depth_layers: usize,
    /// Attention heads of the depth decoder.
    pub depth_heads: usize,
    /// Width of the depth decoder's feed-forward.
    pub depth_ffn: usize,
}

fn range(field: &'static str, found: usize, ok: bool, allowed: &'static str) -> Result<(), ModelError> {
    if ok { Ok(()) } else { Err(ModelError::ConfigRange { field, found, allowed }) }
}

impl CodeHeadsConfig {
    /// Parses and checks the metadata's JSON.
    ///
    /// # Errors
    /// [`ModelError::Config`], [`ModelError::Unsupported`] or [`ModelError::ConfigRange`].
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = serde_json::from_str(json)?;
        config.check()?;
        Ok(config)
    }

    /// The JSON that [`from_json`](Self::from_json) reads.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Rows of the table of vectors: a layer's codes and then "outside", for each layer; then the places.
    pub fn table_rows(&self) -> usize {
        self.code_layers * (self.codebook + 1) + self.rows * self.columns
    }

    /// Vectors that make the backbone's input: one for each neighbour and layer, and the place.
    pub fn inputs(&self) -> usize {
        self.context.len() * self.code_layers + usize::from(self.rows > 0)
    }

    /// Elements of a backbone head (16 or 32).
    pub fn head(&self) -> usize {
        self.d_model / self.heads
    }

    /// Elements of a depth head (16 or 32).
    pub fn depth_head(&self) -> usize {
        self.depth_d / self.depth_heads
    }

    /// Checks every size, and that every neighbour comes before the frame.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn check(&self) -> Result<(), ModelError> {
        if self.arch != ARCH {
            return Err(ModelError::Unsupported { field: "arch", found: self.arch.clone(), supported: ARCH });
        }
        if self.format != FORMAT {
            return Err(ModelError::Unsupported { field: "format", found: self.format.to_string(), supported: "1" });
        }
        let rvq = self.medium == Medium::Rvq;
        let is = |n: usize, from: usize, to: usize| (from..=to).contains(&n);
        range("codebook", self.codebook, is(self.codebook, 2, MAX_CODEBOOK), "2..=16384")?;
        let most = if rvq { 63 } else { 1 };
        range("code_layers", self.code_layers, is(self.code_layers, 1, most), "1 for VQ, 1..=63 for RVQ")?;
        range("code_width", self.code_width, is(self.code_width, 1, 256), "1..=256")?;
        let (least, most) = if rvq { (0, 0) } else { (1, 256) };
        range("rows", self.rows, is(self.rows, least, most), "1..=256 for VQ, 0 for RVQ")?;
        range("columns", self.columns, is(self.columns, least, most), "1..=256 for VQ, 0 for RVQ")?;
        range("context", self.context.len(), is(self.context.len(), 1, 64), "1..=64 neighbours")?;
        let most = if rvq { 0 } else { self.context.len() };
        range("copies", self.copies, self.copies <= most, "at most the neighbours of VQ, 0 for RVQ")?;
        let steps = self.step_context.len();
        range(
            "step_context",
            steps,
            is(steps, usize::from(rvq), if rvq { 64 } else { 0 }),
            "1..=64 for RVQ, 0 for VQ",
        )?;
        range(
            "inputs × code_width",
            self.inputs() * self.code_width,
            self.inputs() * self.code_width <= 8192,
            "≤ 8192",
        )?;
        let width = self.step_context.len() * self.code_width;
        range("step_context × code_width", width, width <= 8192, "at most 8192")?;
        for (i, &[grids, rows, columns]) in self.context.iter().enumerate() {
            let (grids, rows, columns) = (i32::from(grids), i32::from(rows), i32::from(columns));
            // The step of the wavefront in which the neighbour was coded must lie before this frame's.
            let causal = columns + 2 * rows - GRID_LAG * grids < 0;
            let near = (0..=4).contains(&grids) && rows.abs() <= 8 && columns.abs() <= 16;
            let flat = !rvq || (grids == 0 && rows == 0);
            range(
                "context",
                i,
                causal && near && flat,
                "neighbours coded before the frame, at most 4 grids, 8 rows and 16 columns away",
            )?;
        }
        for (i, &[columns, layers]) in self.step_context.iter().enumerate() {
            let causal = columns > 0 || (columns == 0 && layers < 0);
            range("step_context", i, causal && columns <= 16, "codes before this one, at most 16 columns back")?;
        }
        self.frame_config().check()
    }

    /// The same backbone and depth decoder as a frame Llama's configuration (the features' counts mean nothing).
    pub(crate) fn frame_config(&self) -> FrameConfig {
        let rvq = self.medium == Medium::Rvq;
        let depth = |n: usize, none: usize| if rvq { n } else { none };
        FrameConfig {
            arch: crate::frame_llama::ARCH.to_owned(),
            format: 1,
            features: 1,
            d_model: self.d_model,
            layers: self.layers,
            heads: self.heads,
            ffn: self.ffn,
            depth_features: 1,
            depth_d: depth(self.depth_d, 16),
            depth_layers: depth(self.depth_layers, 1),
            depth_heads: depth(self.depth_heads, 1),
            depth_ffn: depth(self.depth_ffn, 16),
            dc_features: 1,
            dc_ffn: 16,
            depth_state: false,
            arrangement: String::new(),
        }
    }
}
