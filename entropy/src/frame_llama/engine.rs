//! Running a [`FrameLlama`]: the order of the operations of `docs/MODEL.md`, over batches.
//!
//! All memory is allocated by the constructors; the calls themselves allocate nothing. Results depend on the inputs
//! alone: a batch of M frames gives the bits of M batches of one.

use super::config::{ESCAPES, LAST_SYMBOLS, MAX_STEPS, PRIMARIES};
use super::depth::DepthState;
use super::model::{FrameLlama, LogitHead};
use super::plane::{PlaneState, Position};
use super::stack::{Stack, pad};
use crate::isa::Isa;

/// A model, a kernel and scratch memory for batches of up to `max_batch` frames. One per thread.
#[derive(Debug, Clone)]
pub struct FrameEngine<'m> {
    model: &'m FrameLlama,
    isa: Isa,
    max_batch: usize,
    scratch: Scratch,
    /// Normalised output of the newest [`dc`](FrameEngine::dc) call, `[dc_frames][E]`, Q11.
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
    /// States of the frames of a depth step, Q11.
    h: Vec<i16>,
    stack: Stack,
}

impl<'m> FrameEngine<'m> {
    /// An engine for batches of up to `max_batch` frames.
    pub fn new(model: &'m FrameLlama, isa: Isa, max_batch: usize) -> Self {
        let c = model.config();
        let width = c.d_model.max(c.depth_d);
        let ffn = c.ffn.max(c.depth_ffn).max(c.dc_ffn);
        let features = c.features.max(c.depth_features).max(c.dc_features) + 1;
        let scratch = Scratch {
            padded: vec![0; max_batch * features],
            x: vec![0; max_batch * width],
            h: vec![0; if c.depth_state { max_batch * c.d_model } else { 0 }],
            stack: Stack::new(max_batch, width, ffn),
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
        let s = &mut self.scratch;
        let features = pad(&mut s.padded, features, m, config.features);
        let x = &mut s.x[..m * d];
        x.chunks_exact_mut(d).for_each(|x| x.copy_from_slice(&model.embed_bias));
        isa.linear_add(&model.embed, features, x);
        s.stack.backbone((isa, &model.rope), (&model.blocks, half), planes, positions, x);
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
        if model.config().depth_state {
            state.h[..h.len()].copy_from_slice(h);
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
        if config.depth_state {
            let d = config.d_model;
            for (to, &frame) in s.h.chunks_exact_mut(d).zip(frames) {
                to.copy_from_slice(&state.h[frame as usize * d..][..d]);
            }
            isa.linear_add(&weights.state[k], &s.h[..m * d], x);
        }
        isa.linear_add(&weights.input[k], features, x);
        s.stack.step((isa, &model.rope), (&weights.blocks, half), &mut state.tiles, frames, k, x);
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
            s.stack.feed_forward(isa, layer, e, x);
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

/// Logits with the bias row `step`.
pub(crate) fn head_logits(isa: Isa, head: &LogitHead, step: usize, y: &[i16], logits: &mut [i32]) {
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

const _: () = assert!(PRIMARIES == 32 && ESCAPES == 32);
