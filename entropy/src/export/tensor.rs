//! Floating-point tensors that an exporter takes.

/// A checkpoint's tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its shape: `[outputs, inputs]` for matrices.
    pub shape: Vec<usize>,
    /// Its elements, row by row.
    pub data: Vec<f32>,
}

/// Gives tensors by their Hugging Face names: `model.layers.{i}.self_attn.q_proj.weight` and so on. Closures
/// `FnMut(&str) -> Result<Tensor, Box<dyn Error + Send + Sync>>` are one.
pub trait CheckpointTensors {
    /// The tensor of this name.
    ///
    /// # Errors
    /// Whatever keeps the source from giving it.
    fn tensor(&mut self, name: &str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>>;
}

impl<F> CheckpointTensors for F
where
    F: FnMut(&str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>>,
{
    fn tensor(&mut self, name: &str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>> {
        self(name)
    }
}
