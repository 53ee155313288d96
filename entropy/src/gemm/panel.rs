//! A layer's weights, repacked for the inner loops.

/// Outputs of a panel: the lanes of one 512-bit accumulator.
pub(crate) const PANEL: usize = 16;

/// The greatest Σ|w| of a row with which no sum over i16 activations overflows i32: `32768 · 65535 < 2^31`.
pub(crate) const MAX_ROW_SUM: u32 = 65535;

/// Weights of two neighbouring inputs for the 16 outputs of a panel: `[output][input & 1]`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct PairRow(pub [i8; 2 * PANEL]);

/// Weights `[panel][pair of inputs]`. An odd input count and outputs that fill no panel are padded by zeros.
///
/// They stay i8 in memory (the inner loops widen them in registers): the default backbone is 1.4 MB, read once a batch.
#[derive(Debug, Clone)]
pub(crate) struct Panels {
    pairs: usize,
    rows: Vec<PairRow>,
}

impl Panels {
    /// Repacks `weights` `[outputs][inputs]`, i8 in bytes.
    ///
    /// # Panics
    /// If there are no inputs.
    pub(crate) fn pack(weights: &[u8], inputs: usize) -> Self {
        let (outputs, pairs) = (weights.len() / inputs, inputs.div_ceil(2));
        let mut rows = vec![PairRow([0; 2 * PANEL]); outputs.div_ceil(PANEL) * pairs];
        for (n, weights) in weights.chunks_exact(inputs).enumerate() {
            let (panel, lane) = (&mut rows[n / PANEL * pairs..][..pairs], n % PANEL * 2);
            for (pair, w) in panel.iter_mut().zip(weights.chunks(2)) {
                pair.0[lane] = w[0] as i8;
                pair.0[lane + 1] = w.get(1).map_or(0, |&w| w as i8);
            }
        }
        Self { pairs, rows }
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.rows.len() / self.pairs
    }

    /// Pairs of inputs of a row of activations.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs
    }

    /// Length of a row of activations: the inputs, padded to even.
    pub(crate) fn stride(&self) -> usize {
        2 * self.pairs
    }

    /// The pairs of `count` panels from `first` on.
    #[inline(always)]
    pub(crate) fn some(&self, first: usize, count: usize) -> &[PairRow] {
        &self.rows[first * self.pairs..][..count * self.pairs]
    }

    /// Heap memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&self.rows[..])
    }
}
