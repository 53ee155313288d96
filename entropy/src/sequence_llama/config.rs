//! The configurations in the metadata of a backbone file and of a head set, and the sizes that the engine can run.

use crate::coder::MAX_WIDE_SYMBOLS;
use crate::error::ModelError;
use serde::{Deserialize, Serialize};

/// `arch` of a backbone file.
pub const BACKBONE_ARCH: &str = "sequence-llama";
/// `arch` of a head set.
pub const HEADS_ARCH: &str = "sequence-heads-int";
/// `format` of both.
pub const FORMAT: u32 = 1;
/// The greatest `d_model`: sums of squares of that many 24-bit integers stay below 2^62.
pub const MAX_WIDTH: usize = 1 << 14;
/// The greatest `ffn` and the greatest heads × head_dim: the most inputs of a linear layer.
pub const MAX_INPUTS: usize = 1 << 15;
/// The greatest `head_dim`: `128 · 4095² < 2^31`.
pub const MAX_HEAD: usize = 128;
/// The greatest `context`.
pub const MAX_CONTEXT: usize = 1 << 17;
/// The most RVQ layers of a head set.
pub const MAX_CODE_LAYERS: usize = 64;

/// Sizes of an integer backbone, as in the metadata entry `lmcodec` of its safetensors file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// Architecture: `sequence-llama`.
    pub arch: String,
    /// Version of the tensor layout: 1.
    pub format: u32,
    /// D, width of the residual stream (1..=16384).
    pub d_model: usize,
    /// Blocks (1..=256).
    pub layers: usize,
    /// Query heads (1..=512).
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Elements of a head: even, 2..=128.
    pub head_dim: usize,
    /// Width of the feed-forward (1..=32768).
    pub ffn: usize,
    /// The most positions of a chunk (1..=131072).
    pub context: usize,
    /// RMSNorm's ε in Q48, at most 2^48.
    pub eps_q48: u64,
    /// Where the weights come from (checkpoint's name and hash, merged adapter); not interpreted.
    #[serde(default)]
    pub source: serde_json::Value,
}

/// Alphabets and origin of an integer head set, as in the metadata entry `lmcodec` of its safetensors file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadsConfig {
    /// Architecture: `sequence-heads-int`.
    pub arch: String,
    /// Version of the tensor layout: 1.
    pub format: u32,
    /// D of the backbone.
    pub d_model: usize,
    /// Symbols of each RVQ layer (one entry where there are no layers), each 1..=16384.
    pub vocabularies: Vec<u32>,
    /// SHA-256 of the integer backbone file that the heads were trained on, lower-case hexadecimal.
    pub backbone_int_sha256: String,
    /// The arrangement of latents into chunks of symbols, as the arrangement's own JSON.
    pub arrangement: serde_json::Value,
    /// Metadata of the head set that this one was exported from; not interpreted.
    #[serde(default)]
    pub source: serde_json::Value,
}

fn range(field: &'static str, found: usize, ok: bool, allowed: &'static str) -> Result<(), ModelError> {
    if ok { Ok(()) } else { Err(ModelError::ConfigRange { field, found, allowed }) }
}

fn kind(arch: &str, expected: &'static str, format: u32) -> Result<(), ModelError> {
    if arch != expected {
        return Err(ModelError::Unsupported { field: "arch", found: arch.to_owned(), supported: expected });
    }
    if format != FORMAT {
        return Err(ModelError::Unsupported { field: "format", found: format.to_string(), supported: "1" });
    }
    Ok(())
}

impl BackboneConfig {
    /// Parses and checks the metadata's JSON.
    ///
    /// # Errors
    /// [`ModelError::Config`], [`ModelError::Unsupported`] or [`ModelError::ConfigRange`].
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = serde_json::from_str(json)?;
        config.check()?;
        Ok(config)
    }

    /// Checks every size.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn check(&self) -> Result<(), ModelError> {
        kind(&self.arch, BACKBONE_ARCH, self.format)?;
        range("d_model", self.d_model, (1..=MAX_WIDTH).contains(&self.d_model), "1..=16384")?;
        range("layers", self.layers, (1..=256).contains(&self.layers), "1..=256")?;
        range("heads", self.heads, (1..=512).contains(&self.heads), "1..=512")?;
        let divides = self.kv_heads >= 1 && self.heads.is_multiple_of(self.kv_heads);
        range("kv_heads", self.kv_heads, divides, "divisors of `heads`")?;
        let head = self.head_dim;
        range("head_dim", head, head.is_multiple_of(2) && (2..=MAX_HEAD).contains(&head), "even, 2..=128")?;
        range("heads × head_dim", self.attended(), self.attended() <= MAX_INPUTS, "at most 32768")?;
        range("ffn", self.ffn, (1..=MAX_INPUTS).contains(&self.ffn), "1..=32768")?;
        range("context", self.context, (1..=MAX_CONTEXT).contains(&self.context), "1..=131072")?;
        range("eps_q48", self.eps_q48 as usize, self.eps_q48 <= 1 << 48, "at most 2^48")
    }

    /// Rows of the fused projection: queries, keys, values.
    pub fn qkv(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Elements of all query heads: inputs of the output projection.
    pub fn attended(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Query heads that share a key and value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}

impl HeadsConfig {
    /// Parses and checks the metadata's JSON.
    ///
    /// # Errors
    /// [`ModelError::Config`], [`ModelError::Unsupported`] or [`ModelError::ConfigRange`].
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = serde_json::from_str(json)?;
        config.check()?;
        Ok(config)
    }

    /// Checks every size, and that an arrangement that names vocabularies names the same ones.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn check(&self) -> Result<(), ModelError> {
        kind(&self.arch, HEADS_ARCH, self.format)?;
        range("d_model", self.d_model, (1..=MAX_WIDTH).contains(&self.d_model), "1..=16384")?;
        let layers = self.vocabularies.len();
        range("vocabularies", layers, (1..=MAX_CODE_LAYERS).contains(&layers), "1..=64 entries")?;
        for &v in &self.vocabularies {
            range("vocabularies", v as usize, (1..=MAX_WIDE_SYMBOLS).contains(&(v as usize)), "1..=16384 symbols")?;
        }
        if let Some(named) = self.arrangement.get("vocabularies")
            && *named != serde_json::json!(self.vocabularies)
        {
            return Err(ModelError::Unsupported {
                field: "arrangement.vocabularies",
                found: named.to_string(),
                supported: "the head set's own `vocabularies`",
            });
        }
        Ok(())
    }

    /// ΣV: rows of the head.
    pub fn symbols(&self) -> usize {
        self.vocabularies.iter().map(|&v| v as usize).sum()
    }

    /// ΣV + L: rows of the embedding, the start rows last.
    pub fn embeddings(&self) -> usize {
        self.symbols() + self.vocabularies.len()
    }
}
