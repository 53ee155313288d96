//! The kernels with avx512.

use super::super::fixed::Angles;
use super::super::kv::Slot;
use super::super::linear::Linear;
use super::portable;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_i16(layer: &Linear, a: &[i16], out: &mut [i16]) {
    portable::linear_i16(layer, a, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn linear_add(layer: &Linear, a: &[i16], out: &mut [i32]) {
    portable::linear_add(layer, a, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn rmsnorm(x: &[i32], width: usize, y: &mut [i16]) {
    portable::rmsnorm(x, width, y);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn silu_mul(gate_up: &[i16], ffn: usize, out: &mut [i16]) {
    portable::silu_mul(gate_up, ffn, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn rotate_store(half: usize, qkv: &[i16], angles: &Angles, q: &mut [u32], slot: Slot) {
    portable::rotate_store(half, qkv, angles, q, slot);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn attend(
    half: usize,
    q: &[u32],
    k: &[u32],
    v: &[u32],
    tiles: &[(usize, u16)],
    out: &mut [i16],
) {
    portable::attend(half, q, k, v, tiles, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) fn symbol_weights(logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
    portable::symbol_weights(logits, excluded, weights)
}
