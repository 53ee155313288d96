//! The order of the tiles of a product, and what happens to a tile's sums.

use super::{PANEL, PairRow, Panels};
use std::ops::Range;

/// Pairs of inputs whose products are summed in i32 where whole rows do not fit: `512 · 127 · 32767 < 2^31`.
const BLOCK_PAIRS: usize = 256;

/// The inner loop of an instruction set. Values of such a type exist only in functions with the instruction set's features.
pub(super) trait Product: Copy {
    /// Sixteen sums.
    type Lanes: Copy;

    /// The order of the tiles: [`by_panels`] or [`by_groups`].
    fn schedule(panels: usize, rows: usize, work: &mut impl Tile);

    /// Sums of products of a range of pairs of inputs: `M` rows of activations times `P` panels of weights, each row and
    /// panel `pairs` long.
    fn sums<const M: usize, const P: usize>(
        self,
        weights: &[PairRow],
        activations: &[i16],
        pairs: usize,
        range: Range<usize>,
    ) -> [[Self::Lanes; P]; M];

    /// The sums as numbers.
    fn unpack(self, lanes: Self::Lanes) -> [i32; PANEL];
}

/// What becomes of a tile.
pub(super) trait Tile {
    /// Works off `M` rows from `row` on times `P` panels from `panel` on. Returns M.
    fn tile<const M: usize, const P: usize>(&mut self, row: usize, panel: usize) -> usize;
}

/// A layer whose whole rows' sums fit i32: they go to `finish(row, panel, sums)`.
struct Whole<'a, K, F> {
    product: K,
    panels: &'a Panels,
    a: &'a [i16],
    finish: F,
}

impl<K: Product, F: FnMut(usize, usize, K::Lanes)> Tile for Whole<'_, K, F> {
    #[inline(always)]
    fn tile<const M: usize, const P: usize>(&mut self, row: usize, panel: usize) -> usize {
        let (pairs, stride) = (self.panels.pairs(), self.panels.stride());
        let activations = &self.a[row * stride..][..M * stride];
        let sums = self.product.sums::<M, P>(self.panels.some(panel, P), activations, pairs, 0..pairs);
        for p in 0..P {
            for (m, sums) in sums.iter().enumerate() {
                (self.finish)(row + m, panel + p, sums[p]);
            }
        }
        M
    }
}

/// A layer of any weights: sums of blocks of inputs are added up in i64.
struct Blocks<'a, K, F> {
    product: K,
    panels: &'a Panels,
    a: &'a [i16],
    finish: F,
}

impl<K: Product, F: FnMut(usize, usize, &[i64; PANEL])> Tile for Blocks<'_, K, F> {
    #[inline(always)]
    fn tile<const M: usize, const P: usize>(&mut self, row: usize, panel: usize) -> usize {
        let (pairs, stride) = (self.panels.pairs(), self.panels.stride());
        let activations = &self.a[row * stride..][..M * stride];
        let mut sums = [[[0i64; PANEL]; P]; M];
        for from in (0..pairs).step_by(BLOCK_PAIRS) {
            let range = from..pairs.min(from + BLOCK_PAIRS);
            let parts = self.product.sums::<M, P>(self.panels.some(panel, P), activations, pairs, range);
            for (sums, &part) in sums.as_flattened_mut().iter_mut().zip(parts.as_flattened()) {
                let part = self.product.unpack(part);
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += i64::from(part));
            }
        }
        for (m, sums) in sums.iter().enumerate() {
            for (p, sums) in sums.iter().enumerate() {
                (self.finish)(row + m, panel + p, sums);
            }
        }
        M
    }
}

/// Panels outside, rows inside, so that a panel's weights stay in the L1 or L2 cache while all rows pass over them, in tiles
/// of 4, 2 and 1 rows.
#[inline(always)]
pub(super) fn by_panels(panels: usize, rows: usize, work: &mut impl Tile) {
    for panel in 0..panels {
        let mut row = 0;
        while row < rows {
            row += match rows - row {
                4.. => work.tile::<4, 1>(row, panel),
                2..4 => work.tile::<2, 1>(row, panel),
                _ => work.tile::<1, 1>(row, panel),
            };
        }
    }
}

/// As [`by_panels`] with several panels at once, where registers abound: tiles keep 8 to 16 accumulators busy (an
/// instruction's latency is 4 to 5 cycles, two start in each).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn by_groups(panels: usize, rows: usize, work: &mut impl Tile) {
    let mut panel = 0;
    while panel < panels {
        let group = match (panels - panel, rows) {
            (8.., 1) => 8,
            (4.., _) => 4,
            (2.., _) => 2,
            _ => 1,
        };
        let mut row = 0;
        while row < rows {
            row += match (group, rows - row) {
                (8, _) => work.tile::<1, 8>(row, panel),
                (4, 4..) => work.tile::<4, 4>(row, panel),
                (4, 3) => work.tile::<3, 4>(row, panel),
                (4, 2) => work.tile::<2, 4>(row, panel),
                (4, _) => work.tile::<1, 4>(row, panel),
                (2, 8..) => work.tile::<8, 2>(row, panel),
                (2, 4..) => work.tile::<4, 2>(row, panel),
                (2, _) => work.tile::<1, 2>(row, panel),
                (_, 4..) => work.tile::<4, 1>(row, panel),
                _ => work.tile::<1, 1>(row, panel),
            };
        }
        panel += group;
    }
}

/// Every row's and panel's sums, for layers whose whole rows' sums fit i32.
#[inline(always)]
pub(super) fn multiply<K: Product>(product: K, panels: &Panels, a: &[i16], finish: impl FnMut(usize, usize, K::Lanes)) {
    let rows = a.len() / panels.stride();
    K::schedule(panels.count(), rows, &mut Whole { product, panels, a, finish });
}

/// Every row's and panel's sums in i64, for layers of any weights.
#[inline(always)]
pub(super) fn multiply_wide<K: Product>(
    product: K,
    panels: &Panels,
    a: &[i16],
    finish: impl FnMut(usize, usize, &[i64; PANEL]),
) {
    let rows = a.len() / panels.stride();
    K::schedule(panels.count(), rows, &mut Blocks { product, panels, a, finish });
}
