//! The kernels with NEON (AArch64, where it is always there): the linear layers by intrinsics, the rest is the portable
//! code, which the compiler vectorises.

pub(super) use super::portable::complements;
pub(super) use super::scalar::{
    add, attend, gate_products, logits, pack_heads, place_key_value, place_query, rms_norm,
};

use super::super::linear::{BLOCK_PAIRS, WideLinear};
use super::portable::requantize;
use crate::frame_llama::kernel::neon::products;
use crate::frame_llama::linear::PANEL;

/// A panel stays in the L1 or L2 cache while all rows pass over it, in tiles of 4 and 1.
pub(super) fn linear(layer: &WideLinear, a: &[i16], out: &mut [i32]) {
    let m = a.len() / layer.stride();
    for panel in 0..layer.output_stride() / PANEL {
        let mut row = 0;
        while row < m {
            row += match m - row {
                4.. => tile::<4>(layer, a, row, panel, out),
                _ => tile::<1>(layer, a, row, panel, out),
            };
        }
    }
}

/// `M` rows times one panel. Returns M.
#[inline(always)]
fn tile<const M: usize>(layer: &WideLinear, a: &[i16], row: usize, panel: usize, out: &mut [i32]) -> usize {
    let (pairs, stride, n) = (layer.pairs(), layer.output_stride(), panel * PANEL);
    let activations = &a[row * layer.stride()..][..M * layer.stride()];
    let weights = &layer.weights[panel * pairs..][..pairs];
    let block = if layer.narrow { pairs } else { BLOCK_PAIRS };
    let mut sums = [[0i64; PANEL]; M];
    for from in (0..pairs).step_by(block) {
        let part = products::<M>(weights, activations, pairs, from..pairs.min(from + block));
        for (sum, part) in sums.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
            *sum += i64::from(*part);
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        for ((out, &acc), &mult) in out[(row + m) * stride + n..][..PANEL].iter_mut().zip(sums).zip(&layer.mult[n..]) {
            *out = requantize(acc, layer.pre, mult);
        }
    }
    M
}
