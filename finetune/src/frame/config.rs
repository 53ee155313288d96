//! The TOML file of a training on photos.

use std::fs;
use std::path::{Path, PathBuf};

use lmcodec_datasets::crops::CropConfig;
use serde::{Deserialize, Serialize};

use super::ablation::{Part, ablate};
use super::batch::{Batch, Sample};
use super::model::FrameLlamaConfig;
use crate::run::{OptimizerConfig, RunError};

/// Everything a training run depends on; read from a TOML file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Shapes of the model.
    pub model: ModelShape,
    /// Where the photos come from.
    pub data: DataConfig,
    /// Distribution of the crops.
    #[serde(default)]
    pub crops: CropConfig,
    /// Optimizer and schedule.
    pub optimizer: OptimizerConfig,
    /// Seed of the initial weights and of all data.
    #[serde(default)]
    pub seed: u64,
    /// Another run to begin with the weights of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<InitialWeights>,
    /// What the model is trained without, to learn what it gives; such a model is not exported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Part>,
}

impl TrainConfig {
    /// A batch of samples, without what is left out.
    pub(crate) fn batch(&self, samples: &[Sample]) -> Batch {
        let mut batch = Batch::new(samples);
        ablate(&mut batch, &self.without);
        batch
    }

    /// What is impossible about it, if anything.
    fn problem(&self) -> Option<String> {
        let m = &self.model;
        if m.heads == 0 || m.depth_heads == 0 || m.ffn == 0 || m.depth_ffn == 0 || m.dc_ffn == 0 {
            Some(format!("model: heads and hidden widths must be at least 1, found {m:?}"))
        } else if m.d_model != 32 * m.heads {
            Some(format!("d_model = {} must be 32 × heads = {}", m.d_model, 32 * m.heads))
        } else if m.depth_d != 16 * m.depth_heads {
            Some(format!("depth_d = {} must be 16 × depth_heads = {}", m.depth_d, 16 * m.depth_heads))
        } else {
            self.optimizer.problem().or_else(|| self.crops.check().err().map(|e| e.to_string()))
        }
    }
}

/// A run whose model is nowhere larger; the new one computes the same at first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialWeights {
    /// Its folder.
    pub run: PathBuf,
}

/// Shapes of the model, as in docs/MODEL.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ModelShape {
    pub d_model: usize,
    pub layers: usize,
    pub heads: usize,
    pub ffn: usize,
    pub depth_d: usize,
    pub depth_layers: usize,
    pub depth_heads: usize,
    pub depth_ffn: usize,
    pub dc_ffn: usize,
    #[serde(default)]
    pub depth_state: bool,
}

impl ModelShape {
    /// Whether no size is above the other's.
    pub(crate) fn fits_in(&self, other: &Self) -> bool {
        let sizes = |m: &Self| {
            [
                m.d_model,
                m.layers,
                m.heads,
                m.ffn,
                m.depth_d,
                m.depth_layers,
                m.depth_heads,
                m.depth_ffn,
                m.dc_ffn,
                usize::from(m.depth_state),
            ]
        };
        sizes(self).into_iter().zip(sizes(other)).all(|(a, b)| a <= b)
    }

    /// The module's configuration.
    pub fn config(&self) -> FrameLlamaConfig {
        FrameLlamaConfig {
            d_model: self.d_model,
            layers: self.layers,
            heads: self.heads,
            ffn: self.ffn,
            depth_d: self.depth_d,
            depth_layers: self.depth_layers,
            depth_heads: self.depth_heads,
            depth_ffn: self.depth_ffn,
            dc_ffn: self.dc_ffn,
            depth_state: self.depth_state,
        }
    }
}

/// The photos.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder of photos, searched recursively.
    pub folder: PathBuf,
    /// Where they come from, in words, for the manifest.
    pub source: String,
    /// Their licence, as stated by the source.
    pub licence: String,
    /// One photo in this many is held out.
    pub validation_one_in: u32,
}

/// Reads a config file.
///
/// # Errors
/// [`RunError`] if it cannot be read or says something impossible.
pub fn read_config(path: &Path) -> Result<TrainConfig, RunError> {
    let text = fs::read_to_string(path).map_err(RunError::io(path))?;
    let config: TrainConfig = toml::from_str(&text).map_err(|e| RunError::invalid(path, e))?;
    config.problem().map_or(Ok(config), |problem| Err(RunError::invalid(path, problem)))
}
