//! The hot loops, for every instruction set.
//!
//! `portable.rs`, in plain Rust, is the specification. `avx2.rs` and `avx512.rs` replace the heavy loops by intrinsics and
//! compile the rest of that same code with their target features; `neon.rs` likewise on AArch64. All are exact integer
//! arithmetic, and tested equal one by one (`tests.rs`) and as a whole (`tests/frame_llama.rs`).
//!
//! Microseconds a frame of the default model (backbone + 16 depth steps + DC) on one core of a Zen 5 at 4.2 GHz, best of
//! 200 batches of M frames (`examples/throughput.rs`):
//!
//! | kernel | M = 1 | M = 8 | M = 32 |
//! |---|---|---|---|
//! | scalar (SSE2) | 760 | 340 | 320 |
//! | avx2 | 67 | 47 | 49 |
//! | avx512-vnni | 39 | 23 | 22 |
//!
//! A frame takes 2.8 M multiply–accumulates. With AVX-512 the linear layers run at 230–250 G/s (192 inputs and more) and
//! 190 G/s (64 inputs), of 270 G/s that two 512-bit `vpdpwssd` a cycle allow. Two passes of `vpdpbusd` over the bytes of
//! the activations would start as many instructions; they only save the widening of the weights, which is hidden here.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod portable;
#[cfg(test)]
mod tests;

use super::fixed::Angles;
use super::kv::Slot;
use super::linear::Linear;
use crate::isa::{Isa, dispatch};

/// Columns (or depth steps) of a K/V tile: the lanes of a 512-bit register.
pub(crate) const LANES: usize = 16;
/// The most tiles that one frame attends to: three rows, two tiles each.
pub(crate) const MAX_TILES: usize = 6;

impl Isa {
    /// Weights of symbols from logits (Q16 log2 units): `max(exp2neg20(max − logit), 1)`, or 0 where `excluded` has the
    /// symbol's bit; the maximum is over the others. Returns the sum (at most 2^26; 0 if all are excluded).
    ///
    /// # Panics
    /// If the lengths differ or exceed 64.
    pub fn symbol_weights(self, logits: &[i32], excluded: u64, weights: &mut [u32]) -> u32 {
        assert!(logits.len() == weights.len() && logits.len() <= 64, "{} logits", logits.len());
        dispatch!(self, symbol_weights(logits, excluded, weights))
    }

    /// `out[m] = linear(a[m])` as i16 (every limit of the layer fits).
    pub(crate) fn linear_i16(self, layer: &Linear, a: &[i16], out: &mut [i16]) {
        check_linear(layer, a.len(), out.len());
        dispatch!(self, linear_i16(layer, a, out))
    }

    /// `out[m] = clamp(out[m] + linear(a[m]), ±limit)`; |out| ≤ 2^27 before.
    pub(crate) fn linear_add(self, layer: &Linear, a: &[i16], out: &mut [i32]) {
        check_linear(layer, a.len(), out.len());
        dispatch!(self, linear_add(layer, a, out))
    }

    /// RMSNorm of each row of `width` elements, Q12 → Q11.
    pub(crate) fn rmsnorm(self, x: &[i32], width: usize, y: &mut [i16]) {
        assert!(x.len() == y.len() && x.len().is_multiple_of(width));
        dispatch!(self, rmsnorm(x, width, y))
    }

    /// `silu(gate)·up` of rows of `[gate; ffn] ++ [up; ffn]` (Q11) → rows of `ffn` (Q10).
    pub(crate) fn silu_mul(self, gate_up: &[i16], ffn: usize, out: &mut [i16]) {
        assert!(gate_up.len() == 2 * out.len() && out.len().is_multiple_of(ffn) && ffn.is_multiple_of(16));
        dispatch!(self, silu_mul(gate_up, ffn, out))
    }

    /// Turns q and k of one frame (`qkv`: 3·D, Q9/Q9/Q10), stores k and v in the slot and q's D/2 pairs in `q`.
    pub(crate) fn rotate_store(self, half: usize, qkv: &[i16], angles: &Angles, q: &mut [u32], slot: Slot) {
        let d = qkv.len() / 3;
        assert!(half == 8 || half == 16);
        assert!(qkv.len() == 3 * d && d.is_multiple_of(2 * half) && slot.lane < LANES);
        assert!(q.len() == d / 2 && slot.k.len() == 8 * d && slot.v.len() == 8 * d);
        dispatch!(self, rotate_store(half, qkv, angles, q, slot))
    }

    /// Attention of one frame's rotated queries over the marked lanes of some tiles → Q10.
    ///
    /// `q`: D/2 pairs; `k`, `v`: whole tiles of 8·D pairs; `tiles`: (tile, lanes), 1..=6 of them, at least one lane
    /// marked in all; `out`: D.
    pub(crate) fn attend(self, half: usize, q: &[u32], k: &[u32], v: &[u32], tiles: &[(usize, u16)], out: &mut [i16]) {
        let d = out.len();
        assert!(half == 8 || half == 16);
        assert!(q.len() == d / 2 && d.is_multiple_of(2 * half) && k.len() == v.len());
        assert!((1..=MAX_TILES).contains(&tiles.len()) && tiles.iter().any(|t| t.1 != 0));
        assert!(tiles.iter().all(|&(tile, _)| (tile + 1) * 8 * d <= k.len()));
        dispatch!(self, attend(half, q, k, v, tiles, out))
    }
}

fn check_linear(layer: &Linear, a: usize, out: usize) {
    let m = a / layer.stride();
    assert!(a == m * layer.stride() && out == m * layer.outputs(), "{a} activations, {out} outputs");
}
