//! The frame Llama as a burn module: the floating-point twin of `lmcodec-entropy`'s integer engine (docs/MODEL.md).
//!
//! Shapes in comments: B crops, T = rows × columns frames a crop, N = B·T frames, K depth steps, D/E widths.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

use lmcodec_entropy::arrangement::features::{BACKBONE_FEATURES, DC_FEATURES, STEP_FEATURES};
use lmcodec_entropy::arrangement::symbols::ALPHABET;

/// Widths and depths of a frame Llama.
#[derive(Config, Debug)]
pub struct FrameLlamaConfig {
    /// Width of the backbone.
    #[config(default = 192)]
    pub d_model: usize,
    /// Layers of the backbone.
    #[config(default = 3)]
    pub layers: usize,
    /// Attention heads of the backbone (head size 32).
    #[config(default = 6)]
    pub heads: usize,
    /// Hidden width of the backbone's SwiGLU.
    #[config(default = 384)]
    pub ffn: usize,
    /// Width of the depth decoder and of the DC stage.
    #[config(default = 64)]
    pub depth_d: usize,
    /// Layers of the depth decoder.
    #[config(default = 2)]
    pub depth_layers: usize,
    /// Attention heads of the depth decoder (head size 16).
    #[config(default = 4)]
    pub depth_heads: usize,
    /// Hidden width of the depth decoder's SwiGLU.
    #[config(default = 128)]
    pub depth_ffn: usize,
    /// Hidden width of the DC stage's SwiGLU.
    #[config(default = 128)]
    pub dc_ffn: usize,
    /// Whether each depth step has a projection of the frame's state of its own, besides the one that all share.
    #[config(default = false)]
    pub depth_state: bool,
}

/// Harmonics of the rotary embedding: pair j turns by `2π·HARMONICS[j]/128` a position.
pub const HARMONICS: [usize; 8] = [1, 2, 4, 8, 12, 16, 24, 32];

fn linear(d_in: usize, d_out: usize, bias: bool, device: &Device) -> Linear {
    LinearConfig::new(d_in, d_out).with_bias(bias).init(device)
}

pub(crate) fn rms_norm<const R: usize>(x: Tensor<R>, weight: Tensor<1>) -> Tensor<R> {
    let inverse = (x.clone().square().mean_dim(R - 1) + 1e-6).sqrt().recip();
    x * inverse * weight.unsqueeze()
}

/// SwiGLU feed-forward half of a Llama block.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// Weight of the RMSNorm before it. `[D]`
    pub norm: Param<Tensor<1>>,
    /// [D, 2·ffn]: gate, then up.
    pub gate_up: Linear,
    /// [ffn, D]
    pub down: Linear,
}

impl FeedForward {
    fn new(d: usize, ffn: usize, device: &Device) -> Self {
        Self {
            norm: Initializer::Ones.init([d], device),
            gate_up: linear(d, 2 * ffn, false, device),
            down: linear(ffn, d, false, device),
        }
    }

    fn forward<const R: usize>(&self, x: Tensor<R>) -> Tensor<R> {
        let y = self.gate_up.forward(rms_norm(x.clone(), self.norm.val()));
        let mut halves = y.chunk(2, R - 1);
        let (up, gate) = (halves.pop().expect("two halves"), halves.pop().expect("two halves"));
        x + self.down.forward(gate.clone() * sigmoid(gate) * up)
    }
}

/// A Llama block: RMSNorm, rotary attention, RMSNorm, SwiGLU.
#[derive(Module, Debug)]
pub struct LlamaBlock {
    /// Weight of the RMSNorm before the attention. `[D]`
    pub norm: Param<Tensor<1>>,
    /// [D, 3·D]: q, k, v, head-major.
    pub qkv: Linear,
    /// [D, D]
    pub o_proj: Linear,
    /// The feed-forward half.
    pub feed_forward: FeedForward,
    pub(crate) heads: usize,
}

/// Bias of a masked score: small enough to vanish in a softmax, large enough to stay a normal number after `exp` (the
/// underflow path of `expf` is slow).
const MASKED: f32 = -60.0;

/// Rotary angles and the attention mask of a sequence of T = rows × columns tokens.
///
/// Queries of a row attend to the keys of the rows `row − reach ..= row`; a causal sequence is one row with no reach.
#[derive(Clone, Debug)]
pub struct Positions {
    rows: usize,
    columns: usize,
    reach: usize,
    cos: Tensor<4>,  // [1, 1, T, head/2]
    sin: Tensor<4>,  // [1, 1, T, head/2]
    mask: Tensor<4>, // [1, rows, columns, (reach + 1) × columns], 0 or MASKED
}

impl Positions {
    /// Angles from `position(token, pair) -> (harmonic index, position)`, mask from `visible(rows up, query column, key column)`.
    fn new(
        (rows, columns, reach): (usize, usize, usize),
        pairs: usize,
        position: impl Fn(usize, usize) -> (usize, usize),
        visible: impl Fn(usize, usize, usize) -> bool,
        device: &Device,
    ) -> Self {
        let tokens = rows * columns;
        let angle = |t: usize, j: usize| {
            let (h, p) = position(t, j);
            std::f64::consts::TAU * ((HARMONICS[h] * p) % 128) as f64 / 128.0
        };
        let table = |f: fn(f64) -> f64| {
            let v: Vec<f32> = (0..tokens * pairs).map(|i| f(angle(i / pairs, i % pairs)) as f32).collect();
            Tensor::<4>::from_data(TensorData::new(v, [1, 1, tokens, pairs]), device)
        };
        let keys = (reach + 1) * columns;
        let mut mask = vec![MASKED; tokens * keys];
        for (i, m) in mask.iter_mut().enumerate() {
            let (query, key) = (i / keys, i % keys);
            let up = reach - key / columns;
            if query / columns >= up && visible(up, query % columns, key % columns) {
                *m = 0.0;
            }
        }
        Self {
            rows,
            columns,
            reach,
            cos: table(f64::cos),
            sin: table(f64::sin),
            mask: Tensor::from_data(TensorData::new(mask, [1, rows, columns, keys]), device),
        }
    }

    /// The backbone's two-dimensional window over a crop of frames in raster order (docs/MODEL.md, "Backbone").
    pub fn window(rows: usize, columns: usize, head: usize, device: &Device) -> Self {
        let quarter = head / 4;
        let position = |t: usize, j: usize| {
            if j < quarter { (j, t % columns) } else { (j - quarter, t / columns) }
        };
        let visible = |up: usize, q: usize, k: usize| {
            let dc = k as i64 - q as i64;
            match up {
                0 => (-7..=0).contains(&dc),
                1 => (-6..=1).contains(&dc),
                _ => (-4..=3).contains(&dc),
            }
        };
        Self::new((rows, columns, 2), head / 2, position, visible, device)
    }

    /// No window: every frame sees itself alone.
    pub fn alone(rows: usize, columns: usize, head: usize, device: &Device) -> Self {
        Self::new((rows, columns, 0), head / 2, |_, _| (0, 0), |_, q, k| k == q, device)
    }

    /// The backbone's window over one row of frames.
    pub fn row(columns: usize, head: usize, device: &Device) -> Self {
        let quarter = head / 4;
        let position = |t: usize, j: usize| if j < quarter { (j, t) } else { (j - quarter, 0) };
        Self::new((1, columns, 0), head / 2, position, |_, q, k| k <= q && q - k <= 7, device)
    }

    /// Causal sequence of depth steps 1..=steps.
    pub fn causal(steps: usize, head: usize, device: &Device) -> Self {
        Self::new((1, steps, 0), head / 2, |t, j| (j, t + 1), |_, q, k| k <= q, device)
    }

    /// Keys or values [B, H, T, head] as every row of queries sees them: [B·H, rows, (reach + 1)·columns, head].
    fn seen(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, h, _, d] = x.dims();
        let x = x.reshape([b * h, self.rows, self.columns, d]);
        if self.reach == 0 {
            return x;
        }
        let above = Tensor::zeros([b * h, self.reach, self.columns, d], &x.device());
        let x = Tensor::cat(vec![above, x], 1);
        let shifted = |i: usize| x.clone().slice([0..b * h, i..i + self.rows, 0..self.columns, 0..d]);
        Tensor::cat((0..=self.reach).map(shifted).collect(), 2)
    }
}

fn rotate(x: Tensor<4>, p: &Positions) -> Tensor<4> {
    let [b, h, t, d] = x.dims();
    let first = x.clone().slice([0..b, 0..h, 0..t, 0..d / 2]);
    let second = x.slice([0..b, 0..h, 0..t, d / 2..d]);
    Tensor::cat(
        vec![
            first.clone() * p.cos.clone() - second.clone() * p.sin.clone(),
            first * p.sin.clone() + second * p.cos.clone(),
        ],
        3,
    )
}

impl LlamaBlock {
    pub(crate) fn new(d: usize, heads: usize, ffn: usize, device: &Device) -> Self {
        Self {
            norm: Initializer::Ones.init([d], device),
            qkv: linear(d, 3 * d, false, device),
            o_proj: linear(d, d, false, device),
            feed_forward: FeedForward::new(d, ffn, device),
            heads,
        }
    }

    /// [B, T, D] → [B, T, D]
    pub(crate) fn forward(&self, x: Tensor<3>, p: &Positions) -> Tensor<3> {
        let [b, t, d] = x.dims();
        let head = d / self.heads;
        let qkv = self.qkv.forward(rms_norm(x.clone(), self.norm.val()));
        let part = |i: usize| {
            qkv.clone().slice([0..b, 0..t, i * d..(i + 1) * d]).reshape([b, t, self.heads, head]).swap_dims(1, 2)
        };
        let (q, k, v) = (rotate(part(0), p), rotate(part(1), p), part(2));
        let q = (q * (head as f64).powf(-0.5)).reshape([b * self.heads, p.rows, p.columns, head]);
        let scores = q.matmul(p.seen(k).swap_dims(2, 3)) + p.mask.clone();
        let y = softmax(scores, 3).matmul(p.seen(v)).reshape([b, self.heads, t, head]);
        let y = y.swap_dims(1, 2).reshape([b, t, d]);
        self.feed_forward.forward(x + self.o_proj.forward(y))
    }
}

/// The frame Llama.
#[derive(Module, Debug)]
pub struct FrameLlama {
    /// [F, D] with bias.
    pub embed: Linear,
    /// Backbone.
    pub layers: Vec<LlamaBlock>,
    /// Final RMSNorm. `[D]`
    pub norm: Param<Tensor<1>>,
    /// [D, 64] with bias: position of the last nonzero coefficient.
    pub last: Linear,
    /// [D, E]
    pub to_depth: Linear,
    /// [D, E]
    pub to_dc: Linear,
    /// [64, G, E], one matrix a zigzag position.
    pub depth_in: Param<Tensor<3>>,
    /// [64, D, E]: what the frame's state says about one coefficient alone.
    pub depth_state: Option<Param<Tensor<3>>>,
    /// [64, E]
    pub depth_in_bias: Param<Tensor<2>>,
    /// [64, E]: embedding of the last position.
    pub depth_last: Param<Tensor<2>>,
    /// [32, E]: embedding of the previous primary symbol.
    pub depth_prev: Param<Tensor<2>>,
    /// Depth decoder.
    pub depth_layers: Vec<LlamaBlock>,
    /// `[E]`
    pub depth_norm: Param<Tensor<1>>,
    /// [E, 32]
    pub ac: Linear,
    /// [64, 32]
    pub ac_bias: Param<Tensor<2>>,
    /// [E, 32] with bias.
    pub ac_escape: Linear,
    /// [C, E] with bias.
    pub dc_in: Linear,
    /// [64, E]
    pub dc_last: Param<Tensor<2>>,
    /// Two feed-forward layers.
    pub dc_layers: Vec<FeedForward>,
    /// `[E]`
    pub dc_norm: Param<Tensor<1>>,
    /// [E, 32] with bias.
    pub dc_head: Linear,
    /// [E, 32] with bias.
    pub dc_escape: Linear,
}

impl FrameLlamaConfig {
    /// A randomly initialised model.
    pub fn init(&self, device: &Device) -> FrameLlama {
        let (d, e) = (self.d_model, self.depth_d);
        let small = Initializer::Normal { mean: 0.0, std: 0.1 };
        let zeros = Initializer::Zeros;
        FrameLlama {
            embed: linear(BACKBONE_FEATURES, d, true, device),
            layers: (0..self.layers).map(|_| LlamaBlock::new(d, self.heads, self.ffn, device)).collect(),
            norm: Initializer::Ones.init([d], device),
            last: linear(d, 64, true, device),
            to_depth: linear(d, e, false, device),
            to_dc: linear(d, e, false, device),
            depth_in: Initializer::Normal { mean: 0.0, std: (STEP_FEATURES as f64).powf(-0.5) * 0.5 }
                .init([64, STEP_FEATURES, e], device),
            depth_state: self
                .depth_state
                .then(|| Initializer::Normal { mean: 0.0, std: (d as f64).powf(-0.5) * 0.5 }.init([64, d, e], device)),
            depth_in_bias: small.init([64, e], device),
            depth_last: small.init([64, e], device),
            depth_prev: small.init([ALPHABET, e], device),
            depth_layers: (0..self.depth_layers)
                .map(|_| LlamaBlock::new(e, self.depth_heads, self.depth_ffn, device))
                .collect(),
            depth_norm: Initializer::Ones.init([e], device),
            ac: linear(e, ALPHABET, false, device),
            ac_bias: zeros.init([64, ALPHABET], device),
            ac_escape: linear(e, ALPHABET, true, device),
            dc_in: linear(DC_FEATURES, e, true, device),
            dc_last: small.init([64, e], device),
            dc_layers: (0..2).map(|_| FeedForward::new(e, self.dc_ffn, device)).collect(),
            dc_norm: Initializer::Ones.init([e], device),
            dc_head: linear(e, ALPHABET, true, device),
            dc_escape: linear(e, ALPHABET, true, device),
        }
    }
}

impl FrameLlama {
    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.num_params()
    }

    /// Features [B, T, F] → frame states [B·T, D].
    pub fn backbone(&self, features: Tensor<3>, positions: &Positions) -> Tensor<2> {
        let [b, t, _] = features.dims();
        let mut x = self.embed.forward(features);
        for layer in &self.layers {
            x = layer.forward(x, positions);
        }
        let d = x.dims()[2];
        rms_norm(x, self.norm.val()).reshape([b * t, d])
    }

    /// Depth decoder over frames that all run K steps: states [N, D], what they give to every step [N, E], step features [N, K, G],
    /// previous symbols [N·K].
    /// Returns normalised states [N, K, E]; those past a frame's last step are to be ignored.
    pub fn depth(
        &self,
        h: Tensor<2>,
        frame: Tensor<2>,
        features: Tensor<3>,
        previous: Tensor<1, Int>,
        positions: &Positions,
    ) -> Tensor<3> {
        let [n, k, g] = features.dims();
        let e = frame.dims()[1];
        let by_step = features.swap_dims(0, 1); // [K, N, G]
        let weight = self.depth_in.val().slice([1..k + 1, 0..g, 0..e]);
        let mut x = by_step.matmul(weight); // [K, N, E]
        if let Some(state) = &self.depth_state {
            let d = h.dims()[1];
            x = x + h.unsqueeze_dim::<3>(0).matmul(state.val().slice([1..k + 1, 0..d, 0..e]));
        }
        let x = x.swap_dims(0, 1); // [N, K, E]
        let bias = self.depth_in_bias.val().slice([1..k + 1, 0..e]).unsqueeze::<3>();
        let prev = self.depth_prev.val().select(0, previous).reshape([n, k, e]);
        let mut x = x + bias + prev + frame.unsqueeze_dim::<3>(1);
        for layer in &self.depth_layers {
            x = layer.forward(x, positions);
        }
        rms_norm(x, self.depth_norm.val())
    }

    /// What the frame contributes to each depth step: states [N, D], last positions `[N]` → [N, E].
    pub fn depth_frame(&self, h: Tensor<2>, last: Tensor<1, Int>) -> Tensor<2> {
        self.to_depth.forward(h) + self.depth_last.val().select(0, last)
    }

    /// DC stage: states [N, D], last `[N]`, features [N, C] → normalised states [N, E].
    pub fn dc(&self, h: Tensor<2>, last: Tensor<1, Int>, features: Tensor<2>) -> Tensor<2> {
        let mut x = self.dc_in.forward(features) + self.to_dc.forward(h) + self.dc_last.val().select(0, last);
        for layer in &self.dc_layers {
            x = layer.forward(x);
        }
        rms_norm(x, self.dc_norm.val())
    }
}
