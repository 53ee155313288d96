//! Training of the frame Llama on crops of photos.
//!
//! Step s draws its crops from a random generator seeded by (seed, s), so a resumed run sees the same data as one that was
//! never interrupted.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use lmcodec_datasets::crops::CropError;
use lmcodec_datasets::manifest::Manifest;
use lmcodec_datasets::photos::{Photo, Split, load_folder};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ablation::Part;
use super::batch::{Batch, Sample};
use super::config::{InitialWeights, TrainConfig, read_config};
use super::loss::{Bits, PositionCache, batch_loss};
use super::model::FrameLlama;
use crate::run::folder::{self, RunFolder, digest};
use crate::run::{
    Fields, Identity, Measured, Observer, Rhythm, RunError, RunState, Source, Training, Unit, Validation, drive,
    worker_gradients,
};

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Frames.
    pub frames: u64,
    /// Coefficient steps.
    pub coefficients: u64,
}

/// A finished or interrupted run.
pub struct Outcome {
    /// The trained model.
    pub model: FrameLlama,
    /// Its progress.
    pub state: RunState<Seen>,
}

fn samples(photos: &[&image::RgbImage], config: &TrainConfig, seed: u64, step: u64) -> Result<Vec<Sample>, CropError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    (0..config.optimizer.crops)
        .map(|_| {
            let crop = config.crops.draw(photos, &mut rng)?;
            Ok(Sample::from_image(&crop.image, crop.component))
        })
        .collect()
}

/// The photos of a split.
fn of_split<'p>(
    photos: &'p [Photo],
    split: Split,
    config: &TrainConfig,
) -> impl Iterator<Item = &'p image::RgbImage> + use<'p> {
    let one_in = config.data.validation_one_in;
    photos.iter().filter(move |p| p.split(one_in) == split).map(|p| &p.pixels)
}

/// Validation batches: the same crops of held-out photos every time.
///
/// # Errors
/// [`CropError`] for a distribution of crops that is none.
pub fn validation_set(photos: &[Photo], config: &TrainConfig) -> Result<Vec<Batch>, CropError> {
    let held: Vec<_> = of_split(photos, Split::Validation, config).collect();
    if held.is_empty() {
        return Ok(Vec::new());
    }
    (0..config.optimizer.validation_batches as u64)
        .map(|i| Ok(config.batch(&samples(&held, config, config.seed ^ 0x5eed_0fa1_1d00, i)?)))
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

/// Loads the weights of a run, as they were last saved.
///
/// # Errors
/// [`RunError`] if there is no run, or one of another shape.
pub fn load_model(run: &Path, config: &TrainConfig, device: &Device) -> Result<FrameLlama, RunError> {
    let path = folder::model_path(run)?;
    config.model.config().init(device).try_load_file(&path).map_err(|e| RunError::invalid(&path, e))
}

impl InitialWeights {
    /// Its model, grown to the sizes of `config`.
    fn load(&self, config: &TrainConfig, device: &Device) -> Result<FrameLlama, RunError> {
        let source = read_config(&folder::config_path(&self.run))?;
        if !source.model.fits_in(&config.model) {
            let message =
                format!("its model is {:?}, which cannot grow into the smaller {:?}", source.model, config.model);
            return Err(RunError::invalid(&self.run, message));
        }
        Ok(load_model(&self.run, &source, device)?.grown(&config.model.config(), device))
    }

    /// SHA-256 of its weights.
    fn digest(&self) -> Result<String, RunError> {
        let path = folder::model_path(&self.run)?;
        Ok(digest([fs::read(&path).map_err(RunError::io(&path))?]))
    }
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

/// The model with what a step needs.
struct FrameTraining<'a> {
    config: &'a TrainConfig,
    photos: Arc<Vec<Photo>>,
    validation: Vec<Batch>,
    /// Without and with gradients.
    devices: [Device; 2],
    caches: Vec<PositionCache>,
    validation_cache: PositionCache,
    model: FrameLlama,
    optimizer: ModuleOptimizer,
    /// Bits and pixels since the last line of the log.
    window: (Bits, f64),
}

impl Training for FrameTraining<'_> {
    type Seen = Seen;
    type Model = FrameLlama;
    type Step = Vec<Batch>;
    const UNIT: Unit = Unit { text: "bits/pixel", key: "bits_per_pixel" };
    const END: &'static str = "steps";
    const AHEAD: usize = 4;

    fn rhythm(&self) -> Rhythm {
        self.config.optimizer.rhythm()
    }

    fn source(&self) -> Source<Vec<Batch>> {
        let (photos, config) = (Arc::clone(&self.photos), self.config.clone());
        Box::new(move |step| {
            let train: Vec<_> = of_split(&photos, Split::Train, &config).collect();
            let workers = config.optimizer.workers;
            let one = |w| Ok(config.batch(&samples(&train, &config, config.seed, (step * workers + w) as u64)?));
            (0..workers).map(one).collect()
        })
    }

    fn learning_rate(&self, step: usize) -> f64 {
        self.config.optimizer.learning_rate_at(step)
    }

    fn step(&mut self, batches: &Vec<Batch>, rate: f64, seen: &mut Seen) -> Result<Measured, RunError> {
        let (gradients, bits) = step_gradients(&self.model, batches, &mut self.caches, &self.devices[1]);
        self.model = self.optimizer.step(rate, self.model.clone(), gradients);
        let frames: usize = batches.iter().map(Batch::frames).sum();
        let pixels = 64.0 * frames as f64;
        self.window.0 += bits;
        self.window.1 += pixels;
        seen.frames += frames as u64;
        seen.coefficients += batches.iter().map(|b| b.steps() as u64).sum::<u64>();
        Ok(Measured { bits: bits.total(), units: pixels })
    }

    fn log_fields(&mut self, seen: &Seen) -> Fields {
        let (bits, pixels) = std::mem::take(&mut self.window);
        let fields = [
            ("frames", json!(seen.frames)),
            ("coefficients", json!(seen.coefficients)),
            ("last", json!(bits.last / pixels)),
            ("ac", json!(bits.ac / pixels)),
            ("escape", json!(bits.escape / pixels)),
            ("dc", json!(bits.dc / pixels)),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }

    fn validate(&mut self) -> Result<Option<Validation>, RunError> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let (bits, frames) = evaluate(&self.model, &self.validation, &mut self.validation_cache, &self.devices[0]);
        Ok(Some(Validation { bits: bits.total() / (64 * frames) as f64, fields: Fields::new() }))
    }

    fn parts(&self) -> (&FrameLlama, &ModuleOptimizer) {
        (&self.model, &self.optimizer)
    }
}

/// Trains a model into `folder` ([`crate::run::folder`], and `manifest.json`), resuming the run that is there.
///
/// Stops after `config.optimizer.steps` steps, or after `stop_after` steps of this call if given.
///
/// # Errors
/// [`RunError`]; also if the folder holds a run of another config, other photos or other initial weights.
pub fn train(
    config: &TrainConfig,
    folder: &Path,
    device: &Device,
    stop_after: Option<usize>,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let photos = Arc::new(load_folder(&config.data.folder)?);
    if of_split(&photos, Split::Train, config).next().is_none() {
        let message = format!(
            "all {} photos are held out by validation_one_in = {}; none is left to train on",
            photos.len(),
            config.data.validation_one_in
        );
        return Err(RunError::NoData { path: config.data.folder.clone(), message });
    }
    let validation = validation_set(&photos, config)?;
    let identity = Identity {
        data: digest(photos.iter().map(|p| &p.sha256)),
        base: config.initial.as_ref().map(InitialWeights::digest).transpose()?,
        ..Identity::default()
    };
    let mut run = RunFolder::open(folder, config, identity)?;
    let manifest = Manifest::of(&photos, &config.data.source, &config.data.licence, config.data.validation_one_in);
    manifest.save(&folder.join("manifest.json"))?;

    let auto = device.clone().autodiff();
    auto.seed(config.seed);
    let mut model = config.model.config().init(&auto);
    let mut optimizer = config.optimizer.optimizer();
    if run.is_resumed() {
        (model, optimizer) = run.load(model, optimizer)?;
    } else if let Some(initial) = &config.initial {
        model = initial.load(config, &auto)?;
    }
    let attention = !config.without.contains(&Part::Attention);
    let cache = || PositionCache::with_attention(attention);
    let mut training = FrameTraining {
        config,
        photos,
        validation,
        devices: [device.clone(), auto],
        caches: (0..config.optimizer.workers).map(|_| cache()).collect(),
        validation_cache: cache(),
        model,
        optimizer,
        window: Default::default(),
    };
    drive(&mut training, &mut run, stop_after, observer)?;
    Ok(Outcome { model: training.model.valid(), state: run.state })
}
