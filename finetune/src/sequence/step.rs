//! Cross-entropy of a batch in bits and the gradients of what is trained.

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

use super::heads::{Batch, Heads, Rows};
use super::lora::LoraLayerGradients;
use super::model::Backbone;
use crate::run::SequenceError;

/// Logits that are in memory at once.
const MAX_LOGITS: usize = 1 << 24;

/// Bits by layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bits {
    /// Sum over the symbols of each layer.
    pub bits: Vec<f64>,
    /// Symbols of each layer.
    pub symbols: Vec<u64>,
}

impl Bits {
    /// Nothing yet.
    pub fn new(layers: usize) -> Self {
        Self { bits: vec![0.0; layers], symbols: vec![0; layers] }
    }

    /// Sum over the layers.
    pub fn total(&self) -> f64 {
        self.bits.iter().sum()
    }

    /// Symbols of all layers.
    pub fn count(&self) -> u64 {
        self.symbols.iter().sum()
    }

    /// Mean bits a symbol.
    pub fn mean(&self) -> f64 {
        self.total() / self.count().max(1) as f64
    }
}

impl std::ops::AddAssign<&Self> for Bits {
    fn add_assign(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(a, b)| *a += b);
        self.symbols.iter_mut().zip(&other.symbols).for_each(|(a, b)| *a += b);
    }
}

/// Gradients of the trained parameters, without autodiff.
pub struct Gradients {
    embed: Tensor<2>,
    head: Tensor<2>,
    lora: Vec<LoraLayerGradients>,
}

impl Gradients {
    /// Sum of two.
    pub fn plus(self, other: Self) -> Self {
        let pair = |((p, a, b), (_, c, d))| (p, a + c, b + d);
        let layer = |(a, b): (LoraLayerGradients, LoraLayerGradients)| {
            LoraLayerGradients(a.0.into_iter().zip(b.0).map(pair).collect())
        };
        Self {
            embed: self.embed + other.embed,
            head: self.head + other.head,
            lora: self.lora.into_iter().zip(other.lora).map(layer).collect(),
        }
    }

    /// On another device.
    pub fn to_device(self, device: &burn::tensor::Device) -> Self {
        let layer = |l: LoraLayerGradients| {
            LoraLayerGradients(l.0.into_iter().map(|(p, a, b)| (p, a.to_device(device), b.to_device(device))).collect())
        };
        Self {
            embed: self.embed.to_device(device),
            head: self.head.to_device(device),
            lora: self.lora.into_iter().map(layer).collect(),
        }
    }

    /// Scaled down to the norm `limit` if it is greater, all parameters together. Returns the norm before.
    pub fn clip(self, limit: Option<f64>) -> (Self, f64) {
        let square = |t: &Tensor<2>| f64::from(t.clone().square().sum().into_scalar::<f32>());
        let lora: f64 = self.lora.iter().flat_map(|l| &l.0).map(|(_, a, b)| square(a) + square(b)).sum();
        let norm = (square(&self.embed) + square(&self.head) + lora).sqrt();
        let scale = match limit {
            Some(limit) if norm > limit => limit / norm,
            _ => return (self, norm),
        };
        let layer = |l: LoraLayerGradients| {
            LoraLayerGradients(l.0.into_iter().map(|(p, a, b)| (p, a * scale, b * scale)).collect())
        };
        let scaled = Self {
            embed: self.embed * scale,
            head: self.head * scale,
            lora: self.lora.into_iter().map(layer).collect(),
        };
        (scaled, norm)
    }

    /// The form that burn's optimizers take.
    pub fn into_params(self, heads: &Heads) -> GradientsParams {
        let mut params = GradientsParams::new();
        let mut register = |p: &Param<Tensor<2>>, gradient: Tensor<2>| params.register(p.id, gradient);
        register(&heads.embed, self.embed);
        register(&heads.head, self.head);
        if let Some(lora) = &heads.lora {
            for (layer, gradients) in lora.layers().iter().zip(self.lora) {
                for (projection, a, b) in gradients.0 {
                    if let Some(pair) = layer.pair(projection) {
                        register(&pair.a, a);
                        register(&pair.b, b);
                    }
                }
            }
        }
        params
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&Tensor<2>, &Tensor<2>, &[LoraLayerGradients]) {
        (&self.embed, &self.head, &self.lora)
    }
}

fn indices(values: &[u32], device: &burn::tensor::Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&v| v as i32).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// Bits of normalised states [B·T, D] under the heads; with a `weight` a symbol also the gradients of the states and of the
/// head of `weight · nats`.
fn head_pass(
    backbone: &Backbone,
    heads: &Heads,
    rows: &Rows,
    batch: &Batch,
    states: Tensor<2>,
    weight: Option<f32>,
) -> (Bits, Option<(Tensor<2>, Tensor<2>)>) {
    let device = backbone.device();
    let [n, d] = states.dims();
    let head = heads.head();
    let mut bits = Bits::new(rows.vocabularies().len());
    let mut d_head = Vec::new();
    let mut d_states = weight.map(|_| Tensor::<2>::zeros([n, d], device));
    let layers = batch.positions_by_layer(rows.vocabularies().len());
    let mut of_layer = vec![None; rows.vocabularies().len()];
    for (layer, positions) in layers {
        let (first, v) = rows.layer(layer);
        let w = head.clone().slice([first..first + v, 0..d]);
        for positions in positions.chunks((MAX_LOGITS / v).max(1)) {
            let whole = positions.len() == n;
            let at = indices(positions, device);
            let part = if whole { states.clone() } else { states.clone().select(0, at.clone()) };
            let logits = part.clone().matmul(w.clone().transpose());
            let targets: Vec<u32> = positions.iter().map(|&p| batch.targets[p as usize]).collect();
            let weights = vec![weight.unwrap_or(0.0); targets.len()];
            let (nats, d_logits) = backbone.kernels().cross_entropy(logits, &targets, &weights);
            bits.bits[layer] += nats.iter().map(|&x| f64::from(x)).sum::<f64>() * std::f64::consts::LOG2_E;
            bits.symbols[layer] += targets.len() as u64;
            if let Some(all) = d_states.take() {
                let d_w = d_logits.clone().transpose().matmul(part);
                of_layer[layer] = Some(match of_layer[layer].take() {
                    Some(sum) => d_w + sum,
                    None => d_w,
                });
                let d_part = d_logits.matmul(w.clone());
                d_states = Some(if whole { d_part } else { all.select_assign(0, at, d_part, IndexingUpdateOp::Add) });
            }
        }
    }
    let gradients = d_states.map(|d_states| {
        for (layer, d_w) in of_layer.into_iter().enumerate() {
            d_head.push(d_w.unwrap_or_else(|| Tensor::zeros([rows.layer(layer).1, d], device)));
        }
        (d_states, Tensor::cat(d_head, 0))
    });
    (bits, gradients)
}

/// Bits of a batch.
///
/// # Errors
/// [`SequenceError`] if the chunks are too long.
pub fn evaluate(backbone: &Backbone, heads: &Heads, rows: &Rows, batch: &Batch) -> Result<Bits, SequenceError> {
    let x = heads.embed().select(0, indices(&batch.inputs, backbone.device()));
    let (states, _) = backbone.forward(x, batch.sequences, heads.lora.as_ref(), false)?;
    Ok(head_pass(backbone, heads, rows, batch, states, None).0)
}

/// Bits of a batch, and the gradients of `weight` times the sum of nats.
///
/// # Errors
/// [`SequenceError`] if the chunks are too long.
pub fn gradients(
    backbone: &Backbone,
    heads: &Heads,
    rows: &Rows,
    batch: &Batch,
    weight: f64,
) -> Result<(Bits, Gradients), SequenceError> {
    let device = backbone.device();
    let embed = heads.embed();
    let inputs = indices(&batch.inputs, device);
    let x = embed.clone().select(0, inputs.clone());
    let (states, trace) = backbone.forward(x, batch.sequences, heads.lora.as_ref(), true)?;
    let (bits, parts) = head_pass(backbone, heads, rows, batch, states, Some(weight as f32));
    let (d_states, head) = parts.expect("a weight was given");
    let (d_x, lora) = backbone.backward(trace.expect("it was asked for"), d_states, heads.lora.as_ref());
    let embed = Tensor::zeros(embed.shape(), device).select_assign(0, inputs, d_x, IndexingUpdateOp::Add);
    Ok((bits, Gradients { embed, head, lora }))
}
