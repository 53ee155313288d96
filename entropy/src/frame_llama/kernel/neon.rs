//! The kernels with NEON (AArch64, where it is always there): the linear layers by intrinsics, the rest is the portable
//! code, which the compiler vectorises.

pub(super) use super::portable::{attend, rmsnorm, rotate_store, silu_mul};

use super::super::linear::Linear;
use super::portable::{add_requantized, requantized};
use crate::gemm::neon::multiply;

pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    multiply(&layer.panels, a, |row, panel, sums| requantized(layer, row, panel, &sums.map(i64::from), out));
}

pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    multiply(&layer.panels, a, |row, panel, sums| add_requantized(layer, row, panel, &sums.map(i64::from), out));
}
