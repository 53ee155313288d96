//! Scans: the order in which the quantized DCT coefficients of a plane are flattened.

use serde::{Deserialize, Serialize};

use crate::arrangement::plane::Block;

/// Order of the coefficients of one component. *Image* scans take the plane of coefficients as one image of
/// 8·`blocks_wide` × 8·`blocks_high` values, in which every block lies as its 8×8 square in natural order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scan {
    /// Block after block in raster order; inside a block row by row.
    BlockRaster,
    /// Block after block in raster order; inside a block in the zigzag order of ITU-T T.81, figure 5.
    BlockZigzag,
    /// The plane row by row.
    ImageRaster,
    /// The plane along its anti-diagonals, direction alternating as in a block's zigzag: (0, 0), (0, 1), (1, 0), …
    ImageZigzag,
}

/// Zigzag index of the coefficient at natural index 8·row + column (ITU-T T.81, figure 5).
pub const ZIGZAG_OF_NATURAL: [u8; 64] = {
    let mut table = [0; 64];
    let (mut row, mut column, mut k) = (0usize, 0usize, 0u8);
    while k < 64 {
        table[8 * row + column] = k;
        k += 1;
        // Even anti-diagonals run upwards, odd ones downwards; at the border the next one begins.
        if (row + column).is_multiple_of(2) {
            if column == 7 {
                row += 1;
            } else if row == 0 {
                column += 1;
            } else {
                row -= 1;
                column += 1;
            }
        } else if row == 7 {
            column += 1;
        } else if column == 0 {
            row += 1;
        } else {
            row += 1;
            column -= 1;
        }
    }
    table
};

impl Scan {
    /// All scans.
    pub const ALL: [Self; 4] = [Self::BlockRaster, Self::BlockZigzag, Self::ImageRaster, Self::ImageZigzag];

    /// The name in arrangements and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlockRaster => "block-raster",
            Self::BlockZigzag => "block-zigzag",
            Self::ImageRaster => "image-raster",
            Self::ImageZigzag => "image-zigzag",
        }
    }

    /// Calls `visit(block, zigzag index)` for every coefficient of a plane of blocks, in the scan's order; `block` is an
    /// index in the raster of blocks.
    pub fn for_each(self, blocks_wide: usize, blocks_high: usize, mut visit: impl FnMut(usize, usize)) {
        let (width, height) = (8 * blocks_wide, 8 * blocks_high);
        let mut at = |y: usize, x: usize| {
            visit((y / 8) * blocks_wide + x / 8, usize::from(ZIGZAG_OF_NATURAL[8 * (y % 8) + x % 8]));
        };
        match self {
            Self::BlockZigzag => {
                for block in 0..blocks_wide * blocks_high {
                    (0..64).for_each(|k| visit(block, k));
                }
            }
            Self::BlockRaster => {
                for block in 0..blocks_wide * blocks_high {
                    ZIGZAG_OF_NATURAL.iter().for_each(|&k| visit(block, usize::from(k)));
                }
            }
            Self::ImageRaster => {
                for y in 0..height {
                    (0..width).for_each(|x| at(y, x));
                }
            }
            Self::ImageZigzag => {
                for diagonal in 0..(width + height).saturating_sub(1) {
                    // Rows of the diagonal that lie in the plane.
                    let rows = (diagonal + 1).saturating_sub(width)..height.min(diagonal + 1);
                    if diagonal % 2 == 0 {
                        rows.rev().for_each(|y| at(y, diagonal - y));
                    } else {
                        rows.for_each(|y| at(y, diagonal - y));
                    }
                }
            }
        }
    }

    /// The coefficients of a plane in the scan's order.
    ///
    /// # Panics
    /// If there are fewer than `blocks_wide · blocks_high` blocks.
    pub fn gather(self, blocks: &[Block], blocks_wide: usize, blocks_high: usize, out: &mut Vec<i16>) {
        out.reserve(64 * blocks_wide * blocks_high);
        self.for_each(blocks_wide, blocks_high, |block, k| out.push(blocks[block][k]));
    }

    /// The inverse of [`gather`](Self::gather): takes 64 values a block from `values` and leaves the rest there.
    ///
    /// # Panics
    /// If there are fewer blocks, or fewer values.
    pub fn scatter(self, values: &mut &[i16], blocks_wide: usize, blocks_high: usize, blocks: &mut [Block]) {
        let (mut now, rest) = values.split_at(64 * blocks_wide * blocks_high);
        self.for_each(blocks_wide, blocks_high, |block, k| {
            let (&value, rest) = now.split_first().expect("64 values a block");
            blocks[block][k] = value;
            now = rest;
        });
        *values = rest;
    }
}

impl std::str::FromStr for Scan {
    type Err = String;

    /// From a [`name`](Self::name).
    fn from_str(name: &str) -> Result<Self, String> {
        let scan = Self::ALL.into_iter().find(|scan| scan.name() == name);
        scan.ok_or_else(|| format!("{name}: scans are {}", Self::ALL.map(Self::name).join(", ")))
    }
}
