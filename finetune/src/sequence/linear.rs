//! A frozen linear layer, in f32 and, for training, in bf16 where the device has it.

use std::sync::Arc;

use burn::tensor::{DType, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use super::kernels::bfloat::Packed;
use super::kernels::{Kernels, Values, host};

/// Number format of the frozen weights, and of what is multiplied with them, in training steps. Sums are f32 always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE single precision.
    F32,
    /// bfloat16 on devices that have it (on the CPU: AVX512-BF16), else f32.
    #[default]
    Bf16,
}

/// The matrix once more, in bf16.
#[derive(Clone, Debug)]
enum Half {
    /// The matrix and its transpose for the CPU's instructions.
    Packed(Arc<(Packed, Packed)>),
    /// For devices that burn serves.
    Tensor(Box<Tensor<2>>),
}

/// A frozen matrix [in, out].
#[derive(Clone, Debug)]
pub(super) struct Linear {
    weight: Tensor<2>,
    half: Option<Half>,
}

/// Whether products in bf16 are to be had.
pub(super) fn has_bf16(kernels: Kernels, device: &Device) -> bool {
    match kernels {
        Kernels::Host => Packed::is_supported(),
        Kernels::Composed => device.supports_dtype(DType::BF16),
    }
}

impl Linear {
    pub(super) fn new(weight: Tensor<2>) -> Self {
        Self { weight, half: None }
    }

    /// With the matrix in bf16 too, which then all products use.
    pub(super) fn with_bf16(&self, kernels: Kernels) -> Self {
        let [inputs, outputs] = self.weight.dims();
        let half = match kernels {
            Kernels::Host => {
                let w = host(self.weight.clone());
                let forward = Packed::new(w.get(), inputs, outputs, false);
                let backward = Packed::new(w.get(), outputs, inputs, true);
                Half::Packed(Arc::new((forward, backward)))
            }
            Kernels::Composed => Half::Tensor(Box::new(self.weight.clone().cast(FloatDType::BF16))),
        };
        Self { weight: self.weight.clone(), half: Some(half) }
    }

    /// x [n, in] → [n, out]
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.half {
            None => x.matmul(self.weight.clone()),
            Some(Half::Packed(packed)) => packed_product(&packed.0, x, self.weight.dims()[1]),
            Some(Half::Tensor(w)) => x.cast(FloatDType::BF16).matmul(w.as_ref().clone()).cast(FloatDType::F32),
        }
    }

    /// Gradient of the input from that of the output [n, out].
    pub(super) fn backward(&self, d_y: Tensor<2>) -> Tensor<2> {
        match &self.half {
            None => d_y.matmul(self.weight.clone().transpose()),
            Some(Half::Packed(packed)) => packed_product(&packed.1, d_y, self.weight.dims()[0]),
            Some(Half::Tensor(w)) => {
                d_y.cast(FloatDType::BF16).matmul(w.as_ref().clone().transpose()).cast(FloatDType::F32)
            }
        }
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> &Tensor<2> {
        &self.weight
    }
}

fn packed_product(packed: &Packed, x: Tensor<2>, outputs: usize) -> Tensor<2> {
    let (device, rows) = (x.device(), x.dims()[0]);
    let x = host(x);
    let mut out = Values::zeros([rows, outputs]);
    packed.product(x.get(), out.get_mut());
    out.tensor(&device)
}
