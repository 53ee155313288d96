//! Running a [`FrameLlama`]: the order of the operations of `docs/MODEL.md`, over batches.
//!
//! All memory is allocated by the constructors; the calls themselves allocate nothing. Results depend on the inputs
//! alone: a batch of M frames gives the bits of M batches of one.

use super::config::{ESCAPES, LAST_SYMBOLS, MAX_STEPS, PRIMARIES};
use super::depth::{DepthState, STEP_TILES};
use super::fixed::Angles;
use super::kernel::{Isa, LANES};
use super::model::{FeedForward, FrameLlama, LogitHead};
use super::plane::{PlaneState, Position, Window};

/// A model, a kernel and scratch memory for batches of up to `max_batch` frames. One per thread.
#[derive(Debug, Clone)]
pub struct Engine<'m> {
    model: &'m FrameLlama,
    isa: Isa,
    max_batch: usize,
    scratch: Scratch,
    /// Normalised output of the newest [`dc`](Engine::dc) call, `[dc_frames][E]`, Q11.
    dc_y: Vec<i16>,
    dc_frames: usize,
}

/// Intermediate values of one call, each `[frame][element]`.
#[derive(Debug, Clone)]
struct Scratch {
    /// Input rows padded to even length, when the features' count is odd.
    padded: Vec<i16>,
    /// Residual stream, Q12.
    x: Vec<i32>,
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

impl<'m> Engine<'m> {
    /// An engine for batches of up to `max_batch` frames.
    pub fn new(model: &'m FrameLlama, isa: Isa, max_batch: usize) -> Self {
        let c = model.config();
        let width = c.d_model.max(c.depth_d);
        let ffn = c.ffn.max(c.depth_ffn).max(c.dc_ffn);
        let features = c.features.max(c.depth_features).max(c.dc_features) + 1;
        let scratch = Scratch {
            padded: vec![0; max_batch * features],
            x: vec![0; max_batch * width],
            y: vec![0; max_batch * width],
            qkv: vec![0; max_batch * 3 * width],
            q: vec![0; max_batch * width / 2],
            attended: vec![0; max_batch * width],
            gate_up: vec![0; max_batch * 2 * ffn],
            hidden: vec![0; max_batch * ffn],
            windows: Vec::with_capacity(max_batch),
            angles: Vec::with_capacity(max_batch),
        };
        Self { model, isa, max_batch, scratch, dc_y: vec![0; max_batch * c.depth_d], dc_frames: 0 }
    }

    /// The model.
    pub fn model(&self) -> &'m FrameLlama {
        self.model
    }

    /// The kernel in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The most frames of a batch.
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// Runs the backbone for M frames.
    ///
    /// `features`: M×F, Q4; `h`: M×D, Q11, the frames' states. Keys and values go into `planes`.
    ///
    /// # Panics
    /// If M is 0 or above `max_batch`, a slice has the wrong length, a plane is of another model's shape, or a position
    /// is not [ready](PlaneState::is_ready) (two positions of one row cannot be in one batch).
    pub fn backbone(&mut self, planes: &mut [PlaneState], positions: &[Position], features: &[i16], h: &mut [i16]) {
        let (model, isa, config) = (self.model, self.isa, self.model.config());
        let (d, half, m) = (config.d_model, config.head() / 2, positions.len());
        self.check_batch(m);
        assert_eq!(h.len(), m * d, "h");
        assert!(planes.iter().all(|p| p.width() == d && p.layers() == config.layers), "a plane of another model");
        let s = &mut self.scratch;
        s.place(model, planes, positions, half);

        let features = pad(&mut s.padded, features, m, config.features);
        let x = &mut s.x[..m * d];
        x.chunks_exact_mut(d).for_each(|x| x.copy_from_slice(&model.embed_bias));
        isa.linear_add(&model.embed, features, x);
        for (layer, block) in model.blocks.iter().enumerate() {
            isa.rmsnorm(x, d, &mut s.y[..m * d]);
            isa.linear_i16(&block.qkv, &s.y[..m * d], &mut s.qkv[..m * 3 * d]);
            // All frames store before any attends: those of a batch do not see each other, only themselves.
            for (i, p) in positions.iter().enumerate() {
                let w = &s.windows[i];
                let slot = planes[p.plane as usize].tiles.slot(w.own_tile + layer, w.own_lane);
                let (qkv, q) = (&s.qkv[i * 3 * d..][..3 * d], &mut s.q[i * d / 2..][..d / 2]);
                isa.rotate_store(half, qkv, &s.angles[i], q, slot);
            }
            for (i, p) in positions.iter().enumerate() {
                let w = &s.windows[i];
                let mut tiles = w.tiles;
                tiles[..w.count].iter_mut().for_each(|t| t.0 += layer);
                let kv = &planes[p.plane as usize].tiles;
                let (q, out) = (&s.q[i * d / 2..][..d / 2], &mut s.attended[i * d..][..d]);
                isa.attend(half, q, &kv.k, &kv.v, &tiles[..w.count], out);
            }
            isa.linear_add(&block.o_proj, &s.attended[..m * d], x);
            feed_forward(isa, &block.feed_forward, d, x, &mut s.y, &mut s.gate_up, &mut s.hidden);
        }
        isa.rmsnorm(x, d, h);
    }

    /// Logits of `last` for M frame states: `h` M×D → `logits` M×64, Q16 log2 units.
    ///
    /// # Panics
    /// If a length is wrong.
    pub fn last_logits(&self, h: &[i16], logits: &mut [i32]) {
        assert_eq!(h.len() / self.model.config().d_model, logits.len() / LAST_SYMBOLS, "frames");
        head_logits(self.isa, &self.model.last, 0, h, logits);
    }

    /// Starts the depth decoding of M frames: `h` M×D, `last` M zigzag indices (0..=63).
    ///
    /// # Panics
    /// If M exceeds the state's capacity or `max_batch`, or a length or an index is wrong.
    pub fn depth_begin(&mut self, state: &mut DepthState, h: &[i16], last: &[u8]) {
        let (model, m, e) = (self.model, last.len(), state.width);
        self.check_batch(m);
        assert!(m <= state.capacity && e == model.config().depth_d, "depth state of another shape");
        state.frames = m;
        state.active = 0;
        state.steps[..m].fill(0);
        let base = &mut state.base[..m * e];
        base.fill(0);
        self.isa.linear_add(&model.to_depth, h, base);
        for (base, &last) in base.chunks_exact_mut(e).zip(last) {
            add(base, &model.depth.last[usize::from(last) * e..][..e]);
        }
    }

    /// Step k of some frames of the batch.
    ///
    /// `frames`: A indices into the batch, each with k−1 steps done; `features`: A×G, Q4; `prev`: A primary symbols of
    /// step k−1 (31 for k = 1); `logits`: A×32, Q16 log2 units.
    ///
    /// # Panics
    /// If k is not in 1..=63, an index repeats or is not in the batch or at step k−1, or a length is wrong.
    pub fn depth_step(
        &mut self,
        state: &mut DepthState,
        frames: &[u32],
        k: usize,
        features: &[i16],
        prev: &[u8],
        logits: &mut [i32],
    ) {
        let (model, isa, config) = (self.model, self.isa, self.model.config());
        let (weights, e, half, m) = (&model.depth, config.depth_d, config.depth_head() / 2, frames.len());
        self.check_batch(m);
        assert!((1..=MAX_STEPS).contains(&k), "step {k}");
        assert!(state.width == e && state.layers == config.depth_layers && prev.len() == m, "depth state or symbols");
        for &f in frames {
            let f = f as usize;
            assert!(f < state.frames && usize::from(state.steps[f]) == k - 1, "frame {f} is not at step {}", k - 1);
            state.steps[f] = k as u8;
        }
        let s = &mut self.scratch;
        let features = pad(&mut s.padded, features, m, config.depth_features);
        let x = &mut s.x[..m * e];
        for (i, x) in x.chunks_exact_mut(e).enumerate() {
            // Four terms of at most 2^23 and the linear's 2^23: below 2^26.
            x.copy_from_slice(&state.base[frames[i] as usize * e..][..e]);
            add(x, &weights.input_bias[k * e..][..e]);
            add(x, &weights.prev[usize::from(prev[i]) * e..][..e]);
        }
        isa.linear_add(&weights.input[k], features, x);
        // Steps 1..=k are lanes 0..=k−1 of the frame's tiles.
        let (own_tile, lane) = ((k - 1) / LANES, (k - 1) % LANES);
        let mut marks = [(0, u16::MAX); STEP_TILES];
        marks[own_tile].1 = u16::MAX >> (LANES - 1 - lane);
        let angles = model.rope.at(k);
        for (layer, block) in weights.blocks.iter().enumerate() {
            isa.rmsnorm(x, e, &mut s.y[..m * e]);
            isa.linear_i16(&block.qkv, &s.y[..m * e], &mut s.qkv[..m * 3 * e]);
            for (i, &f) in frames.iter().enumerate() {
                let first = state.tile(f as usize, layer);
                let slot = state.tiles.slot(first + own_tile, lane);
                let (qkv, q) = (&s.qkv[i * 3 * e..][..3 * e], &mut s.q[..e / 2]);
                isa.rotate_store(half, qkv, angles, q, slot);
                marks.iter_mut().enumerate().for_each(|(t, mark)| mark.0 = first + t);
                let (kv, out) = (&state.tiles, &mut s.attended[i * e..][..e]);
                isa.attend(half, q, &kv.k, &kv.v, &marks[..=own_tile], out);
            }
            isa.linear_add(&block.o_proj, &s.attended[..m * e], x);
            feed_forward(isa, &block.feed_forward, e, x, &mut s.y, &mut s.gate_up, &mut s.hidden);
        }
        state.active = m;
        let y = &mut state.y[..m * e];
        isa.rmsnorm(x, e, y);
        head_logits(isa, &weights.head, k, y, logits);
    }

    /// Escape logits of the frame at index `i` of the newest [`depth_step`](Self::depth_step)'s `frames`.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn ac_escape_logits(&self, state: &DepthState, i: usize, logits: &mut [i32; ESCAPES]) {
        assert!(i < state.active, "frame {i} of {}", state.active);
        head_logits(self.isa, &self.model.depth.escape, 0, &state.y[i * state.width..][..state.width], logits);
    }

    /// The DC stage of M frames: `h` M×D, `last` M indices, `features` M×C in Q4 → `logits` M×32, Q16 log2 units.
    ///
    /// # Panics
    /// If M is 0 or above `max_batch`, or a length or an index is wrong.
    pub fn dc(&mut self, h: &[i16], last: &[u8], features: &[i16], logits: &mut [i32]) {
        let (model, isa, config) = (self.model, self.isa, self.model.config());
        let (weights, e, m) = (&model.dc, config.depth_d, last.len());
        self.check_batch(m);
        let s = &mut self.scratch;
        let features = pad(&mut s.padded, features, m, config.dc_features);
        // The state's part and the features' part are each clamped to the residual's bound, then the sum is.
        let x = &mut s.x[..m * e];
        x.fill(0);
        isa.linear_add(&model.to_dc, h, x);
        for (x, &last) in x.chunks_exact_mut(e).zip(last) {
            add(x, &weights.bias);
            add(x, &weights.last[usize::from(last) * e..][..e]);
        }
        isa.linear_add(&weights.input, features, x);
        for layer in &weights.layers {
            feed_forward(isa, layer, e, x, &mut s.y, &mut s.gate_up, &mut s.hidden);
        }
        self.dc_frames = m;
        let y = &mut self.dc_y[..m * e];
        isa.rmsnorm(x, e, y);
        head_logits(isa, &weights.head, 0, y, logits);
    }

    /// Escape logits of frame `i` of the newest [`dc`](Self::dc) call.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn dc_escape_logits(&self, i: usize, logits: &mut [i32; ESCAPES]) {
        assert!(i < self.dc_frames, "frame {i} of {}", self.dc_frames);
        let e = self.model.config().depth_d;
        head_logits(self.isa, &self.model.dc.escape, 0, &self.dc_y[i * e..][..e], logits);
    }

    fn check_batch(&self, m: usize) {
        assert!((1..=self.max_batch).contains(&m), "a batch of {m} frames; 1..={}", self.max_batch);
    }
}

impl Scratch {
    /// Windows and angles of the batch; marks its frames as running.
    fn place(&mut self, model: &FrameLlama, planes: &mut [PlaneState], positions: &[Position], half: usize) {
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
            self.angles.push(model.rope.at_2d(row, column, half));
        }
    }
}

/// The feed-forward half of a block, added to x (`[m][d]`).
fn feed_forward(
    isa: Isa,
    layer: &FeedForward,
    d: usize,
    x: &mut [i32],
    y: &mut [i16],
    gate_up: &mut [i16],
    hidden: &mut [i16],
) {
    let (m, ffn) = (x.len() / d, layer.down.stride());
    isa.rmsnorm(x, d, &mut y[..m * d]);
    isa.linear_i16(&layer.gate_up, &y[..m * d], &mut gate_up[..m * 2 * ffn]);
    isa.silu_mul(&gate_up[..m * 2 * ffn], ffn, &mut hidden[..m * ffn]);
    isa.linear_add(&layer.down, &hidden[..m * ffn], x);
}

/// Logits with the bias row `step`.
fn head_logits(isa: Isa, head: &LogitHead, step: usize, y: &[i16], logits: &mut [i32]) {
    let n = head.linear.outputs();
    let bias = &head.bias[step * n..][..n];
    logits.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(bias));
    isa.linear_add(&head.linear, y, logits);
}

fn add(x: &mut [i32], y: &[i32]) {
    for (x, &y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// `m` rows of `n` features with an even stride.
fn pad<'a>(padded: &'a mut [i16], features: &'a [i16], m: usize, n: usize) -> &'a [i16] {
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

const _: () = assert!(PRIMARIES == 32 && ESCAPES == 32);
