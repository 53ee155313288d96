//! Random frame-heads files for tests, as [`frame_llama::testing`](crate::frame_llama::testing) makes random frame Llamas.

use super::config::{ARCH, CodeHeadsConfig, FORMAT, Medium};
use super::model::padded;
use crate::frame_llama::testing::{ModelWriter, Weights};
use crate::testing::Random;
use safetensors::Dtype;

/// A small model of grids with blocks of its own: odd widths, a codebook that is no multiple of 16.
pub fn small_grids() -> CodeHeadsConfig {
    CodeHeadsConfig {
        arch: ARCH.to_owned(),
        format: FORMAT,
        backbone_sha256: None,
        medium: Medium::Vq,
        codebook: 37,
        code_layers: 1,
        code_width: 5,
        rows: 3,
        columns: 4,
        context: vec![[1, 0, 0], [0, 0, -1], [0, -1, 1], [1, 1, 1], [2, 0, 3]],
        copies: 3,
        step_context: Vec::new(),
        d_model: 32,
        layers: 2,
        heads: 2,
        ffn: 48,
        depth_d: 0,
        depth_layers: 0,
        depth_heads: 0,
        depth_ffn: 0,
    }
}

/// A small model of time steps with blocks of its own.
pub fn small_steps() -> CodeHeadsConfig {
    CodeHeadsConfig {
        medium: Medium::Rvq,
        codebook: 10,
        code_layers: 5,
        code_width: 3,
        rows: 0,
        columns: 0,
        context: vec![[0, 0, -1], [0, 0, -2]],
        copies: 0,
        step_context: vec![[0, -1], [1, 0], [1, 2]],
        depth_d: 32,
        depth_layers: 2,
        depth_heads: 1,
        depth_ffn: 32,
        ..small_grids()
    }
}

/// The tensors of a file with seeded random weights; damage them and call `to_bytes_with(&config.to_json())`.
pub fn heads_writer(config: &CodeHeadsConfig, seed: u64, weights: Weights) -> ModelWriter {
    let c = config;
    let mut w = ModelWriter::empty(&c.frame_config(), seed, weights);
    let (d, e, r) = (c.d_model, c.depth_d, c.code_width);
    let mut random = Random::new(!seed);
    let extreme = weights == Weights::Extreme;
    let mut draw = |_| if extreme { [128, 127][random.below(2) as usize] } else { random.normal(40.0) as i8 as u8 };
    let table = (0..c.table_rows() * r).map(&mut draw).collect();
    w.set("table", Dtype::I8, &[c.table_rows(), r], table);
    w.linear("embed", &[d, c.inputs() * r], 5, 12, 0.7);
    w.bias("embed.bias", &[d], 1024.0);
    let own = c.backbone_sha256.is_none();
    for i in 0..if own { c.layers } else { 0 } {
        w.block(&format!("layers.{i}"), d, c.ffn);
    }
    let symbols = padded(c.codebook);
    match c.medium {
        Medium::Vq => {
            w.linear("codes", &[symbols, d], 11, 16, 1.5);
            w.bias("codes.bias", &[symbols], 65536.0);
            if c.copies > 0 {
                w.linear("copy", &[padded(c.copies), d], 11, 16, 2.0);
                w.bias("copy.bias", &[padded(c.copies)], 65536.0);
            }
        }
        Medium::Rvq => {
            w.linear("to_depth", &[e, d], 11, 12, 0.5);
            w.linear("step.in", &[c.code_layers, e, c.step_context.len() * r], 5, 12, 0.7);
            w.bias("step.in_bias", &[c.code_layers, e], 1024.0);
            for i in 0..if own { c.depth_layers } else { 0 } {
                w.block(&format!("depth.layers.{i}"), e, c.depth_ffn);
            }
            w.linear("step.codes", &[c.code_layers, symbols, e], 11, 16, 1.5);
            w.bias("step.codes_bias", &[c.code_layers, symbols], 65536.0);
        }
    }
    w
}

/// The bytes of a file with seeded random weights.
pub fn random_heads(config: &CodeHeadsConfig, seed: u64) -> Vec<u8> {
    heads_writer(config, seed, Weights::Realistic).to_bytes_with(&config.to_json())
}
