//! Random checkpoints and head sets, for tests and benches.

use super::config::{FORMAT, HEADS_ARCH, HeadsConfig};
use super::export::{CheckpointShape, CheckpointTensors, ExportError, Tensor, Writer, export_backbone, export_heads};
use super::linear::pre_shift;
use super::model::hex;
use crate::arrangement::flat::FlatArrangement;
use crate::error::ModelError;
use crate::testing::Random;
use safetensors::Dtype;
use sha2::{Digest, Sha256};

/// A seeded random Llama in floating point: unit-variance layers, norms around 1, and, where asked for, one channel of the
/// residual stream that is a thousand times as strong as the others, as pretrained checkpoints have.
#[derive(Debug, Clone)]
pub struct RandomCheckpoint {
    /// Sizes and constants.
    pub shape: CheckpointShape,
    /// Seed of the weights.
    pub seed: u64,
    /// A channel whose inputs from every block are multiplied by 1000; its norm weights are small in return.
    pub outlier: Option<usize>,
    /// Multiplies the queries: attention gets sharper.
    pub sharpness: f64,
}

/// Two blocks of 48 channels, three query heads on one key head: small and odd.
pub fn small_shape() -> CheckpointShape {
    CheckpointShape {
        d_model: 48,
        layers: 2,
        heads: 3,
        kv_heads: 1,
        head_dim: 16,
        ffn: 130,
        context: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: None,
    }
}

/// The shape of SmolLM2-135M.
pub fn smol_shape() -> CheckpointShape {
    CheckpointShape {
        d_model: 576,
        layers: 30,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        ffn: 1536,
        context: 8192,
        rms_norm_eps: 1e-5,
        rope_theta: 100_000.0,
        rope_scaling: None,
    }
}

impl RandomCheckpoint {
    /// A checkpoint without outliers.
    pub fn new(shape: CheckpointShape, seed: u64) -> Self {
        Self { shape, seed, outlier: None, sharpness: 1.0 }
    }

    fn random(&self, name: &str) -> Random {
        let digest = Sha256::digest(format!("{} {name}", self.seed));
        Random::new(u64::from_le_bytes(digest[..8].try_into().expect("8 bytes")))
    }

    /// The tensor of a Hugging Face name.
    ///
    /// # Panics
    /// If the checkpoint has no such tensor.
    pub fn tensor(&self, name: &str) -> Tensor {
        let s = &self.shape;
        let mut random = self.random(name);
        let (q, kv) = (s.heads * s.head_dim, s.kv_heads * s.head_dim);
        let part = name.trim_end_matches(".weight").rsplit('.').next().unwrap_or_default();
        let (outputs, inputs, gain) = match part {
            "q_proj" => (q, s.d_model, 1.5 * self.sharpness),
            "k_proj" => (kv, s.d_model, 1.5),
            "v_proj" => (kv, s.d_model, 1.0),
            "o_proj" => (s.d_model, q, 0.7),
            "gate_proj" | "up_proj" => (s.ffn, s.d_model, 1.4),
            "down_proj" => (s.d_model, s.ffn, 0.7),
            "input_layernorm" | "post_attention_layernorm" | "norm" => {
                let mut data: Vec<f32> = (0..s.d_model).map(|_| 1.0 + random.normal(0.2) as f32).collect();
                if let Some(channel) = self.outlier {
                    data[channel] = 0.01;
                }
                return Tensor { shape: vec![s.d_model], data };
            }
            _ => panic!("no tensor `{name}`"),
        };
        let sigma = gain / (inputs as f64).sqrt();
        let mut data: Vec<f32> = (0..outputs * inputs).map(|_| random.normal(sigma) as f32).collect();
        if let (Some(channel), "o_proj" | "down_proj") = (self.outlier, part) {
            data[channel * inputs..][..inputs].iter_mut().for_each(|w| *w *= 1000.0);
        }
        Tensor { shape: vec![outputs, inputs], data }
    }

    /// Embedding `[ΣV + L][D]` and head `[ΣV][D]`.
    pub fn tables(&self, vocabularies: &[u32]) -> (Vec<f32>, Vec<f32>) {
        let symbols: usize = vocabularies.iter().map(|&v| v as usize).sum();
        let d = self.shape.d_model;
        let mut random = self.random("embed");
        let embed = (0..(symbols + vocabularies.len()) * d).map(|_| random.normal(0.7) as f32).collect();
        let mut random = self.random("head");
        let sigma = 2.0 / (d as f64).sqrt();
        (embed, (0..symbols * d).map(|_| random.normal(sigma) as f32).collect())
    }

    /// The integer files: backbone and head set.
    ///
    /// # Errors
    /// [`ExportError`] if the sizes are not the engine's.
    pub fn export(&self, vocabularies: &[u32]) -> Result<(Vec<u8>, Vec<u8>), ExportError> {
        self.export_as(vocabularies, serde_json::json!({ "vocabularies": vocabularies }))
    }

    /// The integer files of a head set for an arrangement.
    ///
    /// # Errors
    /// As [`export`](Self::export).
    pub fn export_for(&self, arrangement: &FlatArrangement) -> Result<(Vec<u8>, Vec<u8>), ExportError> {
        self.export_as(&arrangement.vocabularies, serde_json::json!(arrangement))
    }

    fn export_as(
        &self,
        vocabularies: &[u32],
        arrangement: serde_json::Value,
    ) -> Result<(Vec<u8>, Vec<u8>), ExportError> {
        let mut source = self;
        let backbone = export_backbone(&self.shape, serde_json::Value::Null, &mut source, None)?;
        let (embed, head) = self.tables(vocabularies);
        let config = heads_config(self.shape.d_model, vocabularies, &backbone, arrangement);
        let heads = export_heads(&config, &embed, &head)?;
        Ok((backbone, heads))
    }
}

impl CheckpointTensors for &RandomCheckpoint {
    fn tensor(&mut self, name: &str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>> {
        Ok(RandomCheckpoint::tensor(self, name))
    }
}

/// How the integers of a model without a floating-point origin are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Unit-variance layers, as trained ones.
    Usual,
    /// Weights, multipliers and tables as great as the loader allows, random signs; exponents that overflow, vanish or fit:
    /// drives every clamp.
    Extreme,
}

/// Integer files (backbone, head set) that no floating-point function had a part in: a seed gives the same bytes everywhere.
///
/// # Errors
/// [`ExportError`] if the sizes are not the engine's.
pub fn integer_model(
    shape: &CheckpointShape,
    vocabularies: &[u32],
    seed: u64,
    extent: Extent,
) -> Result<(Vec<u8>, Vec<u8>), ExportError> {
    let mut draw = Draw { random: Random::new(seed), extreme: extent == Extent::Extreme };
    let config = shape.config(serde_json::Value::Null)?;
    let (mut writer, mut heads, d) = (Writer::default(), Writer::default(), shape.d_model);
    for i in 0..shape.layers {
        draw.linear(&mut writer, &format!("layers.{i}.qkv"), config.qkv(), d, 1);
        draw.linear(&mut writer, &format!("layers.{i}.o"), d, config.attended(), 1);
        draw.linear(&mut writer, &format!("layers.{i}.gate_up"), 2 * shape.ffn, d, 1);
        draw.linear(&mut writer, &format!("layers.{i}.down"), d, shape.ffn, 1);
        draw.norm(&mut writer, &format!("layers.{i}.norm1"), d);
        draw.norm(&mut writer, &format!("layers.{i}.norm2"), d);
    }
    draw.norm(&mut writer, "norm", d);
    let steps = (0..shape.head_dim / 2).flat_map(|j| ((draw.random.next_u64() >> 3) >> j).to_le_bytes()).collect();
    writer.bytes("rope.step".to_owned(), Dtype::U64, &[shape.head_dim / 2], steps);
    let backbone = writer.finish(serde_json::to_string(&config).map_err(ModelError::from)?)?;
    let symbols: usize = vocabularies.iter().map(|&v| v as usize).sum();
    draw.linear(&mut heads, "head", symbols, d, vocabularies.len());
    draw.embedding(&mut heads, symbols + vocabularies.len(), d);
    let arrangement = serde_json::json!({ "vocabularies": vocabularies });
    let config = heads_config(d, vocabularies, &backbone, arrangement);
    let heads = heads.finish(serde_json::to_string(&config).map_err(ModelError::from)?)?;
    Ok((backbone, heads))
}

struct Draw {
    random: Random,
    extreme: bool,
}

impl Draw {
    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.random.below(values.len() as u32) as usize]
    }

    fn linear(&mut self, writer: &mut Writer, prefix: &str, outputs: usize, inputs: usize, exponents: usize) {
        let weight = |draw: &mut Self| match draw.extreme {
            true => draw.pick(&[-127i8, 127]) as u8,
            false => draw.random.normal(32.0) as i8 as u8,
        };
        let weights = (0..outputs * inputs).map(|_| weight(self)).collect();
        // Usual: a standard deviation of 2^5 · 2^(30 + exponent − 32 − pre), about 1 / √inputs.
        let usual = pre_shift(inputs) as i32 - 3 - inputs.ilog2() as i32 / 2;
        let exponent = |draw: &mut Self| if draw.extreme { draw.pick(&[-4096, -40, -24, 0, 40, 4096]) } else { usual };
        writer.bytes(format!("{prefix}.weight"), Dtype::I8, &[outputs, inputs], weights);
        writer.i32(format!("{prefix}.mult"), &vec![if self.extreme { i32::MAX } else { 1 << 30 }; outputs]);
        writer.i32(format!("{prefix}.exponent"), &(0..exponents).map(|_| exponent(self)).collect::<Vec<_>>());
    }

    fn norm(&mut self, writer: &mut Writer, prefix: &str, d: usize) {
        let weight = |draw: &mut Self| match draw.extreme {
            true => draw.pick(&[1 << 30, -(1 << 30)]),
            false => (1 << 28) + draw.random.normal(5e7) as i32,
        };
        let weights: Vec<i32> = (0..d).map(|_| weight(self)).collect();
        writer.i32(format!("{prefix}.weight"), &weights);
        writer
            .i32(format!("{prefix}.exponent"), &[if self.extreme { self.pick(&[-4096, -30, -20, 4096]) } else { -28 }]);
    }

    fn embedding(&mut self, writer: &mut Writer, rows: usize, d: usize) {
        let mantissa = |draw: &mut Self| match draw.extreme {
            true => draw.pick(&[i16::MIN, i16::MAX, 1]),
            false => draw.random.normal(8000.0) as i16,
        };
        let embed = (0..rows * d).flat_map(|_| mantissa(self).to_le_bytes()).collect();
        writer.bytes("embed.weight".to_owned(), Dtype::I16, &[rows, d], embed);
        let shift = |draw: &mut Self| if draw.extreme { draw.pick(&[0, 15, 30]) } else { 11 };
        writer.i32("embed.shift".to_owned(), &(0..rows).map(|_| shift(self)).collect::<Vec<_>>());
    }
}

fn heads_config(d_model: usize, vocabularies: &[u32], backbone: &[u8], arrangement: serde_json::Value) -> HeadsConfig {
    HeadsConfig {
        arch: HEADS_ARCH.to_owned(),
        format: FORMAT,
        d_model,
        vocabularies: vocabularies.to_vec(),
        backbone_int_sha256: hex(&Sha256::digest(backbone)),
        arrangement,
        source: serde_json::Value::Null,
    }
}
