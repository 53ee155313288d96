//! Training of embedding and heads for frames of codes.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use lmcodec_entropy::code_heads::config::CodeHeadsConfig;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::blocks::read_blocks;
use super::config::{CodesTrainConfig, Trained};
use super::data::{CodeArray, CodeBatch, Draw};
use super::loss::{CodePositions, code_loss};
use super::model::FrameCoder;
use crate::run::folder::{RunFolder, digest};
use crate::run::{
    Fields, Identity, Measured, Observer, Rhythm, RunError, RunState, Source, Training, Unit, Validation, drive,
    worker_gradients,
};

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Codes.
    pub codes: u64,
}

/// A finished or interrupted run.
pub struct CodesOutcome {
    /// The trained model.
    pub model: FrameCoder,
    /// The configuration of its integer file.
    pub config: CodeHeadsConfig,
    /// Its progress.
    pub state: RunState<Seen>,
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

/// The model with what a step needs.
struct CodesTraining<'a> {
    config: &'a CodesTrainConfig,
    heads: CodeHeadsConfig,
    train: Arc<CodeArray>,
    held: Vec<CodeBatch>,
    /// Without and with gradients.
    devices: [Device; 2],
    caches: Vec<CodePositions>,
    model: FrameCoder,
    optimizer: ModuleOptimizer,
}

impl Training for CodesTraining<'_> {
    type Seen = Seen;
    type Model = FrameCoder;
    type Step = Vec<CodeBatch>;
    const UNIT: Unit = Unit { text: "bits/code", key: "bits_per_code" };
    const END: &'static str = "steps";
    const AHEAD: usize = 2;

    fn rhythm(&self) -> Rhythm {
        self.config.optimizer.rhythm()
    }

    /// Batches of a step depend on the seed and the step alone.
    fn source(&self) -> Source<Vec<CodeBatch>> {
        let (config, heads, part) = (self.config.clone(), self.heads.clone(), Arc::clone(&self.train));
        Box::new(move |step| {
            let (o, d) = (&config.optimizer, &config.data);
            let one = |worker: usize| {
                let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
                rng.set_stream((step * o.workers + worker) as u64);
                let draw = Draw { dropout: d.dropout, first: d.first };
                CodeBatch::draw(&heads, &part, (o.crops, d.frames), draw, &mut rng)
            };
            Ok((0..o.workers).map(one).collect())
        })
    }

    fn learning_rate(&self, step: usize) -> f64 {
        self.config.optimizer.learning_rate_at(step)
    }

    fn step(&mut self, batches: &Vec<CodeBatch>, rate: f64, seen: &mut Seen) -> Result<Measured, RunError> {
        let count: usize = batches.iter().map(CodeBatch::codes).sum();
        let (heads, device) = (&self.heads, &self.devices[1]);
        let one = |model: &FrameCoder, batch: &CodeBatch, cache: &mut CodePositions| {
            let loss = code_loss(model, heads, batch, cache, device);
            let bits = f64::from(loss.clone().into_scalar::<f32>());
            let gradients = (loss * (1.0 / count as f64)).backward();
            (GradientsParams::from_grads(gradients, model), bits)
        };
        let (gradients, bits) = worker_gradients(&self.model, batches, &mut self.caches, device, one);
        self.model = self.optimizer.step(rate, self.model.clone(), gradients);
        seen.codes += count as u64;
        Ok(Measured { bits, units: count as f64 })
    }

    fn log_fields(&mut self, seen: &Seen) -> Fields {
        Fields::from_iter([("codes".to_owned(), json!(seen.codes))])
    }

    fn validate(&mut self) -> Result<Option<Validation>, RunError> {
        if self.held.is_empty() {
            return Ok(None);
        }
        let bits = bits_per_code(&self.model, &self.heads, &self.held, &self.devices[0]);
        Ok(Some(Validation { bits, fields: Fields::new() }))
    }

    fn parts(&self) -> (&FrameCoder, &ModuleOptimizer) {
        (&self.model, &self.optimizer)
    }
}

/// Trains embedding and heads into `folder` ([`crate::run::folder`]), resuming the run that is there.
///
/// Stops after `config.optimizer.steps` steps, or after `stop_after` steps of this call if given.
///
/// # Errors
/// [`RunError`]; also if the folder holds a run of another config, other codes or another backbone.
pub fn train_codes(
    config: &CodesTrainConfig,
    folder: &Path,
    device: &Device,
    stop_after: Option<usize>,
    observer: &mut dyn Observer,
) -> Result<CodesOutcome, RunError> {
    let auto = device.clone().autodiff();
    auto.seed(config.seed);
    let backbone = config.backbone()?;
    let blocks = read_blocks(&backbone, &auto).map_err(|e| RunError::invalid(folder, e))?;
    let heads = config.heads_config(&blocks.config, &blocks.sha256)?;
    let array = CodeArray::read(&config.data.file, &heads)?;
    let (train, validation) = config.parts(&array)?;
    let codes = array.codes.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<u8>>();
    let identity = Identity {
        data: digest([format!("{:?}", array.shape).as_bytes(), &codes]),
        base: Some(digest([&backbone])),
        ..Identity::default()
    };
    let mut run = RunFolder::open(folder, config, identity)?;

    let o = &config.optimizer;
    let mut model = FrameCoder::new(&heads, blocks, &auto);
    let mut optimizer = o.optimizer();
    if run.is_resumed() {
        (model, optimizer) = run.load(model, optimizer)?;
    }
    if config.frames.train == Trained::Heads {
        model = model.freeze_blocks();
    }
    let mut held = CodeBatch::cover(&heads, &validation, (o.crops, config.data.frames.max(1)));
    held.truncate(o.validation_batches);
    let mut training = CodesTraining {
        config,
        heads,
        train: Arc::new(train),
        held,
        devices: [device.clone(), auto],
        caches: (0..o.workers).map(|_| CodePositions::default()).collect(),
        model,
        optimizer,
    };
    drive(&mut training, &mut run, stop_after, observer)?;
    Ok(CodesOutcome { model: training.model.valid(), config: training.heads, state: run.state })
}
