//! The operations of a Llama block between its matrix products, forward and backward, on two kinds of devices.
//!
//! On the CPU they run on slices, one pass over memory each ([`rows`], [`attention`]); anywhere else they are composed of burn
//! tensor operations ([`composed`]), which also serve as the reference of the tests. All work on rows: \[B·T, width\].
//!
//! What the slices save: a step (forward, backward, gradients of embedding and head) over blocks of SmolLM2-135M's shape in f32 on
//! one thread of an AMD EPYC with AVX-512, burn 0.22.1, one chunk, CPU seconds of the slices and of the composed operations on
//! the same device: 1.0 to 1.2 and 1.6 to 1.9 for 6 blocks and a chunk of 512; 3.0 and 8.6 for 3 blocks and a chunk of 2048,
//! where the process needs 270 and 551 MiB. On top of that [`bfloat`] multiplies in bf16 with the processor's own instructions.

pub(crate) mod attention;
pub(super) mod bfloat;
pub(super) mod composed;
mod matrix;
mod rows;

use burn::tensor::{Device, Tensor, TensorData};

pub(crate) use attention::Heads;

/// How the operations run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// Slices in host memory: burn's flex backend.
    Host,
    /// Tensor operations of any backend.
    Composed,
}

/// The values of a tensor in host memory; free if nothing else holds it.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Values {
    Values(tensor.into_data())
}

/// Values in host memory.
pub(super) struct Values(TensorData);

impl Values {
    pub(super) fn zeros<const D: usize>(shape: [usize; D]) -> Self {
        Self(TensorData::new(vec![0.0f32; shape.iter().product()], shape))
    }

    pub(super) fn get(&self) -> &[f32] {
        self.0.as_slice().expect("activations are f32")
    }

    pub(super) fn get_mut(&mut self) -> &mut [f32] {
        self.0.as_mut_slice().expect("activations are f32")
    }

    pub(super) fn tensor<const D: usize>(self, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.0, device)
    }
}

/// Rotary angles of the positions 0..length.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    length: usize,
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
    cos_tensor: Tensor<2>,
    sin_tensor: Tensor<2>,
}

impl Rotary {
    /// Angles position · frequency, made in f64.
    pub(crate) fn new(frequencies: &[f64], length: usize, device: &Device) -> Self {
        let half = frequencies.len();
        let table = |f: fn(f64) -> f64| -> Vec<f32> {
            (0..length * half).map(|i| f((i / half) as f64 * frequencies[i % half]) as f32).collect()
        };
        let (cos, sin) = (table(f64::cos), table(f64::sin));
        let tensor = |v: &[f32]| Tensor::from_data(TensorData::new(v.to_vec(), [length, half]), device);
        Self { length, half, cos_tensor: tensor(&cos), sin_tensor: tensor(&sin), cos, sin }
    }

    /// Positions that have angles.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The same for the positions `first..first + length` only.
    pub(crate) fn slice(&self, first: usize, length: usize) -> Self {
        let range = first * self.half..(first + length) * self.half;
        let rows = |t: &Tensor<2>| t.clone().slice([first..first + length, 0..self.half]);
        Self {
            length,
            half: self.half,
            cos: self.cos[range.clone()].to_vec(),
            sin: self.sin[range].to_vec(),
            cos_tensor: rows(&self.cos_tensor),
            sin_tensor: rows(&self.sin_tensor),
        }
    }
}

impl Kernels {
    /// The kernels for tensors on a device.
    pub(crate) fn of(device: &Device) -> Self {
        #[cfg(feature = "flex")]
        if *device == Device::flex() {
            return Self::Host;
        }
        let _ = device;
        Self::Composed
    }

    /// `x + delta`, and RMSNorm of it with the weight w.
    pub(crate) fn add_rms_norm(
        self,
        x: Tensor<2>,
        delta: Option<Tensor<2>>,
        w: &Tensor<1>,
        eps: f64,
    ) -> (Tensor<2>, Tensor<2>) {
        if self == Self::Composed {
            let x = match delta {
                Some(delta) => x + delta,
                None => x,
            };
            return (x.clone(), composed::rms_norm(x, w.clone(), eps));
        }
        let (device, shape) = (x.device(), x.dims());
        let (mut x, delta, w) = (host(x), delta.map(host), host(w.clone()));
        let mut y = Values::zeros(shape);
        rows::add_rms_norm(x.get_mut(), delta.as_ref().map(Values::get), w.get(), eps as f32, y.get_mut());
        (x.tensor(&device), y.tensor(&device))
    }

    /// `d_x` plus the gradient that reaches x through an RMSNorm.
    pub(crate) fn rms_norm_backward(
        self,
        x: Tensor<2>,
        w: &Tensor<1>,
        eps: f64,
        d_y: Tensor<2>,
        d_x: Tensor<2>,
    ) -> Tensor<2> {
        if self == Self::Composed {
            return d_x + composed::rms_norm_backward(x, w.clone(), eps, d_y);
        }
        let device = x.device();
        let (x, w, d_y, mut d_x) = (host(x), host(w.clone()), host(d_y), host(d_x));
        rows::rms_norm_backward(x.get(), w.get(), eps as f32, d_y.get(), d_x.get_mut());
        d_x.tensor(&device)
    }

    /// Turns queries and keys by their positions, or back.
    pub(crate) fn rotate(self, qkv: Tensor<2>, h: Heads, rotary: &Rotary, back: bool) -> Tensor<2> {
        if self == Self::Composed {
            let sign = if back { -1.0 } else { 1.0 };
            return composed::rotate(qkv, h, rotary.cos_tensor.clone(), rotary.sin_tensor.clone() * sign);
        }
        let device = qkv.device();
        let mut qkv = host(qkv);
        let angles = (rotary.cos.as_slice(), rotary.sin.as_slice());
        rows::rotate(qkv.get_mut(), h.width(), h.queries + h.keys, angles, rotary.half, h.length, back);
        qkv.tensor(&device)
    }

    /// Causal attention: (`qkv` given back, output, log-sum-exp of the scores \[rows, query heads\] where the backward pass
    /// wants it).
    pub(crate) fn attention(self, qkv: Tensor<2>, h: Heads) -> (Tensor<2>, Tensor<2>, Option<Tensor<2>>) {
        if self == Self::Composed {
            return (qkv.clone(), composed::attention(qkv, h), None);
        }
        let (device, rows) = (qkv.device(), qkv.dims()[0]);
        let qkv = host(qkv);
        let (mut out, mut log_sums) = (Values::zeros([rows, h.queries * h.size]), Values::zeros([rows, h.queries]));
        attention::attention(qkv.get(), h, out.get_mut(), log_sums.get_mut());
        (qkv.tensor(&device), out.tensor(&device), Some(log_sums.tensor(&device)))
    }

    /// Gradient of `qkv` from that of the attention's output.
    pub(crate) fn attention_backward(
        self,
        qkv: Tensor<2>,
        h: Heads,
        out: Tensor<2>,
        log_sums: Option<Tensor<2>>,
        d_out: Tensor<2>,
    ) -> Tensor<2> {
        match log_sums {
            Some(log_sums) if self == Self::Host => {
                let (device, shape) = (qkv.device(), qkv.dims());
                let (qkv, out, log_sums, d_out) = (host(qkv), host(out), host(log_sums), host(d_out));
                let mut d_qkv = Values::zeros(shape);
                attention::attention_backward(qkv.get(), h, out.get(), log_sums.get(), d_out.get(), d_qkv.get_mut());
                d_qkv.tensor(&device)
            }
            _ => composed::attention_backward(qkv, h, out, d_out),
        }
    }

    /// SwiGLU of rows (gate, up): (the rows given back, output).
    pub(crate) fn swiglu(self, gate_up: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        if self == Self::Composed {
            return (gate_up.clone(), composed::swiglu(gate_up));
        }
        let (device, [rows, wide]) = (gate_up.device(), gate_up.dims());
        let gate_up = host(gate_up);
        let mut out = Values::zeros([rows, wide / 2]);
        rows::swiglu(gate_up.get(), wide / 2, out.get_mut());
        (gate_up.tensor(&device), out.tensor(&device))
    }

    /// Gradient of the rows (gate, up).
    pub(crate) fn swiglu_backward(self, gate_up: Tensor<2>, d_out: Tensor<2>) -> Tensor<2> {
        if self == Self::Composed {
            return composed::swiglu_backward(gate_up, d_out);
        }
        let (device, wide) = (gate_up.device(), gate_up.dims()[1]);
        let (mut gate_up, d_out) = (host(gate_up), host(d_out));
        rows::swiglu_backward(gate_up.get_mut(), wide / 2, d_out.get());
        gate_up.tensor(&device)
    }

    /// Cross-entropy of logits \[n, V\] in nats \[n\] and its gradient, row r weighted by `weights[r]`.
    pub(crate) fn cross_entropy(self, logits: Tensor<2>, targets: &[u32], weights: &[f32]) -> (Vec<f32>, Tensor<2>) {
        if self == Self::Composed {
            return composed::cross_entropy(logits, targets, weights);
        }
        let device = logits.device();
        let mut logits = host(logits);
        let mut nats = vec![0.0; targets.len()];
        rows::cross_entropy(logits.get_mut(), targets, weights, &mut nats);
        (nats, logits.tensor(&device))
    }
}
