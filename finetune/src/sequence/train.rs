//! Fine-tuning: AdamW on the embedding, the heads and LoRA pairs; the backbone stays as it is.
//!
//! Beside the files of every run ([`crate::run::folder`]) its folder holds `heads.safetensors`: the best head set so far on the
//! validation set, the newest without one. The order of the chunks follows from seed and epoch, so an interrupted run goes on
//! as if nothing had happened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Device;
use lmcodec_entropy::arrangement::flat::{Chunk, Streams};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::{FinetuneConfig, TrainingConfig};
use super::data::{Latents, chunk_at, chunks_in_epoch, epoch_order, latent_bits, validation_chunks};
use super::head_file::{self, HeadSetDescription};
use super::heads::{Batch, Heads, Rows};
use super::initial::initial_heads;
use super::linear::Precision;
use super::model::Backbone;
use super::replicas::Replicas;
use super::step::Bits;
use super::validation::validate;
use crate::checkpoint::Checkpoint;
use crate::run::folder::{RunFolder, digest, is_run};
use crate::run::{
    Fields, Identity, Measured, Observer, Rhythm, RunError, RunState, Source, Training, Unit, Validation, drive,
};

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Symbols.
    pub symbols: u64,
}

/// A finished or interrupted run.
pub struct Outcome {
    /// The newest parameters.
    pub heads: Heads,
    /// Progress; it has ended by `epochs` or `patience`.
    pub state: RunState<Seen>,
    /// Where the head set is.
    pub head_file: PathBuf,
}

/// What a call may change about a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Go on with the run that is in the folder.
    pub resume: bool,
    /// Stop after this many steps of this call.
    pub stop_after: Option<usize>,
}

/// Trains a head set into `folder`. Several devices share the batches that a step accumulates ([`Replicas`]); the first one
/// validates and keeps the parameters.
///
/// # Errors
/// [`RunError`]; also if the folder holds a run and `resume` is not set, `resume` is set and the run is of another config,
/// backbone or data, or a step has fewer batches than there are devices (at least one).
pub fn finetune(
    config: &FinetuneConfig,
    checkpoint: &Checkpoint,
    folder: &Path,
    devices: &[Device],
    options: RunOptions,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let accumulate = config.training.accumulate;
    if devices.is_empty() || devices.len() > accumulate.max(1) {
        let message =
            format!("{} devices for steps of accumulate = {accumulate} batches; every device needs one", devices.len());
        return Err(RunError::invalid(folder, message));
    }
    if is_run(folder) && !options.resume {
        return Err(RunError::Exists { folder: folder.into() });
    }
    let latents = Latents::load(config)?;
    let (chunk, per_step) = (config.training_chunk(), config.training.batch * accumulate);
    let epoch = chunks_in_epoch(&latents.train, chunk) / per_step;
    if epoch == 0 {
        let symbols: usize = latents.train.streams().iter().map(|s| s.symbols.len()).sum();
        let message = format!(
            "{symbols} symbols to train on are less than a step of {} × {accumulate} chunks of {chunk}",
            config.training.batch
        );
        return Err(RunError::NoData { path: config.data.path().into(), message });
    }
    let identity = Identity {
        data: digest([&latents.train, &latents.validation].map(symbols)),
        base: Some(checkpoint.sha256().into()),
        ..Identity::default()
    };
    let mut run = RunFolder::open(folder, config, identity)?;
    let mut training = HeadTraining::new(config, checkpoint, folder, devices, latents, epoch)?;
    if run.is_resumed() {
        (training.heads, training.optimizer) = run.load(training.heads, training.optimizer)?;
    }
    drive(&mut training, &mut run, options.stop_after, observer)?;
    Ok(Outcome { head_file: training.head_file(), heads: training.heads, state: run.state })
}

/// The symbols of some streams, stream by stream, for the identity of a run.
fn symbols(streams: &Streams) -> Vec<u8> {
    let of_stream = |symbols: &[u16]| {
        let length = (symbols.len() as u64).to_le_bytes();
        length.into_iter().chain(symbols.iter().flat_map(|s| s.to_le_bytes())).collect::<Vec<u8>>()
    };
    streams.streams().iter().flat_map(|s| of_stream(&s.symbols)).collect()
}

fn optimizer(t: &TrainingConfig) -> ModuleOptimizer {
    AdamWConfig::new()
        .with_beta_1(t.betas.0)
        .with_beta_2(t.betas.1)
        .with_epsilon(1e-8)
        .with_weight_decay(t.weight_decay)
        .init()
}

/// The heads with what a step needs.
struct HeadTraining<'a> {
    config: &'a FinetuneConfig,
    folder: &'a Path,
    train: Arc<Streams>,
    validation: Vec<Chunk>,
    description: HeadSetDescription,
    /// For validation.
    backbone: Backbone,
    /// For training steps.
    replicas: Replicas,
    rows: Rows,
    heads: Heads,
    optimizer: ModuleOptimizer,
    /// Steps of an epoch.
    epoch: usize,
    /// Since the last line of the log.
    window: Bits,
    window_clock: Instant,
    /// Of the last step.
    gradient_norm: f64,
}

impl<'a> HeadTraining<'a> {
    fn new(
        config: &'a FinetuneConfig,
        checkpoint: &Checkpoint,
        folder: &'a Path,
        devices: &[Device],
        latents: Latents,
        epoch: usize,
    ) -> Result<Self, RunError> {
        let t = &config.training;
        let load = |device: &Device| {
            let backbone = Backbone::load(checkpoint, config.arrangement.chunk as usize, device)?;
            let training = match t.precision {
                Precision::F32 => None,
                Precision::Bf16 => backbone.in_bf16(),
            };
            Ok::<_, RunError>((training.unwrap_or_else(|| backbone.clone()), backbone))
        };
        let (training, backbone) = load(&devices[0])?;
        let mut replicas = vec![training];
        for device in &devices[1..] {
            replicas.push(load(device)?.0);
        }
        let heads = initial_heads(config, checkpoint, &devices[0].clone().autodiff())?;
        let description = HeadSetDescription {
            arch: "sequence-heads".into(),
            format: 1,
            backbone_sha256: checkpoint.sha256().into(),
            backbone_name: checkpoint.name().into(),
            arrangement: config.arrangement.clone(),
            d_model: checkpoint.config().d_model,
            lora: config.lora.clone(),
            training: serde_json::to_value(t).map_err(|e| RunError::invalid(folder, e))?,
        };
        Ok(Self {
            validation: validation_chunks(&latents.validation, t.validation_chunks),
            train: Arc::new(latents.train),
            rows: Rows::new(&config.arrangement.vocabularies),
            config,
            folder,
            description,
            replicas: Replicas::new(replicas),
            backbone,
            heads,
            optimizer: optimizer(t),
            epoch,
            window: Bits::new(config.arrangement.layers()),
            window_clock: Instant::now(),
            gradient_norm: 0.0,
        })
    }

    fn head_file(&self) -> PathBuf {
        self.folder.join("heads.safetensors")
    }

    /// Coded size in percent of the latents'.
    fn cr_percent(&self, bits: &Bits) -> f64 {
        let layers = bits.symbols.iter().enumerate();
        let latents: f64 = layers.map(|(l, &n)| n as f64 * latent_bits(&self.config.arrangement, l)).sum();
        100.0 * bits.total() / latents.max(f64::MIN_POSITIVE)
    }
}

impl Training for HeadTraining<'_> {
    type Seen = Seen;
    type Model = Heads;
    type Step = Vec<Batch>;
    const UNIT: Unit = Unit { text: "bits/symbol", key: "bits_per_symbol" };
    const END: &'static str = "epochs";
    const AHEAD: usize = 2;

    fn rhythm(&self) -> Rhythm {
        let t = &self.config.training;
        Rhythm {
            steps: ((t.epochs * self.epoch as f64).round() as usize).max(1),
            log_every: t.log_every,
            validate_every: t.validate_every,
            save_every: t.validate_every,
            validate_first: true,
            patience: t.patience,
        }
    }

    fn source(&self) -> Source<Vec<Batch>> {
        let (latents, rows, epoch, seed) = (Arc::clone(&self.train), self.rows.clone(), self.epoch, self.config.seed);
        let (batch, length) = (self.config.training.batch, self.config.training_chunk());
        let per_step = batch * self.config.training.accumulate;
        let mut order: Option<(usize, Vec<(usize, usize)>)> = None;
        Box::new(move |step| {
            let (current, first) = (step / epoch, step % epoch * per_step);
            if order.as_ref().is_none_or(|(of, _)| *of != current) {
                order = Some((current, epoch_order(&latents, length, seed, current)));
            }
            let places = order.as_ref().map_or(&[][..], |(_, places)| &places[first..first + per_step]);
            let one = |places: &[(usize, usize)]| {
                let chunks: Vec<Chunk> = places.iter().map(|&p| chunk_at(&latents, p, length)).collect();
                Ok(Batch::new(&chunks.iter().collect::<Vec<_>>(), &rows)?)
            };
            places.chunks(batch).map(one).collect()
        })
    }

    fn learning_rate(&self, step: usize) -> f64 {
        self.config.training.learning_rate_at(step, self.epoch as f64)
    }

    fn step(&mut self, batches: &Vec<Batch>, rate: f64, seen: &mut Seen) -> Result<Measured, RunError> {
        let symbols: usize = batches.iter().map(Batch::symbols).sum();
        let (bits, sum) = self.replicas.gradients(&self.heads, &self.rows, batches, 1.0 / symbols as f64)?;
        if let Some(sum) = sum {
            let clip = self.config.training.clip_norm;
            let (sum, norm) = sum.clip((clip > 0.0).then_some(clip));
            let params = sum.into_params(&self.heads);
            self.heads = self.optimizer.step(rate, self.heads.clone(), params);
            self.gradient_norm = norm;
        }
        seen.symbols += symbols as u64;
        self.window += &bits;
        Ok(Measured { bits: bits.total(), units: bits.count() as f64 })
    }

    fn log_fields(&mut self, seen: &Seen) -> Fields {
        let window = std::mem::replace(&mut self.window, Bits::new(self.config.arrangement.layers()));
        let clock = std::mem::replace(&mut self.window_clock, Instant::now());
        let per_step = self.config.training_chunk() * self.config.training.batch * self.config.training.accumulate;
        let fields = [
            ("epoch", json!(seen.symbols as f64 / (per_step * self.epoch) as f64)),
            ("symbols", json!(seen.symbols)),
            ("cr_percent", json!(self.cr_percent(&window))),
            ("gradient_norm", json!(self.gradient_norm)),
            ("symbols_per_second", json!(window.count() as f64 / clock.elapsed().as_secs_f64())),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }

    fn validate(&mut self) -> Result<Option<Validation>, RunError> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let (arrangement, batch) = (&self.config.arrangement, self.config.training.batch);
        let found = validate(&self.backbone, &self.heads, arrangement, &self.validation, batch)?;
        let by_layer: Vec<f64> =
            found.bits.bits.iter().zip(&found.bits.symbols).map(|(b, &n)| b / n.max(1) as f64).collect();
        let fields = [
            ("validation_cr_percent", json!(found.cr_percent())),
            ("by_layer", json!(by_layer)),
            ("escape_bits_per_symbol", json!(found.escape_bits / found.bits.count().max(1) as f64)),
            ("validation_symbols", json!(found.bits.count())),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        Ok(Some(Validation { bits: found.bits_per_symbol(), fields }))
    }

    /// Keeps the head set if it is the best.
    fn validated(&mut self, best: bool) -> Result<(), RunError> {
        self.window_clock = Instant::now();
        if best { head_file::save(&self.head_file(), &self.heads, &self.description) } else { Ok(()) }
    }

    fn parts(&self) -> (&Heads, &ModuleOptimizer) {
        (&self.heads, &self.optimizer)
    }
}
