//! The kernels with NEON (AArch64, where it is always there): the linear layers by intrinsics, the rest is the portable
//! code, which the compiler vectorises.

pub(super) use super::portable::{
    add, attend, complements, gate_products, logits, pack_heads, place_key_value, place_query, rms_norm,
};

use super::super::linear::WideLinear;
use super::specification::requantize;
use crate::gemm::neon::{multiply, multiply_wide};

pub(super) fn linear(layer: &WideLinear, a: &[i16], out: &mut [i32]) {
    if layer.narrow {
        multiply(&layer.panels, a, |row, panel, sums| requantize(layer, row, panel, &sums.map(i64::from), out));
    } else {
        multiply_wide(&layer.panels, a, |row, panel, sums| requantize(layer, row, panel, sums, out));
    }
}
