//! The shape of a Llama: one for the checkpoint that is read, the model that is trained and the file that is exported.

use super::error::ExportError;
use crate::sequence_llama::{BACKBONE_ARCH, BackboneConfig, FORMAT};
use serde::{Deserialize, Serialize};

/// Frequency scaling of Llama 3.1 (`rope_type` = `llama3`): low frequencies divided by the factor, high ones kept, smooth
/// between.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Llama3Scaling {
    /// Divisor of the low frequencies.
    pub factor: f64,
    /// Wavelengths above `original_context / low_freq_factor` are scaled wholly.
    pub low_freq_factor: f64,
    /// Wavelengths below `original_context / high_freq_factor` are left alone.
    pub high_freq_factor: f64,
    /// Context length of the pretraining (`original_max_position_embeddings`).
    pub original_context: usize,
}

/// How the rotary frequencies differ from θ^(−2j/head_dim) (`rope_scaling` of the checkpoint's `config.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RopeScaling {
    /// `rope_type` = `linear`: every frequency divided by the factor.
    Linear {
        /// `factor`.
        factor: f64,
    },
    /// Llama 3.1's smooth scaling.
    Llama3(Llama3Scaling),
    /// One divisor a pair of dimensions, as GGUF files store Llama 3.1's scaling (`rope_freqs.weight`).
    Divisors(Vec<f32>),
}

/// Sizes and constants of a Llama, as in a checkpoint's `config.json`: what its arithmetic needs, whoever runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlamaShape {
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

impl Llama3Scaling {
    /// The scaled frequency.
    fn apply(&self, frequency: f64) -> f64 {
        let (context, wavelength) = (self.original_context as f64, std::f64::consts::TAU / frequency);
        if wavelength > context / self.low_freq_factor {
            frequency / self.factor
        } else if wavelength < context / self.high_freq_factor {
            frequency
        } else {
            let (low, high) = (self.low_freq_factor, self.high_freq_factor);
            let smooth = (context / wavelength - low) / (high - low);
            (1.0 - smooth) * frequency / self.factor + smooth * frequency
        }
    }
}

impl LlamaShape {
    /// Angular frequencies (radians a position) of the pairs of a head, `head_dim / 2` of them.
    ///
    /// # Panics
    /// If there are fewer [`RopeScaling::Divisors`] than pairs.
    pub fn frequencies(&self) -> Vec<f64> {
        let plain = |j: usize| self.rope_theta.powf(-2.0 * j as f64 / self.head_dim as f64);
        let scaled = |j: usize| match &self.rope_scaling {
            None => plain(j),
            Some(RopeScaling::Linear { factor }) => plain(j) / factor,
            Some(RopeScaling::Divisors(divisors)) => plain(j) / f64::from(divisors[j]),
            Some(RopeScaling::Llama3(scaling)) => scaling.apply(plain(j)),
        };
        (0..self.head_dim / 2).map(scaled).collect()
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
        if let Some(RopeScaling::Divisors(divisors)) = &self.rope_scaling
            && divisors.len() != self.head_dim / 2
        {
            let found = divisors.len() as f64;
            return Err(ExportError::Number { field: "rope_freqs", found, allowed: "head_dim / 2 divisors" });
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
