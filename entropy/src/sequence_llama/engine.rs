//! Running a [`SequenceLlama`]: the order of the operations of `docs/MODEL.md`, over batches of positions.
//!
//! All memory is allocated by [`SequenceEngine::new`]; the calls themselves allocate nothing but room in the caller's
//! vector of logits. Results depend on each row's symbols alone: kernel, batch and the other rows change no bit.
//!
//! An engine runs on one thread. To use several cores give each its own engine (they share the model) and a part of the
//! chunks: nothing is synchronised but the end.

use super::cache::{Cache, columns};
use super::fixed::cos_sin;
use super::kernel::{self, Angles, AttendScratch};
use super::model::SequenceLlama;
use crate::frame_llama::linear::PANEL;
use crate::isa::Isa;

/// The next position of a row: what came before it and which RVQ layer it codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which of the engine's chunks, below its `rows`.
    pub row: u32,
    /// RVQ layer and symbol of the position before; none at the first position of a chunk.
    pub previous: Option<(u16, u16)>,
    /// RVQ layer whose symbol is to be coded (0 where there are no layers).
    pub layer: u16,
}

/// A model, a kernel, the keys and values of `rows` chunks and scratch memory for steps of up to `max_batch` positions.
#[derive(Debug, Clone)]
pub struct SequenceEngine<'m> {
    model: &'m SequenceLlama,
    isa: Isa,
    max_len: usize,
    max_batch: usize,
    /// Positions done of each row.
    lengths: Vec<usize>,
    cache: Cache,
    /// `[position][pair]`, Q30.
    cos: Vec<i32>,
    sin: Vec<i32>,
    scratch: Scratch,
}

/// Intermediate values of one step, each `[position][element]`.
#[derive(Debug, Clone)]
struct Scratch {
    /// Residual stream, Q24.
    x: Vec<i64>,
    /// Mantissas that enter a linear layer, rows padded to even length, and their exponents.
    y: Vec<i16>,
    y_exponents: Vec<i32>,
    /// Outputs of a linear layer.
    out: Vec<i32>,
    /// One norm's values.
    values: Vec<i32>,
    /// One position's queries.
    q: Vec<u32>,
    q_exponents: Vec<i32>,
    /// One position's attended heads.
    attended: Vec<i32>,
    attended_exponents: Vec<i32>,
    attend: AttendScratch,
    /// One row of the feed-forward.
    complements: Vec<i16>,
    products: Vec<i64>,
    /// Index of each position within its row.
    index: Vec<usize>,
    /// Positions of one RVQ layer.
    members: Vec<usize>,
    /// Where each position's logits begin.
    offsets: Vec<usize>,
}

/// Elements of a row of mantissas, and of a row of outputs, that every layer fits in.
fn widths(model: &SequenceLlama) -> (usize, usize) {
    let c = model.backbone.config();
    let inputs = c.d_model.max(c.attended()).max(c.ffn).next_multiple_of(2);
    let vocabulary = model.vocabularies().iter().max().map_or(0, |&v| v as usize);
    let outputs = c.qkv().max(c.d_model).max(2 * c.ffn).max(vocabulary).next_multiple_of(PANEL);
    (inputs, outputs)
}

impl<'m> SequenceEngine<'m> {
    /// An engine for `rows` chunks of up to `max_len` positions, in steps of up to `max_batch` positions.
    ///
    /// # Panics
    /// If a size is 0 or `max_len` exceeds the model's [context](SequenceLlama::context).
    pub fn new(model: &'m SequenceLlama, isa: Isa, rows: usize, max_len: usize, max_batch: usize) -> Self {
        assert!(rows > 0 && max_batch > 0, "{rows} rows, batches of {max_batch}");
        assert!((1..=model.context()).contains(&max_len), "chunks of {max_len}; 1..={}", model.context());
        let c = model.backbone.config();
        let (inputs, outputs) = widths(model);
        let angles = (0..max_len as u64)
            .flat_map(|p| model.backbone.rope.iter().map(move |&step| cos_sin(step.wrapping_mul(p))));
        let (cos, sin) = angles.unzip();
        let scratch = Scratch {
            x: vec![0; max_batch * c.d_model],
            y: vec![0; max_batch * inputs],
            y_exponents: vec![0; max_batch],
            out: vec![0; max_batch * outputs],
            values: vec![0; c.d_model],
            q: vec![0; c.attended() / 2],
            q_exponents: vec![0; c.heads],
            attended: vec![0; c.attended()],
            attended_exponents: vec![0; c.heads],
            attend: AttendScratch::new(c.group(), max_len, columns(c.head_dim)),
            complements: vec![0; c.ffn],
            products: vec![0; c.ffn],
            index: Vec::with_capacity(max_batch),
            members: Vec::with_capacity(max_batch),
            offsets: Vec::with_capacity(max_batch),
        };
        let cache = Cache::new(c, rows, max_len);
        Self { model, isa, max_len, max_batch, lengths: vec![0; rows], cache, cos, sin, scratch }
    }

    /// Bytes that [`new`](Self::new) with these sizes allocates, saturating. Nearly all of it are keys and values: 4 bytes
    /// a position for each layer, key head and element.
    pub fn memory_bytes(model: &SequenceLlama, rows: usize, max_len: usize, max_batch: usize) -> usize {
        let c = model.backbone.config();
        let (inputs, outputs) = widths(model);
        let position = c.d_model * 8 + inputs * 2 + 4 + outputs * 4 + 3 * size_of::<usize>();
        let once = c.d_model * 4 + c.attended() * 6 + c.heads * 8 + c.ffn * 10;
        Cache::bytes(c, rows, max_len)
            .saturating_add(max_batch.saturating_mul(position))
            .saturating_add(max_len.saturating_mul(c.head_dim * 4))
            .saturating_add(AttendScratch::bytes(c.group(), max_len, columns(c.head_dim)))
            .saturating_add(rows.saturating_mul(size_of::<usize>()))
            .saturating_add(once)
    }

    /// The model.
    pub fn model(&self) -> &'m SequenceLlama {
        self.model
    }

    /// The kernel in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// How many chunks run side by side.
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// The most positions of a chunk.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// The most positions of a step.
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// Positions done of a row's chunk.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn len(&self, row: u32) -> usize {
        self.lengths[row as usize]
    }

    /// Whether a row's chunk has not begun.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    pub fn is_empty(&self, row: u32) -> bool {
        self.len(row) == 0
    }

    /// Begins a new chunk in a row.
    ///
    /// # Panics
    /// As [`len`](Self::len).
    pub fn reset_row(&mut self, row: u32) {
        self.lengths[row as usize] = 0;
    }

    /// Makes every row look as if it had `len` positions with plausible keys and values. For benches.
    ///
    /// # Panics
    /// If `len` exceeds `max_len`.
    #[cfg(any(test, feature = "testing"))]
    pub fn pretend_len(&mut self, len: usize) {
        assert!(len <= self.max_len, "{len} positions of {}", self.max_len);
        if self.lengths.iter().all(|&l| l == 0) {
            self.cache.scribble();
        }
        self.lengths.fill(len);
    }

    /// Runs some positions and replaces `logits` by theirs: V\[layer\] values a position (Q16 log2 units, ±2^30), in order.
    ///
    /// Rows may occur several times; their positions follow one another as listed.
    ///
    /// # Panics
    /// If there are no positions or more than `max_batch`; a row, RVQ layer or symbol does not exist; a row is longer than
    /// `max_len` afterwards; or `previous` is missing within a chunk or given at its beginning.
    pub fn step(&mut self, positions: &[Position], logits: &mut Vec<i32>) {
        self.begin(positions);
        let (model, isa, m) = (self.model, self.isa, positions.len());
        let backbone = &*model.backbone;
        let eps = backbone.config().eps_q48;
        for layer in 0..backbone.blocks.len() {
            self.attention(layer, positions);
            let block = &backbone.blocks[layer];
            let s = &mut self.scratch;
            s.norm(isa, &block.norm2, eps, m);
            s.linear(isa, &block.gate_up, m);
            s.swiglu(isa, &block.gate_up, &block.down, m);
            s.linear(isa, &block.down, m);
            s.add(isa, &block.down, m);
        }
        self.scratch.norm(isa, &backbone.norm, eps, m);
        self.logits(positions, logits);
    }

    /// Counts the positions and fills the residual stream with their embeddings.
    fn begin(&mut self, positions: &[Position]) {
        let (m, heads) = (positions.len(), &self.model.heads);
        assert!((1..=self.max_batch).contains(&m), "a step of {m} positions; 1..={}", self.max_batch);
        let d = heads.config.d_model;
        let s = &mut self.scratch;
        s.index.clear();
        for (p, x) in positions.iter().zip(s.x.chunks_exact_mut(d)) {
            let length = &mut self.lengths[p.row as usize];
            assert!(*length < self.max_len, "row {} is full: {} positions", p.row, self.max_len);
            s.index.push(*length);
            let layers = heads.first_row.len();
            assert!(usize::from(p.layer) < layers, "RVQ layer {} of {layers}", p.layer);
            let row = match p.previous {
                None => heads.config.symbols() + usize::from(p.layer),
                Some((layer, symbol)) => {
                    let v = heads.config.vocabularies[usize::from(layer)];
                    assert!(u32::from(symbol) < v, "symbol {symbol} of {v} in RVQ layer {layer}");
                    heads.first_row[usize::from(layer)] + usize::from(symbol)
                }
            };
            assert!(p.previous.is_none() == (*length == 0), "{p:?} at index {length} of its chunk");
            *length += 1;
            let shift = heads.embed_shift[row];
            for (x, &mantissa) in x.iter_mut().zip(&heads.embed[row * d..][..d]) {
                *x = i64::from(mantissa) << shift;
            }
        }
    }

    /// The attention half of a block.
    fn attention(&mut self, layer: usize, positions: &[Position]) {
        let (isa, m) = (self.isa, positions.len());
        let backbone = &*self.model.backbone;
        let (c, block) = (backbone.config(), &backbone.blocks[layer]);
        let (head_dim, half, group) = (c.head_dim, c.head_dim / 2, c.group());
        let (q_len, kv_len) = (c.attended(), c.kv_heads * head_dim);
        let s = &mut self.scratch;
        s.norm(isa, &block.norm1, c.eps_q48, m);
        s.linear(isa, &block.qkv, m);
        let stride = block.qkv.output_stride();
        // Keys and values of all positions first: those of a row see the ones before them in the same step.
        for (i, p) in positions.iter().enumerate() {
            let angles = angles(&self.cos, &self.sin, half, s.index[i]);
            let exponent = s.y_exponents[i] + block.qkv.exponent;
            let (keys, values) = s.out[i * stride + q_len..][..2 * kv_len].split_at_mut(kv_len);
            let heads = keys.chunks_exact_mut(head_dim).zip(values.chunks_exact_mut(head_dim));
            for (head, (key, value)) in heads.enumerate() {
                let slot = self.cache.slot(p.row as usize, layer, head, s.index[i]);
                kernel::place_key_value(isa, key, value, exponent, angles, slot);
            }
        }
        for (i, p) in positions.iter().enumerate() {
            let angles = angles(&self.cos, &self.sin, half, s.index[i]);
            let exponent = s.y_exponents[i] + block.qkv.exponent;
            let queries = s.out[i * stride..][..q_len].chunks_exact_mut(head_dim);
            for ((head, q), q_exponent) in queries.zip(s.q.chunks_exact_mut(half)).zip(&mut s.q_exponents) {
                *q_exponent = kernel::place_query(isa, head, exponent, angles, q);
            }
            for kv_head in 0..c.kv_heads {
                let heads = kv_head * group..(kv_head + 1) * group;
                kernel::attend(
                    isa,
                    &s.q[heads.start * half..heads.end * half],
                    &s.q_exponents[heads.clone()],
                    self.cache.head(p.row as usize, layer, kv_head),
                    s.index[i] + 1,
                    &mut s.attend,
                    &mut s.attended[heads.start * head_dim..heads.end * head_dim],
                    &mut s.attended_exponents[heads],
                );
            }
            let y = &mut s.y[i * q_len..][..q_len];
            s.y_exponents[i] = kernel::pack_heads(isa, &s.attended, &s.attended_exponents, y);
        }
        s.linear(isa, &block.o, m);
        s.add(isa, &block.o, m);
    }

    /// The heads, one RVQ layer after another.
    fn logits(&mut self, positions: &[Position], logits: &mut Vec<i32>) {
        let heads = &self.model.heads;
        let s = &mut self.scratch;
        let vocabulary = |layer: usize| heads.config.vocabularies[layer] as usize;
        let mut end = 0;
        s.offsets.clear();
        for p in positions {
            s.offsets.push(end);
            end += vocabulary(usize::from(p.layer));
        }
        logits.resize(end, 0);
        let stride = heads.config.d_model.next_multiple_of(2);
        for (layer, head) in heads.heads.iter().enumerate() {
            s.members.clear();
            s.members.extend((0..positions.len()).filter(|&i| usize::from(positions[i].layer) == layer));
            // Runs of neighbours (all positions, where there are no layers) are rows of one product.
            let mut rest = &s.members[..];
            while let Some(&first) = rest.first() {
                let run = (1..rest.len()).find(|&i| rest[i] != first + i).unwrap_or(rest.len());
                let out = &mut s.out[..run * head.output_stride()];
                kernel::linear(self.isa, head, &s.y[first * stride..][..run * stride], out);
                for (i, out) in (first..).zip(out.chunks_exact(head.output_stride())) {
                    let logits = &mut logits[s.offsets[i]..][..vocabulary(layer)];
                    let exponent = s.y_exponents[i] + head.exponent;
                    kernel::logits(self.isa, &out[..vocabulary(layer)], exponent, logits);
                }
                rest = &rest[run..];
            }
        }
    }
}

/// The angles of a position.
fn angles<'a>(cos: &'a [i32], sin: &'a [i32], half: usize, position: usize) -> Angles<'a> {
    Angles { cos: &cos[position * half..][..half], sin: &sin[position * half..][..half] }
}

impl Scratch {
    /// `y` = the normalised residual stream of `m` positions.
    fn norm(&mut self, isa: Isa, norm: &kernel::Norm, eps: u64, m: usize) {
        let d = norm.weight.len();
        let stride = d.next_multiple_of(2);
        for (i, (x, y)) in self.x.chunks_exact(d).zip(self.y.chunks_exact_mut(stride)).enumerate().take(m) {
            y[d..].fill(0);
            self.y_exponents[i] = kernel::rms_norm(isa, x, norm, eps, &mut self.values, &mut y[..d]);
        }
    }

    /// `out` = the layer's outputs from `y`.
    fn linear(&mut self, isa: Isa, layer: &super::linear::WideLinear, m: usize) {
        let (a, out) = (&self.y[..m * layer.stride()], &mut self.out[..m * layer.output_stride()]);
        kernel::linear(isa, layer, a, out);
    }

    /// `y` = silu(gate)·up from `out`.
    fn swiglu(&mut self, isa: Isa, gate_up: &super::linear::WideLinear, down: &super::linear::WideLinear, m: usize) {
        let (ffn, stride) = (gate_up.outputs() / 2, down.stride());
        for i in 0..m {
            let y = &mut self.y[i * stride..][..stride];
            y[ffn..].fill(0);
            self.y_exponents[i] = kernel::swiglu(
                isa,
                &self.out[i * gate_up.output_stride()..][..2 * ffn],
                self.y_exponents[i] + gate_up.exponent,
                &mut self.complements,
                &mut self.products,
                &mut y[..ffn],
            );
        }
    }

    /// Adds `out` to the residual stream.
    fn add(&mut self, isa: Isa, layer: &super::linear::WideLinear, m: usize) {
        let d = layer.outputs();
        for (i, (x, out)) in
            self.x.chunks_exact_mut(d).zip(self.out.chunks_exact(layer.output_stride())).enumerate().take(m)
        {
            kernel::add(isa, x, &out[..d], self.y_exponents[i] + layer.exponent);
        }
    }
}
