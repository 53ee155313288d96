//! The optimizer of the frame models: its configuration, what it becomes in burn, and gradients of several workers.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamWConfig, AdjustLrFn, GradientsAccumulator, GradientsParams, ModuleOptimizer, MuonConfig};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::schedule::Cosine;
use super::training::Rhythm;

/// AdamW, for the blocks' matrices Muon if wished, with linear warm-up and a cosine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Steps in all.
    pub steps: usize,
    /// Crops (sequences of codes) a step and worker.
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

/// Matrices of the blocks, by the ends of their paths.
const BLOCK_MATRICES: [&str; 4] = ["qkv.weight", "o_proj.weight", "gate_up.weight", "down.weight"];

impl OptimizerConfig {
    /// Learning rate at a step, from 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let (peak, final_share) = (self.learning_rate, self.final_share);
        Cosine { peak, final_share, warmup: self.warmup, steps: self.steps }.at(step)
    }

    /// When something is due.
    pub(crate) fn rhythm(&self) -> Rhythm {
        Rhythm {
            steps: self.steps,
            log_every: self.checkpoint_every,
            validate_every: self.validate_every,
            save_every: self.checkpoint_every,
            validate_first: false,
            patience: 0,
        }
    }

    /// What is impossible about it, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let counts = [("steps", self.steps), ("crops", self.crops), ("workers", self.workers)];
        let zero = counts.into_iter().find(|(_, n)| *n == 0);
        zero.map(|(name, _)| format!("optimizer.{name} is 0, but must be at least 1")).or_else(|| {
            let rates = [("learning_rate", self.learning_rate), ("final_share", self.final_share)];
            let wrong = rates.into_iter().find(|(_, rate)| !(rate.is_finite() && *rate >= 0.0));
            wrong.map(|(name, rate)| format!("optimizer.{name} is {rate}, but must be 0 or more"))
        })
    }

    /// The optimizer before the first step.
    pub(crate) fn optimizer(&self) -> ModuleOptimizer {
        let adamw = AdamWConfig::new()
            .with_beta_1(self.betas.0)
            .with_beta_2(self.betas.1)
            .with_epsilon(1e-8)
            .with_weight_decay(self.weight_decay)
            .with_grad_clipping(Some(GradientClippingConfig::Norm(self.clip_norm)))
            .init();
        if !self.muon {
            return adamw;
        }
        let muon = MuonConfig::new()
            .with_weight_decay(Some(WeightDecayConfig { penalty: self.weight_decay }))
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .build();
        adamw.with_group(ParamGroup::from_any_predicates(BLOCK_MATRICES.to_vec()), muon, None)
    }
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
        handles.into_iter().map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut sum = GradientsAccumulator::new();
    let mut report = R::default();
    for (gradients, part) in parts {
        sum.accumulate(model, gradients);
        report += part;
    }
    (sum.grads(), report)
}
