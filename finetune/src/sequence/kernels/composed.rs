//! The operations as compositions of burn tensor operations: for devices without kernels of their own, and differentiable by
//! burn's autodiff, which the tests compare the hand-written gradients with.

use burn::tensor::activation::{log_softmax, sigmoid, softmax};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::Heads;

/// Bias of a masked score; finite, so that no gradient becomes a not-a-number.
const MASKED: f32 = -1e30;

pub(crate) fn rms_norm(x: Tensor<2>, w: Tensor<1>, eps: f64) -> Tensor<2> {
    let inverse = (x.clone().square().mean_dim(1) + eps).sqrt().recip();
    x * inverse * w.unsqueeze()
}

pub(crate) fn rms_norm_backward(x: Tensor<2>, w: Tensor<1>, eps: f64, d_y: Tensor<2>) -> Tensor<2> {
    let inverse = (x.clone().square().mean_dim(1) + eps).sqrt().recip();
    let g = d_y * w.unsqueeze();
    let mean = (g.clone() * x.clone()).mean_dim(1) * inverse.clone() * inverse.clone();
    (g - x * mean) * inverse
}

/// `cos`, `sin`: \[length, size / 2\].
pub(crate) fn rotate(qkv: Tensor<2>, h: Heads, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<2> {
    let [rows, width] = qkv.dims();
    let (turned, half) = ((h.queries + h.keys) * h.size, h.size / 2);
    let x = qkv.clone().slice([0..rows, 0..turned]);
    let x = x.reshape([rows / h.length, h.length, h.queries + h.keys, h.size]);
    let (a, b) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
    let table = |t: Tensor<2>| t.reshape([1, h.length, 1, half]);
    let (cos, sin) = (table(cos), table(sin));
    let x = Tensor::cat(vec![a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin], 3);
    Tensor::cat(vec![x.reshape([rows, turned]), qkv.slice([0..rows, turned..width])], 1)
}

/// Queries, keys, values: \[B, key heads, queries a key head · T, size\] and twice \[B, key heads, T, size\].
fn split(qkv: Tensor<2>, h: Heads) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
    let rows = qkv.dims()[0];
    let batch = rows / h.length;
    let heads = |first: usize, n: usize| {
        let part = qkv.clone().slice([0..rows, first * h.size..(first + n) * h.size]);
        part.reshape([batch, h.length, n, h.size]).swap_dims(1, 2)
    };
    let q = heads(0, h.queries).reshape([batch, h.keys, h.queries / h.keys * h.length, h.size]);
    (q, heads(h.queries, h.keys), heads(h.queries + h.keys, h.keys))
}

/// \[B, key heads, queries a key head · T, size\] → \[B·T, queries · size\].
fn join(x: Tensor<4>, h: Heads) -> Tensor<2> {
    let batch = x.dims()[0];
    let x = x.reshape([batch, h.queries, h.length, h.size]);
    x.swap_dims(1, 2).reshape([batch * h.length, h.queries * h.size])
}

fn mask(h: Heads, device: &Device) -> Tensor<4, Bool> {
    let hidden = Tensor::<2, Bool>::tril_mask([h.length, h.length], 0, device);
    hidden.repeat_dim(0, h.queries / h.keys).unsqueeze()
}

fn probabilities(q: Tensor<4>, k: Tensor<4>, h: Heads) -> Tensor<4> {
    let scores = q.matmul(k.swap_dims(2, 3)) * (h.size as f64).powf(-0.5);
    let mask = mask(h, &scores.device()).expand(scores.shape());
    softmax(scores.mask_fill(mask, MASKED), 3)
}

pub(crate) fn attention(qkv: Tensor<2>, h: Heads) -> Tensor<2> {
    let (q, k, v) = split(qkv, h);
    join(probabilities(q, k, h).matmul(v), h)
}

pub(crate) fn attention_backward(qkv: Tensor<2>, h: Heads, out: Tensor<2>, d_out: Tensor<2>) -> Tensor<2> {
    let rows = qkv.dims()[0];
    let batch = rows / h.length;
    let by_head = |x: Tensor<2>| {
        let x = x.reshape([batch, h.length, h.queries, h.size]).swap_dims(1, 2);
        x.reshape([batch, h.keys, h.queries / h.keys * h.length, h.size])
    };
    let (q, k, v) = split(qkv, h);
    let scale = (h.size as f64).powf(-0.5);
    let p = probabilities(q.clone(), k.clone(), h);
    let (out, d_out) = (by_head(out), by_head(d_out));
    let mean = (out * d_out.clone()).sum_dim(3);
    let d_p = d_out.clone().matmul(v.swap_dims(2, 3));
    let d_s = p.clone() * (d_p - mean) * scale;
    let d_v = p.swap_dims(2, 3).matmul(d_out);
    let d_k = d_s.clone().swap_dims(2, 3).matmul(q);
    let d_q = join(d_s.matmul(k), h);
    let flat = |x: Tensor<4>| x.swap_dims(1, 2).reshape([rows, h.keys * h.size]);
    Tensor::cat(vec![d_q, flat(d_k), flat(d_v)], 1)
}

fn halves(gate_up: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let ffn = gate_up.dims()[1] / 2;
    (gate_up.clone().narrow(1, 0, ffn), gate_up.narrow(1, ffn, ffn))
}

pub(crate) fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let (gate, up) = halves(gate_up);
    gate.clone() * sigmoid(gate) * up
}

pub(crate) fn swiglu_backward(gate_up: Tensor<2>, d_out: Tensor<2>) -> Tensor<2> {
    let (gate, up) = halves(gate_up);
    let s = sigmoid(gate.clone());
    let slope = s.clone() * (gate.clone() * (s.clone().neg() + 1.0) + 1.0);
    Tensor::cat(vec![d_out.clone() * up * slope, d_out * gate * s], 1)
}

pub(crate) fn cross_entropy(logits: Tensor<2>, targets: &[u32], weights: &[f32]) -> (Vec<f32>, Tensor<2>) {
    let (device, n) = (logits.device(), targets.len());
    let targets: Vec<i32> = targets.iter().map(|&t| t as i32).collect();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
    let weights = Tensor::<2>::from_data(TensorData::new(weights.to_vec(), [n, 1]), &device);
    let log_p = log_softmax(logits, 1);
    let nats = log_p.clone().gather(1, targets.clone()).neg();
    let one_hot = Tensor::zeros(log_p.shape(), &device).scatter(
        1,
        targets,
        Tensor::<2>::ones([n, 1], &device),
        burn::tensor::IndexingUpdateOp::Add,
    );
    let gradient = (log_p.exp() - one_hot) * weights;
    (nats.into_data().try_to_vec().expect("f32 values"), gradient)
}
