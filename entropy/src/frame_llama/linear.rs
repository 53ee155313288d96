//! A linear layer's weights, repacked for the kernels.

/// Outputs of a panel: the lanes of one 512-bit accumulator.
pub(crate) const PANEL: usize = 16;

/// The greatest Σ|w| of a row: `32768 · 65535 < 2^31`, so no partial sum over i16 activations overflows i32.
pub(crate) const MAX_ROW_SUM: u32 = 65535;

/// Weights of two neighbouring inputs for the 16 outputs of a panel: `[output][input & 1]`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct PairRow(pub [i8; 2 * PANEL]);

/// `out[n] = clamp((Σ_k w[n][k]·a[k] · mult[n] + 2^(shift−1)) >> shift, ±limit[n])`.
///
/// Weights stay i8 in memory (the kernels widen them in registers): the default backbone is 1.4 MB, read once a batch.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    outputs: usize,
    /// Pairs of inputs; an odd input count is padded by a zero weight.
    pairs: usize,
    /// `[outputs / 16][pairs]`.
    pub(crate) weights: Vec<PairRow>,
    pub(crate) mult: Vec<i32>,
    pub(crate) limit: Vec<i32>,
    pub(crate) shift: u32,
}

impl Linear {
    /// Repacks `weights` `[outputs][inputs]`. The caller has checked Σ|w| ≤ [`MAX_ROW_SUM`], mult ≥ 0 and
    /// 1 ≤ shift ≤ 62; `outputs` is a multiple of 16 in every valid configuration.
    pub(crate) fn new(weights: &[i8], inputs: usize, mult: Vec<i32>, shift: u32, limit: Vec<i32>) -> Self {
        let outputs = mult.len();
        assert!(outputs.is_multiple_of(PANEL) && limit.len() == outputs && weights.len() == outputs * inputs);
        let pairs = inputs.div_ceil(2);
        let mut packed = vec![PairRow([0; 2 * PANEL]); outputs / PANEL * pairs];
        for (n, row) in weights.chunks_exact(inputs).enumerate() {
            let panel = &mut packed[n / PANEL * pairs..][..pairs];
            for (k, &w) in row.iter().enumerate() {
                panel[k / 2].0[n % PANEL * 2 + k % 2] = w;
            }
        }
        Self { outputs, pairs, weights: packed, mult, limit, shift }
    }

    /// N.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Pairs of inputs of a row of activations.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs
    }

    /// Length of a row of activations: the inputs, padded to even.
    pub(crate) fn stride(&self) -> usize {
        2 * self.pairs
    }
}
