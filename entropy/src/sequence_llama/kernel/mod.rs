//! The hot loops of the sequence Llama, for every instruction set.
//!
//! `specification.rs`, in plain Rust, is the specification. The SIMD modules replace the heavy loops by intrinsics and compile
//! the rest of that same code with their target features. All are exact integer arithmetic, and tested equal one by one
//! (`tests.rs`) and as a whole (`tests/sequence_llama/sameness.rs`).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod operands;
mod portable;
mod recompile;
mod specification;
#[cfg(test)]
mod tests;

pub(crate) use operands::{Angles, AttendScratch, Norm};

use super::cache::{BLOCK_TILES, KeysValues, LANES, Slot};
use super::linear::WideLinear;
use crate::isa::{Isa, dispatch};

/// `out[m] = layer(a[m])`: rows of `layer.stride()` mantissas to rows of `layer.output_stride()`.
pub(crate) fn linear(isa: Isa, layer: &WideLinear, a: &[i16], out: &mut [i32]) {
    let m = a.len() / layer.stride();
    assert!(a.len() == m * layer.stride() && out.len() == m * layer.output_stride(), "{} inputs", a.len());
    dispatch!(isa, linear(layer, a, out))
}

/// RMSNorm of one row of the residual stream into mantissas `y`; returns their exponent. `values` is scratch.
pub(crate) fn rms_norm(isa: Isa, x: &[i64], norm: &Norm, eps_q48: u64, values: &mut [i32], y: &mut [i16]) -> i32 {
    assert!(x.len() == norm.weight.len() && x.len() == values.len() && x.len() == y.len());
    dispatch!(isa, rms_norm(x, norm, eps_q48, values, y))
}

/// `x += out · 2^exponent`, saturated.
pub(crate) fn add(isa: Isa, x: &mut [i64], out: &[i32], exponent: i32) {
    assert!(x.len() == out.len());
    dispatch!(isa, add(x, out, exponent))
}

/// A query head `head` (changed on the way) of one position into pairs; returns their exponent.
pub(crate) fn place_query(isa: Isa, head: &mut [i32], exponent: i32, angles: Angles, q: &mut [u32]) -> i32 {
    let (cos, sin) = (angles.cos, angles.sin);
    assert!(head.len() == 2 * q.len() && cos.len() == q.len() && sin.len() == q.len());
    dispatch!(isa, place_query(head, exponent, cos, sin, q))
}

/// A key head and a value head (changed on the way) of one position into their tile.
pub(crate) fn place_key_value(isa: Isa, key: &mut [i32], value: &mut [i32], exponent: i32, angles: Angles, slot: Slot) {
    let (cos, sin) = (angles.cos, angles.sin);
    assert!(key.len() == 2 * cos.len() && value.len() == key.len() && sin.len() == cos.len());
    assert!(slot.lane < LANES && slot.k.len() == cos.len() * LANES);
    assert!(slot.v.len() >= value.len() * LANES / 2 && slot.v.len().is_multiple_of(LANES / 2));
    dispatch!(isa, place_key_value(key, value, exponent, cos, sin, slot))
}

/// Attention of a group of query heads of one position over the first `len` positions of their key and value head.
///
/// `q`: `[heads][head_dim / 2]`; `out`: `[heads][head_dim]`, values `out · 2^exponent` of each head.
#[allow(clippy::too_many_arguments)]
pub(crate) fn attend(
    isa: Isa,
    q: &[u32],
    q_exponents: &[i32],
    kv: KeysValues,
    len: usize,
    scratch: &mut AttendScratch,
    out: &mut [i32],
    exponents: &mut [i32],
) {
    // Kernels may read whole blocks.
    let (heads, tiles) = (q_exponents.len(), len.div_ceil(BLOCK_TILES * LANES) * BLOCK_TILES);
    assert!(heads > 0 && exponents.len() == heads && out.len() == 2 * q.len() && q.len().is_multiple_of(heads));
    let half = q.len() / heads;
    assert!(len > 0 && kv.k.len() >= tiles * half * LANES && kv.v.len() >= tiles * kv.columns * LANES / 2);
    assert!(kv.k_exponents.len() >= tiles * LANES && kv.v_exponents.len() >= tiles * LANES);
    assert!(kv.columns.is_multiple_of(LANES) && kv.columns >= 2 * half && kv.columns <= 128);
    let positions = len.next_multiple_of(BLOCK_TILES * LANES);
    assert!(scratch.scores.len() >= heads * positions && scratch.shares.len() >= heads * positions);
    assert!(
        scratch.octaves.len() >= heads * positions / (BLOCK_TILES * LANES)
            && scratch.totals.len() >= heads * kv.columns
    );
    dispatch!(isa, attend(q, q_exponents, kv, len, scratch, out, exponents))
}

/// The attended heads of one position as mantissas `y`; returns their exponent.
pub(crate) fn pack_heads(isa: Isa, values: &[i32], exponents: &[i32], y: &mut [i16]) -> i32 {
    assert!(!exponents.is_empty() && values.len().is_multiple_of(exponents.len()) && y.len() == values.len());
    dispatch!(isa, pack_heads(values, exponents, values.len() / exponents.len(), y))
}

/// `silu(gate) · up` of one row `[gate; ffn] ++ [up; ffn]` into mantissas `h`; returns their exponent.
///
/// `complements` and `products` are scratch of `ffn` elements.
pub(crate) fn swiglu(
    isa: Isa,
    gate_up: &[i32],
    exponent: i32,
    complements: &mut [i16],
    products: &mut [i64],
    h: &mut [i16],
) -> i32 {
    let ffn = h.len();
    assert!(gate_up.len() == 2 * ffn && complements.len() == ffn && products.len() == ffn);
    let (gate, up) = gate_up.split_at(ffn);
    dispatch!(isa, complements(gate, exponent, complements));
    dispatch!(isa, gate_products(gate, up, complements, exponent, products, h))
}

/// Logits (Q16 log2 units) from a head's outputs and their exponent.
pub(crate) fn logits(isa: Isa, out: &[i32], exponent: i32, logits: &mut [i32]) {
    assert!(out.len() == logits.len());
    dispatch!(isa, logits(out, exponent, logits))
}
