//! A Hugging Face Llama checkpoint's blocks in integers.

use super::super::config::{BACKBONE_ARCH, BackboneConfig, FORMAT};
use super::super::fixed::turns_per_position;
use super::heads::HeadSet;
use super::quantize::{quantize_linear, quantize_norm};
use super::{ExportError, Writer, check_shape, check_values};
use safetensors::Dtype;

/// The greatest magnitude of a checkpoint's weight.
const WEIGHT_LIMIT: f32 = 1e6;

/// Long-context scaling of the rotary frequencies (`rope_scaling` of the checkpoint's `config.json`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// `rope_type` = `linear`: every frequency divided by the factor.
    Linear {
        /// `factor`.
        factor: f64,
    },
    /// `rope_type` = `llama3`: low frequencies divided by the factor, high ones kept, smooth between.
    Llama3 {
        /// `factor`.
        factor: f64,
        /// `low_freq_factor`.
        low_freq_factor: f64,
        /// `high_freq_factor`.
        high_freq_factor: f64,
        /// `original_max_position_embeddings`.
        original_context: f64,
    },
}

/// Sizes and constants of a checkpoint (`config.json`).
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointShape {
    /// `hidden_size`.
    pub d_model: usize,
    /// `num_hidden_layers`.
    pub layers: usize,
    /// `num_attention_heads`.
    pub heads: usize,
    /// `num_key_value_heads`.
    pub kv_heads: usize,
    /// `head_dim`, or `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// `intermediate_size`.
    pub ffn: usize,
    /// `max_position_embeddings`.
    pub context: usize,
    /// `rms_norm_eps`.
    pub rms_norm_eps: f64,
    /// `rope_theta`.
    pub rope_theta: f64,
    /// `rope_scaling`.
    pub rope_scaling: Option<RopeScaling>,
}

impl CheckpointShape {
    /// Angular frequencies (radians a position) of the pairs of a head.
    pub fn frequencies(&self) -> Vec<f64> {
        let plain = |j: usize| self.rope_theta.powf(-2.0 * j as f64 / self.head_dim as f64);
        let scaled = |frequency: f64| match self.rope_scaling {
            None => frequency,
            Some(RopeScaling::Linear { factor }) => frequency / factor,
            Some(RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context }) => {
                let wavelength = std::f64::consts::TAU / frequency;
                let smooth = (original_context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                if wavelength > original_context / low_freq_factor {
                    frequency / factor
                } else if wavelength < original_context / high_freq_factor {
                    frequency
                } else {
                    (1.0 - smooth) * frequency / factor + smooth * frequency
                }
            }
        };
        (0..self.head_dim / 2).map(plain).map(scaled).collect()
    }

    /// The integer backbone's configuration.
    ///
    /// # Errors
    /// [`ExportError::Model`] for a size that the engine does not run, [`ExportError::Number`] for ε or the rotary base.
    pub fn config(&self, source: serde_json::Value) -> Result<BackboneConfig, ExportError> {
        let eps = self.rms_norm_eps;
        if !(0.0..=1.0).contains(&eps) {
            return Err(ExportError::Number { field: "rms_norm_eps", found: eps, allowed: "0..=1" });
        }
        let theta = self.rope_theta;
        if !(1.0..=1e12).contains(&theta) {
            return Err(ExportError::Number { field: "rope_theta", found: theta, allowed: "1..=1e12" });
        }
        let config = BackboneConfig {
            arch: BACKBONE_ARCH.to_owned(),
            format: FORMAT,
            d_model: self.d_model,
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            ffn: self.ffn,
            context: self.context,
            eps_q48: (eps * 2f64.powi(48)).round() as u64,
            source,
        };
        config.check()?;
        if let Some(&frequency) = self.frequencies().iter().find(|f| !(0.0..=std::f64::consts::TAU).contains(*f)) {
            return Err(ExportError::Number {
                field: "rope_scaling",
                found: frequency,
                allowed: "frequencies in 0..=2π",
            });
        }
        Ok(config)
    }
}

/// A checkpoint's tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its shape: `[outputs, inputs]` for matrices.
    pub shape: Vec<usize>,
    /// Its elements, row by row.
    pub data: Vec<f32>,
}

/// Gives tensors by their Hugging Face names: `model.layers.{i}.self_attn.q_proj.weight` and so on. Closures
/// `FnMut(&str) -> Result<Tensor, Box<dyn Error + Send + Sync>>` are one.
pub trait CheckpointTensors {
    /// The tensor of this name.
    ///
    /// # Errors
    /// Whatever keeps the source from giving it.
    fn tensor(&mut self, name: &str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>>;
}

impl<F> CheckpointTensors for F
where
    F: FnMut(&str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>>,
{
    fn tensor(&mut self, name: &str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>> {
        self(name)
    }
}

/// The integer backbone file of a checkpoint. `source` goes into its metadata as it is; a head set's LoRA adapter is merged
/// into the weights.
///
/// Norms stay apart from the linear layers; each row of a linear layer is rounded on its own; log2(e)/√head_dim is part of
/// the queries' multipliers. One tensor is held in memory at a time, and the file.
///
/// # Errors
/// [`ExportError`].
pub fn export_backbone(
    shape: &CheckpointShape,
    source: serde_json::Value,
    tensors: &mut impl CheckpointTensors,
    adapter: Option<&HeadSet>,
) -> Result<Vec<u8>, ExportError> {
    let config = shape.config(source)?;
    let mut writer = Writer::default();
    let (d, kv) = (shape.d_model, shape.kv_heads * shape.head_dim);
    let q_factor = std::f64::consts::LOG2_E / (shape.head_dim as f64).sqrt();
    for i in 0..shape.layers {
        let hf = |part: &str| format!("model.layers.{i}.{part}.weight");
        let name = |part: &str| format!("layers.{i}.{part}");
        let mut read = |part: &str, short: &str, outputs: usize, inputs: usize| {
            let mut data = fetch(tensors, &hf(part), &[outputs, inputs])?;
            if let Some(adapter) = adapter {
                adapter.merge(i, short, outputs, inputs, &mut data)?;
            }
            Ok::<_, ExportError>(data)
        };
        let q_rows = config.attended();
        let mut qkv = read("self_attn.q_proj", "q", q_rows, d)?;
        qkv.extend(read("self_attn.k_proj", "k", kv, d)?);
        qkv.extend(read("self_attn.v_proj", "v", kv, d)?);
        write_linear(&mut writer, &name("qkv"), &qkv, d, |n| if n < q_rows { q_factor } else { 1.0 });
        let o = read("self_attn.o_proj", "o", d, q_rows)?;
        write_linear(&mut writer, &name("o"), &o, q_rows, |_| 1.0);
        let mut gate_up = read("mlp.gate_proj", "gate", shape.ffn, d)?;
        gate_up.extend(read("mlp.up_proj", "up", shape.ffn, d)?);
        write_linear(&mut writer, &name("gate_up"), &gate_up, d, |_| 1.0);
        let down = read("mlp.down_proj", "down", d, shape.ffn)?;
        write_linear(&mut writer, &name("down"), &down, shape.ffn, |_| 1.0);
        write_norm(&mut writer, &name("norm1"), &fetch(tensors, &hf("input_layernorm"), &[d])?);
        write_norm(&mut writer, &name("norm2"), &fetch(tensors, &hf("post_attention_layernorm"), &[d])?);
    }
    write_norm(&mut writer, "norm", &fetch(tensors, "model.norm.weight", &[d])?);
    let steps = shape.frequencies().into_iter().flat_map(|f| turns_per_position(f).to_le_bytes()).collect();
    writer.bytes("rope.step".to_owned(), Dtype::U64, &[shape.head_dim / 2], steps);
    let json = serde_json::to_string(&config).map_err(crate::error::ModelError::from)?;
    Ok(writer.finish(json)?)
}

fn fetch(tensors: &mut impl CheckpointTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, ExportError> {
    let tensor = tensors.tensor(name).map_err(|reason| ExportError::Tensor { name: name.to_owned(), reason })?;
    check_shape(name, &tensor.shape, tensor.data.len(), shape)?;
    check_values(name, &tensor.data, WEIGHT_LIMIT)?;
    Ok(tensor.data)
}

pub(super) fn write_linear(
    writer: &mut Writer,
    prefix: &str,
    weights: &[f32],
    inputs: usize,
    factor: impl Fn(usize) -> f64,
) {
    let layer = quantize_linear(weights, inputs, factor);
    let shape = [layer.mult.len(), inputs];
    writer.bytes(format!("{prefix}.weight"), Dtype::I8, &shape, layer.weights);
    writer.i32(format!("{prefix}.mult"), &layer.mult);
    writer.i32(format!("{prefix}.exponent"), &[layer.exponent]);
}

fn write_norm(writer: &mut Writer, prefix: &str, weights: &[f32]) {
    let (mantissas, exponent) = quantize_norm(weights);
    writer.i32(format!("{prefix}.weight"), &mantissas);
    writer.i32(format!("{prefix}.exponent"), &[exponent]);
}
