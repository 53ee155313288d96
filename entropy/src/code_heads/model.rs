//! A loaded frame-heads file: embedding and heads of its own, blocks of its own or of the model that it names.
//!
//! Tensors (names as in `docs/MODEL.md`; V is the codebook rounded up to a multiple of 16, C the copies likewise):
//!
//! * `table` i8 `[rows, r]`: the vectors of each layer's codes and its "outside", then of the places;
//! * `embed` `[D, S·r]` and `embed.bias` `[D]`: S vectors to the residual stream (Q12);
//! * VQ: `codes` `[V, D]`, `codes.bias` `[V]`; if there are copies `copy` `[C, D]`, `copy.bias` `[C]` (Q16 log2 units);
//! * RVQ, L layers: `to_depth` `[E, D]`, `step.in` `[L, E, s·r]`, `step.in_bias` `[L, E]`, `step.codes` `[L, V, E]`,
//!   `step.codes_bias` `[L, V]`;
//! * without `backbone_sha256`: the blocks `layers.{i}` and, for RVQ, `depth.layers.{i}`.

use super::config::{CodeHeadsConfig, Medium};
use crate::error::ModelError;
use crate::file_hash::FileHash;
use crate::frame_llama::FrameLlama;
use crate::frame_llama::fixed::{LOGIT_LIMIT, RESIDUAL_LIMIT, RopeTable};
use crate::frame_llama::linear::{Linear, Outputs, read_linear, read_stack};
use crate::frame_llama::model::{Block, LOGIT_BIAS_LIMIT, LogitHead, read_block};
use crate::tensors::TensorReader;
use crate::weights;
use sha2::{Digest, Sha256};

/// What gives the codes' probabilities.
#[derive(Debug, Clone)]
pub(super) enum Head {
    /// VQ.
    Grid(Box<GridHead>),
    /// RVQ.
    Depth(Box<DepthHead>),
}

/// The heads on a frame's state.
#[derive(Debug, Clone)]
pub(super) struct GridHead {
    pub(super) codes: LogitHead,
    pub(super) copy: Option<LogitHead>,
}

/// The depth decoder; vectors have an entry for each layer of codes.
#[derive(Debug, Clone)]
pub(super) struct DepthHead {
    pub(super) to_depth: Linear,
    pub(super) input: Vec<Linear>,
    /// `[L][E]`.
    pub(super) input_bias: Vec<i32>,
    pub(super) blocks: Vec<Block>,
    pub(super) codes: Vec<Linear>,
    /// `[L][V]`.
    pub(super) codes_bias: Vec<i32>,
}

/// Embedding, blocks and heads ready to run. Immutable; share it between threads.
#[derive(Debug, Clone)]
pub struct CodeHeads {
    config: CodeHeadsConfig,
    sha256: [u8; 32],
    pub(super) rope: RopeTable,
    /// `[rows][r]`.
    pub(super) table: Vec<i8>,
    pub(super) embed: Linear,
    pub(super) embed_bias: Vec<i32>,
    pub(super) blocks: Vec<Block>,
    pub(super) head: Head,
}

/// Rows of a head for `n` symbols: a multiple of a panel.
pub fn padded(n: usize) -> usize {
    n.next_multiple_of(16)
}

impl CodeHeads {
    /// Loads a frame-heads file. The backbone that it names is looked for in `backbones`, then among the embedded models.
    ///
    /// # Errors
    /// [`ModelError`]; [`ModelError::MissingBackbone`] if the file needs a model that is not at hand.
    pub fn from_bytes(bytes: &[u8], backbones: &[&FrameLlama]) -> Result<Self, ModelError> {
        let (json, mut file) = TensorReader::open(bytes)?;
        let c = CodeHeadsConfig::from_json(&json)?;
        let backbone = c.backbone_sha256.as_deref().map(|hash| find(hash, backbones)).transpose()?;
        if let Some(backbone) = backbone {
            check_sizes(&c, backbone)?;
        }
        let f = &mut file;
        let (d, e, r) = (c.d_model, c.depth_d, c.code_width);
        let table = f.i8("table", &[c.table_rows(), r])?;
        let embed = read_linear(f, "embed", c.inputs() * r, &[Outputs { count: d, limit: RESIDUAL_LIMIT }])?;
        let embed_bias = f.bias("embed.bias", &[d], RESIDUAL_LIMIT)?;
        let blocks = match backbone {
            Some(backbone) => backbone.blocks.clone(),
            None => (0..c.layers).map(|i| read_block(f, &format!("layers.{i}"), d, c.ffn)).collect::<Result<_, _>>()?,
        };
        let symbols = padded(c.codebook);
        let head = match c.medium {
            Medium::Vq => Head::Grid(Box::new(GridHead {
                codes: read_logits(f, "codes", d, symbols)?,
                copy: if c.copies > 0 { Some(read_logits(f, "copy", d, padded(c.copies))?) } else { None },
            })),
            Medium::Rvq => {
                let (layers, inputs) = (c.code_layers, c.step_context.len() * r);
                Head::Depth(Box::new(DepthHead {
                    to_depth: read_linear(f, "to_depth", d, &[Outputs { count: e, limit: RESIDUAL_LIMIT }])?,
                    input: read_stack(f, "step.in", layers, inputs, &[Outputs { count: e, limit: RESIDUAL_LIMIT }])?,
                    input_bias: f.bias("step.in_bias", &[layers, e], RESIDUAL_LIMIT)?,
                    blocks: match backbone {
                        Some(backbone) => backbone.depth.blocks.clone(),
                        None => (0..c.depth_layers)
                            .map(|i| read_block(f, &format!("depth.layers.{i}"), e, c.depth_ffn))
                            .collect::<Result<_, _>>()?,
                    },
                    codes: read_stack(f, "step.codes", layers, e, &[Outputs { count: symbols, limit: LOGIT_LIMIT }])?,
                    codes_bias: f.bias("step.codes_bias", &[layers, symbols], LOGIT_BIAS_LIMIT)?,
                }))
            }
        };
        file.finish()?;
        let (sha256, rope) = (Sha256::digest(bytes).into(), RopeTable::new());
        Ok(Self { config: c, sha256, rope, table, embed, embed_bias, blocks, head })
    }

    /// The configuration.
    pub fn config(&self) -> &CodeHeadsConfig {
        &self.config
    }

    /// SHA-256 of the file (which names its backbone by SHA-256, so that it stands for both).
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

fn read_logits(file: &mut TensorReader, name: &str, inputs: usize, symbols: usize) -> Result<LogitHead, ModelError> {
    Ok(LogitHead {
        linear: read_linear(file, name, inputs, &[Outputs { count: symbols, limit: LOGIT_LIMIT }])?,
        bias: file.bias(&format!("{name}.bias"), &[symbols], LOGIT_BIAS_LIMIT)?,
    })
}

fn find<'a>(hash: &str, backbones: &[&'a FrameLlama]) -> Result<&'a FrameLlama, ModelError> {
    let is = |model: &FrameLlama| hash.parse() == Ok(FileHash(model.sha256()));
    let embedded = || weights::embedded().iter().find(|m| m.sha256 == hash).map(|m| m.get());
    let found = backbones.iter().copied().find(|m| is(m)).map(Ok).or_else(embedded);
    found.unwrap_or_else(|| Err(ModelError::MissingBackbone { sha256: hash.to_owned() }))
}

/// The sizes that the file states must be its backbone's.
fn check_sizes(c: &CodeHeadsConfig, backbone: &FrameLlama) -> Result<(), ModelError> {
    let b = backbone.config();
    let mut sizes = vec![
        ("d_model", c.d_model, b.d_model),
        ("layers", c.layers, b.layers),
        ("heads", c.heads, b.heads),
        ("ffn", c.ffn, b.ffn),
    ];
    if c.medium == Medium::Rvq {
        sizes.extend([
            ("depth_d", c.depth_d, b.depth_d),
            ("depth_layers", c.depth_layers, b.depth_layers),
            ("depth_heads", c.depth_heads, b.depth_heads),
            ("depth_ffn", c.depth_ffn, b.depth_ffn),
        ]);
    }
    match sizes.into_iter().find(|(_, found, expected)| found != expected) {
        None => Ok(()),
        Some((field, found, _)) => Err(ModelError::ConfigRange { field, found, allowed: "the backbone's own size" }),
    }
}
