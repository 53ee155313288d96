//! Cross-entropy of a batch in bits, by kind of symbol.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::collections::HashMap;

use super::batch::{Batch, Escapes};
use super::model::{FrameLlama, Positions};
use lmcodec_entropy::arrangement::features::{BACKBONE_FEATURES, DC_FEATURES, STEP_FEATURES};
use lmcodec_entropy::arrangement::symbols::{ALPHABET, ZERO};

/// Rotary tables and masks, made once a shape.
#[derive(Default)]
pub struct PositionCache {
    window: HashMap<(usize, usize), Positions>,
    causal: HashMap<usize, Positions>,
    alone: bool,
}

impl PositionCache {
    /// Tables for a backbone with attention, or for one whose frames see themselves alone.
    pub fn with_attention(attention: bool) -> Self {
        Self { alone: !attention, ..Self::default() }
    }

    fn window(&mut self, grid: (usize, usize), head: usize, device: &Device) -> Positions {
        let make = if self.alone { Positions::alone } else { Positions::window };
        self.window.entry(grid).or_insert_with(|| make(grid.0, grid.1, head, device)).clone()
    }

    fn causal(&mut self, steps: usize, head: usize, device: &Device) -> Positions {
        self.causal.entry(steps).or_insert_with(|| Positions::causal(steps, head, device)).clone()
    }
}

/// Bits of a batch by kind of symbol.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Bits {
    /// Positions of the last nonzero coefficient.
    pub last: f64,
    /// Primary symbols of AC coefficients.
    pub ac: f64,
    /// Escape symbols and raw bits, AC and DC.
    pub escape: f64,
    /// Primary symbols of DC residuals.
    pub dc: f64,
}

impl Bits {
    /// Sum over the kinds.
    pub fn total(&self) -> f64 {
        self.last + self.ac + self.escape + self.dc
    }
}

impl std::ops::AddAssign for Bits {
    fn add_assign(&mut self, other: Self) {
        self.last += other.last;
        self.ac += other.ac;
        self.escape += other.escape;
        self.dc += other.dc;
    }
}

fn floats<const R: usize>(data: &[f32], shape: [usize; R], device: &Device) -> Tensor<R> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

fn ints<const R: usize>(data: &[i32], shape: [usize; R], device: &Device) -> Tensor<R, Int> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// −log2 p of the targets, [rows].
fn bits(logits: Tensor<2>, targets: &[i32], device: &Device) -> Tensor<1> {
    let n = targets.len();
    let nats = log_softmax(logits, 1).gather(1, ints(targets, [n, 1], device)).reshape([n]);
    nats * (-std::f64::consts::LOG2_E)
}

/// The differentiable loss of a batch (bits in all, raw escape bits left out) and the parts as numbers.
pub struct BatchLoss {
    /// Sum of bits, a scalar to differentiate.
    pub loss: Tensor<1>,
    last: Tensor<1>,
    ac: Option<Tensor<1>>,
    escape: Option<Tensor<1>>,
    dc: Tensor<1>,
    raw: f64,
}

impl BatchLoss {
    /// Reads the parts back from the device.
    pub fn bits(&self) -> Bits {
        let read = |t: &Tensor<1>| f64::from(t.clone().into_scalar::<f32>());
        Bits {
            last: read(&self.last),
            ac: self.ac.as_ref().map_or(0.0, read),
            escape: self.escape.as_ref().map_or(0.0, read) + self.raw,
            dc: read(&self.dc),
        }
    }
}

fn add(a: Option<Tensor<1>>, b: Tensor<1>) -> Option<Tensor<1>> {
    Some(match a {
        Some(a) => a + b,
        None => b,
    })
}

/// Runs the model over a batch.
pub fn batch_loss(model: &FrameLlama, batch: &Batch, cache: &mut PositionCache, device: &Device) -> BatchLoss {
    let (rows, columns) = batch.grid;
    let n = batch.frames();
    let head = 32.min(model.norm.val().dims()[0]);
    let depth_head = 16.min(model.depth_norm.val().dims()[0]);
    let features = floats(&batch.features, [batch.crops, rows * columns, BACKBONE_FEATURES], device);
    let h = model.backbone(features, &cache.window(batch.grid, head, device));

    let last_index = ints(&batch.last, [n], device);
    let last = bits(model.last.forward(h.clone()), &batch.last, device).sum();

    let frame_part = model.depth_frame(h.clone(), last_index.clone());
    let escape_bits = |states: Tensor<2>, head: &burn::nn::Linear, e: &Escapes| {
        let picked = states.select(0, ints(&e.rows, [e.rows.len()], device));
        bits(head.forward(picked), &e.buckets, device).sum()
    };
    let mut ac = None;
    let mut escape = None;
    let mut raw = batch.dc_escapes.raw_bits;
    for g in &batch.groups {
        let (m, k) = (g.frames.len(), g.steps);
        let rows = ints(&g.frames, [m], device);
        let frame = frame_part.clone().select(0, rows.clone());
        let y = model.depth(
            h.clone().select(0, rows),
            frame,
            floats(&g.features, [m, k, STEP_FEATURES], device),
            ints(&g.previous, [m * k], device),
            &cache.causal(k, depth_head, device),
        );
        let e = y.dims()[2];
        let bias = model.ac_bias.val().slice([1..k + 1, 0..ALPHABET]).unsqueeze::<3>();
        let mut forbidden = vec![0.0f32; ALPHABET];
        forbidden[ZERO as usize] = -1e4;
        let forbid = floats(&g.at_last, [m, k, 1], device) * floats(&forbidden, [1, 1, ALPHABET], device);
        let logits = (model.ac.forward(y.clone()) + bias + forbid).reshape([m * k, ALPHABET]);
        let part = (bits(logits, &g.targets, device) * floats(&g.mask, [m * k], device)).sum();
        ac = add(ac, part);
        if !g.escapes.rows.is_empty() {
            escape = add(escape, escape_bits(y.reshape([m * k, e]), &model.ac_escape, &g.escapes));
            raw += g.escapes.raw_bits;
        }
    }

    let dc_states = model.dc(h, last_index, floats(&batch.dc_features, [n, DC_FEATURES], device));
    let dc = bits(model.dc_head.forward(dc_states.clone()), &batch.dc_targets, device).sum();
    if !batch.dc_escapes.rows.is_empty() {
        escape = add(escape, escape_bits(dc_states, &model.dc_escape, &batch.dc_escapes));
    }

    let mut loss = last.clone() + dc.clone();
    for part in [&ac, &escape].into_iter().flatten() {
        loss = loss + part.clone();
    }
    BatchLoss { loss, last, ac, escape, dc, raw }
}
