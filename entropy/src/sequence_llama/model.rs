//! A loaded sequence Llama: an integer backbone and a head set, checked and repacked.

use super::config::{BackboneConfig, HeadsConfig};
use super::kernel::Norm;
use super::linear::{LinearSource, WideLinear, pack_all};
use crate::error::ModelError;
use crate::frame_llama::file::TensorReader;
use safetensors::Dtype;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The greatest magnitude of a norm's weights.
const NORM_LIMIT: i32 = 1 << 30;
/// The greatest magnitude of every exponent in a file: far beyond what a checkpoint needs, and small enough that no sum
/// of exponents leaves i32.
const EXPONENT_LIMIT: i32 = 1 << 12;
/// The greatest shift of an embedding row: `2^15 · 2^30 < 2^47`.
const EMBED_SHIFT: i32 = 30;

/// One block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) norm1: Norm,
    pub(super) qkv: WideLinear,
    pub(super) o: WideLinear,
    pub(super) norm2: Norm,
    pub(super) gate_up: WideLinear,
    pub(super) down: WideLinear,
}

/// An integer backbone. Immutable; share it between head sets and threads.
#[derive(Debug, Clone)]
pub struct SequenceBackbone {
    config: BackboneConfig,
    sha256: [u8; 32],
    pub(super) blocks: Vec<Block>,
    pub(super) norm: Norm,
    /// Turns a position of each pair of a head, units of 2^-64.
    pub(super) rope: Vec<u64>,
}

/// The embedding and the heads of one arrangement of latents.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    pub(super) config: HeadsConfig,
    pub(super) sha256: [u8; 32],
    /// `[ΣV + L][D]` mantissas.
    pub(super) embed: Vec<i16>,
    /// `[ΣV + L]`: an element is `mantissa << shift` in the residual stream's Q24.
    pub(super) embed_shift: Vec<u8>,
    /// First embedding row of each RVQ layer.
    pub(super) first_row: Vec<usize>,
    /// One head for each RVQ layer.
    pub(super) heads: Vec<WideLinear>,
}

/// A backbone with a head set, ready to run. Immutable; give each thread its own
/// [`SequenceEngine`](super::SequenceEngine).
#[derive(Debug, Clone)]
pub struct SequenceLlama {
    pub(super) backbone: Arc<SequenceBackbone>,
    pub(super) heads: Heads,
}

impl SequenceBackbone {
    /// Loads an integer backbone: safetensors with a [`BackboneConfig`] as JSON in the metadata entry `lmcodec` and the
    /// tensors of `docs/MODEL.md`. The weights are copied once, repacked, on all cores.
    ///
    /// Types, shapes, ranges and the accumulator bound of every row are checked, so that no input can make the arithmetic
    /// overflow.
    ///
    /// # Errors
    /// [`ModelError`] with the tensor's name and what was found and allowed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (json, mut file) = TensorReader::open(bytes)?;
        let config = BackboneConfig::from_json(&json)?;
        let c = &config;
        let (mut norms, mut sources) = (Vec::new(), Vec::new());
        for i in 0..c.layers {
            norms.push(read_norm(&mut file, &format!("layers.{i}.norm1"), c.d_model)?);
            norms.push(read_norm(&mut file, &format!("layers.{i}.norm2"), c.d_model)?);
            let parts = [
                ("qkv", c.qkv(), c.d_model),
                ("o", c.d_model, c.attended()),
                ("gate_up", 2 * c.ffn, c.d_model),
                ("down", c.d_model, c.ffn),
            ];
            for (name, outputs, inputs) in parts {
                sources.push(read_linear(&mut file, &format!("layers.{i}.{name}"), outputs, inputs)?);
            }
        }
        let norm = read_norm(&mut file, "norm", c.d_model)?;
        let rope = file.data("rope.step", Dtype::U64, "U64", &[c.head_dim / 2])?;
        let rope = rope.as_chunks().0.iter().map(|&b| u64::from_le_bytes(b)).collect();
        file.finish()?;
        let (mut packed, mut norms) = (pack_all(&sources)?.into_iter(), norms.into_iter());
        let mut blocks = Vec::with_capacity(c.layers);
        while let (Some(norm1), Some(norm2), Some(qkv), Some(o), Some(gate_up), Some(down)) =
            (norms.next(), norms.next(), packed.next(), packed.next(), packed.next(), packed.next())
        {
            blocks.push(Block { norm1, qkv, o, norm2, gate_up, down });
        }
        let sha256 = Sha256::digest(bytes).into();
        Ok(Self { config, sha256, blocks, norm, rope })
    }

    /// The configuration.
    pub fn config(&self) -> &BackboneConfig {
        &self.config
    }

    /// SHA-256 of the whole backbone file.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Bytes of the repacked weights.
    pub fn memory_bytes(&self) -> usize {
        let linear = |b: &Block| b.qkv.bytes() + b.o.bytes() + b.gate_up.bytes() + b.down.bytes();
        self.blocks.iter().map(linear).sum()
    }
}

impl SequenceLlama {
    /// Loads a backbone file and a head set that names it.
    ///
    /// # Errors
    /// [`ModelError`], [`ModelError::OtherBackbone`] if the head set names another backbone file.
    pub fn from_bytes(backbone: &[u8], heads: &[u8]) -> Result<Self, ModelError> {
        Self::new(Arc::new(SequenceBackbone::from_bytes(backbone)?), heads)
    }

    /// Loads a head set for a backbone.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn new(backbone: Arc<SequenceBackbone>, heads: &[u8]) -> Result<Self, ModelError> {
        let heads = Heads::from_bytes(heads, &backbone)?;
        Ok(Self { backbone, heads })
    }

    /// The backbone.
    pub fn backbone(&self) -> &Arc<SequenceBackbone> {
        &self.backbone
    }

    /// The head set's configuration.
    pub fn heads_config(&self) -> &HeadsConfig {
        &self.heads.config
    }

    /// Symbols of each RVQ layer (one entry where there are no layers).
    pub fn vocabularies(&self) -> &[u32] {
        &self.heads.config.vocabularies
    }

    /// The most positions of a chunk.
    pub fn context(&self) -> usize {
        self.backbone.config.context
    }

    /// SHA-256 of the head set, which names the backbone by its own.
    pub fn sha256(&self) -> [u8; 32] {
        self.heads.sha256
    }

    /// The arrangement of latents into chunks, as its own JSON.
    pub fn arrangement(&self) -> &serde_json::Value {
        &self.heads.config.arrangement
    }
}

impl Heads {
    fn from_bytes(bytes: &[u8], backbone: &SequenceBackbone) -> Result<Self, ModelError> {
        let (json, mut file) = TensorReader::open(bytes)?;
        let config = HeadsConfig::from_json(&json)?;
        let found = hex(&backbone.sha256);
        if config.backbone_int_sha256 != found {
            return Err(ModelError::OtherBackbone { expected: config.backbone_int_sha256, found });
        }
        let d = backbone.config.d_model;
        if config.d_model != d {
            let allowed = "the backbone's `d_model`";
            return Err(ModelError::ConfigRange { field: "d_model", found: config.d_model, allowed });
        }
        let (rows, symbols) = (config.embeddings(), config.symbols());
        let embed = file.data("embed.weight", Dtype::I16, "I16", &[rows, d])?;
        let embed = embed.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b)).collect();
        let embed_shift = file.i32("embed.shift", &[rows], 0, EMBED_SHIFT)?.iter().map(|&s| s as u8).collect();
        let layers = config.vocabularies.len();
        let weights = file.data("head.weight", Dtype::I8, "I8", &[symbols, d])?;
        let mult = file.i32("head.mult", &[symbols], 0, i32::MAX)?;
        let exponents = file.i32("head.exponent", &[layers], -EXPONENT_LIMIT, EXPONENT_LIMIT)?;
        file.finish()?;
        let (mut first_row, mut sources, mut row) = (Vec::new(), Vec::new(), 0);
        for (&v, exponent) in config.vocabularies.iter().zip(exponents) {
            let rows = row..row + v as usize;
            sources.push(LinearSource {
                name: "head.weight".to_owned(),
                weights: &weights[rows.start * d..rows.end * d],
                inputs: d,
                mult: mult[rows.clone()].to_vec(),
                exponent,
                first_row: row,
            });
            first_row.push(row);
            row = rows.end;
        }
        let heads = pack_all(&sources)?;
        Ok(Self { config, sha256: Sha256::digest(bytes).into(), embed, embed_shift, first_row, heads })
    }
}

fn read_norm(file: &mut TensorReader, prefix: &str, d: usize) -> Result<Norm, ModelError> {
    let weight = file.i32(&format!("{prefix}.weight"), &[d], -NORM_LIMIT, NORM_LIMIT)?;
    let exponent = file.i32(&format!("{prefix}.exponent"), &[1], -EXPONENT_LIMIT, EXPONENT_LIMIT)?[0];
    Ok(Norm { weight, exponent })
}

fn read_linear<'a>(
    file: &mut TensorReader<'a>,
    prefix: &str,
    outputs: usize,
    inputs: usize,
) -> Result<LinearSource<'a>, ModelError> {
    let name = format!("{prefix}.weight");
    let weights = file.data(&name, Dtype::I8, "I8", &[outputs, inputs])?;
    let mult = file.i32(&format!("{prefix}.mult"), &[outputs], 0, i32::MAX)?;
    let exponent = file.i32(&format!("{prefix}.exponent"), &[1], -EXPONENT_LIMIT, EXPONENT_LIMIT)?[0];
    Ok(LinearSource { name, weights, inputs, mult, exponent, first_row: 0 })
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
