//! Training of embedding and heads for frames of codes: configuration, exact resume, log.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use indicatif::{ProgressBar, ProgressStyle};
use lmcodec_entropy::code_heads::config::{ARCH, CodeHeadsConfig, FORMAT, Medium, Neighbour, StepNeighbour};
use lmcodec_entropy::frame_llama::FrameConfig;
use lmcodec_entropy::weights::default_model;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::blocks::read_blocks;
use super::data::{CodeArray, CodeBatch, Draw};
use super::loss::{CodePositions, code_loss};
use super::model::FrameCoder;
use crate::train::{OptimizerConfig, TrainError, optimizer, save_checkpoint, worker_gradients};

/// A training run over an array of codes; read from a TOML file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FramesTrainConfig {
    /// What a frame is and what it sees.
    pub frames: FramesShape,
    /// The codes.
    pub data: FramesData,
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
pub struct FramesShape {
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
pub struct FramesData {
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
/// [`TrainError`] if it cannot be read or is no TOML.
pub fn is_frames_config(path: &Path) -> Result<bool, TrainError> {
    let text = fs::read_to_string(path).map_err(TrainError::io(path))?;
    let table: toml::Table = toml::from_str(&text).map_err(|e| TrainError::invalid(path, e))?;
    Ok(table.contains_key("frames"))
}

/// Reads a config file.
///
/// # Errors
/// [`TrainError`] if it cannot be read or says something impossible.
pub fn read_frames_config(path: &Path) -> Result<FramesTrainConfig, TrainError> {
    let text = fs::read_to_string(path).map_err(TrainError::io(path))?;
    let config: FramesTrainConfig = toml::from_str(&text).map_err(|e| TrainError::invalid(path, e))?;
    let (o, d) = (&config.optimizer, &config.data);
    let share = |v: f64| (0.0..=1.0).contains(&v);
    let problem = if o.crops == 0 || o.workers == 0 || o.steps == 0 {
        Some("crops, workers and steps must be at least 1")
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
    problem.map_or(Ok(config), |p| Err(TrainError::invalid(path, p)))
}

impl FramesTrainConfig {
    /// The bytes of the model whose blocks are taken.
    ///
    /// # Errors
    /// [`TrainError`] if the file cannot be read.
    pub fn backbone(&self) -> Result<Vec<u8>, TrainError> {
        match &self.frames.backbone {
            None => Ok(default_model().bytes.to_vec()),
            Some(path) => fs::read(path).map_err(TrainError::io(path)),
        }
    }

    /// The configuration of the integer file on blocks of this size.
    ///
    /// # Errors
    /// [`TrainError`] if it is not one that the integer engine runs.
    pub fn heads_config(&self, blocks: &FrameConfig, sha256: &[u8; 32]) -> Result<CodeHeadsConfig, TrainError> {
        let f = &self.frames;
        let hex = sha256.iter().map(|b| format!("{b:02x}")).collect();
        let depth = |n: usize| if f.medium == Medium::Rvq { n } else { 0 };
        let config = CodeHeadsConfig {
            arch: ARCH.into(),
            format: FORMAT,
            backbone_sha256: (f.train == Trained::Heads).then_some(hex),
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
        config.check().map_err(|e| TrainError::invalid(&self.data.file, e))?;
        Ok(config)
    }

    /// The array's parts to train on and to validate.
    ///
    /// # Errors
    /// [`TrainError`] if a range reaches beyond the array.
    pub fn parts(&self, array: &CodeArray) -> Result<(CodeArray, CodeArray), TrainError> {
        let (d, medium) = (&self.data, self.frames.medium);
        let extent = array.extent(medium);
        if d.train[1].max(d.validation[1]) > extent {
            let message = format!("train = {:?}, validation = {:?}: the array ends at {extent}", d.train, d.validation);
            return Err(TrainError::invalid(&d.file, message));
        }
        let part = |r: [usize; 2]| array.part(medium, r[0]..r[1]);
        Ok((part(d.train), part(d.validation)))
    }
}

/// Progress of a run, saved beside the weights.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FramesState {
    /// Optimizer steps done.
    pub step: usize,
    /// Codes seen.
    pub codes: u64,
    /// Wall-clock seconds over all sessions.
    pub seconds: f64,
    /// Validations: (step, bits a code).
    pub validations: Vec<(usize, f64)>,
}

/// A finished or interrupted run.
pub struct FramesOutcome {
    /// The trained model.
    pub model: FrameCoder,
    /// The configuration of its integer file.
    pub config: CodeHeadsConfig,
    /// Its progress.
    pub state: FramesState,
}

/// Batches of the steps from `first` on, one a worker, made ahead on a thread of their own. Those of a step depend on the
/// seed and the step alone.
fn prefetch(
    config: FramesTrainConfig,
    heads: CodeHeadsConfig,
    part: CodeArray,
    first: usize,
) -> Receiver<Vec<CodeBatch>> {
    let (send, receive) = sync_channel(2);
    std::thread::spawn(move || {
        let (o, d) = (&config.optimizer, &config.data);
        for step in first..o.steps {
            let one = |worker: usize| {
                let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
                rng.set_stream((step * o.workers + worker) as u64);
                let draw = Draw { dropout: d.dropout, first: d.first };
                CodeBatch::draw(&heads, &part, (o.crops, d.frames), draw, &mut rng)
            };
            if send.send((0..o.workers).map(one).collect()).is_err() {
                break;
            }
        }
    });
    receive
}

/// Bits a code of some batches, without gradients.
pub fn bits_per_code(model: &FrameCoder, config: &CodeHeadsConfig, batches: &[CodeBatch], device: &Device) -> f64 {
    let model = model.valid();
    // Batches of another length than the others need positions of their own, so one cache serves all.
    let mut cache = CodePositions::default();
    let bits: f64 =
        batches.iter().map(|b| f64::from(code_loss(&model, config, b, &mut cache, device).into_scalar::<f32>())).sum();
    bits / batches.iter().map(CodeBatch::codes).sum::<usize>().max(1) as f64
}

/// Trains embedding and heads into `folder` (checkpoints, `config.toml`, `log.jsonl`), resuming what is there.
///
/// Stops after `config.optimizer.steps` steps, or after `stop_after` steps of this call if given.
///
/// # Errors
/// [`TrainError`].
pub fn train_frames(
    config: &FramesTrainConfig,
    folder: &Path,
    device: &Device,
    stop_after: Option<usize>,
) -> Result<FramesOutcome, TrainError> {
    fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let plain = device.clone();
    let device = device.clone().autodiff();
    device.seed(config.seed);
    let blocks = read_blocks(&config.backbone()?, &device).map_err(|e| TrainError::invalid(folder, e))?;
    let heads = config.heads_config(&blocks.config, &blocks.sha256)?;
    let array = Arc::new(CodeArray::read(&config.data.file, &heads)?);
    let (train, validation) = config.parts(&array)?;
    let text = toml::to_string_pretty(config).map_err(|e| TrainError::invalid(folder, e))?;
    let config_path = folder.join("config.toml");
    fs::write(&config_path, text).map_err(TrainError::io(&config_path))?;

    let o = &config.optimizer;
    let mut model = FrameCoder::new(&heads, blocks, &device);
    let mut optim = optimizer(o);
    let mut state = FramesState::default();
    let state_path = folder.join("state.json");
    if state_path.exists() {
        let text = fs::read_to_string(&state_path).map_err(TrainError::io(&state_path))?;
        state = serde_json::from_str(&text).map_err(|e| TrainError::invalid(&state_path, e))?;
        let path = folder.join("model.bpk");
        model = model.try_load_file(&path).map_err(|e| TrainError::invalid(&path, e))?;
        let path = folder.join("optimizer.bpk");
        optim = optim.load(&path).map_err(|e| TrainError::invalid(&path, e))?;
    }
    if config.frames.train == Trained::Heads {
        model = model.freeze_blocks();
    }

    let mut held = CodeBatch::cover(&heads, &validation, (o.crops, config.data.frames.max(1)));
    held.truncate(o.validation_batches);
    let batches = prefetch(config.clone(), heads.clone(), train, state.step);
    let log_path = folder.join("log.jsonl");
    let mut log =
        fs::OpenOptions::new().create(true).append(true).open(&log_path).map_err(TrainError::io(&log_path))?;
    let bar = ProgressBar::new(o.steps as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} [{elapsed}<{eta}] {msg}")
            .unwrap_or(ProgressStyle::default_bar()),
    );
    bar.set_position(state.step as u64);
    bar.reset_eta();
    let end = stop_after.map_or(o.steps, |n| (state.step + n).min(o.steps));
    let mut caches: Vec<_> = (0..o.workers).map(|_| CodePositions::default()).collect();
    let (mut bits, mut codes) = (0.0, 0usize);
    let mut clock = Instant::now();
    for step_batches in batches {
        if state.step >= end {
            break;
        }
        let count: usize = step_batches.iter().map(CodeBatch::codes).sum();
        let one = |model: &FrameCoder, batch: &CodeBatch, cache: &mut CodePositions| {
            let loss = code_loss(model, &heads, batch, cache, &device);
            let bits = f64::from(loss.clone().into_scalar::<f32>());
            let gradients = (loss * (1.0 / count as f64)).backward();
            (GradientsParams::from_grads(gradients, model), bits)
        };
        let (gradients, step_bits) = worker_gradients(&model, &step_batches, &mut caches, &device, one);
        model = optim.step(o.learning_rate_at(state.step), model, gradients);
        (bits, codes) = (bits + step_bits, codes + count);
        state.step += 1;
        state.codes += count as u64;
        bar.set_position(state.step as u64);
        bar.set_message(format!("{:.4} bits/code", bits / codes as f64));

        let validate = state.step % o.validate_every.max(1) == 0 || state.step == end;
        if validate && !held.is_empty() {
            let found = bits_per_code(&model, &heads, &held, &plain);
            state.validations.push((state.step, found));
            bar.suspend(|| eprintln!("step {}: validation {found:.4} bits/code", state.step));
        }
        if state.step % o.checkpoint_every.max(1) == 0 || state.step == end {
            state.seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            let line = serde_json::json!({
                "step": state.step, "codes": state.codes, "seconds": state.seconds,
                "learning_rate": o.learning_rate_at(state.step), "bits_per_code": bits / codes as f64,
                "validation": state.validations.last(),
            });
            (bits, codes) = (0.0, 0);
            writeln!(log, "{line}").map_err(TrainError::io(&log_path))?;
            save_checkpoint(folder, &model, &optim, &state)?;
        }
    }
    bar.finish();
    Ok(FramesOutcome { model: model.valid(), config: heads, state })
}
