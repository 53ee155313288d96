//! Stepping through sequences with a cache of keys and values.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};

use super::kernels::Heads;
use super::lora::Lora;
use super::model::Backbone;
use crate::run::SequenceError;

/// Keys and values of the positions so far, for every block.
#[derive(Clone, Debug)]
pub struct KvCache {
    sequences: usize,
    filled: usize,
    /// A block's keys and values, each [B, key heads, positions so far, head size].
    blocks: Vec<Option<(Tensor<4>, Tensor<4>)>>,
}

impl KvCache {
    pub(super) fn new(sequences: usize, blocks: usize) -> Self {
        Self { sequences, filled: 0, blocks: vec![None; blocks] }
    }

    /// Positions so far.
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Backbone {
    /// An empty cache for some sequences side by side.
    pub fn cache(&self, sequences: usize) -> KvCache {
        KvCache::new(sequences, self.config().layers)
    }

    /// Normalised states [B, n, D] of the next n positions, given their embeddings [B, n, D].
    ///
    /// # Errors
    /// [`SequenceError::Context`] if the sequences would outgrow the context, [`SequenceError::Batch`] if B is not that of the
    /// cache; the cache is as before then.
    pub fn step(&self, cache: &mut KvCache, x: Tensor<3>, lora: Option<&Lora>) -> Result<Tensor<3>, SequenceError> {
        let [sequences, n, d] = x.dims();
        if sequences != cache.sequences {
            return Err(SequenceError::Batch { rows: sequences * n, sequences: cache.sequences });
        }
        let length = cache.filled + n;
        if length > self.length() {
            return Err(SequenceError::Context { length, context: self.length() });
        }
        let c = self.config();
        let heads = Heads { queries: c.heads, keys: c.kv_heads, size: c.head_dim, length: n };
        let first = cache.filled;
        let mut attend = |block: usize, qkv: Tensor<2>| attend(&mut cache.blocks[block], qkv, heads, first);
        let states = self.run_blocks(x.reshape([sequences * n, d]), heads, first, lora, &mut attend);
        cache.filled = length;
        Ok(states.reshape([sequences, n, d]))
    }
}

/// Output of the attention of n new positions over those in the cache, which they join.
fn attend(block: &mut Option<(Tensor<4>, Tensor<4>)>, qkv: Tensor<2>, h: Heads, first: usize) -> Tensor<2> {
    let rows = qkv.dims()[0];
    let (sequences, n) = (rows / h.length, h.length);
    let part = |first: usize, heads: usize| {
        let part = qkv.clone().slice([0..rows, first * h.size..(first + heads) * h.size]);
        part.reshape([sequences, n, heads, h.size]).swap_dims(1, 2)
    };
    let (k, v) = (part(h.queries, h.keys), part(h.queries + h.keys, h.keys));
    let (k, v) = match block.take() {
        Some((old_k, old_v)) => (Tensor::cat(vec![old_k, k], 2), Tensor::cat(vec![old_v, v], 2)),
        None => (k, v),
    };
    *block = Some((k.clone(), v.clone()));
    let group = h.queries / h.keys;
    let q = part(0, h.queries).reshape([sequences, h.keys, group * n, h.size]);
    let scores = q.matmul(k.swap_dims(2, 3)) * (h.size as f64).powf(-0.5);
    let (device, keys) = (qkv.device(), first + n);
    let query = Tensor::<1, Int>::arange(first as i64..keys as i64, &device).unsqueeze_dim::<2>(1);
    let key = Tensor::<1, Int>::arange(0..keys as i64, &device).unsqueeze_dim::<2>(0);
    let hidden = key.expand([n, keys]).greater(query.expand([n, keys])).repeat_dim(0, group);
    let scores = scores.mask_fill(hidden.unsqueeze::<4>().expand([sequences, h.keys, group * n, keys]), -1e30);
    let out = softmax(scores, 3).matmul(v).reshape([sequences, h.queries, n, h.size]);
    out.swap_dims(1, 2).reshape([rows, h.queries * h.size])
}
