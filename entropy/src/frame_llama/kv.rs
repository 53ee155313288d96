//! Keys and values in tiles of 16 frames (or depth steps), laid out for the kernels.

use super::kernel::LANES;

/// Tiles of keys and values of a width D.
///
/// A tile holds 16 lanes, each the k and v of one frame, as pairs of i16 in u32:
///
/// * keys `[D/2 pairs][16 lanes]`: the pair (a, b) of elements that rotate together, so that one dot-product
///   instruction scores a pair of dimensions for all 16 lanes and no horizontal sum is needed;
/// * values `[8 lane pairs][D]`: element d of lanes 2i (low half) and 2i + 1 (high half), so that one instruction adds two
///   lanes' shares of 16 dimensions.
#[derive(Debug, Clone)]
pub(crate) struct KvTiles {
    width: usize,
    pub(crate) k: Vec<u32>,
    pub(crate) v: Vec<u32>,
}

impl KvTiles {
    /// `tiles` tiles of width `width`, zeroed.
    pub(crate) fn new(tiles: usize, width: usize) -> Self {
        let len = tiles * width * LANES / 2;
        Self { width, k: vec![0; len], v: vec![0; len] }
    }

    /// One lane of a tile, to store a frame in.
    pub(crate) fn slot(&mut self, tile: usize, lane: usize) -> Slot<'_> {
        let len = self.width * LANES / 2;
        Slot { lane, k: &mut self.k[tile * len..][..len], v: &mut self.v[tile * len..][..len] }
    }
}

/// Where one frame's k and v go: a lane of a tile.
pub(crate) struct Slot<'a> {
    /// 0..16.
    pub(crate) lane: usize,
    /// The whole tile's keys.
    pub(crate) k: &'a mut [u32],
    /// The whole tile's values.
    pub(crate) v: &'a mut [u32],
}
