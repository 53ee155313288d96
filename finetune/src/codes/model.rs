//! Embedding and heads for frames of VQ and RVQ codes around Llama blocks: the floating-point twin of
//! `lmcodec_entropy::code_heads`.
//!
//! Shapes in comments: B sequences of T frames, N = B·T, S inputs a frame, r width of a code's vector, L code layers, V codes.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use lmcodec_entropy::code_heads::config::{CodeHeadsConfig, Medium};

use super::blocks::FrozenBlocks;
use crate::frame::model::{LlamaBlock, Positions, rms_norm};

/// VQ: one code a frame.
#[derive(Module, Debug)]
pub struct GridHead {
    /// [D, V] with bias.
    pub codes: Linear,
    /// [D, C] with bias: what is added to the logit of each neighbour's code (as the pointer of Merity et al., 2016, "Pointer
    /// sentinel mixture models", but inside one softmax).
    pub copy: Linear,
}

/// RVQ: a depth step for each layer's code.
#[derive(Module, Debug)]
pub struct DepthHead {
    /// [D, E]
    pub to_depth: Linear,
    /// [L, G, E]
    pub input: Param<Tensor<3>>,
    /// [L, E]
    pub input_bias: Param<Tensor<2>>,
    /// Depth decoder.
    pub layers: Vec<LlamaBlock>,
    /// `[E]`
    pub norm: Param<Tensor<1>>,
    /// [L, E, V]
    pub codes: Param<Tensor<3>>,
    /// [L, V]
    pub codes_bias: Param<Tensor<2>>,
}

/// A model of frames of codes.
#[derive(Module, Debug)]
pub struct FrameCoder {
    /// [rows, r]: vectors of codes and places.
    pub table: Param<Tensor<2>>,
    /// [S·r, D] with bias.
    pub embed: Linear,
    /// Backbone.
    pub layers: Vec<LlamaBlock>,
    /// Final RMSNorm. `[D]`
    pub norm: Param<Tensor<1>>,
    /// For VQ.
    pub grid: Option<GridHead>,
    /// For RVQ.
    pub depth: Option<DepthHead>,
}

impl FrameCoder {
    /// New embedding and heads around the given blocks.
    pub fn new(config: &CodeHeadsConfig, blocks: FrozenBlocks, device: &Device) -> Self {
        let (d, e, r) = (config.d_model, config.depth_d, config.code_width);
        let small = |std: f64| Initializer::Normal { mean: 0.0, std };
        let linear = |i, o, bias| LinearConfig::new(i, o).with_bias(bias).init(device);
        let grid = (config.medium == Medium::Vq)
            .then(|| GridHead { codes: linear(d, config.codebook, true), copy: linear(d, config.copies.max(1), true) });
        let depth = (config.medium == Medium::Rvq).then(|| {
            let (layers, width) = (config.code_layers, config.step_context.len() * r);
            DepthHead {
                to_depth: linear(d, e, false),
                input: small((width as f64).powf(-0.5) * 0.5).init([layers, width, e], device),
                input_bias: small(0.1).init([layers, e], device),
                layers: blocks.depth_layers,
                norm: Initializer::Ones.init([e], device),
                codes: small((e as f64).powf(-0.5) * 0.5).init([layers, e, config.codebook], device),
                codes_bias: Initializer::Zeros.init([layers, config.codebook], device),
            }
        });
        Self {
            table: small(0.7).init([config.table_rows(), r], device),
            embed: linear(config.inputs() * r, d, true),
            layers: blocks.layers,
            norm: Initializer::Ones.init([d], device),
            grid,
            depth,
        }
    }

    /// Stops training of the blocks (they keep the weights they came with); final norms stay with the heads.
    pub fn freeze_blocks(mut self) -> Self {
        self.layers = self.layers.no_grad();
        self.depth = self.depth.map(|mut depth| {
            depth.layers = depth.layers.no_grad();
            depth
        });
        self
    }

    /// Number of parameters outside the blocks.
    pub fn head_parameters(&self) -> usize {
        let depth = self.depth.as_ref().map_or(0, |d| d.layers.num_params());
        self.num_params() - self.layers.num_params() - depth
    }

    /// Vectors of table rows: [n·s] rows → [n, s·r].
    fn vectors(&self, rows: Tensor<1, Int>, n: usize) -> Tensor<2> {
        let [_, r] = self.table.val().dims();
        let s = rows.dims()[0] / n;
        self.table.val().select(0, rows).reshape([n, s * r])
    }

    /// Table rows [B·T·S] of B sequences → frame states [B·T, D].
    pub fn backbone(&self, rows: Tensor<1, Int>, batch: usize, frames: usize, positions: &Positions) -> Tensor<2> {
        let [_, d] = self.embed.weight.val().dims();
        let x = self.embed.forward(self.vectors(rows, batch * frames));
        let mut x = x.reshape([batch, frames, d]);
        for layer in &self.layers {
            x = layer.forward(x, positions);
        }
        rms_norm(x, self.norm.val()).reshape([batch * frames, d])
    }
}

impl GridHead {
    /// Frame states [N, D], codes that may be copied [N, C] and whether they exist (1 or 0) → logits [N, V].
    pub fn logits(&self, h: Tensor<2>, copies: Tensor<2, Int>, exists: Tensor<2>) -> Tensor<2> {
        let logits = self.codes.forward(h.clone());
        logits.scatter(1, copies, self.copy.forward(h) * exists, IndexingUpdateOp::Add)
    }
}

impl DepthHead {
    /// Frame states [N, D] and vectors of the steps' inputs [N, L, G] → logits [N, L, V].
    pub fn logits(&self, h: Tensor<2>, inputs: Tensor<3>, positions: &Positions) -> Tensor<3> {
        let x = inputs.swap_dims(0, 1).matmul(self.input.val()).swap_dims(0, 1); // [N, L, E]
        let frame = self.to_depth.forward(h).unsqueeze_dim::<3>(1);
        let mut x = x + self.input_bias.val().unsqueeze::<3>() + frame;
        for layer in &self.layers {
            x = layer.forward(x, positions);
        }
        let y = rms_norm(x, self.norm.val());
        let logits = y.swap_dims(0, 1).matmul(self.codes.val()).swap_dims(0, 1);
        logits + self.codes_bias.val().unsqueeze::<3>()
    }
}

impl FrameCoder {
    /// Vectors [N, L, G] of the depth steps' table rows [N·L·s].
    pub fn step_vectors(&self, rows: Tensor<1, Int>, frames: usize, layers: usize) -> Tensor<3> {
        let x = self.vectors(rows, frames * layers);
        let [_, g] = x.dims();
        x.reshape([frames, layers, g])
    }
}
