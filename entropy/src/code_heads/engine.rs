//! Running [`CodeHeads`]: the residual streams that start the blocks come from tables of codes instead of features, the
//! logits go to codes. Every result is an integer function of the inputs alone, as in [`frame_llama`](crate::frame_llama).

use super::model::{CodeHeads, Head};
use crate::frame_llama::depth::STEP_TILES;
use crate::frame_llama::engine::head_logits;
use crate::frame_llama::kv::KvTiles;
use crate::frame_llama::stack::{Stack, pad};
use crate::frame_llama::{PlaneState, Position};
use crate::isa::Isa;

/// A model, a kernel and memory for up to `frames` frames at once, which run in batches of at most `batch`. One a thread.
pub(super) struct CodeHeadsEngine<'m> {
    model: &'m CodeHeads,
    isa: Isa,
    batch: usize,
    stack: Stack,
    features: Vec<i16>,
    padded: Vec<i16>,
    /// Residual streams of a batch, Q12.
    x: Vec<i32>,
    y: Vec<i16>,
    /// States of the newest frames, `[frame][D]`, Q11.
    h: Vec<i16>,
    /// What a frame contributes to its depth steps, `[frame][E]`, Q12.
    base: Vec<i32>,
    tiles: KvTiles,
}

impl<'m> CodeHeadsEngine<'m> {
    pub(super) fn new(model: &'m CodeHeads, isa: Isa, frames: usize, batch: usize) -> Self {
        let c = model.config();
        let (width, ffn) = (c.d_model.max(c.depth_d), c.ffn.max(c.depth_ffn));
        let inputs = (c.inputs() * c.code_width).max(c.step_context.len() * c.code_width) + 1;
        let depth_frames = if matches!(model.head, Head::Depth(_)) { frames } else { 0 };
        Self {
            model,
            isa,
            batch,
            stack: Stack::new(batch, width, ffn),
            features: Vec::with_capacity(batch * inputs),
            padded: vec![0; batch * inputs],
            x: vec![0; batch * width],
            y: vec![0; batch * width],
            h: vec![0; frames * c.d_model],
            base: vec![0; depth_frames * c.depth_d],
            tiles: KvTiles::new(depth_frames * c.depth_layers * STEP_TILES, c.depth_d),
        }
    }

    pub(super) fn model(&self) -> &'m CodeHeads {
        self.model
    }

    /// Vectors of table rows, one after the other.
    fn gather(&mut self, rows: &[u32]) {
        let r = self.model.config().code_width;
        self.features.clear();
        for &row in rows {
            self.features.extend(self.model.table[row as usize * r..][..r].iter().map(|&v| i16::from(v)));
        }
    }

    /// Runs the backbone for the frames at `positions`, `rows` being S table rows each. Their states stay in the engine.
    pub(super) fn frames(&mut self, planes: &mut [PlaneState], positions: &[Position], rows: &[u32]) {
        let (model, isa, c) = (self.model, self.isa, self.model.config());
        let (d, inputs) = (c.d_model, c.inputs());
        for (i, positions) in positions.chunks(self.batch).enumerate() {
            let (first, m) = (i * self.batch, positions.len());
            self.gather(&rows[first * inputs..][..m * inputs]);
            let features = pad(&mut self.padded, &self.features, m, inputs * c.code_width);
            let x = &mut self.x[..m * d];
            x.chunks_exact_mut(d).for_each(|x| x.copy_from_slice(&model.embed_bias));
            isa.linear_add(&model.embed, features, x);
            self.stack.backbone((isa, &model.rope), (&model.blocks, c.head() / 2), planes, positions, x);
            isa.rmsnorm(x, d, &mut self.h[first * d..][..m * d]);
        }
    }

    /// VQ: logits of the newest `m` frames, `[m][V]` with V rounded up to a multiple of 16 (Q16 log2 units); `copies` has
    /// the codes that may be copied, C a frame. Each copy adds its own logit, at most 64 of ±2^21 to ±2^21, so |sum| < 2^28.
    pub(super) fn grid_logits(&mut self, m: usize, copies: &[Option<u16>], logits: &mut Vec<i32>) {
        let Head::Grid(head) = &self.model.head else { unreachable!("a model of grids") };
        let (codes, copy) = (&head.codes, &head.copy);
        let (d, n) = (self.model.config().d_model, codes.linear.outputs());
        let h = &self.h[..m * d];
        logits.resize(m * n, 0);
        head_logits(self.isa, codes, 0, h, logits);
        let Some(copy) = copy else { return };
        let (count, width) = (self.model.config().copies, copy.linear.outputs());
        let mut gates = vec![0; m * width];
        head_logits(self.isa, copy, 0, h, &mut gates);
        for ((logits, gates), copies) in
            logits.chunks_exact_mut(n).zip(gates.chunks_exact(width)).zip(copies.chunks_exact(count))
        {
            for (gate, code) in gates.iter().zip(copies) {
                if let Some(code) = code {
                    logits[usize::from(*code)] += gate;
                }
            }
        }
    }

    /// RVQ: starts the depth steps of the newest `m` frames.
    pub(super) fn depth_begin(&mut self, m: usize) {
        let Head::Depth(depth) = &self.model.head else { unreachable!("a model of time steps") };
        let c = self.model.config();
        let base = &mut self.base[..m * c.depth_d];
        base.fill(0);
        self.isa.linear_add(&depth.to_depth, &self.h[..m * c.d_model], base);
    }

    /// RVQ: logits of layer `layer` of the newest `m` frames, `[m][V]` as in [`grid_logits`](Self::grid_logits); `rows` are
    /// the table rows of the steps' inputs. The layers must come in order.
    pub(super) fn depth_step(&mut self, m: usize, layer: usize, rows: &[u32], logits: &mut Vec<i32>) {
        let (model, isa, c) = (self.model, self.isa, self.model.config());
        let Head::Depth(depth) = &model.head else { unreachable!("a model of time steps") };
        let (e, inputs) = (c.depth_d, c.step_context.len());
        let (head, n) = (&depth.codes[layer], depth.codes[layer].outputs());
        logits.resize(m * n, 0);
        let all: Vec<u32> = (0..m as u32).collect();
        for (i, frames) in all.chunks(self.batch).enumerate() {
            let (first, m) = (i * self.batch, frames.len());
            self.gather(&rows[first * inputs..][..m * inputs]);
            let features = pad(&mut self.padded, &self.features, m, inputs * c.code_width);
            let x = &mut self.x[..m * e];
            x.copy_from_slice(&self.base[first * e..][..m * e]);
            for x in x.chunks_exact_mut(e) {
                // At most 2^23 each; the sum with the linear's 2^23 stays below 2^25.
                x.iter_mut().zip(&depth.input_bias[layer * e..]).for_each(|(x, b)| *x += b);
            }
            isa.linear_add(&depth.input[layer], features, x);
            let blocks = (&depth.blocks[..], c.depth_head() / 2);
            self.stack.step((isa, &model.rope), blocks, &mut self.tiles, frames, layer + 1, x);
            let y = &mut self.y[..m * e];
            isa.rmsnorm(x, e, y);
            let logits = &mut logits[first * n..][..m * n];
            let bias = &depth.codes_bias[layer * n..][..n];
            logits.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(bias));
            isa.linear_add(head, y, logits);
        }
    }
}
