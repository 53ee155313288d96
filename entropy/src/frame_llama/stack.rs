//! Running Llama blocks over residual streams: a backbone's over frames in planes, a depth decoder's over the steps of
//! frames. Where the residuals come from and what reads them is the caller's business.

use super::depth::STEP_TILES;
use super::fixed::{Angles, RopeTable};
use super::kernel::LANES;
use super::kv::KvTiles;
use super::model::{Block, FeedForward};
use super::plane::{PlaneState, Position, Window};
use crate::isa::Isa;

/// Intermediate values of blocks for batches of up to a given size, each `[frame][element]`.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    y: Vec<i16>,
    qkv: Vec<i16>,
    /// Rotated queries of one frame.
    q: Vec<u32>,
    attended: Vec<i16>,
    gate_up: Vec<i16>,
    hidden: Vec<i16>,
    windows: Vec<Window>,
    angles: Vec<Angles>,
}

impl Stack {
    /// Memory for batches of up to `max_batch` frames of blocks of up to these widths.
    pub(crate) fn new(max_batch: usize, width: usize, ffn: usize) -> Self {
        Self {
            y: vec![0; max_batch * width],
            qkv: vec![0; max_batch * 3 * width],
            q: vec![0; max_batch * width / 2],
            attended: vec![0; max_batch * width],
            gate_up: vec![0; max_batch * 2 * ffn],
            hidden: vec![0; max_batch * ffn],
            windows: Vec::with_capacity(max_batch),
            angles: Vec::with_capacity(max_batch),
        }
    }

    /// The backbone's blocks over one residual stream (`x`: M×D, Q12) a position. Keys and values go into `planes`.
    ///
    /// # Panics
    /// If a position is not ready (two positions of one row cannot be in one batch).
    pub(crate) fn backbone(
        &mut self,
        (isa, rope): (Isa, &RopeTable),
        (blocks, half): (&[Block], usize),
        planes: &mut [PlaneState],
        positions: &[Position],
        x: &mut [i32],
    ) {
        let (m, d) = (positions.len(), x.len() / positions.len());
        assert!(planes.iter().all(|p| p.width() == d && p.layers() == blocks.len()), "a plane of another model");
        self.place(rope, half, planes, positions);
        for (layer, block) in blocks.iter().enumerate() {
            isa.rmsnorm(x, d, &mut self.y[..m * d]);
            isa.linear_i16(&block.qkv, &self.y[..m * d], &mut self.qkv[..m * 3 * d]);
            // All frames store before any attends: those of a batch do not see each other, only themselves.
            for (i, p) in positions.iter().enumerate() {
                let w = &self.windows[i];
                let slot = planes[p.plane as usize].tiles.slot(w.own_tile + layer, w.own_lane);
                let (qkv, q) = (&self.qkv[i * 3 * d..][..3 * d], &mut self.q[i * d / 2..][..d / 2]);
                isa.rotate_store(half, qkv, &self.angles[i], q, slot);
            }
            for (i, p) in positions.iter().enumerate() {
                let w = &self.windows[i];
                let mut tiles = w.tiles;
                tiles[..w.count].iter_mut().for_each(|t| t.0 += layer);
                let kv = &planes[p.plane as usize].tiles;
                let (q, out) = (&self.q[i * d / 2..][..d / 2], &mut self.attended[i * d..][..d]);
                isa.attend(half, q, &kv.k, &kv.v, &tiles[..w.count], out);
            }
            isa.linear_add(&block.o_proj, &self.attended[..m * d], x);
            self.feed_forward(isa, &block.feed_forward, d, x);
        }
    }

    /// Windows and angles of the batch; marks its frames as running.
    fn place(&mut self, rope: &RopeTable, half: usize, planes: &mut [PlaneState], positions: &[Position]) {
        for p in positions {
            let ready = planes[p.plane as usize].is_ready(p.row as usize, p.column as usize);
            assert!(ready, "{p:?} is not ready");
        }
        for p in positions {
            planes[p.plane as usize].start(p.row as usize, p.column as usize);
        }
        self.windows.clear();
        self.angles.clear();
        for p in positions {
            let (row, column) = (p.row as usize, p.column as usize);
            self.windows.push(planes[p.plane as usize].window(row, column));
            self.angles.push(rope.at_2d(row, column, half));
        }
    }

    /// The depth decoder's blocks over step k (1..=63) of some frames (`x`: one residual stream E, Q12, each).
    ///
    /// Frame f keeps its keys and values of a layer in the [`STEP_TILES`] tiles from `(f · layers + layer) · STEP_TILES` on.
    pub(crate) fn step(
        &mut self,
        (isa, rope): (Isa, &RopeTable),
        (blocks, half): (&[Block], usize),
        tiles: &mut KvTiles,
        frames: &[u32],
        k: usize,
        x: &mut [i32],
    ) {
        let (m, e) = (frames.len(), x.len() / frames.len());
        // Steps 1..=k are lanes 0..=k−1 of the frame's tiles.
        let (own_tile, lane) = ((k - 1) / LANES, (k - 1) % LANES);
        let mut marks = [(0, u16::MAX); STEP_TILES];
        marks[own_tile].1 = u16::MAX >> (LANES - 1 - lane);
        let angles = rope.at(k);
        for (layer, block) in blocks.iter().enumerate() {
            isa.rmsnorm(x, e, &mut self.y[..m * e]);
            isa.linear_i16(&block.qkv, &self.y[..m * e], &mut self.qkv[..m * 3 * e]);
            for (i, &f) in frames.iter().enumerate() {
                let first = (f as usize * blocks.len() + layer) * STEP_TILES;
                let slot = tiles.slot(first + own_tile, lane);
                let (qkv, q) = (&self.qkv[i * 3 * e..][..3 * e], &mut self.q[..e / 2]);
                isa.rotate_store(half, qkv, angles, q, slot);
                marks.iter_mut().enumerate().for_each(|(t, mark)| mark.0 = first + t);
                let out = &mut self.attended[i * e..][..e];
                isa.attend(half, q, &tiles.k, &tiles.v, &marks[..=own_tile], out);
            }
            isa.linear_add(&block.o_proj, &self.attended[..m * e], x);
            self.feed_forward(isa, &block.feed_forward, e, x);
        }
    }

    /// The feed-forward half of a block, added to x (`[m][d]`).
    pub(crate) fn feed_forward(&mut self, isa: Isa, layer: &FeedForward, d: usize, x: &mut [i32]) {
        let (m, ffn) = (x.len() / d, layer.down.stride());
        let (gate_up, hidden) = (&mut self.gate_up[..m * 2 * ffn], &mut self.hidden[..m * ffn]);
        isa.rmsnorm(x, d, &mut self.y[..m * d]);
        isa.linear_i16(&layer.gate_up, &self.y[..m * d], gate_up);
        isa.silu_mul(gate_up, ffn, hidden);
        isa.linear_add(&layer.down, hidden, x);
    }
}

/// `m` rows of `n` features with an even stride.
pub(crate) fn pad<'a>(padded: &'a mut [i16], features: &'a [i16], m: usize, n: usize) -> &'a [i16] {
    assert_eq!(features.len(), m * n, "features");
    if n.is_multiple_of(2) {
        return features;
    }
    for (to, from) in padded.chunks_exact_mut(n + 1).zip(features.chunks_exact(n)) {
        to[..n].copy_from_slice(from);
        to[n] = 0;
    }
    &padded[..m * (n + 1)]
}
