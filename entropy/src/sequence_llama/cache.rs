//! Keys and values of every row's chunk, laid out for the kernels.

use super::config::BackboneConfig;
use super::kernel::{BLOCK_TILES, LANES};

/// Keys and values of some rows: `[row][layer][key and value head][tile]`.
///
/// A tile holds 16 positions of one head, as pairs of i16 mantissas (±4095) in u32, each position with two exponents:
///
/// * keys `[head_dim/2 pairs][16 lanes]`: the elements that turn together, so that one dot-product instruction scores a
///   pair of elements for 16 positions;
/// * values `[8 lane pairs][columns]`: an element of positions 2i (low half) and 2i + 1 (high half), columns = head_dim
///   rounded up to 16, so that one instruction adds two positions' shares of 16 elements.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    layers: usize,
    kv_heads: usize,
    half: usize,
    columns: usize,
    /// Tiles of a row's chunk.
    tiles: usize,
    k: Vec<u32>,
    v: Vec<u32>,
    k_exponents: Vec<i32>,
    v_exponents: Vec<i32>,
}

/// One head's keys and values of one row, from its first position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeysValues<'a> {
    pub(crate) columns: usize,
    pub(crate) k: &'a [u32],
    pub(crate) v: &'a [u32],
    pub(crate) k_exponents: &'a [i32],
    pub(crate) v_exponents: &'a [i32],
}

/// Where one position's key and value go: a lane of a tile.
pub(crate) struct Slot<'a> {
    /// 0..16.
    pub(crate) lane: usize,
    /// The whole tile's keys.
    pub(crate) k: &'a mut [u32],
    /// The whole tile's values.
    pub(crate) v: &'a mut [u32],
    pub(crate) k_exponent: &'a mut i32,
    pub(crate) v_exponent: &'a mut i32,
}

/// Elements of a value row: whole vectors.
pub(super) fn columns(head_dim: usize) -> usize {
    head_dim.next_multiple_of(LANES)
}

/// Tiles of a chunk: whole blocks, so that kernels may read beyond the last position.
fn tiles(max_len: usize) -> usize {
    max_len.div_ceil(BLOCK_TILES * LANES) * BLOCK_TILES
}

impl Cache {
    /// Zeroed memory for `rows` chunks of `max_len` positions.
    pub(super) fn new(config: &BackboneConfig, rows: usize, max_len: usize) -> Self {
        let (half, columns, tiles) = (config.head_dim / 2, columns(config.head_dim), tiles(max_len));
        let all = rows * config.layers * config.kv_heads * tiles;
        Self {
            layers: config.layers,
            kv_heads: config.kv_heads,
            half,
            columns,
            tiles,
            k: vec![0; all * half * LANES],
            v: vec![0; all * columns * LANES / 2],
            k_exponents: vec![0; all * LANES],
            v_exponents: vec![0; all * LANES],
        }
    }

    /// Bytes of [`new`](Self::new), saturating.
    pub(super) fn bytes(config: &BackboneConfig, rows: usize, max_len: usize) -> usize {
        let tile = (config.head_dim / 2 + columns(config.head_dim) / 2 + 2) * LANES * 4;
        [rows, config.layers, config.kv_heads, tiles(max_len)].iter().fold(tile, |bytes, &n| bytes.saturating_mul(n))
    }

    /// Fills everything with noise of usual magnitude.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn scribble(&mut self) {
        let mut random = crate::testing::Random::new(1);
        for pair in self.k.iter_mut().chain(&mut self.v) {
            // 11-bit mantissas in both halves.
            let noise = random.next_u64();
            *pair = u32::from((noise as i16 >> 5) as u16) | u32::from(((noise >> 16) as i16 >> 5) as u16) << 16;
        }
        self.k_exponents.fill(-11);
        self.v_exponents.fill(-11);
    }

    fn first_tile(&self, row: usize, layer: usize, head: usize) -> usize {
        ((row * self.layers + layer) * self.kv_heads + head) * self.tiles
    }

    /// Where the key and value of a position go.
    pub(super) fn slot(&mut self, row: usize, layer: usize, head: usize, position: usize) -> Slot<'_> {
        debug_assert!(position < self.tiles * LANES && layer < self.layers && head < self.kv_heads);
        let tile = self.first_tile(row, layer, head) + position / LANES;
        let (k, v, lane) = (self.half * LANES, self.columns * LANES / 2, position % LANES);
        Slot {
            lane,
            k: &mut self.k[tile * k..][..k],
            v: &mut self.v[tile * v..][..v],
            k_exponent: &mut self.k_exponents[tile * LANES + lane],
            v_exponent: &mut self.v_exponents[tile * LANES + lane],
        }
    }

    /// The keys and values of a head of a row.
    pub(super) fn head(&self, row: usize, layer: usize, head: usize) -> KeysValues<'_> {
        let (first, k, v) = (self.first_tile(row, layer, head), self.half * LANES, self.columns * LANES / 2);
        KeysValues {
            columns: self.columns,
            k: &self.k[first * k..][..self.tiles * k],
            v: &self.v[first * v..][..self.tiles * v],
            k_exponents: &self.k_exponents[first * LANES..][..self.tiles * LANES],
            v_exponents: &self.v_exponents[first * LANES..][..self.tiles * LANES],
        }
    }
}
