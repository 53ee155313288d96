//! The frozen backbone of a Hugging Face Llama: forward pass, gradient with respect to its input, stepping with a K/V cache.
//!
//! No parameter of the backbone is trained, so its backward pass is a chain of vector–Jacobian products without weight
//! gradients. It is written out here, block by block, instead of being recorded by autodiff: the operations between the matrix
//! products can then be fused, weights are shared by all threads, and only what the chain needs stays in memory.

use burn::tensor::{Device, Tensor, TensorData};

use super::kernels::{Heads, Kernels, Rotary};
use super::linear::{Linear, has_bf16};
use super::lora::{Lora, LoraLayer, LoraLayerGradients, Projection};
use crate::checkpoint::{Checkpoint, CheckpointError, LlamaConfig};
use crate::run::SequenceError;

/// Weights of a transformer block, matrices as [in, out].
#[derive(Clone, Debug)]
struct Block {
    input_norm: Tensor<1>,
    /// [D, (H + 2G) · head size]: queries, keys, values.
    qkv: Linear,
    /// [H · head size, D]
    o: Linear,
    post_norm: Tensor<1>,
    /// [D, 2 · ffn]
    gate_up: Linear,
    /// [ffn, D]
    down: Linear,
}

/// The frozen transformer blocks and the final norm.
#[derive(Clone, Debug)]
pub struct Backbone {
    config: LlamaConfig,
    blocks: Vec<Block>,
    norm: Tensor<1>,
    rotary: Rotary,
    kernels: Kernels,
    device: Device,
}

/// What a block leaves for its backward pass.
struct BlockTrace {
    /// Input. [B·T, D]
    x: Tensor<2>,
    /// Turned queries and keys, and values.
    qkv: Tensor<2>,
    /// Output of the attention, before `o`.
    attended: Tensor<2>,
    log_sums: Option<Tensor<2>>,
    /// After the attention. [B·T, D]
    middle: Tensor<2>,
    gate_up: Tensor<2>,
}

/// What a forward pass leaves for the backward pass.
pub struct Trace {
    heads: Heads,
    rotary: Rotary,
    blocks: Vec<BlockTrace>,
    /// Before the final norm.
    last: Tensor<2>,
}

fn matrix(checkpoint: &Checkpoint, names: &[String], device: &Device) -> Result<Linear, CheckpointError> {
    let parts = names
        .iter()
        .map(|name| {
            let t = checkpoint.tensor(name)?;
            let shape = [t.shape[0], t.shape[1]];
            Ok(Tensor::<2>::from_data(TensorData::new(t.values, shape), device))
        })
        .collect::<Result<Vec<_>, CheckpointError>>()?;
    // Stored transposed for good: both passes then read it in order.
    let data = Tensor::cat(parts, 0).transpose().into_data();
    Ok(Linear::new(Tensor::from_data(data, device)))
}

fn vector(checkpoint: &Checkpoint, name: &str, device: &Device) -> Result<Tensor<1>, CheckpointError> {
    let t = checkpoint.tensor(name)?;
    Ok(Tensor::from_data(TensorData::new(t.values, [t.shape[0]]), device))
}

impl Backbone {
    /// Reads the transformer blocks of a checkpoint onto a device without autodiff; sequences may be up to `length` long.
    ///
    /// # Errors
    /// [`CheckpointError`], also if `length` is beyond the checkpoint's context.
    pub fn load(checkpoint: &Checkpoint, length: usize, device: &Device) -> Result<Self, CheckpointError> {
        let config = checkpoint.config().clone();
        if length > config.context {
            return Err(CheckpointError::NotLlama {
                path: checkpoint.name().into(),
                field: "max_position_embeddings".into(),
                found: config.context.to_string(),
                expected: format!("at least the sequence length {length}"),
            });
        }
        let blocks = (0..config.layers)
            .map(|i| {
                let name = |part: &str| format!("model.layers.{i}.{part}.weight");
                let attention = ["q", "k", "v"].map(|p| name(&format!("self_attn.{p}_proj")));
                Ok(Block {
                    input_norm: vector(checkpoint, &name("input_layernorm"), device)?,
                    qkv: matrix(checkpoint, &attention, device)?,
                    o: matrix(checkpoint, &[name("self_attn.o_proj")], device)?,
                    post_norm: vector(checkpoint, &name("post_attention_layernorm"), device)?,
                    gate_up: matrix(checkpoint, &[name("mlp.gate_proj"), name("mlp.up_proj")], device)?,
                    down: matrix(checkpoint, &[name("mlp.down_proj")], device)?,
                })
            })
            .collect::<Result<_, CheckpointError>>()?;
        Ok(Self {
            blocks,
            norm: vector(checkpoint, "model.norm.weight", device)?,
            rotary: Rotary::new(&config.rotary_frequencies(), length, device),
            kernels: Kernels::of(device),
            device: device.clone(),
            config,
        })
    }

    /// The same weights, multiplied in bf16 where the device has it; `None` where it has not.
    pub fn in_bf16(&self) -> Option<Self> {
        if !has_bf16(self.kernels, &self.device) {
            return None;
        }
        let block = |b: &Block| Block {
            input_norm: b.input_norm.clone(),
            qkv: b.qkv.with_bf16(self.kernels),
            o: b.o.with_bf16(self.kernels),
            post_norm: b.post_norm.clone(),
            gate_up: b.gate_up.with_bf16(self.kernels),
            down: b.down.with_bf16(self.kernels),
        };
        Some(Self { blocks: self.blocks.iter().map(block).collect(), ..self.clone() })
    }

    /// The model's dimensions.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Longest sequence.
    pub fn length(&self) -> usize {
        self.rotary.length()
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The same model with another choice of kernels.
    #[cfg(test)]
    pub(crate) fn with_kernels(&self, kernels: Kernels) -> Self {
        Self { kernels, ..self.clone() }
    }

    /// Random weights of a variance that keeps the states' size.
    #[cfg(test)]
    pub(crate) fn random(config: &LlamaConfig, length: usize, device: &Device) -> Self {
        use burn::tensor::Distribution;
        let matrix = |i: usize, o: usize| {
            Linear::new(Tensor::random([i, o], Distribution::Normal(0.0, (i as f64).powf(-0.5)), device))
        };
        let norm = || Tensor::<1>::random([config.d_model], Distribution::Uniform(0.5, 1.5), device);
        let (d, q, kv) = (config.d_model, config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let block = || Block {
            input_norm: norm(),
            qkv: matrix(d, q + 2 * kv),
            o: matrix(q, d),
            post_norm: norm(),
            gate_up: matrix(d, 2 * config.ffn),
            down: matrix(config.ffn, d),
        };
        Self {
            blocks: (0..config.layers).map(|_| block()).collect(),
            norm: norm(),
            rotary: Rotary::new(&config.rotary_frequencies(), length, device),
            kernels: Kernels::of(device),
            device: device.clone(),
            config: config.clone(),
        }
    }

    /// The same weights on a device with autodiff, in differentiable operations.
    #[cfg(test)]
    pub(crate) fn to_autodiff(&self, device: &Device) -> Self {
        let lift = |l: &Linear| Linear::new(Tensor::from_inner(l.weight().clone()));
        let blocks = self.blocks.iter().map(|b| Block {
            input_norm: Tensor::from_inner(b.input_norm.clone()),
            qkv: lift(&b.qkv),
            o: lift(&b.o),
            post_norm: Tensor::from_inner(b.post_norm.clone()),
            gate_up: lift(&b.gate_up),
            down: lift(&b.down),
        });
        Self {
            blocks: blocks.collect(),
            norm: Tensor::from_inner(self.norm.clone()),
            rotary: Rotary::new(&self.config.rotary_frequencies(), self.length(), device),
            kernels: Kernels::Composed,
            device: device.clone(),
            config: self.config.clone(),
        }
    }

    fn heads(&self, rows: usize, sequences: usize) -> Result<Heads, SequenceError> {
        if sequences == 0 || !rows.is_multiple_of(sequences) {
            return Err(SequenceError::Batch { rows, sequences });
        }
        let length = rows / sequences;
        if length > self.length() {
            return Err(SequenceError::Context { length, context: self.length() });
        }
        let c = &self.config;
        Ok(Heads { queries: c.heads, keys: c.kv_heads, size: c.head_dim, length })
    }

    /// Normalised states [B·T, D] of embeddings [B·T, D], and the trace if it is wanted.
    ///
    /// # Errors
    /// [`SequenceError`] if the rows are not `sequences` sequences within the context.
    pub fn forward(
        &self,
        x: Tensor<2>,
        sequences: usize,
        lora: Option<&Lora>,
        keep: bool,
    ) -> Result<(Tensor<2>, Option<Trace>), SequenceError> {
        let heads = self.heads(x.dims()[0], sequences)?;
        let rotary = self.rotary.slice(0, heads.length);
        let (kernels, eps) = (self.kernels, self.config.rms_norm_eps);
        let mut traces = Vec::new();
        let (mut x, mut delta) = (x, None);
        for (i, block) in self.blocks.iter().enumerate() {
            let lora = lora.map(|l| &l.layers()[i]);
            let (input, y) = kernels.add_rms_norm(x, delta, &block.input_norm, eps);
            let qkv = kernels.rotate(self.attention_input(block, lora, y), heads, &rotary, false);
            let (qkv, attended, log_sums) = kernels.attention(qkv, heads);
            let o = with_lora(lora, &[Projection::O], attended.clone(), &block.o);
            let kept = keep.then(|| input.clone());
            let (middle, y) = kernels.add_rms_norm(input, Some(o), &block.post_norm, eps);
            let (gate_up, hidden) = kernels.swiglu(self.feed_forward_input(block, lora, y));
            delta = Some(with_lora(lora, &[Projection::Down], hidden, &block.down));
            if let Some(x) = kept {
                traces.push(BlockTrace { x, qkv, attended, log_sums, middle: middle.clone(), gate_up });
            }
            x = middle;
        }
        let (last, states) = kernels.add_rms_norm(x, delta, &self.norm, eps);
        let trace = keep.then_some(Trace { heads, rotary, blocks: traces, last });
        Ok((states, trace))
    }

    /// Normalised states of the positions `first..first + heads.length`, `attend(block, qkv)` being the attention.
    pub(super) fn run_blocks(
        &self,
        mut x: Tensor<2>,
        heads: Heads,
        first: usize,
        lora: Option<&Lora>,
        attend: &mut dyn FnMut(usize, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let rotary = self.rotary.slice(first, heads.length);
        let (kernels, eps) = (self.kernels, self.config.rms_norm_eps);
        let mut delta = None;
        for (i, block) in self.blocks.iter().enumerate() {
            let lora = lora.map(|l| &l.layers()[i]);
            let (input, y) = kernels.add_rms_norm(x, delta, &block.input_norm, eps);
            let qkv = kernels.rotate(self.attention_input(block, lora, y), heads, &rotary, false);
            let o = with_lora(lora, &[Projection::O], attend(i, qkv), &block.o);
            let (middle, y) = kernels.add_rms_norm(input, Some(o), &block.post_norm, eps);
            let (_, hidden) = kernels.swiglu(self.feed_forward_input(block, lora, y));
            delta = Some(with_lora(lora, &[Projection::Down], hidden, &block.down));
            x = middle;
        }
        kernels.add_rms_norm(x, delta, &self.norm, eps).1
    }

    fn attention_input(&self, block: &Block, lora: Option<&LoraLayer>, y: Tensor<2>) -> Tensor<2> {
        with_lora(lora, &[Projection::Q, Projection::K, Projection::V], y, &block.qkv)
    }

    fn feed_forward_input(&self, block: &Block, lora: Option<&LoraLayer>, y: Tensor<2>) -> Tensor<2> {
        with_lora(lora, &[Projection::Gate, Projection::Up], y, &block.gate_up)
    }

    /// Gradient of the embeddings [B·T, D] from that of the normalised states, and the gradients of the LoRA matrices.
    pub fn backward(
        &self,
        trace: Trace,
        d_states: Tensor<2>,
        lora: Option<&Lora>,
    ) -> (Tensor<2>, Vec<LoraLayerGradients>) {
        let (kernels, eps, heads) = (self.kernels, self.config.rms_norm_eps, trace.heads);
        let nothing = Tensor::zeros(d_states.shape(), &self.device);
        let mut d_x = kernels.rms_norm_backward(trace.last, &self.norm, eps, d_states, nothing);
        let mut gradients = Vec::new();
        for (i, (block, t)) in self.blocks.iter().zip(trace.blocks).enumerate().rev() {
            let lora = lora.map(|l| &l.layers()[i]);
            let mut of_lora = LoraLayerGradients::default();

            let mut d_hidden = block.down.backward(d_x.clone());
            if let Some(lora) = lora.filter(|l| l.has(&[Projection::Down])) {
                let hidden = kernels.swiglu(t.gate_up.clone()).1;
                d_hidden = lora.backward(&[Projection::Down], hidden, d_x.clone(), d_hidden, &mut of_lora);
            }
            let d_gate_up = kernels.swiglu_backward(t.gate_up, d_hidden);
            let of_ffn = [Projection::Gate, Projection::Up];
            let d_y = match lora.filter(|l| l.has(&of_ffn)) {
                Some(lora) => {
                    let y = kernels.add_rms_norm(t.middle.clone(), None, &block.post_norm, eps).1;
                    let d_y = block.gate_up.backward(d_gate_up.clone());
                    lora.backward(&of_ffn, y, d_gate_up, d_y, &mut of_lora)
                }
                None => block.gate_up.backward(d_gate_up),
            };
            d_x = kernels.rms_norm_backward(t.middle, &block.post_norm, eps, d_y, d_x);

            let mut d_attended = block.o.backward(d_x.clone());
            if let Some(lora) = lora.filter(|l| l.has(&[Projection::O])) {
                d_attended = lora.backward(&[Projection::O], t.attended.clone(), d_x.clone(), d_attended, &mut of_lora);
            }
            let d_qkv = kernels.attention_backward(t.qkv, heads, t.attended, t.log_sums, d_attended);
            let d_qkv = kernels.rotate(d_qkv, heads, &trace.rotary, true);
            let of_attention = [Projection::Q, Projection::K, Projection::V];
            let d_y = match lora.filter(|l| l.has(&of_attention)) {
                Some(lora) => {
                    let y = kernels.add_rms_norm(t.x.clone(), None, &block.input_norm, eps).1;
                    let d_y = block.qkv.backward(d_qkv.clone());
                    lora.backward(&of_attention, y, d_qkv, d_y, &mut of_lora)
                }
                None => block.qkv.backward(d_qkv),
            };
            d_x = kernels.rms_norm_backward(t.x, &block.input_norm, eps, d_y, d_x);
            gradients.push(of_lora);
        }
        gradients.reverse();
        (d_x, gradients)
    }
}

/// Output of a frozen layer with the updates of the projections that lie side by side in it.
fn with_lora(lora: Option<&LoraLayer>, projections: &[Projection], x: Tensor<2>, layer: &Linear) -> Tensor<2> {
    match lora.filter(|lora| lora.has(projections)) {
        Some(lora) => {
            let y = layer.forward(x.clone());
            lora.add(projections, x, y)
        }
        None => layer.forward(x),
    }
}
