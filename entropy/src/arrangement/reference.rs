//! Reference planes: an already coded component seen on another component's grid.
//!
//! Chroma resembles luma at the same place. The luma blocks that a chroma block covers are averaged down to its
//! resolution *in the DCT domain* (averaging n pixels and transforming is one linear map per axis), divided by the chroma
//! quantization steps, and kept in Q4. The map is a table of integers, so the result is the same on every machine.

use super::plane::{Block, CoefficientPlane};

/// 8-point DCT-II basis, `BASIS[u][x]` = c(u)/2 · cos((2x+1)uπ/16) in Q14 (T.81, A.3.3).
const BASIS: [[i64; 8]; 8] = {
    // cos(kπ/16) · 2^14 / 2, k = 0..=8; row 0 carries 1/√2.
    const C: [i64; 9] = [8192, 8035, 7568, 6811, 5793, 4551, 3135, 1598, 0];
    let mut t = [[0i64; 8]; 8];
    let mut u = 0;
    while u < 8 {
        let mut x = 0;
        while x < 8 {
            let k = (2 * x + 1) * u % 32;
            t[u][x] = if u == 0 {
                5793
            } else if k <= 8 {
                C[k]
            } else if k <= 16 {
                -C[16 - k]
            } else if k <= 24 {
                -C[k - 16]
            } else {
                C[32 - k]
            };
            x += 1;
        }
        u += 1;
    }
    t
};

/// Natural (row-major) index of each zigzag position (T.81, Figure 5).
pub(crate) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// `maps[i][u][w]`: contribution of source block i's frequency w to frequency u of the average over n blocks, Q14.
fn averaging_maps(n: usize) -> Vec<[[i64; 8]; 8]> {
    let mut maps = vec![[[0i64; 8]; 8]; n];
    for (i, map) in maps.iter_mut().enumerate() {
        for (u, row) in map.iter_mut().enumerate() {
            for (w, cell) in row.iter_mut().enumerate() {
                let sum: i64 = (0..8).map(|s| BASIS[u][(8 * i + s) / n] * BASIS[w][s]).sum();
                let den = (n as i64) << 14;
                *cell = (sum + den / 2).div_euclid(den);
            }
        }
    }
    maps
}

/// One component's coefficients on another's grid, in Q4 of the target's quantization steps.
#[derive(Clone, Debug)]
pub struct ReferencePlane {
    blocks_wide: usize,
    blocks: Vec<Block>,
}

impl ReferencePlane {
    /// Resamples `source` onto the grid of a plane of `blocks_wide` × `blocks_high` blocks with the given quantization.
    ///
    /// The ratio of the grids is taken per axis as the nearest of 1, 2 and 4 source blocks a target block (sampling factors
    /// of T.81, A.1.1); where the source is coarser than the target, the co-located source block is used as it is.
    pub fn resample(
        source: &CoefficientPlane,
        blocks_wide: usize,
        blocks_high: usize,
        quantization: &[u16; 64],
    ) -> Self {
        let ratio = |from: usize, to: usize| match (from + to / 2) / to.max(1) {
            0 | 1 => 1,
            2 => 2,
            _ => 4,
        };
        let (nx, ny) = (ratio(source.blocks_wide, blocks_wide), ratio(source.blocks_high, blocks_high));
        let (maps_x, maps_y) = (averaging_maps(nx), averaging_maps(ny));
        let place = |index: usize, n: usize, from: usize, to: usize| {
            if from >= to { index * n } else { index * from / to }
        };
        let mut blocks = Vec::with_capacity(blocks_wide * blocks_high);
        for row in 0..blocks_high {
            for column in 0..blocks_wide {
                let mut sum = [[0i64; 8]; 8];
                for (j, map_y) in maps_y.iter().enumerate() {
                    for (i, map_x) in maps_x.iter().enumerate() {
                        let r = (place(row, ny, source.blocks_high, blocks_high) + j).min(source.blocks_high - 1);
                        let c = (place(column, nx, source.blocks_wide, blocks_wide) + i).min(source.blocks_wide - 1);
                        accumulate(&mut sum, source.block(r, c), &source.quantization, map_y, map_x);
                    }
                }
                let mut block = [0i16; 64];
                for (k, out) in block.iter_mut().enumerate() {
                    let natural = ZIGZAG[k] as usize;
                    // Q28 → Q4 of the target's steps.
                    let step = i64::from(quantization[k].max(1)) << 24;
                    let value = (sum[natural / 8][natural % 8] + step / 2).div_euclid(step);
                    *out = value.clamp(-32_767, 32_767) as i16;
                }
                blocks.push(block);
            }
        }
        Self { blocks_wide, blocks }
    }

    /// The block co-located with the frame at (row, column), zigzag order, Q4.
    #[inline]
    pub fn block(&self, row: usize, column: usize) -> &Block {
        &self.blocks[row * self.blocks_wide + column]
    }
}

/// sum += Mʸ · F · (Mˣ)ᵀ for the dequantized block F; Q28.
fn accumulate(
    sum: &mut [[i64; 8]; 8],
    block: &Block,
    quantization: &[u16; 64],
    map_y: &[[i64; 8]; 8],
    map_x: &[[i64; 8]; 8],
) {
    // half[v][w] = Σ over horizontal frequencies, for each source row of frequencies.
    let mut half = [[0i64; 8]; 8];
    for k in 0..64 {
        if block[k] != 0 {
            let natural = ZIGZAG[k] as usize;
            let value = i64::from(block[k]) * i64::from(quantization[k]);
            for (u, cell) in half[natural / 8].iter_mut().enumerate() {
                *cell += value * map_x[u][natural % 8];
            }
        }
    }
    for (w, row) in half.iter().enumerate() {
        if row.iter().any(|&x| x != 0) {
            for (v, out) in sum.iter_mut().enumerate() {
                let weight = map_y[v][w];
                for (cell, &x) in out.iter_mut().zip(row) {
                    *cell += weight * x;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_grid_keeps_the_coefficients() {
        let mut p = CoefficientPlane::zeroed(2, 2, [3; 64]);
        for (i, b) in p.blocks.iter_mut().enumerate() {
            for (k, v) in b.iter_mut().enumerate() {
                *v = ((i * 64 + k * 7) % 41) as i16 - 20;
            }
        }
        let r = ReferencePlane::resample(&p, 2, 2, &[3; 64]);
        for i in 0..4 {
            for k in 0..64 {
                let error = i32::from(r.blocks[i][k]) - 16 * i32::from(p.blocks[i][k]);
                assert!(error.abs() <= 1, "{error}");
            }
        }
    }

    #[test]
    fn four_flat_blocks_average() {
        let mut p = CoefficientPlane::zeroed(2, 2, [2; 64]);
        for (b, dc) in p.blocks.iter_mut().zip([10, 20, 30, 40]) {
            b[0] = dc;
        }
        let r = ReferencePlane::resample(&p, 1, 1, &[2; 64]);
        assert!((r.block(0, 0)[0] - 25 * 16).abs() <= 1);
        // Brighter to the right and to the bottom: negative first frequencies (T.81's sign convention).
        assert!(r.block(0, 0)[1] < -16 && r.block(0, 0)[2] < -16);
    }

    #[test]
    fn odd_grids_do_not_panic() {
        let p = CoefficientPlane::zeroed(5, 3, [1; 64]);
        for (w, h) in [(1, 1), (2, 2), (3, 2), (5, 3), (7, 9), (10, 6)] {
            assert_eq!(ReferencePlane::resample(&p, w, h, &[1; 64]).blocks.len(), w * h);
        }
    }
}
