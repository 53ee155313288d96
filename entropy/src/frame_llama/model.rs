//! A loaded frame Llama: the checked configuration and the repacked weights.

use super::config::{ESCAPES, FrameConfig, LAST_SYMBOLS, PRIMARIES};
use super::file::TensorReader;
use super::fixed::{GATE_UP_LIMIT, LOGIT_LIMIT, QK_LIMIT, RESIDUAL_LIMIT, RopeTable, V_LIMIT};
use super::linear::Linear;
use crate::error::ModelError;
use sha2::{Digest, Sha256};

/// Bound of every bias of logits: four times the logits' own, so that an exporter may say "never" (the sum is clamped).
pub(crate) const LOGIT_BIAS_LIMIT: i32 = 4 * LOGIT_LIMIT;

/// The feed-forward half of a block.
#[derive(Debug, Clone)]
pub(crate) struct FeedForward {
    pub(crate) gate_up: Linear,
    pub(crate) down: Linear,
}

/// One block: attention and feed-forward.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) qkv: Linear,
    pub(crate) o_proj: Linear,
    pub(crate) feed_forward: FeedForward,
}

/// A linear layer to logits and its bias (Q16 log2 units; `[steps][N]` for `ac`).
#[derive(Debug, Clone)]
pub(crate) struct LogitHead {
    pub(crate) linear: Linear,
    pub(crate) bias: Vec<i32>,
}

/// The depth decoder's weights.
#[derive(Debug, Clone)]
pub(crate) struct DepthWeights {
    /// One per step; 0 unused.
    pub(crate) input: Vec<Linear>,
    /// One per step, 0 unused; empty without `depth_state`.
    pub(crate) state: Vec<Linear>,
    /// `[64][E]`.
    pub(crate) input_bias: Vec<i32>,
    /// `[64][E]`.
    pub(crate) last: Vec<i32>,
    /// `[32][E]`.
    pub(crate) prev: Vec<i32>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) head: LogitHead,
    pub(crate) escape: LogitHead,
}

/// The DC stage's weights.
#[derive(Debug, Clone)]
pub(crate) struct DcWeights {
    pub(crate) input: Linear,
    pub(crate) bias: Vec<i32>,
    /// `[64][E]`.
    pub(crate) last: Vec<i32>,
    pub(crate) layers: Vec<FeedForward>,
    pub(crate) head: LogitHead,
    pub(crate) escape: LogitHead,
}

/// A frame Llama ready to run. Immutable; share it between threads and give each its own [`FrameEngine`](super::FrameEngine).
#[derive(Debug, Clone)]
pub struct FrameLlama {
    config: FrameConfig,
    sha256: [u8; 32],
    pub(crate) rope: RopeTable,
    pub(crate) embed: Linear,
    pub(crate) embed_bias: Vec<i32>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) last: LogitHead,
    pub(crate) to_depth: Linear,
    pub(crate) to_dc: Linear,
    pub(crate) depth: DepthWeights,
    pub(crate) dc: DcWeights,
}

impl FrameLlama {
    /// Loads a model file: safetensors with the configuration as JSON in the metadata entry `lmcodec` and the tensors of
    /// `docs/MODEL.md`.
    ///
    /// Types, shapes, shifts, multipliers, biases and the accumulator bound of every row are checked, so that no input
    /// can make the arithmetic overflow.
    ///
    /// # Errors
    /// [`ModelError`] with the tensor's name and what was found and allowed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (json, mut file) = TensorReader::open(bytes)?;
        let config = FrameConfig::from_json(&json)?;
        let file_ref = &mut file;
        let (d, e) = (config.d_model, config.depth_d);
        let embed = file_ref.linear("embed", config.features, &[(d, RESIDUAL_LIMIT)])?;
        let embed_bias = file_ref.bias("embed.bias", &[d], RESIDUAL_LIMIT)?;
        let blocks = (0..config.layers)
            .map(|i| read_block(file_ref, &format!("layers.{i}"), d, config.ffn))
            .collect::<Result<_, _>>()?;
        let last = read_head(file_ref, "last", "last.bias", d, LAST_SYMBOLS, 1)?;
        let to_depth = file_ref.linear("to_depth", d, &[(e, RESIDUAL_LIMIT)])?;
        let to_dc = file_ref.linear("to_dc", d, &[(e, RESIDUAL_LIMIT)])?;
        let depth = read_depth(file_ref, &config)?;
        let dc = read_dc(file_ref, &config)?;
        file.finish()?;
        let sha256 = Sha256::digest(bytes).into();
        let rope = RopeTable::new();
        Ok(Self { config, sha256, rope, embed, embed_bias, blocks, last, to_depth, to_dc, depth, dc })
    }

    /// The configuration.
    pub fn config(&self) -> &FrameConfig {
        &self.config
    }

    /// SHA-256 of the whole model file.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

fn read_feed_forward(file: &mut TensorReader, prefix: &str, d: usize, ffn: usize) -> Result<FeedForward, ModelError> {
    Ok(FeedForward {
        gate_up: file.linear(&format!("{prefix}.gate_up"), d, &[(2 * ffn, GATE_UP_LIMIT)])?,
        down: file.linear(&format!("{prefix}.down"), ffn, &[(d, RESIDUAL_LIMIT)])?,
    })
}

pub(crate) fn read_block(file: &mut TensorReader, prefix: &str, d: usize, ffn: usize) -> Result<Block, ModelError> {
    Ok(Block {
        qkv: file.linear(&format!("{prefix}.qkv"), d, &[(2 * d, QK_LIMIT), (d, V_LIMIT)])?,
        o_proj: file.linear(&format!("{prefix}.o_proj"), d, &[(d, RESIDUAL_LIMIT)])?,
        feed_forward: read_feed_forward(file, prefix, d, ffn)?,
    })
}

pub(crate) fn read_head(
    file: &mut TensorReader,
    prefix: &str,
    bias: &str,
    inputs: usize,
    symbols: usize,
    steps: usize,
) -> Result<LogitHead, ModelError> {
    let shape = [steps, symbols];
    let shape = if steps == 1 { &shape[1..] } else { &shape[..] };
    Ok(LogitHead {
        linear: file.linear(prefix, inputs, &[(symbols, LOGIT_LIMIT)])?,
        bias: file.bias(bias, shape, LOGIT_BIAS_LIMIT)?,
    })
}

fn read_depth(file: &mut TensorReader, config: &FrameConfig) -> Result<DepthWeights, ModelError> {
    let e = config.depth_d;
    let residual = [(e, RESIDUAL_LIMIT)];
    Ok(DepthWeights {
        input: file.linear_stack("depth.in", LAST_SYMBOLS, config.depth_features, &residual)?,
        state: match config.depth_state {
            true => file.linear_stack("depth.state", LAST_SYMBOLS, config.d_model, &residual)?,
            false => Vec::new(),
        },
        input_bias: file.bias("depth.in_bias", &[LAST_SYMBOLS, e], RESIDUAL_LIMIT)?,
        last: file.bias("depth.last", &[LAST_SYMBOLS, e], RESIDUAL_LIMIT)?,
        prev: file.bias("depth.prev", &[PRIMARIES, e], RESIDUAL_LIMIT)?,
        blocks: (0..config.depth_layers)
            .map(|i| read_block(file, &format!("depth.layers.{i}"), e, config.depth_ffn))
            .collect::<Result<_, _>>()?,
        head: read_head(file, "ac", "ac_bias", e, PRIMARIES, LAST_SYMBOLS)?,
        escape: read_head(file, "ac_escape", "ac_escape.bias", e, ESCAPES, 1)?,
    })
}

fn read_dc(file: &mut TensorReader, config: &FrameConfig) -> Result<DcWeights, ModelError> {
    let e = config.depth_d;
    Ok(DcWeights {
        input: file.linear("dc.in", config.dc_features, &[(e, RESIDUAL_LIMIT)])?,
        bias: file.bias("dc.bias", &[e], RESIDUAL_LIMIT)?,
        last: file.bias("dc.last", &[LAST_SYMBOLS, e], RESIDUAL_LIMIT)?,
        layers: (0..2)
            .map(|i| read_feed_forward(file, &format!("dc.layers.{i}"), e, config.dc_ffn))
            .collect::<Result<_, _>>()?,
        head: read_head(file, "dc.head", "dc.head.bias", e, PRIMARIES, 1)?,
        escape: read_head(file, "dc.escape", "dc.escape.bias", e, ESCAPES, 1)?,
    })
}
