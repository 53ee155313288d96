//! A linear layer of any size, repacked for the kernels.

use crate::error::ModelError;
use crate::gemm::{MAX_ROW_SUM, PANEL, Panels};

/// The greatest magnitude of an activation's mantissa.
pub(crate) const MAX_MANTISSA: u64 = 32767;

/// Bits that a sum over `inputs` is shifted right by before it is multiplied: the fewest with which
/// `(inputs · 127 · 32767 + 2^(pre−1)) >> pre` fits i32.
pub(crate) const fn pre_shift(inputs: usize) -> u32 {
    let mut pre = 0;
    while (inputs as u64 * 127 * MAX_MANTISSA + ((1 << pre) >> 1)) >> pre > i32::MAX as u64 {
        pre += 1;
    }
    pre
}

/// `out[n] = (((Σ_k w[n][k]·a[k] + 2^(pre−1)) >> pre) · mult[n] + 2^31) >> 32`.
///
/// |w| ≤ 127, |a| ≤ 32767 and [`pre_shift`] keep the shifted sum below 2^31, and 0 ≤ mult < 2^31, so that the product is below
/// 2^62 and |out| ≤ 2^30, whatever the weights.
///
/// The activations are the mantissas of a block floating point vector; the outputs are mantissas of the vector's exponent
/// plus [`exponent`](Self::exponent).
#[derive(Debug, Clone)]
pub(crate) struct WideLinear {
    outputs: usize,
    pub(crate) panels: Panels,
    /// `[panels · 16]`.
    pub(crate) mult: Vec<i32>,
    pub(crate) exponent: i32,
    pub(crate) pre: u32,
    /// Whether every whole row's sum fits i32 (Σ|w| ≤ 65535), so that the kernels need no blocks.
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), expect(dead_code))]
    pub(crate) narrow: bool,
}

/// A linear layer as it lies in a model file.
#[derive(Debug, Clone)]
pub(crate) struct LinearSource<'a> {
    /// The weights' tensor, for errors.
    pub(crate) name: String,
    /// i8 `[outputs][inputs]`.
    pub(crate) weights: &'a [u8],
    pub(crate) inputs: usize,
    /// 0.. of each row.
    pub(crate) mult: Vec<i32>,
    pub(crate) exponent: i32,
    /// Rows of the tensor before the first of these.
    pub(crate) first_row: usize,
}

impl LinearSource<'_> {
    /// Checks and repacks.
    ///
    /// # Errors
    /// [`ModelError::Value`] for a weight of −128.
    pub(crate) fn pack(&self) -> Result<WideLinear, ModelError> {
        let (outputs, pre) = (self.mult.len(), pre_shift(self.inputs));
        let mut narrow = true;
        for (row, weights) in self.weights.chunks_exact(self.inputs).enumerate() {
            if let Some(index) = weights.iter().position(|&w| w == 0x80) {
                let index = (self.first_row + row) * self.inputs + index;
                return Err(ModelError::Value { name: self.name.clone(), index, found: -128, min: -127, max: 127 });
            }
            let sum: u32 = weights.iter().map(|&w| u32::from((w as i8).unsigned_abs())).sum();
            narrow &= sum <= MAX_ROW_SUM;
        }
        let panels = Panels::pack(self.weights, self.inputs);
        let mut mult = self.mult.clone();
        mult.resize(panels.count() * PANEL, 0);
        Ok(WideLinear { outputs, panels, mult, exponent: self.exponent, pre, narrow })
    }
}

/// Packs layers on all cores.
///
/// # Errors
/// As [`LinearSource::pack`], of the first layer that fails.
pub(crate) fn pack_all(sources: &[LinearSource]) -> Result<Vec<WideLinear>, ModelError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(sources.len()).max(1);
    if threads == 1 {
        return sources.iter().map(LinearSource::pack).collect();
    }
    // Round-robin, because the layers of a block differ in size.
    let packed: Vec<Vec<Result<WideLinear, ModelError>>> = std::thread::scope(|scope| {
        let worker = |t: usize| move || sources.iter().skip(t).step_by(threads).map(LinearSource::pack).collect();
        let handles: Vec<_> = (0..threads).map(|t| scope.spawn(worker(t))).collect();
        handles.into_iter().map(|h| h.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    let mut queues: Vec<_> = packed.into_iter().map(Vec::into_iter).collect();
    (0..sources.len()).filter_map(|i| queues[i % threads].next()).collect()
}

impl WideLinear {
    /// N.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Length of a row of outputs: N rounded up to whole panels; those beyond N are 0.
    pub(crate) fn output_stride(&self) -> usize {
        self.mult.len()
    }

    /// Length of a row of activations: the inputs, padded to even.
    pub(crate) fn stride(&self) -> usize {
        self.panels.stride()
    }

    /// Heap memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.panels.bytes() + std::mem::size_of_val(&self.mult[..])
    }
}
