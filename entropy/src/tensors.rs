//! The tensors of a model file: reading each with its name, type, shape and range checked, and writing them.

use crate::error::ModelError;
use safetensors::{Dtype, SafeTensors};
#[cfg(any(test, feature = "export"))]
use safetensors::{serialize, tensor::TensorView};
use std::collections::BTreeSet;

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
}

/// The tensors of a file being written.
#[cfg(any(test, feature = "export"))]
#[derive(Debug, Clone, Default)]
pub(crate) struct TensorWriter {
    tensors: std::collections::BTreeMap<String, TensorData>,
}

/// A tensor being written: type, shape, little-endian data.
#[cfg(any(test, feature = "export"))]
pub type TensorData = (Dtype, Vec<usize>, Vec<u8>);

#[cfg(any(test, feature = "export"))]
impl TensorWriter {
    /// Adds or replaces a tensor.
    pub(crate) fn set(&mut self, name: impl Into<String>, dtype: Dtype, shape: &[usize], data: Vec<u8>) {
        self.tensors.insert(name.into(), (dtype, shape.to_vec(), data));
    }

    /// An i32 tensor.
    pub(crate) fn i32(&mut self, name: impl Into<String>, shape: &[usize], values: &[i32]) {
        self.set(name, Dtype::I32, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    /// The file, with JSON in the metadata entry `lmcodec`. It does not depend on the order in which tensors came.
    pub(crate) fn finish(&self, json: &str) -> Result<Vec<u8>, ModelError> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            TensorView::new(*dtype, shape.clone(), data).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        // The map's type is safetensors' own choice: std's, or hashbrown's without its feature `std`.
        let metadata = std::iter::once(("lmcodec".to_owned(), json.to_owned())).collect();
        Ok(serialize(views, Some(metadata))?)
    }

    /// Names in order.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn get(&self, name: &str) -> Option<&TensorData> {
        self.tensors.get(name)
    }

    /// Takes a tensor out.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn remove(&mut self, name: &str) {
        self.tensors.remove(name);
    }
}
