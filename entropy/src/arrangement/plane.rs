//! Coefficient planes and the causal neighbourhood of a frame.

/// Coefficients of one 8×8 block in zigzag order (index 0 = DC).
pub type Block = [i16; 64];

const EMPTY: Block = [0; 64];

/// Quantized DCT coefficients of one component of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoefficientPlane {
    /// Blocks in a row.
    pub blocks_wide: usize,
    /// Rows of blocks.
    pub blocks_high: usize,
    /// Quantization steps in zigzag order, 1..=65535.
    pub quantization: [u16; 64],
    /// Raster of blocks, `blocks_wide * blocks_high` of them.
    pub blocks: Vec<Block>,
}

impl CoefficientPlane {
    /// A plane of zeros.
    pub fn zeroed(blocks_wide: usize, blocks_high: usize, quantization: [u16; 64]) -> Self {
        Self { blocks_wide, blocks_high, quantization, blocks: vec![EMPTY; blocks_wide * blocks_high] }
    }

    /// The block at (row, column).
    #[inline]
    pub fn block(&self, row: usize, column: usize) -> &Block {
        &self.blocks[row * self.blocks_wide + column]
    }

    /// The causal neighbours of the frame at (row, column).
    #[inline]
    pub fn neighbours(&self, row: usize, column: usize) -> Neighbours<'_> {
        let w = self.blocks_wide;
        let at = row * w + column;
        let get = |exists: bool, back: usize| if exists { &self.blocks[at - back] } else { &EMPTY };
        let (has_left, has_above) = (column > 0, row > 0);
        let has_above_right = has_above && column + 1 < w;
        let mut n = Neighbours {
            left: get(has_left, 1),
            above: get(has_above, w),
            above_left: get(has_left && has_above, w + 1),
            above_right: if has_above_right { &self.blocks[at - w + 1] } else { &EMPTY },
            two_left: get(column > 1, 2),
            two_above: get(row > 1, 2 * w),
            has_left,
            has_above,
            has_above_right,
            has_two_left: column > 1,
            has_two_above: row > 1,
            dc_median: 0,
        };
        n.dc_median = median_prediction(
            has_left.then(|| i32::from(n.left[0])),
            has_above.then(|| i32::from(n.above[0])),
            i32::from(n.above_left[0]),
        );
        n
    }
}

/// LOCO-I's median edge predictor (ISO/IEC 14495-1, A.4.1) from the left, above and above-left values; the one that exists
/// at an edge; 0 in the corner.
#[inline]
pub fn median_prediction(left: Option<i32>, above: Option<i32>, above_left: i32) -> i32 {
    match (left, above) {
        (Some(l), Some(a)) => (l + a - above_left).clamp(l.min(a), l.max(a)),
        (Some(l), None) => l,
        (None, Some(a)) => a,
        (None, None) => 0,
    }
}

/// The blocks around a frame that are coded before it in every wavefront order; a missing one is all zeros.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Neighbours<'a> {
    pub left: &'a Block,
    pub above: &'a Block,
    pub above_left: &'a Block,
    pub above_right: &'a Block,
    pub two_left: &'a Block,
    pub two_above: &'a Block,
    pub has_left: bool,
    pub has_above: bool,
    pub has_above_right: bool,
    pub has_two_left: bool,
    pub has_two_above: bool,
    /// Median prediction of the frame's DC, in quantized units.
    pub dc_median: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_at_the_edges() {
        let mut p = CoefficientPlane::zeroed(3, 3, [1; 64]);
        for (i, b) in p.blocks.iter_mut().enumerate() {
            b[0] = i as i16 + 1;
        }
        let n = p.neighbours(0, 0);
        assert!(!n.has_left && !n.has_above && !n.has_above_right && n.dc_median == 0);
        let n = p.neighbours(2, 2);
        assert_eq!((n.left[0], n.above[0], n.above_left[0], n.two_left[0], n.two_above[0]), (8, 6, 5, 7, 3));
        assert!(!n.has_above_right);
        assert_eq!(p.neighbours(1, 1).above_right[0], 3);
        assert_eq!(median_prediction(Some(10), Some(20), 5), 20);
        assert_eq!(median_prediction(Some(10), Some(20), 15), 15);
    }
}
