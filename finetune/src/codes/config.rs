//! The TOML file of a training on frames of codes.

use std::fs;
use std::path::{Path, PathBuf};

use lmcodec_entropy::code_heads::config::{ARCH, CodeHeadsConfig, FORMAT, Medium, Neighbour, StepNeighbour};
use lmcodec_entropy::frame_llama::FrameConfig;
use lmcodec_entropy::weights::default_model;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sha2::digest::Output;

use super::data::CodeArray;
use crate::run::{OptimizerConfig, RunError};

/// A training run over an array of codes; read from a TOML file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodesTrainConfig {
    /// What a frame is and what it sees.
    pub frames: CodesShape,
    /// The codes.
    pub data: CodesData,
    /// Optimizer and schedule; `crops` are sequences a step and worker.
    pub optimizer: OptimizerConfig,
    /// Seed of the initial weights and of all data.
    #[serde(default)]
    pub seed: u64,
}

/// What a frame is and what it sees; the fields are those of [`CodeHeadsConfig`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct CodesShape {
    pub medium: Medium,
    pub codebook: usize,
    #[serde(default = "one")]
    pub code_layers: usize,
    pub code_width: usize,
    #[serde(default)]
    pub rows: usize,
    #[serde(default)]
    pub columns: usize,
    pub context: Vec<Neighbour>,
    #[serde(default)]
    pub copies: usize,
    #[serde(default)]
    pub step_context: Vec<StepNeighbour>,
    /// Model file whose blocks are taken; the embedded default if none is named.
    #[serde(default)]
    pub backbone: Option<PathBuf>,
    /// Whether the blocks stay as they are (`heads`) or are trained too (`full`).
    pub train: Trained,
}

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trained {
    /// Embedding and heads; the file names the backbone.
    Heads,
    /// Everything, starting from the backbone's blocks; the file holds them.
    Full,
}

fn one() -> usize {
    1
}

/// The codes and how they are split. Ranges count grids (VQ) or time steps (RVQ).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodesData {
    /// A `.npy` file of integers.
    pub file: PathBuf,
    /// Where they come from, in words.
    pub source: String,
    /// Their licence, as stated by the source.
    pub licence: String,
    /// First and end of the part to train on.
    pub train: [usize; 2],
    /// First and end of the part that validates.
    pub validation: [usize; 2],
    /// Time steps of a training sequence (RVQ).
    #[serde(default)]
    pub frames: usize,
    /// Share of context codes that are hidden in training.
    #[serde(default)]
    pub dropout: f64,
    /// Share of training sequences that see nothing before themselves.
    #[serde(default)]
    pub first: f64,
}

/// Whether a config file describes training on frames of codes (a table `frames`) and not on photos.
///
/// # Errors
/// [`RunError`] if it cannot be read or is no TOML.
pub fn is_codes_config(path: &Path) -> Result<bool, RunError> {
    let text = fs::read_to_string(path).map_err(RunError::io(path))?;
    let table: toml::Table = toml::from_str(&text).map_err(|e| RunError::invalid(path, e))?;
    Ok(table.contains_key("frames"))
}

/// Reads a config file.
///
/// # Errors
/// [`RunError`] if it cannot be read or says something impossible.
pub fn read_codes_config(path: &Path) -> Result<CodesTrainConfig, RunError> {
    let text = fs::read_to_string(path).map_err(RunError::io(path))?;
    let config: CodesTrainConfig = toml::from_str(&text).map_err(|e| RunError::invalid(path, e))?;
    let (o, d) = (&config.optimizer, &config.data);
    let share = |v: f64| (0.0..=1.0).contains(&v);
    let problem = if let Some(problem) = o.problem() {
        return Err(RunError::invalid(path, problem));
    } else if !share(d.dropout) || !share(d.first) {
        Some("dropout and first are shares between 0 and 1")
    } else if d.train[0] >= d.train[1] || d.validation[0] > d.validation[1] {
        Some("train and validation are [first, end] with first < end")
    } else if d.train[0] < d.validation[1] && d.validation[0] < d.train[1] {
        Some("train and validation overlap")
    } else if config.frames.medium == Medium::Rvq && (d.frames == 0 || d.frames > d.train[1] - d.train[0]) {
        Some("frames must be at least 1 and at most the part to train on")
    } else {
        None
    };
    problem.map_or(Ok(config), |p| Err(RunError::invalid(path, p)))
}

impl CodesTrainConfig {
    /// The bytes of the model whose blocks are taken.
    ///
    /// # Errors
    /// [`RunError`] if the file cannot be read.
    pub fn backbone(&self) -> Result<Vec<u8>, RunError> {
        match &self.frames.backbone {
            None => Ok(default_model().bytes.to_vec()),
            Some(path) => fs::read(path).map_err(RunError::io(path)),
        }
    }

    /// The configuration of the integer file on blocks of this size.
    ///
    /// # Errors
    /// [`RunError`] if it is not one that the integer engine runs.
    pub fn heads_config(&self, blocks: &FrameConfig, sha256: &[u8; 32]) -> Result<CodeHeadsConfig, RunError> {
        let f = &self.frames;
        let depth = |n: usize| if f.medium == Medium::Rvq { n } else { 0 };
        let config = CodeHeadsConfig {
            arch: ARCH.into(),
            format: FORMAT,
            backbone_sha256: (f.train == Trained::Heads).then(|| format!("{:x}", Output::<Sha256>::from(*sha256))),
            medium: f.medium,
            codebook: f.codebook,
            code_layers: f.code_layers,
            code_width: f.code_width,
            rows: f.rows,
            columns: f.columns,
            context: f.context.clone(),
            copies: f.copies,
            step_context: f.step_context.clone(),
            d_model: blocks.d_model,
            layers: blocks.layers,
            heads: blocks.heads,
            ffn: blocks.ffn,
            depth_d: depth(blocks.depth_d),
            depth_layers: depth(blocks.depth_layers),
            depth_heads: depth(blocks.depth_heads),
            depth_ffn: depth(blocks.depth_ffn),
        };
        config.check().map_err(|e| RunError::invalid(&self.data.file, e))?;
        Ok(config)
    }

    /// The array's parts to train on and to validate.
    ///
    /// # Errors
    /// [`RunError`] if a range reaches beyond the array.
    pub fn parts(&self, array: &CodeArray) -> Result<(CodeArray, CodeArray), RunError> {
        let (d, medium) = (&self.data, self.frames.medium);
        let extent = array.extent(medium);
        if d.train[1].max(d.validation[1]) > extent {
            let message = format!("train = {:?}, validation = {:?}: the array ends at {extent}", d.train, d.validation);
            return Err(RunError::invalid(&d.file, message));
        }
        let part = |r: [usize; 2]| array.part(medium, r[0]..r[1]);
        Ok((part(d.train), part(d.validation)))
    }
}
