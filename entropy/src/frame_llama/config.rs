//! The configuration in a model file's metadata, and the sizes that the engine can run.

use crate::error::ModelError;
use serde::{Deserialize, Serialize};

/// Symbols of `last`: the zigzag index of the last nonzero AC coefficient, 0 if there is none.
pub const LAST_SYMBOLS: usize = 64;
/// Primary symbols of a coefficient (31 used, one spare row).
pub const PRIMARIES: usize = 32;
/// Escape symbols (magnitude buckets).
pub const ESCAPES: usize = 32;
/// Depth steps of a frame: zigzag positions 1..=63.
pub const MAX_STEPS: usize = 63;

/// The value of `arch`.
pub const ARCH: &str = "frame-llama";
/// The value of `format`.
pub const FORMAT: u32 = 1;

/// Sizes of a frame Llama, as in the metadata entry `lmcodec` of its safetensors file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameConfig {
    /// Architecture: `frame-llama`.
    pub arch: String,
    /// Version of the tensor layout: 1.
    pub format: u32,
    /// F, backbone input features of one frame (1..=8192).
    pub features: usize,
    /// D, width of the backbone (heads × 16 or heads × 32, ≤ 512).
    pub d_model: usize,
    /// Blocks of the backbone (1..=64).
    pub layers: usize,
    /// Attention heads of the backbone.
    pub heads: usize,
    /// Width of the backbone's feed-forward (multiple of 16, ≤ 4096).
    pub ffn: usize,
    /// G, input features of a coefficient step (1..=8192).
    pub depth_features: usize,
    /// E, width of the depth decoder and the DC stage.
    pub depth_d: usize,
    /// Blocks of the depth decoder (1..=64).
    pub depth_layers: usize,
    /// Attention heads of the depth decoder.
    pub depth_heads: usize,
    /// Width of the depth decoder's feed-forward.
    pub depth_ffn: usize,
    /// C, input features of the DC stage (1..=8192).
    pub dc_features: usize,
    /// Width of the DC stage's feed-forward.
    pub dc_ffn: usize,
    /// Whether every depth step has a projection of the frame's state of its own (`depth.state`); not written if it has none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub depth_state: bool,
    /// Name of the arrangement that makes the features; the arrangement checks it.
    pub arrangement: String,
}

impl FrameConfig {
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

    /// Elements of a backbone head (16 or 32).
    pub fn head(&self) -> usize {
        self.d_model / self.heads
    }

    /// Elements of a depth head (16 or 32).
    pub fn depth_head(&self) -> usize {
        self.depth_d / self.depth_heads
    }

    /// Checks every size.
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
        let range = |field, found: usize, ok: bool, allowed| {
            if ok { Ok(()) } else { Err(ModelError::ConfigRange { field, found, allowed }) }
        };
        let features = |field, n: usize| range(field, n, (1..=8192).contains(&n), "1..=8192");
        let layers = |field, n: usize| range(field, n, (1..=64).contains(&n), "1..=64");
        let ffn = |field, n: usize| {
            range(field, n, n.is_multiple_of(16) && (16..=4096).contains(&n), "multiples of 16 up to 4096")
        };
        let width = |field, heads_field, d: usize, heads: usize| {
            range(heads_field, heads, (1..=32).contains(&heads), "1..=32")?;
            let ok = d <= 512 && (d == heads * 16 || d == heads * 32);
            range(field, d, ok, "heads × 16 or heads × 32, at most 512")
        };
        features("features", self.features)?;
        width("d_model", "heads", self.d_model, self.heads)?;
        layers("layers", self.layers)?;
        ffn("ffn", self.ffn)?;
        features("depth_features", self.depth_features)?;
        width("depth_d", "depth_heads", self.depth_d, self.depth_heads)?;
        layers("depth_layers", self.depth_layers)?;
        ffn("depth_ffn", self.depth_ffn)?;
        features("dc_features", self.dc_features)?;
        ffn("dc_ffn", self.dc_ffn)
    }
}
