//! Files of the frame Llama and of code heads (`docs/MODEL.md`): linear layers and tables in the formats that the engine
//! expects. Where the rows come from, and which tensors a file has, is the caller's business.

use super::quantize::{Rounding, quantize_row};
use crate::error::ModelError;
use crate::gemm::MAX_ROW_SUM;
use crate::tensors::TensorWriter;
use safetensors::Dtype;

/// Fractional bits of features.
pub const Q_FEATURE: i32 = 4;
/// Fractional bits of what a norm gives.
pub const Q_NORM: i32 = 11;
/// Fractional bits of attended values and of the gated product.
const Q_HIDDEN: i32 = 10;
/// Fractional bits of the residual stream.
pub const Q_RESIDUAL: i32 = 12;
/// Fractional bits of logits, which are in log2 units.
pub const Q_LOGIT: i32 = 16;
/// Nats to bits: a factor of every head.
pub const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// The greatest magnitude of a table's element.
const TABLE_LIMIT: f64 = (1u64 << 23) as f64;

/// A real matrix `[outputs][inputs]`, with the weight of the norm before it folded in.
pub type Rows = Vec<Vec<f64>>;

/// Formats of a layer, and a factor of all its outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Fractional bits of the inputs.
    pub from: i32,
    /// Fractional bits of the outputs.
    pub to: i32,
    /// The factor.
    pub gain: f64,
}

impl Scaling {
    /// From a norm to logits in log2 units.
    pub const LOGITS: Self = Self { from: Q_NORM, to: Q_LOGIT, gain: LOG2_E };

    /// Without a factor.
    pub const fn new(from: i32, to: i32) -> Self {
        Self { from, to, gain: 1.0 }
    }
}

/// The linear layers of a block.
#[derive(Debug, Clone)]
pub struct BlockRows {
    /// Queries, keys and values, `[3·D][D]`.
    pub qkv: Rows,
    /// Output projection of attention, `[D][D]`.
    pub o_proj: Rows,
    /// Gates, then what they gate, `[2·ffn][D]`.
    pub gate_up: Rows,
    /// `[D][ffn]`.
    pub down: Rows,
}

/// A file being written.
#[derive(Debug, Clone, Default)]
pub struct FrameWriter {
    tensors: TensorWriter,
}

impl FrameWriter {
    /// Integers that are no weights of a linear layer.
    pub fn i8(&mut self, name: &str, shape: &[usize], values: &[u8]) {
        self.tensors.set(name, Dtype::I8, shape, values.to_vec());
    }

    /// A table of the residual stream ([`Q_RESIDUAL`]) or of logits ([`Q_LOGIT`]): `values · factor` with `q` fractional bits.
    pub fn table(&mut self, name: &str, shape: &[usize], values: &[f32], q: i32, factor: f64) {
        let round =
            |v: &f32| (f64::from(*v) * factor * f64::from(q).exp2()).round().clamp(-TABLE_LIMIT, TABLE_LIMIT) as i32;
        self.tensors.i32(name, shape, &values.iter().map(round).collect::<Vec<_>>());
    }

    /// A linear layer; `lead` is the shape of its outputs (`[N]`, or `[steps, N]` of a stack).
    pub fn linear(&mut self, name: &str, lead: &[usize], rows: &Rows, scaling: Scaling) {
        self.linear_with(name, lead, rows, scaling, |_| 1.0);
    }

    /// As [`linear`](Self::linear), with a factor of each output besides.
    fn linear_with(
        &mut self,
        name: &str,
        lead: &[usize],
        rows: &Rows,
        Scaling { from, to, gain }: Scaling,
        factor: impl Fn(usize) -> f64,
    ) {
        let inputs = rows.first().map_or(0, Vec::len);
        let mut weights = vec![0; rows.len() * inputs];
        let unit = gain * f64::from(to - from).exp2();
        let mut factors = Vec::with_capacity(rows.len());
        for (n, row) in rows.iter().enumerate() {
            let row: Vec<f32> = row.iter().map(|&w| w as f32).collect();
            let scale = quantize_row(&row, Rounding::FINE.at_most(MAX_ROW_SUM), &mut weights[n * inputs..][..inputs]);
            factors.push(scale * unit * factor(n));
        }
        let max = factors.iter().fold(f64::MIN_POSITIVE, |m, &f| m.max(f));
        // The greatest multiplier lies in 2^29..2^30.
        let shift = (29 - max.log2().floor() as i32).clamp(1, 62);
        let multiplier = |f: &f64| (f * f64::from(shift).exp2()).round().clamp(0.0, f64::from(i32::MAX)) as i32;
        let shape: Vec<usize> = lead.iter().copied().chain([inputs]).collect();
        self.tensors.i32(format!("{name}.mult"), lead, &factors.iter().map(multiplier).collect::<Vec<_>>());
        self.tensors.i32(format!("{name}.shift"), &[1], &[shift]);
        self.tensors.set(format!("{name}.weight"), Dtype::I8, &shape, weights);
    }

    /// The feed-forward half of a block.
    pub fn feed_forward(&mut self, name: &str, gate_up: &Rows, down: &Rows) {
        self.linear(&format!("{name}.gate_up"), &[gate_up.len()], gate_up, Scaling::new(Q_NORM, 11));
        self.linear(&format!("{name}.down"), &[down.len()], down, Scaling::new(Q_HIDDEN, Q_RESIDUAL));
    }

    /// A block with heads of `head` elements.
    pub fn block(&mut self, name: &str, rows: &BlockRows, head: usize) {
        let d = rows.qkv.len() / 3;
        // q and k leave in Q9, v in Q10.
        let factor = |n: usize| match n / d {
            0 => LOG2_E / (head as f64).sqrt(),
            1 => 1.0,
            _ => 2.0,
        };
        self.linear_with(&format!("{name}.qkv"), &[3 * d], &rows.qkv, Scaling::new(Q_NORM, 9), factor);
        self.linear(&format!("{name}.o_proj"), &[d], &rows.o_proj, Scaling::new(Q_HIDDEN, Q_RESIDUAL));
        self.feed_forward(name, &rows.gate_up, &rows.down);
    }

    /// The file's bytes, with a configuration's JSON.
    ///
    /// # Errors
    /// [`ModelError::Container`] if a tensor's data does not have its shape's length.
    pub fn finish(&self, json: &str) -> Result<Vec<u8>, ModelError> {
        self.tensors.finish(json)
    }
}
