//! State of the depth decoder for a batch of frames.

use super::config::{FrameConfig, MAX_STEPS};
use super::kernel::LANES;
use super::kv::KvTiles;

/// Tiles of 16 steps that 63 steps need.
pub(crate) const STEP_TILES: usize = MAX_STEPS.div_ceil(LANES);

/// Keys and values of the depth steps of up to `capacity` frames, and what the frames' steps have in common.
#[derive(Debug, Clone)]
pub struct DepthState {
    pub(crate) capacity: usize,
    pub(crate) layers: usize,
    pub(crate) width: usize,
    /// Frames of the current batch.
    pub(crate) frames: usize,
    /// Steps done by each frame.
    pub(crate) steps: Vec<u8>,
    /// to_depth(h) + depth.last[last] of each frame, `[frames][E]`, Q12.
    pub(crate) base: Vec<i32>,
    /// h of each frame, `[frames][D]`, Q11; empty where the model has no `depth.state`.
    pub(crate) h: Vec<i16>,
    /// `[frame][layer][step tile]`, as [`Stack::step`](super::stack::Stack::step) has them.
    pub(crate) tiles: KvTiles,
    /// Normalised output of the newest step, `[active][E]`, Q11.
    pub(crate) y: Vec<i16>,
    /// Frames in the newest step.
    pub(crate) active: usize,
}

impl DepthState {
    /// State for batches of at most `capacity` frames.
    pub fn new(config: &FrameConfig, capacity: usize) -> Self {
        let (layers, width) = (config.depth_layers, config.depth_d);
        Self {
            capacity,
            layers,
            width,
            frames: 0,
            steps: vec![0; capacity],
            base: vec![0; capacity * width],
            h: vec![0; if config.depth_state { capacity * config.d_model } else { 0 }],
            tiles: KvTiles::new(capacity * layers * STEP_TILES, width),
            y: vec![0; capacity * width],
            active: 0,
        }
    }

    /// The most frames of a batch.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}
