//! The training loop of the frame Llama: data, optimizer, checkpoints, exact resume, log.
//!
//! Step s draws its crops from a random generator seeded by (seed, s), so a resumed run sees the same data as one that was
//! never interrupted.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamWConfig, AdjustLrFn, GradientsAccumulator, GradientsParams, ModuleOptimizer, MuonConfig};
use burn::tensor::Device;
use indicatif::{ProgressBar, ProgressStyle};
use lmcodec_datasets::crops::CropConfig;
use lmcodec_datasets::manifest::Manifest;
use lmcodec_datasets::photos::{DatasetError, Photo, Split, load_folder};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::ablation::{Part, ablate};
use crate::batch::{Batch, Sample};
use crate::loss::{Bits, PositionCache, batch_loss};
use crate::model::{FrameLlama, FrameLlamaConfig};

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
    fn batch(&self, samples: &[Sample]) -> Batch {
        let mut batch = Batch::new(samples);
        ablate(&mut batch, &self.without);
        batch
    }
}

/// A run whose model is nowhere larger; the new one computes the same at first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialWeights {
    /// Its folder.
    pub run: PathBuf,
}

impl InitialWeights {
    /// Its model, grown to the sizes of `config`.
    fn load(&self, config: &TrainConfig, device: &Device) -> Result<FrameLlama, TrainError> {
        let source = read_config(&self.run.join("config.toml"))?;
        if !source.model.fits_in(&config.model) {
            let message =
                format!("its model is {:?}, which cannot grow into the smaller {:?}", source.model, config.model);
            return Err(TrainError::invalid(&self.run, message));
        }
        Ok(load_model(&self.run, &source, device)?.grown(&config.model.config(), device))
    }
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
    fn fits_in(&self, other: &Self) -> bool {
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

/// AdamW, for the blocks' matrices Muon if wished, with linear warm-up and a cosine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Steps in all.
    pub steps: usize,
    /// Crops a step and worker.
    pub crops: usize,
    /// Threads that each run a batch of their own every step; their gradients are added in a fixed order. One is right for
    /// a GPU.
    #[serde(default = "one")]
    pub workers: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the peak that is left at the end.
    pub final_share: f64,
    /// Steps of linear warm-up.
    pub warmup: usize,
    /// β₁, β₂.
    pub betas: (f32, f32),
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Each parameter's gradient is clipped to this norm.
    pub clip_norm: f32,
    /// The matrices of the blocks follow Muon instead (momentum 0.95, scaled to AdamW's step size).
    #[serde(default)]
    pub muon: bool,
    /// Steps between checkpoints (and lines of the log).
    pub checkpoint_every: usize,
    /// Steps between validations.
    pub validate_every: usize,
    /// Batches in a validation.
    pub validation_batches: usize,
}

fn one() -> usize {
    1
}

impl OptimizerConfig {
    /// Learning rate at a step.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let warm = ((step + 1) as f64 / self.warmup.max(1) as f64).min(1.0);
        let progress = (step as f64 / self.steps.max(1) as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        self.learning_rate * warm * (cosine * (1.0 - self.final_share) + self.final_share)
    }
}

/// What went wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data set.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// The path in question.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A config, checkpoint or state that does not fit.
    #[error("{path}: {message}")]
    Invalid {
        /// The path in question.
        path: PathBuf,
        /// What was found.
        message: String,
    },
}

impl TrainError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.into(), source }
    }

    pub(crate) fn invalid(path: &Path, message: impl ToString) -> Self {
        Self::Invalid { path: path.into(), message: message.to_string() }
    }
}

/// Reads a config file.
///
/// # Errors
/// [`TrainError`] if it cannot be read or says something impossible.
pub fn read_config(path: &Path) -> Result<TrainConfig, TrainError> {
    let text = fs::read_to_string(path).map_err(TrainError::io(path))?;
    let config: TrainConfig = toml::from_str(&text).map_err(|e| TrainError::invalid(path, e))?;
    let m = &config.model;
    let problem = if m.d_model != 32 * m.heads {
        Some(format!("d_model = {} must be 32 × heads = {}", m.d_model, 32 * m.heads))
    } else if m.depth_d != 16 * m.depth_heads {
        Some(format!("depth_d = {} must be 16 × depth_heads = {}", m.depth_d, 16 * m.depth_heads))
    } else if config.optimizer.crops == 0
        || config.optimizer.workers == 0
        || config.crops.rows == 0
        || config.crops.columns == 0
    {
        Some("crops, workers, rows and columns must be at least 1".into())
    } else {
        None
    };
    problem.map_or(Ok(config), |p| Err(TrainError::invalid(path, p)))
}

/// Progress of a run, saved beside the weights.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TrainState {
    /// Optimizer steps done.
    pub step: usize,
    /// Frames seen.
    pub frames: u64,
    /// Coefficient steps seen.
    pub coefficients: u64,
    /// Wall-clock seconds over all sessions.
    pub seconds: f64,
    /// Validations: (step, bits a pixel).
    pub validations: Vec<(usize, f64)>,
}

/// A finished or interrupted run.
pub struct Outcome {
    /// The trained model.
    pub model: FrameLlama,
    /// Its progress.
    pub state: TrainState,
}

fn samples(photos: &[&image::RgbImage], config: &TrainConfig, seed: u64, step: u64) -> Vec<Sample> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    (0..config.optimizer.crops)
        .map(|_| {
            let crop = config.crops.draw(photos, &mut rng);
            Sample::from_image(&crop.image, crop.component)
        })
        .collect()
}

/// Batches of the steps from `first` on, one a worker, made ahead on a thread of their own.
fn prefetch(photos: Arc<Vec<Photo>>, config: TrainConfig, first: usize) -> Receiver<Vec<Batch>> {
    let (send, receive) = sync_channel(4);
    std::thread::spawn(move || {
        let train: Vec<_> = photos
            .iter()
            .filter(|p| p.split(config.data.validation_one_in) == Split::Train)
            .map(|p| &p.pixels)
            .collect();
        for step in first..config.optimizer.steps {
            let workers = config.optimizer.workers;
            let one = |w| config.batch(&samples(&train, &config, config.seed, (step * workers + w) as u64));
            if send.send((0..workers).map(one).collect()).is_err() {
                break;
            }
        }
    });
    receive
}

/// Validation batches: the same crops of held-out photos every time.
pub fn validation_set(photos: &[Photo], config: &TrainConfig) -> Vec<Batch> {
    let held: Vec<_> = photos
        .iter()
        .filter(|p| p.split(config.data.validation_one_in) == Split::Validation)
        .map(|p| &p.pixels)
        .collect();
    if held.is_empty() {
        return Vec::new();
    }
    (0..config.optimizer.validation_batches as u64)
        .map(|i| config.batch(&samples(&held, config, config.seed ^ 0x5eed_0fa1_1d00, i)))
        .collect()
}

/// Bits and frames of a set of batches, without gradients.
pub fn evaluate(model: &FrameLlama, batches: &[Batch], cache: &mut PositionCache, device: &Device) -> (Bits, usize) {
    let model = model.valid();
    let mut bits = Bits::default();
    for batch in batches {
        bits += batch_loss(&model, batch, cache, device).bits();
    }
    (bits, batches.iter().map(Batch::frames).sum())
}

/// Matrices of the blocks, by the ends of their paths.
const BLOCK_MATRICES: [&str; 4] = ["qkv.weight", "o_proj.weight", "gate_up.weight", "down.weight"];

pub(crate) fn optimizer(config: &OptimizerConfig) -> ModuleOptimizer {
    let adamw = AdamWConfig::new()
        .with_beta_1(config.betas.0)
        .with_beta_2(config.betas.1)
        .with_epsilon(1e-8)
        .with_weight_decay(config.weight_decay)
        .with_grad_clipping(Some(GradientClippingConfig::Norm(config.clip_norm)))
        .init();
    if !config.muon {
        return adamw;
    }
    let muon = MuonConfig::new()
        .with_weight_decay(Some(WeightDecayConfig { penalty: config.weight_decay }))
        .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
        .build();
    adamw.with_group(ParamGroup::from_any_predicates(BLOCK_MATRICES.to_vec()), muon, None)
}

/// Writes weights, optimizer state and progress into `folder`; each file appears whole or not at all, the progress last.
pub(crate) fn save_checkpoint<M: Module>(
    folder: &Path,
    model: &M,
    optim: &ModuleOptimizer,
    state: &impl Serialize,
) -> Result<(), TrainError> {
    let place = |name: &str| folder.join(name);
    let temporary = |name: &str| folder.join(format!("{name}.tmp"));
    for name in ["model.bpk", "optimizer.bpk"] {
        let path = temporary(name);
        let saved = match name {
            "model.bpk" => model.clone().save_file(&path),
            _ => optim.save(&path),
        };
        saved.map_err(|e| TrainError::invalid(&path, e))?;
    }
    let json = serde_json::to_string_pretty(state).map_err(|e| TrainError::invalid(folder, e))?;
    let path = temporary("state.json");
    fs::write(&path, json).map_err(TrainError::io(&path))?;
    for name in ["model.bpk", "optimizer.bpk", "state.json"] {
        let to = place(name);
        fs::rename(temporary(name), &to).map_err(TrainError::io(&to))?;
    }
    Ok(())
}

/// Loads the weights of a checkpoint folder.
///
/// # Errors
/// [`TrainError`] if they are missing or of another shape.
pub fn load_model(folder: &Path, config: &TrainConfig, device: &Device) -> Result<FrameLlama, TrainError> {
    let path = folder.join("model.bpk");
    if !path.exists() {
        return Err(TrainError::invalid(&path, "no checkpoint here"));
    }
    config.model.config().init(device).try_load_file(&path).map_err(|e| TrainError::invalid(&path, e))
}

/// Reads the progress of a checkpoint folder.
///
/// # Errors
/// [`TrainError`] if it is missing or not readable.
pub fn load_state(folder: &Path) -> Result<TrainState, TrainError> {
    let path = folder.join("state.json");
    let text = fs::read_to_string(&path).map_err(TrainError::io(&path))?;
    serde_json::from_str(&text).map_err(|e| TrainError::invalid(&path, e))
}

/// Gradients of the bits a symbol over all workers' batches, and the bits.
fn step_gradients(
    model: &FrameLlama,
    batches: &[Batch],
    caches: &mut [PositionCache],
    device: &Device,
) -> (GradientsParams, Bits) {
    let symbols: usize = batches.iter().map(|b| b.frames() + b.steps()).sum();
    let one = |model: &FrameLlama, batch: &Batch, cache: &mut PositionCache| {
        let result = batch_loss(model, batch, cache, device);
        let gradients = (result.loss.clone() * (1.0 / symbols as f64)).backward();
        (GradientsParams::from_grads(gradients, model), result.bits())
    };
    worker_gradients(model, batches, caches, device, one)
}

/// Runs `one` for every batch, each in a thread of its own, and adds gradients and reports in the order of the batches.
pub(crate) fn worker_gradients<M, B, C, R>(
    model: &M,
    batches: &[B],
    caches: &mut [C],
    device: &Device,
    one: impl Fn(&M, &B, &mut C) -> (GradientsParams, R) + Sync,
) -> (GradientsParams, R)
where
    M: Module + Sync,
    B: Sync,
    C: Send,
    R: Default + std::ops::AddAssign + Send,
{
    if let ([batch], [cache]) = (batches, &mut *caches) {
        return one(model, batch, cache);
    }
    // Leaves of their own for every worker: threads that share leaves share one autodiff graph, and a backward pass in one
    // consumes what another still needs.
    let forks: Vec<M> = batches.iter().map(|_| model.clone().fork(device)).collect();
    let parts: Vec<_> = std::thread::scope(|scope| {
        let one = &one;
        let handles: Vec<_> =
            forks.iter().zip(batches).zip(caches).map(|((m, b), c)| scope.spawn(move || one(m, b, c))).collect();
        handles.into_iter().map(|h| h.join().expect("a worker panicked")).collect()
    });
    let mut sum = GradientsAccumulator::new();
    let mut report = R::default();
    for (gradients, part) in parts {
        sum.accumulate(model, gradients);
        report += part;
    }
    (sum.grads(), report)
}

/// Trains a model into `folder` (checkpoints, `config.toml`, `manifest.json`, `log.jsonl`), resuming what is there.
///
/// Stops after `config.optimizer.steps` steps, or after `stop_after` steps of this call if given.
///
/// # Errors
/// [`TrainError`].
pub fn train(
    config: &TrainConfig,
    folder: &Path,
    device: &Device,
    stop_after: Option<usize>,
) -> Result<Outcome, TrainError> {
    fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let photos = Arc::new(load_folder(&config.data.folder)?);
    let manifest = Manifest::of(&photos, &config.data.source, &config.data.licence, config.data.validation_one_in);
    manifest.save(&folder.join("manifest.json"))?;
    let text = toml::to_string_pretty(config).map_err(|e| TrainError::invalid(folder, e))?;
    let config_path = folder.join("config.toml");
    fs::write(&config_path, text).map_err(TrainError::io(&config_path))?;

    let plain = device.clone();
    let device = device.clone().autodiff();
    device.seed(config.seed);
    let mut model = config.model.config().init(&device);
    let mut optim = optimizer(&config.optimizer);
    let mut state = TrainState::default();
    if let Some(initial) = config.initial.as_ref().filter(|_| !folder.join("state.json").exists()) {
        model = initial.load(config, &device)?;
    }
    if folder.join("state.json").exists() {
        state = load_state(folder)?;
        model = load_model(folder, config, &device)?;
        let path = folder.join("optimizer.bpk");
        optim = optim.load(&path).map_err(|e| TrainError::invalid(&path, e))?;
    }

    let validation = validation_set(&photos, config);
    let attention = !config.without.contains(&Part::Attention);
    let mut plain_cache = PositionCache::with_attention(attention);
    let mut caches: Vec<_> = (0..config.optimizer.workers).map(|_| PositionCache::with_attention(attention)).collect();
    let batches = prefetch(Arc::clone(&photos), config.clone(), state.step);
    let log_path = folder.join("log.jsonl");
    let mut log =
        fs::OpenOptions::new().create(true).append(true).open(&log_path).map_err(TrainError::io(&log_path))?;
    let bar = ProgressBar::new(config.optimizer.steps as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} [{elapsed}<{eta}] {msg}")
            .unwrap_or(ProgressStyle::default_bar()),
    );
    bar.set_position(state.step as u64);
    bar.reset_eta();
    let end = stop_after.map_or(config.optimizer.steps, |n| (state.step + n).min(config.optimizer.steps));
    let (mut running, mut window, mut window_pixels) = (None::<f64>, Bits::default(), 0.0);
    let mut clock = Instant::now();
    for batches_of_step in batches {
        if state.step >= end {
            break;
        }
        let (gradients, bits) = step_gradients(&model, &batches_of_step, &mut caches, &device);
        model = optim.step(config.optimizer.learning_rate_at(state.step), model, gradients);
        let frames: usize = batches_of_step.iter().map(Batch::frames).sum();
        let pixels = 64.0 * frames as f64;
        let bpp = bits.total() / pixels;
        running = Some(running.map_or(bpp, |r| 0.98 * r + 0.02 * bpp));
        window += bits;
        window_pixels += pixels;
        state.step += 1;
        state.frames += frames as u64;
        state.coefficients += batches_of_step.iter().map(|b| b.steps() as u64).sum::<u64>();
        bar.set_position(state.step as u64);
        bar.set_message(format!("{:.4} bits/pixel", running.unwrap_or_default()));

        let validate = state.step % config.optimizer.validate_every.max(1) == 0 || state.step == end;
        if validate && !validation.is_empty() {
            let (bits, frames) = evaluate(&model, &validation, &mut plain_cache, &plain);
            let bpp = bits.total() / (64 * frames) as f64;
            state.validations.push((state.step, bpp));
            bar.suspend(|| eprintln!("step {}: validation {bpp:.4} bits/pixel", state.step));
        }
        if state.step % config.optimizer.checkpoint_every.max(1) == 0 || state.step == end {
            state.seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            let line = serde_json::json!({
                "step": state.step, "frames": state.frames, "coefficients": state.coefficients, "seconds": state.seconds,
                "learning_rate": config.optimizer.learning_rate_at(state.step),
                "bits_per_pixel": window.total() / window_pixels,
                "last": window.last / window_pixels, "ac": window.ac / window_pixels,
                "escape": window.escape / window_pixels, "dc": window.dc / window_pixels,
                "validation": state.validations.last(),
            });
            (window, window_pixels) = (Bits::default(), 0.0);
            writeln!(log, "{line}").map_err(TrainError::io(&log_path))?;
            save_checkpoint(folder, &model, &optim, &state)?;
        }
    }
    bar.finish();
    Ok(Outcome { model: model.valid(), state })
}
