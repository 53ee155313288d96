//! Random models for tests and benches: valid safetensors files of any configuration.
//!
//! The weights are seeded noise of the magnitude that training gives (each layer keeps unit variance), so activations
//! spread over their formats as in a real model. Probabilities are meaningless.

mod bench;

pub use bench::KernelBench;

use super::config::{ARCH, ESCAPES, FORMAT, FrameConfig, LAST_SYMBOLS, PRIMARIES};
use crate::testing::Random;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use std::collections::HashMap;

/// How a random model's weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// Unit-variance layers, as trained ones.
    Realistic,
    /// Every weight and multiplier as great as the loader allows, random signs: drives every clamp.
    Extreme,
}

/// The default sizes of the embedded model.
pub fn default_config() -> FrameConfig {
    FrameConfig {
        arch: ARCH.to_owned(),
        format: FORMAT,
        features: 1130,
        d_model: 192,
        layers: 3,
        heads: 6,
        ffn: 384,
        depth_features: 32,
        depth_d: 64,
        depth_layers: 2,
        depth_heads: 4,
        depth_ffn: 128,
        dc_features: 48,
        dc_ffn: 128,
        depth_state: false,
        arrangement: "dct-1".to_owned(),
    }
}

/// A small odd configuration: odd feature counts, heads of 16 in the backbone and of 32 in the depth decoder.
pub fn small_config() -> FrameConfig {
    FrameConfig {
        features: 37,
        d_model: 48,
        layers: 2,
        heads: 3,
        ffn: 80,
        depth_features: 5,
        depth_d: 32,
        depth_layers: 1,
        depth_heads: 1,
        depth_ffn: 48,
        dc_features: 7,
        dc_ffn: 16,
        ..default_config()
    }
}

/// A tensor being written: type, shape, little-endian data.
type Tensor = (Dtype, Vec<usize>, Vec<u8>);

/// The tensors of a model file, for tests that damage them before serialising.
#[derive(Debug, Clone)]
pub struct ModelWriter {
    config: FrameConfig,
    tensors: HashMap<String, Tensor>,
    random: Random,
    weights: Weights,
}

/// The bytes of a model file with seeded random weights.
pub fn random_model(config: &FrameConfig, seed: u64) -> Vec<u8> {
    ModelWriter::random(config, seed, Weights::Realistic).to_bytes()
}

impl ModelWriter {
    /// No tensors yet.
    pub(crate) fn empty(config: &FrameConfig, seed: u64, weights: Weights) -> Self {
        Self { config: config.clone(), tensors: HashMap::new(), random: Random::new(seed), weights }
    }

    /// All tensors of a configuration.
    pub fn random(config: &FrameConfig, seed: u64, weights: Weights) -> Self {
        let mut w = Self::empty(config, seed, weights);
        let (d, e) = (config.d_model, config.depth_d);
        // (name, inputs, outputs, Q of the inputs, Q of the outputs, gain).
        w.linear("embed", &[d, config.features], 4, 12, 0.5);
        w.bias("embed.bias", &[d], 4096.0);
        for i in 0..config.layers {
            w.block(&format!("layers.{i}"), d, config.ffn);
        }
        w.linear("last", &[LAST_SYMBOLS, d], 11, 16, 1.0);
        w.bias("last.bias", &[LAST_SYMBOLS], 65536.0);
        w.linear("to_depth", &[e, d], 11, 12, 0.5);
        w.linear("to_dc", &[e, d], 11, 12, 0.5);
        w.linear("depth.in", &[LAST_SYMBOLS, e, config.depth_features], 4, 12, 0.5);
        if config.depth_state {
            w.linear("depth.state", &[LAST_SYMBOLS, e, d], 11, 12, 0.5);
        }
        for name in ["depth.in_bias", "depth.last", "dc.last"] {
            w.bias(name, &[LAST_SYMBOLS, e], 1024.0);
        }
        w.bias("depth.prev", &[PRIMARIES, e], 1024.0);
        for i in 0..config.depth_layers {
            w.block(&format!("depth.layers.{i}"), e, config.depth_ffn);
        }
        w.linear("ac", &[PRIMARIES, e], 11, 16, 1.0);
        w.bias("ac_bias", &[LAST_SYMBOLS, PRIMARIES], 65536.0);
        w.linear("dc.in", &[e, config.dc_features], 4, 12, 0.5);
        w.bias("dc.bias", &[e], 1024.0);
        for i in 0..2 {
            w.feed_forward(&format!("dc.layers.{i}"), e, config.dc_ffn);
        }
        for name in ["ac_escape", "dc.head", "dc.escape"] {
            w.linear(name, &[ESCAPES, e], 11, 16, 1.0);
            w.bias(&format!("{name}.bias"), &[ESCAPES], 65536.0);
        }
        w
    }

    /// The file's bytes.
    ///
    /// # Panics
    /// If a tensor was damaged so that safetensors cannot hold it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_with(&self.config.to_json())
    }

    /// The file's bytes with other text in the metadata.
    ///
    /// # Panics
    /// As [`to_bytes`](Self::to_bytes).
    pub fn to_bytes_with(&self, json: &str) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            let view = TensorView::new(*dtype, shape.clone(), data).expect("the data has the shape's length");
            (name, view)
        });
        let metadata = [("lmcodec".to_owned(), json.to_owned())].into_iter().collect();
        serialize(views, Some(metadata)).expect("serialisable tensors")
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.tensors.keys().cloned().collect();
        names.sort();
        names
    }

    /// Adds or replaces a tensor.
    pub fn set(&mut self, name: &str, dtype: Dtype, shape: &[usize], data: Vec<u8>) {
        self.tensors.insert(name.to_owned(), (dtype, shape.to_vec(), data));
    }

    /// Removes a tensor.
    pub fn remove(&mut self, name: &str) {
        self.tensors.remove(name);
    }

    /// A tensor's type, shape and data.
    pub fn get(&self, name: &str) -> Option<&(Dtype, Vec<usize>, Vec<u8>)> {
        self.tensors.get(name)
    }

    pub(crate) fn i32(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = i32>) {
        self.set(name, Dtype::I32, shape, values.flat_map(i32::to_le_bytes).collect());
    }

    pub(crate) fn bias(&mut self, name: &str, shape: &[usize], sigma: f64) {
        let n = shape.iter().product();
        let values: Vec<i32> = match self.weights {
            Weights::Realistic => (0..n).map(|_| self.random.normal(sigma) as i32).collect(),
            Weights::Extreme => (0..n).map(|_| [-(1 << 23), 1 << 23][self.random.below(2) as usize]).collect(),
        };
        self.i32(name, shape, values.into_iter());
    }

    pub(crate) fn linear(&mut self, prefix: &str, shape: &[usize], q_in: i32, q_out: i32, gain: f64) {
        let (inputs, rows) = (shape[shape.len() - 1], shape[..shape.len() - 1].iter().product::<usize>());
        let (weights, mult, shift): (Vec<i8>, i32, i32) = match self.weights {
            Weights::Realistic => {
                let sigma = 30.0f64;
                let w = (0..rows * inputs).map(|_| self.random.normal(sigma) as i8).collect();
                // Powers of two by multiplication: exact, so that a seed gives the same file on every machine.
                let scale = gain / (sigma * (inputs as f64).sqrt()) * 2f64.powi(q_out - q_in);
                let shift = (1..62).find(|&s| scale * 2f64.powi(s) >= 2f64.powi(29)).unwrap_or(62);
                (w, (scale * 2f64.powi(shift)) as i32, shift)
            }
            Weights::Extreme => {
                let magnitude = (65535 / inputs).min(127) as i8;
                let w = (0..rows * inputs).map(|_| [-magnitude, magnitude][self.random.below(2) as usize]).collect();
                (w, i32::MAX, 1 + self.random.below(40) as i32)
            }
        };
        self.set(&format!("{prefix}.weight"), Dtype::I8, shape, weights.into_iter().map(|w| w as u8).collect());
        self.i32(&format!("{prefix}.mult"), &shape[..shape.len() - 1], std::iter::repeat_n(mult, rows));
        self.i32(&format!("{prefix}.shift"), &[1], std::iter::once(shift));
    }

    fn feed_forward(&mut self, prefix: &str, d: usize, ffn: usize) {
        self.linear(&format!("{prefix}.gate_up"), &[2 * ffn, d], 11, 11, 1.0);
        self.linear(&format!("{prefix}.down"), &[d, ffn], 10, 12, 0.5);
    }

    pub(crate) fn block(&mut self, prefix: &str, d: usize, ffn: usize) {
        self.linear(&format!("{prefix}.qkv"), &[3 * d, d], 11, 9, 1.0);
        self.linear(&format!("{prefix}.o_proj"), &[d, d], 10, 12, 0.5);
        self.feed_forward(prefix, d, ffn);
    }
}
