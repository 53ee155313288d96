//! The product in plain Rust: the definition of every sum.

use super::{PANEL, PairRow, Panels};

/// Rows of activations that share a widened panel.
const ROWS: usize = 16;
/// Inputs that are widened at once; their products fit i32: `256 · 128 · 32768 < 2^31`.
const INPUTS: usize = 256;

/// Calls `finish(row, panel, sums)` for every row of activations and panel.
///
/// Weights are widened and laid out row by row on the way, because compilers vectorise a dot product of two i16 slices
/// well (`pmaddwd` on x86-64, `smlal` on AArch64).
#[inline(always)]
pub(crate) fn multiply(panels: &Panels, a: &[i16], mut finish: impl FnMut(usize, usize, &[i64; PANEL])) {
    let stride = panels.stride();
    for panel in 0..panels.count() {
        for (block, a) in a.chunks(ROWS * stride).enumerate() {
            let mut sums = [[0i64; PANEL]; ROWS];
            for (part, weights) in panels.some(panel, 1).chunks(INPUTS / 2).enumerate() {
                let mut wide = [[0i16; INPUTS]; PANEL];
                for (k, PairRow(pair)) in weights.iter().enumerate() {
                    for (wide, w) in wide.iter_mut().zip(pair.as_chunks::<2>().0) {
                        (wide[2 * k], wide[2 * k + 1]) = (i16::from(w[0]), i16::from(w[1]));
                    }
                }
                for (sums, a) in sums.iter_mut().zip(a.chunks_exact(stride)) {
                    let a = &a[part * INPUTS..][..2 * weights.len()];
                    for (sum, wide) in sums.iter_mut().zip(&wide) {
                        *sum += i64::from(dot(&wide[..a.len()], a));
                    }
                }
            }
            for (m, sums) in sums.iter().enumerate().take(a.len() / stride) {
                finish(block * ROWS + m, panel, sums);
            }
        }
    }
}

#[inline(always)]
fn dot(w: &[i16], a: &[i16]) -> i32 {
    w.iter().zip(a).map(|(&w, &a)| i32::from(w) * i32::from(a)).sum()
}
