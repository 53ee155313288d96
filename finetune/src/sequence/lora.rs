//! Low-rank adaptation of the frozen projections (Hu et al., "LoRA", 2021): W + (α / rank) · B · A.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::checkpoint::LlamaConfig;

/// A projection of a transformer block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// Output of the attention.
    O,
    /// Gate of the SwiGLU.
    Gate,
    /// Up-projection of the SwiGLU.
    Up,
    /// Down-projection of the SwiGLU.
    Down,
}

impl Projection {
    /// All of them, in the order of a block.
    pub const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// The name in head-set files.
    pub fn name(self) -> &'static str {
        ["q", "k", "v", "o", "gate", "up", "down"][self as usize]
    }

    /// Inputs and outputs.
    pub fn widths(self, config: &LlamaConfig) -> (usize, usize) {
        let (d, q, kv) = (config.d_model, config.heads * config.head_dim, config.kv_heads * config.head_dim);
        match self {
            Self::Q => (d, q),
            Self::K | Self::V => (d, kv),
            Self::O => (q, d),
            Self::Gate | Self::Up => (d, config.ffn),
            Self::Down => (config.ffn, d),
        }
    }
}

/// Rank, strength and place of the adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank of the update, 1..=1024.
    pub rank: usize,
    /// α: the update is scaled by α / rank.
    pub alpha: f64,
    /// Which projections are adapted.
    #[serde(default = "all")]
    pub projections: Vec<Projection>,
}

fn all() -> Vec<Projection> {
    Projection::ALL.to_vec()
}

/// A pair of trained matrices, in the orientation of Hugging Face's PEFT.
#[derive(Module, Debug)]
pub struct LoraPair {
    /// [rank, in]
    pub a: Param<Tensor<2>>,
    /// [out, rank]
    pub b: Param<Tensor<2>>,
}

/// The pairs of a block; what is not adapted has none.
#[derive(Module, Debug)]
pub struct LoraLayer {
    pairs: Vec<LoraPair>,
    /// For each of [`Projection::ALL`] its place in `pairs`.
    places: [Option<usize>; 7],
    /// Outputs of each of [`Projection::ALL`].
    outputs: [usize; 7],
    scale: f64,
}

/// All pairs.
#[derive(Module, Debug)]
pub struct Lora {
    layers: Vec<LoraLayer>,
}

/// Gradients of the pairs of a block: projection, gradient of A, gradient of B.
#[derive(Default)]
pub struct LoraLayerGradients(pub(super) Vec<(Projection, Tensor<2>, Tensor<2>)>);

impl Lora {
    /// New pairs on a device with autodiff: A random, B zero, so that nothing changes at first.
    pub fn new(config: &LoraConfig, llama: &LlamaConfig, device: &Device) -> Self {
        let layer = || {
            let mut places = [None; 7];
            let mut pairs = Vec::new();
            for p in Projection::ALL.into_iter().filter(|p| config.projections.contains(p)) {
                let (inputs, outputs) = p.widths(llama);
                places[p as usize] = Some(pairs.len());
                // PEFT's default: uniform with bound 1/√in.
                let bound = (inputs as f64).powf(-0.5);
                pairs.push(LoraPair {
                    a: Initializer::Uniform { min: -bound, max: bound }.init([config.rank, inputs], device),
                    b: Initializer::Zeros.init([outputs, config.rank], device),
                });
            }
            let outputs = Projection::ALL.map(|p| p.widths(llama).1);
            LoraLayer { pairs, places, outputs, scale: config.alpha / config.rank as f64 }
        };
        Self { layers: (0..llama.layers).map(|_| layer()).collect() }
    }

    /// The blocks' pairs.
    pub fn layers(&self) -> &[LoraLayer] {
        &self.layers
    }

    /// The same pairs with values from `read(block, projection, "a" or "b", shape)`.
    pub(super) fn with_values<E>(
        mut self,
        llama: &LlamaConfig,
        read: impl Fn(usize, Projection, &str, [usize; 2]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            for p in Projection::ALL {
                let Some(place) = layer.places[p as usize] else { continue };
                let pair = &mut layer.pairs[place];
                let (inputs, outputs) = p.widths(llama);
                let rank = pair.a.val().dims()[0];
                for (name, shape, param) in [("a", [rank, inputs], &mut pair.a), ("b", [outputs, rank], &mut pair.b)] {
                    let values = TensorData::new(read(i, p, name, shape)?, shape);
                    *param = param.clone().map(|t| Tensor::from_data(values.clone(), &t.device()).require_grad());
                }
            }
        }
        Ok(self)
    }

    /// Every pair with its block and projection.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, Projection, &LoraPair)> {
        self.layers
            .iter()
            .enumerate()
            .flat_map(|(i, layer)| Projection::ALL.into_iter().filter_map(move |p| Some((i, p, layer.pair(p)?))))
    }
}

#[cfg(test)]
impl Lora {
    /// B replaced in every pair.
    pub(super) fn map_pairs(mut self, f: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        for pair in self.layers.iter_mut().flat_map(|l| &mut l.pairs) {
            pair.b = pair.b.clone().map(&f);
        }
        self
    }

    /// One matrix moved.
    pub(super) fn moved(mut self, layer: usize, projection: Projection, which: &str, by: Tensor<2>) -> Self {
        let layer = &mut self.layers[layer];
        let pair = &mut layer.pairs[layer.places[projection as usize].unwrap()];
        let matrix = if which == "a" { &mut pair.a } else { &mut pair.b };
        *matrix = matrix.clone().map(|m| Tensor::from_inner(m.inner() + by.clone()));
        self
    }
}

impl LoraLayer {
    /// The pair of a projection.
    pub fn pair(&self, projection: Projection) -> Option<&LoraPair> {
        self.places[projection as usize].map(|i| &self.pairs[i])
    }

    pub(super) fn has(&self, projections: &[Projection]) -> bool {
        projections.iter().any(|p| self.places[*p as usize].is_some())
    }

    fn columns(&self, projections: &[Projection]) -> Vec<(Projection, usize, usize)> {
        let mut first = 0;
        let mut place = |&p: &Projection| {
            let width = self.outputs[p as usize];
            first += width;
            (p, first - width, width)
        };
        projections.iter().map(&mut place).collect()
    }

    /// `y` [N, outputs of the projections side by side] plus their updates for the input x [N, in].
    pub(super) fn add(&self, projections: &[Projection], x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        if !self.has(projections) {
            return y;
        }
        let rows = y.dims()[0];
        let update = |(p, _, width): (Projection, usize, usize)| match self.pair(p) {
            Some(pair) => {
                let (a, b) = (pair.a.val().inner(), pair.b.val().inner());
                x.clone().matmul(a.transpose()).matmul(b.transpose()) * self.scale
            }
            None => Tensor::zeros([rows, width], &x.device()),
        };
        y + Tensor::cat(self.columns(projections).into_iter().map(update).collect(), 1)
    }

    /// `d_x` plus what reaches x through the updates; the pairs' gradients are added to `gradients`.
    pub(super) fn backward(
        &self,
        projections: &[Projection],
        x: Tensor<2>,
        d_y: Tensor<2>,
        mut d_x: Tensor<2>,
        gradients: &mut LoraLayerGradients,
    ) -> Tensor<2> {
        for (p, first, width) in self.columns(projections) {
            let Some(pair) = self.pair(p) else { continue };
            let (a, b) = (pair.a.val().inner(), pair.b.val().inner());
            let d_y = d_y.clone().narrow(1, first, width) * self.scale;
            let d_b = d_y.clone().transpose().matmul(x.clone().matmul(a.clone().transpose()));
            let d_h = d_y.matmul(b);
            let d_a = d_h.clone().transpose().matmul(x.clone());
            d_x = d_x + d_h.matmul(a);
            gradients.0.push((p, d_a, d_b));
        }
        d_x
    }
}
