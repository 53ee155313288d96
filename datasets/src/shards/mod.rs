//! Shards: the form in which trainers read latents.
//!
//! A prepared folder holds `index.json` ([`ShardIndex`]), `manifest.json` ([`crate::manifest::Manifest`]), `rows.jsonl` (how every
//! row is made, [`crate::plan::Row`]) and shards, each a safetensors file of consecutive rows (`docs/DATASETS.md`).
//! [`encode`] writes one, [`ShardReader`] reads one shard row by row, [`ShardSet`] a prepared folder.

mod layout;
mod reader;
mod set;

use serde::{Deserialize, Serialize};

pub use layout::encode;
pub use reader::ShardReader;
pub use set::{LatentIter, ShardSet};

use crate::error::DatasetError;
use crate::plan::Recipe;
use crate::splits::Split;

/// Name of the index in a prepared folder.
pub const INDEX: &str = "index.json";
/// Name of the manifest in a prepared folder.
pub const MANIFEST: &str = "manifest.json";
/// Name of the list of rows in a prepared folder.
pub const ROWS: &str = "rows.jsonl";
/// Value of [`ShardIndex::format`].
pub const FORMAT: &str = "lmcodec-shards";
/// Value of [`ShardIndex::version`].
pub const VERSION: u32 = 1;

/// One component of an image: quantized DCT coefficients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoefficientPlane {
    /// Rows of blocks.
    pub blocks_high: usize,
    /// Blocks in a row.
    pub blocks_wide: usize,
    /// Quantization table in zigzag order.
    pub quantization: [u16; 64],
    /// `blocks_high · blocks_wide · 64` coefficients: blocks in raster order, zigzag order inside a block.
    pub coefficients: Vec<i16>,
}

/// The latents of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Latents {
    /// The components of an image.
    Coefficients(Vec<CoefficientPlane>),
    /// One channel of 16-bit samples.
    I16(Vec<i16>),
    /// One channel of float samples, full scale −1 to 1.
    F32(Vec<f32>),
    /// An array of codes in C order.
    Codes {
        /// Its dimensions, outermost first.
        dimensions: Vec<u32>,
        /// The codes.
        codes: Vec<u32>,
    },
}

impl Latents {
    /// Bytes that it holds in memory, without the overhead of allocations.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Coefficients(planes) => planes.iter().map(|p| 2 * p.coefficients.len() + size_of_val(p)).sum(),
            Self::I16(samples) => 2 * samples.len(),
            Self::F32(samples) => 4 * samples.len(),
            Self::Codes { dimensions, codes } => 4 * (dimensions.len() + codes.len()),
        }
    }
}

/// `index.json`: what was prepared and which shards are finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardIndex {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Names the preparation ([`crate::plan::plan_sha256`]).
    pub plan_sha256: String,
    /// What was made of the files.
    pub recipe: Recipe,
    /// SHA-256 of `manifest.json`.
    pub manifest_sha256: String,
    /// SHA-256 of `rows.jsonl`.
    pub rows_sha256: String,
    /// Rows of all shards.
    pub rows: u64,
    /// All shards are there.
    pub complete: bool,
    /// The finished shards, in the order of the plan.
    pub shards: Vec<ShardEntry>,
}

/// A finished shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// File name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Number of its first row.
    pub first_row: u64,
    /// Number of rows.
    pub rows: usize,
    /// Split of all its rows.
    pub split: Split,
    /// For pictures: quality of all its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
}

impl ShardIndex {
    /// Reads `index.json` of a prepared folder.
    ///
    /// # Errors
    /// [`DatasetError::Io`]; [`DatasetError::Manifest`] if it is not an index of this version, or names files elsewhere.
    pub fn load(folder: &std::path::Path) -> Result<Self, DatasetError> {
        let path = folder.join(INDEX);
        let text = std::fs::read_to_string(&path).map_err(DatasetError::io(&path))?;
        let fault = |message: String| DatasetError::Manifest { path: path.clone(), message };
        let index: Self = serde_json::from_str(&text).map_err(|e| fault(format!("not an index of shards: {e}")))?;
        if index.format != FORMAT || index.version != VERSION {
            let found = format!("{} {}", index.format, index.version);
            return Err(fault(format!("format {found}; {FORMAT} {VERSION} is expected")));
        }
        match index.shards.iter().find(|s| s.file.contains(['/', '\\']) || s.file.is_empty() || s.file.starts_with('.'))
        {
            Some(shard) => Err(fault(format!("shard {:?} is no plain file name", shard.file))),
            None => Ok(index),
        }
    }
}
