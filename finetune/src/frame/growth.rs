//! Growing a trained frame Llama into a larger one that computes the same (Net2Net: T. Chen, I. Goodfellow, J. Shlens,
//! "Accelerating learning via knowledge transfer", ICLR 2016), so that a larger model need not begin anew.
//!
//! New elements of a residual stream are written by nobody at first and read with random weights; new hidden elements and
//! heads are computed with random weights and read by nobody; new blocks add nothing. Training fills in the zeros.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};

use super::export::values;
use super::model::{FeedForward, FrameLlama, FrameLlamaConfig, LlamaBlock};

/// What new rows or columns of a matrix hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// Their random initial values.
    Fresh,
    Zero,
}
use Fill::{Fresh, Zero};

fn parameter<const R: usize>(values: Vec<f32>, shape: [usize; R], device: &Device) -> Param<Tensor<R>> {
    Param::from_data(TensorData::new(values, shape), device)
}

/// `[…, in, parts · out]`, each part of the columns growing at its end.
struct Grid {
    inputs: usize,
    parts: usize,
    outputs: usize,
}

impl Grid {
    fn len(&self) -> usize {
        self.inputs * self.parts * self.outputs
    }
}

/// Copies `old` into the first rows and columns of `fresh`; both may be stacks of matrices.
fn grow_values(old: &[f32], from: &Grid, mut fresh: Vec<f32>, to: &Grid, rows: Fill, columns: Fill) -> Vec<f32> {
    for (old, new) in old.chunks_exact(from.len()).zip(fresh.chunks_exact_mut(to.len())) {
        for (at, value) in new.iter_mut().enumerate() {
            let (i, part, j) = (at / (to.parts * to.outputs), at / to.outputs % to.parts, at % to.outputs);
            let (new_row, new_column) = (i >= from.inputs, j >= from.outputs);
            if !new_row && !new_column {
                *value = old[(i * from.parts + part) * from.outputs + j];
            } else if (new_row && rows == Zero) || (new_column && columns == Zero) {
                *value = 0.0;
            }
        }
    }
    fresh
}

struct Growth<'d> {
    device: &'d Device,
}

impl Growth<'_> {
    fn matrix<const R: usize>(
        &self,
        old: &Param<Tensor<R>>,
        fresh: &Param<Tensor<R>>,
        parts: usize,
        (rows, columns): (Fill, Fill),
    ) -> Param<Tensor<R>> {
        let grid = |p: &Param<Tensor<R>>| {
            let d = p.val().dims();
            Grid { inputs: d[R - 2], parts, outputs: d[R - 1] / parts }
        };
        let (from, to) = (grid(old), grid(fresh));
        parameter(grow_values(&values(old), &from, values(fresh), &to, rows, columns), fresh.val().dims(), self.device)
    }

    fn linear(&self, old: &Linear, fresh: Linear, parts: usize, fill: (Fill, Fill)) -> Linear {
        let bias = old.bias.as_ref().zip(fresh.bias.as_ref()).map(|(old, fresh)| self.vector(old, fresh));
        Linear { weight: self.matrix(&old.weight, &fresh.weight, parts, fill), bias }
    }

    /// A bias: zeros at the end.
    fn vector(&self, old: &Param<Tensor<1>>, fresh: &Param<Tensor<1>>) -> Param<Tensor<1>> {
        let mut grown = values(old);
        grown.resize(fresh.val().dims()[0], 0.0);
        let n = grown.len();
        parameter(grown, [n], self.device)
    }

    /// The weight of an RMSNorm over a stream whose new elements are zero: the mean square falls with the width.
    fn norm(&self, old: &Param<Tensor<1>>, fresh: &Param<Tensor<1>>) -> Param<Tensor<1>> {
        let (from, to) = (old.val().dims()[0], fresh.val().dims()[0]);
        let gain = (from as f32 / to as f32).sqrt();
        let mut grown: Vec<f32> = values(old).iter().map(|w| w * gain).collect();
        grown.resize(to, gain);
        parameter(grown, [to], self.device)
    }

    fn feed_forward(&self, old: &FeedForward, fresh: FeedForward) -> FeedForward {
        FeedForward {
            norm: self.norm(&old.norm, &fresh.norm),
            gate_up: self.linear(&old.gate_up, fresh.gate_up, 2, (Fresh, Fresh)),
            down: self.linear(&old.down, fresh.down, 1, (Zero, Zero)),
        }
    }

    fn block(&self, old: &LlamaBlock, fresh: LlamaBlock) -> LlamaBlock {
        LlamaBlock {
            norm: self.norm(&old.norm, &fresh.norm),
            qkv: self.linear(&old.qkv, fresh.qkv, 3, (Fresh, Fresh)),
            o_proj: self.linear(&old.o_proj, fresh.o_proj, 1, (Zero, Zero)),
            feed_forward: self.feed_forward(&old.feed_forward, fresh.feed_forward),
            ..fresh
        }
    }

    /// Blocks beyond the old ones add nothing to the stream.
    fn blocks(&self, old: &[LlamaBlock], fresh: Vec<LlamaBlock>) -> Vec<LlamaBlock> {
        let silent = |mut block: LlamaBlock| {
            for linear in [&mut block.o_proj, &mut block.feed_forward.down] {
                let shape = linear.weight.val().dims();
                linear.weight = parameter(vec![0.0; shape[0] * shape[1]], shape, self.device);
            }
            block
        };
        let mut old = old.iter();
        fresh
            .into_iter()
            .map(|block| match old.next() {
                Some(old) => self.block(old, block),
                None => silent(block),
            })
            .collect()
    }
}

impl FrameLlama {
    /// A larger model that computes the same as this one. No size of `config` is below this model's.
    pub fn grown(&self, config: &FrameLlamaConfig, device: &Device) -> Self {
        let fresh = config.init(device);
        let g = Growth { device };
        let depth_state = fresh.depth_state.map(|fresh| match &self.depth_state {
            Some(old) => g.matrix(old, &fresh, 1, (Fresh, Zero)),
            None => {
                let shape = fresh.val().dims();
                parameter(vec![0.0; shape.iter().product()], shape, device)
            }
        });
        Self {
            embed: g.linear(&self.embed, fresh.embed, 1, (Zero, Zero)),
            layers: g.blocks(&self.layers, fresh.layers),
            norm: g.norm(&self.norm, &fresh.norm),
            last: g.linear(&self.last, fresh.last, 1, (Fresh, Zero)),
            to_depth: g.linear(&self.to_depth, fresh.to_depth, 1, (Fresh, Zero)),
            to_dc: g.linear(&self.to_dc, fresh.to_dc, 1, (Fresh, Zero)),
            depth_in: g.matrix(&self.depth_in, &fresh.depth_in, 1, (Zero, Zero)),
            depth_state,
            depth_in_bias: g.matrix(&self.depth_in_bias, &fresh.depth_in_bias, 1, (Zero, Zero)),
            depth_last: g.matrix(&self.depth_last, &fresh.depth_last, 1, (Zero, Zero)),
            depth_prev: g.matrix(&self.depth_prev, &fresh.depth_prev, 1, (Zero, Zero)),
            depth_layers: g.blocks(&self.depth_layers, fresh.depth_layers),
            depth_norm: g.norm(&self.depth_norm, &fresh.depth_norm),
            ac: g.linear(&self.ac, fresh.ac, 1, (Fresh, Zero)),
            ac_bias: self.ac_bias.clone(),
            ac_escape: g.linear(&self.ac_escape, fresh.ac_escape, 1, (Fresh, Zero)),
            dc_in: g.linear(&self.dc_in, fresh.dc_in, 1, (Zero, Zero)),
            dc_last: g.matrix(&self.dc_last, &fresh.dc_last, 1, (Zero, Zero)),
            dc_layers: self.dc_layers.iter().zip(fresh.dc_layers).map(|(o, f)| g.feed_forward(o, f)).collect(),
            dc_norm: g.norm(&self.dc_norm, &fresh.dc_norm),
            dc_head: g.linear(&self.dc_head, fresh.dc_head, 1, (Fresh, Zero)),
            dc_escape: g.linear(&self.dc_escape, fresh.dc_escape, 1, (Fresh, Zero)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Positions;
    use super::*;
    use burn::tensor::{Distribution, Int};
    use lmcodec_entropy::arrangement::features::{BACKBONE_FEATURES, DC_FEATURES, STEP_FEATURES};

    #[test]
    fn a_grown_model_computes_the_same_until_it_is_trained() {
        let device = Device::flex();
        let small = FrameLlamaConfig {
            d_model: 32,
            layers: 1,
            heads: 1,
            ffn: 32,
            depth_d: 16,
            depth_layers: 1,
            depth_heads: 1,
            depth_ffn: 16,
            dc_ffn: 16,
            depth_state: false,
        };
        let large = FrameLlamaConfig {
            d_model: 96,
            layers: 3,
            heads: 3,
            ffn: 48,
            depth_d: 32,
            depth_layers: 2,
            depth_heads: 2,
            depth_ffn: 64,
            dc_ffn: 32,
            depth_state: true,
        };
        let model = small.init(&device);
        let grown = model.grown(&large, &device);
        assert_eq!(grown.parameters(), large.init(&device).parameters());
        let again = grown.grown(&large, &device);

        let random = |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Default, &device);
        let (features, steps) = (random([1, 6, BACKBONE_FEATURES]), random([6, 5, STEP_FEATURES]));
        let dc_features = random([1, 6, DC_FEATURES]).reshape([6, DC_FEATURES]);
        let logits = |m: &FrameLlama| {
            let h = m.backbone(features.clone(), &Positions::window(2, 3, 32, &device));
            let last = Tensor::<1, Int>::full([6], 5, &device);
            let frame = m.depth_frame(h.clone(), last.clone());
            let previous = Tensor::<1, Int>::full([30], 3, &device);
            let y = m.depth(h.clone(), frame, steps.clone(), previous, &Positions::causal(5, 16, &device));
            [
                m.last.forward(h.clone()).into_data(),
                m.ac.forward(y.clone()).into_data(),
                m.ac_escape.forward(y).into_data(),
                m.dc_head.forward(m.dc(h, last, dc_features.clone())).into_data(),
            ]
        };
        for other in [&grown, &again] {
            for (a, b) in logits(&model).into_iter().zip(logits(other)) {
                a.assert_approx_eq::<f32>(&b, burn::tensor::Tolerance::absolute(1e-3));
            }
        }
    }
}
