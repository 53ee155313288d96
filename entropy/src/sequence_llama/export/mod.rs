//! From a floating-point checkpoint and head set to integer files.
//!
//! Nothing here runs while coding: what the exporter rounds, by floats, goes into the files, and from there on every number
//! is an integer.

mod backbone;
mod heads;
mod quantize;

pub use backbone::{CheckpointShape, CheckpointTensors, RopeScaling, Tensor, export_backbone};
pub use heads::{HeadSet, export_head_set, export_heads};

use crate::error::ModelError;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use thiserror::Error;

/// A checkpoint or head set that cannot be exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A size is outside what the integer engine runs, or the head set's file is malformed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The checkpoint gave no such tensor.
    #[error("tensor `{name}`: {reason}")]
    Tensor {
        /// The tensor's Hugging Face name.
        name: String,
        /// The source's own error.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tensor's shape, or its element count, is not what the configuration calls for.
    #[error("tensor `{name}` has shape {found:?} and {elements} elements; expected shape {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape given.
        found: Vec<usize>,
        /// The elements given.
        elements: usize,
        /// The shape that the configuration calls for.
        expected: Vec<usize>,
    },
    /// An element cannot be represented.
    #[error("tensor `{name}`, element {index} is {value}; allowed: finite, magnitude at most {max:e}")]
    Value {
        /// The tensor's name.
        name: String,
        /// The element's index in the flattened tensor.
        index: usize,
        /// Its value.
        value: f32,
        /// The greatest magnitude.
        max: f32,
    },
    /// A number of the configuration cannot be represented.
    #[error("configuration field `{field}` is {found}; allowed: {allowed}")]
    Number {
        /// The field.
        field: &'static str,
        /// Its value.
        found: f64,
        /// The values that are allowed, in words.
        allowed: &'static str,
    },
}

/// Finite, and within ±`max`.
fn check_values(name: &str, data: &[f32], max: f32) -> Result<(), ExportError> {
    match data.iter().position(|v| v.is_nan() || v.abs() > max) {
        None => Ok(()),
        Some(index) => Err(ExportError::Value { name: name.to_owned(), index, value: data[index], max }),
    }
}

/// The shape and as many elements.
fn check_shape(name: &str, found: &[usize], elements: usize, expected: &[usize]) -> Result<(), ExportError> {
    if found == expected && elements == expected.iter().product::<usize>() {
        return Ok(());
    }
    let (name, found, expected) = (name.to_owned(), found.to_vec(), expected.to_vec());
    Err(ExportError::Shape { name, found, elements, expected })
}

/// The tensors of a file being written.
#[derive(Default)]
pub(super) struct Writer {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Writer {
    pub(super) fn bytes(&mut self, name: String, dtype: Dtype, shape: &[usize], data: Vec<u8>) {
        self.tensors.push((name, dtype, shape.to_vec(), data));
    }

    pub(super) fn i32(&mut self, name: String, values: &[i32]) {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.bytes(name, Dtype::I32, &[values.len()], data);
    }

    /// The file, with JSON in the metadata entry `lmcodec`.
    pub(super) fn finish(&self, json: String) -> Result<Vec<u8>, ModelError> {
        let views = self.tensors.iter().map(|(name, dtype, shape, data)| {
            TensorView::new(*dtype, shape.clone(), data).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        Ok(serialize(views, Some([("lmcodec".to_owned(), json)].into_iter().collect()))?)
    }
}
