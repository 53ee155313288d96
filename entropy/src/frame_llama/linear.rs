//! A linear layer of the frame Llama, and reading it from a model file.

use crate::error::ModelError;
use crate::gemm::{MAX_ROW_SUM, PANEL, Panels};
use crate::tensors::TensorReader;
use safetensors::Dtype;

/// `out[n] = clamp((Σ_k w[n][k]·a[k] · mult[n] + 2^(shift−1)) >> shift, ±limit[n])`.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    pub(crate) panels: Panels,
    pub(crate) mult: Vec<i32>,
    pub(crate) limit: Vec<i32>,
    pub(crate) shift: u32,
}

impl Linear {
    /// Repacks `weights` `[outputs][inputs]`, i8 in bytes. The caller has checked Σ|w| ≤ [`MAX_ROW_SUM`], mult ≥ 0 and
    /// 1 ≤ shift ≤ 62; `outputs` is a multiple of 16 in every valid configuration.
    pub(crate) fn new(weights: &[u8], inputs: usize, mult: Vec<i32>, shift: u32, limit: Vec<i32>) -> Self {
        let outputs = mult.len();
        assert!(outputs.is_multiple_of(PANEL) && limit.len() == outputs && weights.len() == outputs * inputs);
        Self { panels: Panels::pack(weights, inputs), mult, limit, shift }
    }

    /// N.
    pub(crate) fn outputs(&self) -> usize {
        self.mult.len()
    }

    /// Length of a row of activations: the inputs, padded to even.
    pub(crate) fn stride(&self) -> usize {
        self.panels.stride()
    }
}

/// The rows of a layer that have a clamp in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outputs {
    /// How many.
    pub(crate) count: usize,
    /// The clamp's bound.
    pub(crate) limit: i32,
}

/// `{prefix}.weight|mult|shift`: a linear layer from `inputs` to the rows of `outputs`.
pub(crate) fn read_linear(
    file: &mut TensorReader,
    prefix: &str,
    inputs: usize,
    outputs: &[Outputs],
) -> Result<Linear, ModelError> {
    let mut layers = read(file, prefix, None, inputs, outputs)?;
    Ok(layers.remove(0))
}

/// `count` linear layers stacked in one set of tensors (leading dimension `count`, one shift).
pub(crate) fn read_stack(
    file: &mut TensorReader,
    prefix: &str,
    count: usize,
    inputs: usize,
    outputs: &[Outputs],
) -> Result<Vec<Linear>, ModelError> {
    read(file, prefix, Some(count), inputs, outputs)
}

fn read(
    file: &mut TensorReader,
    prefix: &str,
    stack: Option<usize>,
    inputs: usize,
    groups: &[Outputs],
) -> Result<Vec<Linear>, ModelError> {
    let outputs = groups.iter().map(|g| g.count).sum();
    let limit: Vec<i32> = groups.iter().flat_map(|g| std::iter::repeat_n(g.limit, g.count)).collect();
    let shape: Vec<usize> = stack.into_iter().chain([outputs, inputs]).collect();
    let shift = file.i32(&format!("{prefix}.shift"), &[1], 1, 62)?[0] as u32;
    let mult = file.i32(&format!("{prefix}.mult"), &shape[..shape.len() - 1], 0, i32::MAX)?;
    let name = format!("{prefix}.weight");
    let weights = file.data(&name, Dtype::I8, "I8", &shape)?;
    for (row, w) in weights.chunks_exact(inputs).enumerate() {
        let sum = w.iter().map(|&w| u32::from((w as i8).unsigned_abs())).sum();
        if sum > MAX_ROW_SUM {
            return Err(ModelError::Accumulator { name, row, sum, max: MAX_ROW_SUM });
        }
    }
    let layers = weights.chunks_exact(outputs * inputs).zip(mult.chunks_exact(outputs));
    Ok(layers.map(|(w, mult)| Linear::new(w, inputs, mult.to_vec(), shift, limit.clone())).collect())
}
