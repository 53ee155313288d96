//! The TOML file of a fine-tuning run.

use std::fs;
use std::path::{Path, PathBuf};

use lmcodec_entropy::arrangement::flat::FlatArrangement;
use serde::{Deserialize, Serialize};

use super::linear::Precision;
use super::lora::LoraConfig;
use crate::run::{RunError, WarmRestarts};

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {
    /// Seed of everything random.
    pub seed: u64,
    /// What is flattened, and how.
    pub arrangement: FlatArrangement,
    /// Where the latents come from.
    pub data: DataConfig,
    /// Optimizer, batches, lengths.
    pub training: TrainingConfig,
    /// The tables before training.
    #[serde(default)]
    pub initial: InitialConfig,
    /// Low-rank updates of the backbone, if wanted.
    #[serde(default)]
    pub lora: Option<LoraConfig>,
}

/// Where latents come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataConfig {
    /// A folder of photos, of which crops are coded as JPEG.
    Photos(PhotosConfig),
    /// Files of codebook indices.
    Codes(CodesConfig),
}

/// Codebook indices from `.npy` or `.safetensors` files: a VQ grid of any shape, or RVQ codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodesConfig {
    /// The files, one after the other.
    pub files: Vec<PathBuf>,
    /// Name of the tensor in a `.safetensors` file that has several.
    #[serde(default)]
    pub tensor: Option<String>,
    /// RVQ only: the layers are the last dimension but one (\[…, layers, time\]) instead of the last.
    #[serde(default)]
    pub time_last: bool,
    /// Part of each file to train on: from and to, as shares of its outermost dimension (of time for RVQ).
    pub train: (f64, f64),
    /// Part of each file to validate on.
    pub validation: (f64, f64),
}

/// Crops of photos as JPEG coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhotosConfig {
    /// Folder, searched recursively.
    pub folder: PathBuf,
    /// libjpeg qualities, 1..=100, used in turn.
    pub qualities: Vec<u8>,
    /// Rows and columns of 8×8 blocks of a crop.
    pub blocks: (usize, usize),
    /// Crops to train on.
    pub crops: usize,
    /// Crops to validate on, of photos that are held out.
    pub validation_crops: usize,
    /// Range of the scale applied to a photo before cropping; photos that are JPEG files already should be scaled down.
    pub scale: (f64, f64),
    /// One photo in this many is held out.
    pub validation_one_in: u32,
}

/// Optimizer and schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Symbols of a training chunk; 0 for that of the arrangement.
    pub chunk: usize,
    /// Chunks that run through the model together.
    pub batch: usize,
    /// Batches whose gradients make a step.
    pub accumulate: usize,
    /// Number format of the frozen weights in training steps; validation is in f32 always.
    pub precision: Precision,
    /// Passes over the training data.
    pub epochs: f64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Learning rate at the end of a cosine, as a share of the peak.
    pub final_share: f64,
    /// Steps of linear warm-up at the very beginning.
    pub warmup: usize,
    /// Epochs of the first cosine.
    pub restart_epochs: f64,
    /// Each later cosine is this many times as long.
    pub restart_growth: f64,
    /// β₁, β₂.
    pub betas: (f32, f32),
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Norm to which the gradient of all parameters together is scaled down; 0 for none.
    pub clip_norm: f64,
    /// Steps between validations, which also save a checkpoint.
    pub validate_every: usize,
    /// Chunks of a validation at most, evenly spread; 0 for all.
    pub validation_chunks: usize,
    /// Validations without improvement after which training stops; 0 for never.
    pub patience: usize,
    /// Steps between lines of the log.
    pub log_every: usize,
}

impl Default for TrainingConfig {
    /// The paper's optimizer: AdamW 2.5e-4, β (0.9, 0.99), weight decay 1e-2, cosine annealing with warm restarts, 5 epochs.
    fn default() -> Self {
        Self {
            chunk: 0,
            batch: 4,
            accumulate: 1,
            precision: Precision::default(),
            epochs: 5.0,
            learning_rate: 2.5e-4,
            final_share: 0.0,
            warmup: 0,
            restart_epochs: 1.0,
            restart_growth: 2.0,
            betas: (0.9, 0.99),
            weight_decay: 1e-2,
            clip_norm: 0.0,
            validate_every: 200,
            validation_chunks: 64,
            patience: 0,
            log_every: 10,
        }
    }
}

/// The embedding before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitialEmbedding {
    /// Normal, with the standard deviation of the pretrained table.
    #[default]
    Normal,
    /// The mean of the pretrained rows of the tokens of each latent's value, written as a decimal number.
    Numerals,
}

/// The head before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitialHead {
    /// Zeros: uniform probabilities.
    #[default]
    Zeros,
    /// Normal, with a tenth of the pretrained head's standard deviation.
    Normal,
    /// The mean of the pretrained head's rows of the tokens of each latent's value.
    Numerals,
}

/// The tables before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitialConfig {
    /// The embedding.
    pub embedding: InitialEmbedding,
    /// The head.
    pub head: InitialHead,
}

impl TrainingConfig {
    /// Learning rate at a step, `epoch` being the steps of an epoch: linear warm-up, then cosine annealing with warm restarts.
    pub fn learning_rate_at(&self, step: usize, epoch: f64) -> f64 {
        let (peak, final_share, warmup) = (self.learning_rate, self.final_share, self.warmup);
        let (period, growth) = (self.restart_epochs * epoch, self.restart_growth);
        WarmRestarts { peak, final_share, warmup, period, growth }.at(step)
    }
}

/// Reads a config file.
///
/// # Errors
/// [`RunError`] if it cannot be read or says something impossible.
pub fn read_config(path: &Path) -> Result<FinetuneConfig, RunError> {
    let text = fs::read_to_string(path).map_err(RunError::io(path))?;
    let config: FinetuneConfig = toml::from_str(&text).map_err(|e| RunError::invalid(path, e))?;
    config.arrangement.validate().map_err(|e| RunError::invalid(path, e))?;
    match config.problem() {
        Some(problem) => Err(RunError::invalid(path, problem)),
        None => Ok(config),
    }
}

impl DataConfig {
    /// A file or folder that latents come from, to name in messages.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Photos(photos) => &photos.folder,
            Self::Codes(codes) => codes.files.first().map_or(Path::new("data"), PathBuf::as_path),
        }
    }
}

impl FinetuneConfig {
    /// Symbols of a training chunk.
    pub fn training_chunk(&self) -> usize {
        if self.training.chunk == 0 { self.arrangement.chunk as usize } else { self.training.chunk }
    }

    fn problem(&self) -> Option<String> {
        let t = &self.training;
        let positive =
            |name: &str, ok: bool, found: String| (!ok).then(|| format!("{name} is {found}, but must be positive"));
        let share =
            |name: &str, x: f64| (!(0.0..=1.0).contains(&x)).then(|| format!("{name} is {x}, but must be in 0..=1"));
        let mut problems = vec![
            positive("training.batch", t.batch > 0, t.batch.to_string()),
            positive("training.accumulate", t.accumulate > 0, t.accumulate.to_string()),
            positive("training.epochs", t.epochs > 0.0 && t.epochs.is_finite(), t.epochs.to_string()),
            positive("training.restart_epochs", t.restart_epochs > 0.0, t.restart_epochs.to_string()),
            positive("training.validate_every", t.validate_every > 0, t.validate_every.to_string()),
            positive("training.log_every", t.log_every > 0, t.log_every.to_string()),
            (!(t.learning_rate > 0.0 && t.learning_rate <= 1.0))
                .then(|| format!("training.learning_rate is {}, but must be in 0..=1", t.learning_rate)),
            (t.restart_growth < 1.0 || !t.restart_growth.is_finite())
                .then(|| format!("training.restart_growth is {}, but must be at least 1", t.restart_growth)),
            share("training.final_share", t.final_share),
            share("training.betas[0]", f64::from(t.betas.0)),
            share("training.betas[1]", f64::from(t.betas.1)),
            (self.training_chunk() > self.arrangement.chunk as usize)
                .then(|| format!("training.chunk is {}, beyond the arrangement's {}", t.chunk, self.arrangement.chunk)),
        ];
        if let Some(lora) = &self.lora {
            problems.push(
                (!(1..=1024).contains(&lora.rank))
                    .then(|| format!("lora.rank is {}, but must be in 1..=1024", lora.rank)),
            );
            problems.push((!lora.alpha.is_finite()).then(|| format!("lora.alpha is {}", lora.alpha)));
        }
        match &self.data {
            DataConfig::Codes(c) => {
                problems.push(positive("data.files", !c.files.is_empty(), "empty".into()));
                for (name, (from, to)) in [("data.train", c.train), ("data.validation", c.validation)] {
                    let ok = 0.0 <= from && from <= to && to <= 1.0;
                    problems.push((!ok).then(|| format!("{name} is {from}..{to}, but must be ascending in 0..=1")));
                }
                let apart = c.train.1 <= c.validation.0 || c.validation.1 <= c.train.0;
                problems.push((!apart).then(|| "data.train and data.validation overlap".into()));
            }
            DataConfig::Photos(p) => {
                problems.push(positive("data.qualities", !p.qualities.is_empty(), "empty".into()));
                let wrong = p.qualities.iter().find(|q| !(1..=100).contains(*q));
                problems.push(wrong.map(|q| format!("data.qualities has {q}, but they must be in 1..=100")));
                problems.push(positive("data.blocks", p.blocks.0 > 0 && p.blocks.1 > 0, format!("{:?}", p.blocks)));
                problems.push(positive("data.crops", p.crops > 0, p.crops.to_string()));
                let scale = p.scale.0 > 0.0 && p.scale.0 <= p.scale.1 && p.scale.1 <= 1.0;
                problems.push((!scale).then(|| format!("data.scale is {:?}, but must be ascending in 0..=1", p.scale)));
            }
        }
        problems.into_iter().flatten().next()
    }
}
