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
pub(super) struct KvTiles {
    width: usize,
    pub(super) k: Vec<u32>,
    pub(super) v: Vec<u32>,
}

impl KvTiles {
    /// `tiles` tiles of width `width`, zeroed.
    pub(super) fn new(tiles: usize, width: usize) -> Self {
        let len = tiles * width * LANES / 2;
        Self {
            width,
            k: vec![0; len],
            v: vec![0; len],
        }
    }

    /// The keys and values of one tile.
    pub(super) fn tile_mut(&mut self, tile: usize) -> (&mut [u32], &mut [u32]) {
        let len = self.width * LANES / 2;
        (
            &mut self.k[tile * len..][..len],
            &mut self.v[tile * len..][..len],
        )
    }
}
