//! A linear layer of any size, repacked for the kernels.

use crate::error::ModelError;
use crate::frame_llama::linear::{MAX_ROW_SUM, PANEL, PairRow};

/// The greatest magnitude of an activation's mantissa.
pub(crate) const MAX_MANTISSA: u64 = 32767;

/// Pairs of inputs whose products are summed in 32 bits when whole rows do not fit: `512 · 127 · 32767 < 2^31`.
pub(crate) const BLOCK_PAIRS: usize = 256;

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
    pairs: usize,
    /// `[panels][pairs]`; rows beyond the outputs are zero.
    pub(crate) weights: Vec<PairRow>,
    /// `[panels · 16]`.
    pub(crate) mult: Vec<i32>,
    pub(crate) exponent: i32,
    pub(crate) pre: u32,
    /// Whether every whole row's sum fits i32 (Σ|w| ≤ 65535), so that the kernels need no blocks.
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
        let (outputs, pairs, pre) = (self.mult.len(), self.inputs.div_ceil(2), pre_shift(self.inputs));
        let mut narrow = true;
        for (row, weights) in self.weights.chunks_exact(self.inputs).enumerate() {
            if let Some(index) = weights.iter().position(|&w| w == 0x80) {
                let index = (self.first_row + row) * self.inputs + index;
                return Err(ModelError::Value { name: self.name.clone(), index, found: -128, min: -127, max: 127 });
            }
            let sum: u32 = weights.iter().map(|&w| u32::from((w as i8).unsigned_abs())).sum();
            narrow &= sum <= MAX_ROW_SUM;
        }
        let panels = outputs.div_ceil(PANEL);
        let mut packed = vec![PairRow([0; 2 * PANEL]); panels * pairs];
        for (n, row) in self.weights.chunks_exact(self.inputs).enumerate() {
            let (panel, lane) = (&mut packed[n / PANEL * pairs..][..pairs], n % PANEL * 2);
            for (pair, w) in panel.iter_mut().zip(row.chunks(2)) {
                pair.0[lane] = w[0] as i8;
                pair.0[lane + 1] = w.get(1).map_or(0, |&w| w as i8);
            }
        }
        let mut mult = self.mult.clone();
        mult.resize(panels * PANEL, 0);
        Ok(WideLinear { outputs, pairs, weights: packed, mult, exponent: self.exponent, pre, narrow })
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

    /// Pairs of inputs of a row of activations.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs
    }

    /// Length of a row of activations: the inputs, padded to even.
    pub(crate) fn stride(&self) -> usize {
        2 * self.pairs
    }

    /// Heap memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&self.weights[..]) + std::mem::size_of_val(&self.mult[..])
    }
}
