//! Fine-tuning: AdamW on the embedding, the heads and LoRA pairs; the backbone stays as it is.
//!
//! A run's folder holds `config.toml`, `log.jsonl`, `loss.svg`, `heads.safetensors` (the best so far on the validation set, the
//! newest without one) and, to go on from, `state.json` with the folder `checkpoint-N` that it names. The order of the chunks follows
//! from seed and epoch, so an interrupted run goes on as if nothing had happened.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Device;
use indicatif::{ProgressBar, ProgressStyle};
use lmcodec_entropy::arrangement::flat::{Chunk, FlatArrangement};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::{FinetuneConfig, TrainingConfig};
use super::data::{Latents, chunk_at, chunks_in_epoch, epoch_order, escape_bits, latent_bits, validation_chunks};
use super::error::{FinetuneError, write_whole};
use super::head_file::{self, HeadSetDescription};
use super::heads::{Batch, Heads, Rows};
use super::initial::initial_heads;
use super::linear::Precision;
use super::model::Backbone;
use super::replicas::Replicas;
use super::step::{Bits, evaluate};
use crate::checkpoint::Checkpoint;
use crate::plot::loss_curve;

/// Progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FinetuneState {
    /// Optimizer steps done.
    pub step: usize,
    /// Symbols seen.
    pub symbols: u64,
    /// Wall-clock seconds over all sessions.
    pub seconds: f64,
    /// Training: (step, mean bits a symbol since the last entry).
    pub training: Vec<(usize, f64)>,
    /// Validations: (step, bits a symbol).
    pub validations: Vec<(usize, f64)>,
    /// Folder of the parameters, beside the state file.
    pub checkpoint: String,
    /// SHA-256 of config and backbone: a run can only go on with the same ones.
    pub identity: String,
    /// Why the run has ended, if it has: `epochs` or `patience`.
    pub ended: Option<String>,
}

/// Coded and latent size of some chunks.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Bits of the model, by layer.
    pub bits: Bits,
    /// Raw bits of escaped values.
    pub escape_bits: f64,
    /// Bits of the latents as they are.
    pub latent_bits: f64,
}

impl Validation {
    /// Bits a symbol, escapes included.
    pub fn bits_per_symbol(&self) -> f64 {
        (self.bits.total() + self.escape_bits) / self.bits.count().max(1) as f64
    }

    /// Coded size in percent of the latent size.
    pub fn cr_percent(&self) -> f64 {
        100.0 * (self.bits.total() + self.escape_bits) / self.latent_bits.max(f64::MIN_POSITIVE)
    }
}

/// A finished or interrupted run.
pub struct Outcome {
    /// The newest parameters.
    pub heads: Heads,
    /// Progress.
    pub state: FinetuneState,
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

/// Bits of chunks under the heads.
///
/// # Errors
/// [`FinetuneError`] for chunks that the model cannot take.
pub fn validate(
    backbone: &Backbone,
    heads: &Heads,
    arrangement: &FlatArrangement,
    chunks: &[Chunk],
    batch: usize,
) -> Result<Validation, FinetuneError> {
    let rows = Rows::new(&arrangement.vocabularies);
    let mut all = Validation { bits: Bits::new(arrangement.layers()), escape_bits: 0.0, latent_bits: 0.0 };
    for chunks in chunks.chunks(batch.max(1)) {
        let refs: Vec<&Chunk> = chunks.iter().collect();
        all.bits += &evaluate(backbone, heads, &rows, &Batch::new(&refs, &rows)?)?;
        all.escape_bits += chunks.iter().map(|c| escape_bits(c, arrangement)).sum::<f64>();
    }
    let layers = all.bits.symbols.iter().enumerate();
    all.latent_bits = layers.map(|(layer, &n)| n as f64 * latent_bits(arrangement, layer)).sum();
    Ok(all)
}

/// Trains a head set into `folder`. Several devices share the batches that a step accumulates ([`Replicas`]); the first one
/// validates and keeps the parameters.
///
/// # Errors
/// [`FinetuneError`]; also if the folder holds a run and `resume` is not set, `resume` is set and the run is of another
/// config or backbone, or a step has fewer batches than there are devices (at least one).
pub fn finetune(
    config: &FinetuneConfig,
    checkpoint: &Checkpoint,
    folder: &Path,
    devices: &[Device],
    options: RunOptions,
) -> Result<Outcome, FinetuneError> {
    let accumulate = config.training.accumulate;
    if devices.is_empty() || devices.len() > accumulate.max(1) {
        let message =
            format!("{} devices for steps of accumulate = {accumulate} batches; every device needs one", devices.len());
        return Err(FinetuneError::invalid(folder, message));
    }
    let state_path = folder.join("state.json");
    let identity = identity(config, checkpoint);
    let mut state = FinetuneState { identity, ..FinetuneState::default() };
    if state_path.exists() {
        if !options.resume {
            return Err(FinetuneError::invalid(
                folder,
                "there is a run here already: go on with it by --resume, or choose another folder",
            ));
        }
        let found = read_state(&state_path)?;
        if found.identity != state.identity {
            return Err(FinetuneError::invalid(&state_path, "the run here has another config or another checkpoint"));
        }
        state = found;
    }
    fs::create_dir_all(folder).map_err(FinetuneError::io(folder))?;

    let latents = Latents::load(config)?;
    let mut run = Run::new(config, checkpoint, folder, devices, &latents, state)?;
    run.write_config()?;
    run.train(options.stop_after)?;
    Ok(Outcome { head_file: run.head_file(), heads: run.heads, state: run.state })
}

/// Reads the progress of a run.
///
/// # Errors
/// [`FinetuneError`] if it cannot be read.
pub fn read_state(path: &Path) -> Result<FinetuneState, FinetuneError> {
    let text = fs::read_to_string(path).map_err(FinetuneError::io(path))?;
    serde_json::from_str(&text).map_err(|e| FinetuneError::invalid(path, e))
}

fn identity(config: &FinetuneConfig, checkpoint: &Checkpoint) -> String {
    let text = toml::to_string(config).unwrap_or_default() + checkpoint.sha256();
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn optimizer(t: &TrainingConfig) -> ModuleOptimizer {
    AdamWConfig::new()
        .with_beta_1(t.betas.0)
        .with_beta_2(t.betas.1)
        .with_epsilon(1e-8)
        .with_weight_decay(t.weight_decay)
        .init()
}

struct Run<'a> {
    config: &'a FinetuneConfig,
    folder: &'a Path,
    latents: &'a Latents,
    validation: Vec<Chunk>,
    description: HeadSetDescription,
    /// For validation.
    backbone: Backbone,
    /// For training steps.
    replicas: Replicas,
    rows: Rows,
    heads: Heads,
    optimizer: ModuleOptimizer,
    state: FinetuneState,
    /// Steps of an epoch.
    epoch: usize,
    /// Steps in all.
    steps: usize,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a FinetuneConfig,
        checkpoint: &Checkpoint,
        folder: &'a Path,
        devices: &[Device],
        latents: &'a Latents,
        state: FinetuneState,
    ) -> Result<Self, FinetuneError> {
        let (t, chunk) = (&config.training, config.training_chunk());
        let epoch = chunks_in_epoch(&latents.train, chunk) / (t.batch * t.accumulate);
        if epoch == 0 {
            let symbols: usize = latents.train.streams().iter().map(|s| s.symbols.len()).sum();
            let message = format!(
                "{symbols} symbols to train on are less than a step of {} × {} chunks of {chunk}",
                t.batch, t.accumulate
            );
            return Err(FinetuneError::invalid(folder, message));
        }
        let load = |device: &Device| {
            let backbone = Backbone::load(checkpoint, config.arrangement.chunk as usize, device)?;
            let training = match t.precision {
                Precision::F32 => None,
                Precision::Bf16 => backbone.in_bf16(),
            };
            Ok::<_, FinetuneError>((training.unwrap_or_else(|| backbone.clone()), backbone))
        };
        let (training, backbone) = load(&devices[0])?;
        let mut replicas = vec![training];
        for device in &devices[1..] {
            replicas.push(load(device)?.0);
        }
        let auto = devices[0].clone().autodiff();
        let mut heads = initial_heads(config, checkpoint, &auto)?;
        let mut optimizer = optimizer(t);
        if !state.checkpoint.is_empty() {
            let place = folder.join(&state.checkpoint);
            let path = place.join("heads.bpk");
            heads = heads.try_load_file(&path).map_err(|e| FinetuneError::invalid(&path, e))?;
            let path = place.join("optimizer.bpk");
            optimizer = optimizer.load(&path).map_err(|e| FinetuneError::invalid(&path, e))?;
        }
        let training = serde_json::to_value(t).map_err(|e| FinetuneError::invalid(folder, e))?;
        let description = HeadSetDescription {
            arch: "sequence-heads".into(),
            format: 1,
            backbone_sha256: checkpoint.sha256().into(),
            backbone_name: checkpoint.name().into(),
            arrangement: config.arrangement.clone(),
            d_model: checkpoint.config().d_model,
            lora: config.lora.clone(),
            training,
        };
        Ok(Self {
            steps: ((t.epochs * epoch as f64).round() as usize).max(1),
            validation: validation_chunks(&latents.validation, t.validation_chunks),
            rows: Rows::new(&config.arrangement.vocabularies),
            config,
            folder,
            latents,
            description,
            replicas: Replicas::new(replicas),
            backbone,
            heads,
            optimizer,
            state,
            epoch,
        })
    }

    fn head_file(&self) -> PathBuf {
        self.folder.join("heads.safetensors")
    }

    fn write_config(&self) -> Result<(), FinetuneError> {
        let path = self.folder.join("config.toml");
        let text = toml::to_string_pretty(self.config).map_err(|e| FinetuneError::invalid(&path, e))?;
        write_whole(&path, text.as_bytes())
    }

    /// The batches of a step.
    fn batches(&self, order: &[(usize, usize)]) -> Result<Vec<Batch>, FinetuneError> {
        let (t, length) = (&self.config.training, self.config.training_chunk());
        let first = self.state.step % self.epoch * t.batch * t.accumulate;
        let places = &order[first..first + t.batch * t.accumulate];
        places
            .chunks(t.batch)
            .map(|places| {
                let chunks: Vec<Chunk> = places.iter().map(|&p| chunk_at(&self.latents.train, p, length)).collect();
                Ok(Batch::new(&chunks.iter().collect::<Vec<_>>(), &self.rows)?)
            })
            .collect()
    }

    /// One step of the optimizer: (bits, norm of the gradient).
    fn step(&mut self, batches: &[Batch]) -> Result<(Bits, f64), FinetuneError> {
        let t = &self.config.training;
        let symbols: usize = batches.iter().map(Batch::symbols).sum();
        let (bits, sum) = self.replicas.gradients(&self.heads, &self.rows, batches, 1.0 / symbols as f64)?;
        let Some(sum) = sum else { return Ok((bits, 0.0)) };
        let (sum, norm) = sum.clip((t.clip_norm > 0.0).then_some(t.clip_norm));
        let rate = t.learning_rate_at(self.state.step, self.epoch as f64);
        let params = sum.into_params(&self.heads);
        self.heads = self.optimizer.step(rate, self.heads.clone(), params);
        self.state.step += 1;
        self.state.symbols += symbols as u64;
        Ok((bits, norm))
    }

    fn train(&mut self, stop_after: Option<usize>) -> Result<(), FinetuneError> {
        let t = self.config.training.clone();
        let log_path = self.folder.join("log.jsonl");
        let mut log =
            OpenOptions::new().create(true).append(true).open(&log_path).map_err(FinetuneError::io(&log_path))?;
        let mut write = |line: serde_json::Value| writeln!(log, "{line}").map_err(FinetuneError::io(&log_path));
        let bar = ProgressBar::new(self.steps as u64).with_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} [{elapsed}<{eta}] {msg}")
                .unwrap_or(ProgressStyle::default_bar()),
        );
        bar.set_position(self.state.step as u64);
        bar.reset_eta();
        let end = stop_after.map_or(self.steps, |n| (self.state.step + n).min(self.steps));
        let latent_bits: Vec<f64> =
            (0..self.rows.vocabularies().len()).map(|l| latent_bits(&self.config.arrangement, l)).collect();
        let cr = |bits: &Bits| {
            let latents: f64 = bits.symbols.iter().zip(&latent_bits).map(|(&n, b)| n as f64 * b).sum();
            100.0 * bits.total() / latents.max(f64::MIN_POSITIVE)
        };
        let mut window = Bits::new(latent_bits.len());
        let (mut clock, mut window_clock) = (Instant::now(), Instant::now());
        let mut order: Option<(usize, Vec<(usize, usize)>)> = None;
        if self.state.step == 0 {
            self.validate(&mut write, &bar)?;
        }
        while self.state.step < end && self.state.ended.is_none() {
            let epoch = self.state.step / self.epoch;
            let current = match order.take() {
                Some((e, o)) if e == epoch => o,
                _ => epoch_order(&self.latents.train, self.config.training_chunk(), self.config.seed, epoch),
            };
            let batches = self.batches(&current)?;
            order = Some((epoch, current));
            let rate = t.learning_rate_at(self.state.step, self.epoch as f64);
            let (bits, norm) = self.step(&batches)?;
            if !bits.total().is_finite() {
                return Err(FinetuneError::invalid(
                    self.folder,
                    format!("step {}: the bits are no number any more; lower the learning rate", self.state.step),
                ));
            }
            window += &bits;
            bar.set_position(self.state.step as u64);
            bar.set_message(format!("{:.4} bits/symbol, CR {:.2} %", window.mean(), cr(&window)));
            let step = self.state.step;
            if step.is_multiple_of(t.log_every) || step == end {
                self.state.training.push((step, window.mean()));
                write(serde_json::json!({
                    "step": step, "epoch": step as f64 / self.epoch as f64, "symbols": self.state.symbols,
                    "learning_rate": rate, "bits_per_symbol": window.mean(), "cr_percent": cr(&window),
                    "gradient_norm": norm, "symbols_per_second": window.count() as f64 / window_clock.elapsed().as_secs_f64(),
                    "seconds": self.state.seconds + clock.elapsed().as_secs_f64(),
                }))?;
                window = Bits::new(latent_bits.len());
                window_clock = Instant::now();
            }
            if step.is_multiple_of(t.validate_every) || step == end {
                self.validate(&mut write, &bar)?;
                if step == self.steps && self.state.ended.is_none() {
                    self.state.ended = Some("epochs".into());
                }
                self.state.seconds += clock.elapsed().as_secs_f64();
                self.save()?;
                (clock, window_clock) = (Instant::now(), Instant::now());
            }
        }
        bar.finish();
        Ok(())
    }

    /// Validates, keeps the head set if it is the best, and ends the run if it has not been for long.
    fn validate(
        &mut self,
        write: &mut dyn FnMut(serde_json::Value) -> Result<(), FinetuneError>,
        bar: &ProgressBar,
    ) -> Result<(), FinetuneError> {
        let best_before = self.state.validations.iter().map(|v| v.1).fold(f64::INFINITY, f64::min);
        let mut best = true;
        if !self.validation.is_empty() {
            let v = validate(
                &self.backbone,
                &self.heads,
                &self.config.arrangement,
                &self.validation,
                self.config.training.batch,
            )?;
            let (bits, cr) = (v.bits_per_symbol(), v.cr_percent());
            best = bits < best_before;
            self.state.validations.push((self.state.step, bits));
            let by_layer: Vec<f64> =
                v.bits.bits.iter().zip(&v.bits.symbols).map(|(b, &n)| b / n.max(1) as f64).collect();
            write(serde_json::json!({
                "step": self.state.step, "validation_bits_per_symbol": bits, "validation_cr_percent": cr,
                "by_layer": by_layer, "escape_bits_per_symbol": v.escape_bits / v.bits.count().max(1) as f64,
                "validation_symbols": v.bits.count(), "best": best,
            }))?;
            bar.suspend(|| eprintln!("step {}: validation {bits:.4} bits/symbol, CR {cr:.2} %", self.state.step));
        }
        if best {
            head_file::save(&self.head_file(), &self.heads, &self.description)?;
        }
        let path = self.folder.join("loss.svg");
        let curve = loss_curve("bits/symbol", &self.state.training, &self.state.validations);
        if let Some(svg) = curve.map_err(|e| FinetuneError::invalid(&path, e))? {
            write_whole(&path, svg.as_bytes())?;
        }
        let patience = self.config.training.patience;
        if patience > 0 && self.stale_validations() >= patience {
            self.state.ended = Some("patience".into());
        }
        Ok(())
    }

    /// Validations since the best one.
    fn stale_validations(&self) -> usize {
        let bits = self.state.validations.iter().map(|v| v.1);
        let best = bits.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(i, _)| i);
        self.state.validations.len().saturating_sub(best + 1)
    }

    /// Saves what resuming needs: parameters in a folder of their own first, then the state that names it.
    fn save(&mut self) -> Result<(), FinetuneError> {
        let name = format!("checkpoint-{}", self.state.step);
        let (place, temporary) = (self.folder.join(&name), self.folder.join("checkpoint.tmp"));
        let _ = fs::remove_dir_all(&temporary);
        fs::create_dir_all(&temporary).map_err(FinetuneError::io(&temporary))?;
        let path = temporary.join("heads.bpk");
        self.heads.clone().save_file(&path).map_err(|e| FinetuneError::invalid(&path, e))?;
        let path = temporary.join("optimizer.bpk");
        self.optimizer.save(&path).map_err(|e| FinetuneError::invalid(&path, e))?;
        let old = std::mem::replace(&mut self.state.checkpoint, name);
        if place.exists() {
            // Left behind by a run that was interrupted before its state named it.
            fs::remove_dir_all(&place).map_err(FinetuneError::io(&place))?;
        }
        fs::rename(&temporary, &place).map_err(FinetuneError::io(&place))?;
        let json = serde_json::to_string_pretty(&self.state).map_err(|e| FinetuneError::invalid(self.folder, e))?;
        write_whole(&self.folder.join("state.json"), json.as_bytes())?;
        if !old.is_empty() && old != self.state.checkpoint {
            // Nothing names it any more; a folder that cannot be removed does no harm.
            let _ = fs::remove_dir_all(self.folder.join(old));
        }
        Ok(())
    }
}
