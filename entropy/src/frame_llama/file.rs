//! Reading tensors out of a model file, each with its name, type, shape and range checked.

use super::linear::{Linear, MAX_ROW_SUM};
use crate::error::ModelError;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeSet;

/// What the rows of a linear layer must have in a group: output count and the clamp's bound.
pub(crate) type RowLimits<'a> = &'a [(usize, i32)];

/// The tensors of a model file, and which of them have been asked for.
pub(crate) struct TensorReader<'a> {
    tensors: SafeTensors<'a>,
    seen: BTreeSet<String>,
}

impl<'a> TensorReader<'a> {
    /// The file's `lmcodec` metadata and its tensors.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<(String, Self), ModelError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let config = metadata.metadata().as_ref().and_then(|m| m.get("lmcodec")).ok_or(ModelError::MissingConfig)?;
        let tensors = SafeTensors::deserialize(bytes)?;
        Ok((config.clone(), Self { tensors, seen: BTreeSet::new() }))
    }

    /// Every tensor of the file must have been read.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        let mut unknown: Vec<&str> = self.tensors.names().into_iter().filter(|n| !self.seen.contains(*n)).collect();
        unknown.sort_unstable();
        match unknown.first() {
            Some(name) => Err(ModelError::UnexpectedTensor { name: (*name).to_owned() }),
            None => Ok(()),
        }
    }

    /// The bytes of a tensor of this type and shape.
    pub(crate) fn data(
        &mut self,
        name: &str,
        dtype: Dtype,
        expected: &'static str,
        shape: &[usize],
    ) -> Result<&'a [u8], ModelError> {
        let name = || name.to_owned();
        self.seen.insert(name());
        let tensor = self.tensors.tensor(&name()).map_err(|_| ModelError::MissingTensor { name: name() })?;
        if tensor.dtype() != dtype {
            return Err(ModelError::ElementType { name: name(), found: format!("{:?}", tensor.dtype()), expected });
        }
        if tensor.shape() != shape {
            return Err(ModelError::Shape { name: name(), found: tensor.shape().to_vec(), expected: shape.to_vec() });
        }
        // Safetensors has checked that the data's length is the shape's.
        Ok(tensor.data())
    }

    /// An i32 tensor with every element in `min..=max`.
    pub(crate) fn i32(&mut self, name: &str, shape: &[usize], min: i32, max: i32) -> Result<Vec<i32>, ModelError> {
        let data = self.data(name, Dtype::I32, "I32", shape)?;
        let values: Vec<i32> = data.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        match values.iter().position(|v| !(min..=max).contains(v)) {
            None => Ok(values),
            Some(index) => Err(ModelError::Value {
                name: name.to_owned(),
                index,
                found: i64::from(values[index]),
                min: i64::from(min),
                max: i64::from(max),
            }),
        }
    }

    /// An i8 tensor.
    pub(crate) fn i8(&mut self, name: &str, shape: &[usize]) -> Result<Vec<i8>, ModelError> {
        Ok(self.data(name, Dtype::I8, "I8", shape)?.iter().map(|&b| b as i8).collect())
    }

    /// A bias or table of the residual stream or of logits: within ±`limit`.
    pub(crate) fn bias(&mut self, name: &str, shape: &[usize], limit: i32) -> Result<Vec<i32>, ModelError> {
        self.i32(name, shape, -limit, limit)
    }

    /// `{prefix}.weight|mult|shift`: a linear layer from `inputs` to the rows of `rows`.
    pub(crate) fn linear(&mut self, prefix: &str, inputs: usize, rows: RowLimits) -> Result<Linear, ModelError> {
        let mut layers = self.linears(prefix, None, inputs, rows)?;
        Ok(layers.remove(0))
    }

    /// `count` linear layers stacked in one set of tensors (leading dimension `count`, one shift).
    pub(crate) fn linear_stack(
        &mut self,
        prefix: &str,
        count: usize,
        inputs: usize,
        rows: RowLimits,
    ) -> Result<Vec<Linear>, ModelError> {
        self.linears(prefix, Some(count), inputs, rows)
    }

    fn linears(
        &mut self,
        prefix: &str,
        stack: Option<usize>,
        inputs: usize,
        rows: RowLimits,
    ) -> Result<Vec<Linear>, ModelError> {
        let outputs = rows.iter().map(|r| r.0).sum();
        let limit: Vec<i32> = rows.iter().flat_map(|&(n, limit)| std::iter::repeat_n(limit, n)).collect();
        let shape: Vec<usize> = stack.into_iter().chain([outputs, inputs]).collect();
        let shift = self.i32(&format!("{prefix}.shift"), &[1], 1, 62)?[0] as u32;
        let mult = self.i32(&format!("{prefix}.mult"), &shape[..shape.len() - 1], 0, i32::MAX)?;
        let name = format!("{prefix}.weight");
        let weights: Vec<i8> = self.data(&name, Dtype::I8, "I8", &shape)?.iter().map(|&b| b as i8).collect();
        for (row, w) in weights.chunks_exact(inputs).enumerate() {
            let sum = w.iter().map(|w| u32::from(w.unsigned_abs())).sum();
            if sum > MAX_ROW_SUM {
                return Err(ModelError::Accumulator { name, row, sum, max: MAX_ROW_SUM });
            }
        }
        let layers = weights.chunks_exact(outputs * inputs).zip(mult.chunks_exact(outputs));
        Ok(layers.map(|(w, mult)| Linear::new(w, inputs, mult.to_vec(), shift, limit.clone())).collect())
    }
}
