//! The hot loops of the sequence Llama, for every instruction set.
//!
//! `portable.rs`, in plain Rust, is the specification. The SIMD modules replace the heavy loops by intrinsics and compile
//! the rest of that same code with their target features. All are exact integer arithmetic, and tested equal one by one
//! (`tests.rs`) and as a whole (`tests/sequence_llama/sameness.rs`).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;

use super::cache::{KeysValues, Slot};
use super::linear::WideLinear;
use crate::isa::{Isa, Kernel};

/// Positions of a tile of keys and values.
pub(crate) const LANES: usize = 16;
/// Tiles whose shares have one exponent: 32 positions.
pub(crate) const BLOCK_TILES: usize = 2;

/// The weights of an RMSNorm: `weight · 2^exponent`, |weight| ≤ 2^30.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    pub(crate) weight: Vec<i32>,
    pub(crate) exponent: i32,
}

/// One query head: pairs of mantissas (±4095) and their exponent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) q: &'a [u32],
    pub(crate) exponent: i32,
}

/// Intermediate values of attention.
#[derive(Debug, Clone)]
pub(crate) struct AttendScratch {
    /// `[heads of a group][positions]`, Q16.
    scores: Vec<i32>,
    /// `[heads of a group][positions]`, at most 2^14.
    shares: Vec<i16>,
    /// `[heads of a group][blocks]`.
    octaves: Vec<i32>,
    /// `[columns]`.
    sums: Vec<i32>,
    /// `[heads of a group][columns]`.
    totals: Vec<i64>,
}

impl AttendScratch {
    /// For `group` heads over `positions` positions (whole blocks) with `columns` columns.
    pub(crate) fn new(group: usize, positions: usize, columns: usize) -> Self {
        let positions = positions.next_multiple_of(BLOCK_TILES * LANES);
        Self {
            scores: vec![0; group * positions],
            shares: vec![0; group * positions],
            octaves: vec![0; group * positions / (BLOCK_TILES * LANES)],
            sums: vec![0; columns],
            totals: vec![0; group * columns],
        }
    }

    /// Bytes of [`new`](Self::new).
    pub(crate) fn bytes(group: usize, positions: usize, columns: usize) -> usize {
        let positions = positions.next_multiple_of(BLOCK_TILES * LANES);
        group * positions * 6 + group * positions / 8 + columns * 4 + group * columns * 8
    }
}

/// Calls a kernel function by its name in the module of the kernel.
macro_rules! dispatch {
    ($isa:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $isa.kernel() {
            // SAFETY: an `Isa` is only made after `Kernel::is_available` found the target features.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => unsafe { avx512::$function($($argument),*) },
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => neon::$function($($argument),*),
            _ => scalar::$function($($argument),*),
        }
    };
}

/// Compiles the elementwise functions of `portable.rs` with some target features.
macro_rules! recompile {
    ($(#[$features:meta])*) => {
        $(#[$features])*
        pub(super) fn rms_norm(x: &[i64], norm: &Norm, eps_q48: u64, values: &mut [i32], y: &mut [i16]) -> i32 {
            portable::rms_norm(x, norm, eps_q48, values, y)
        }

        $(#[$features])*
        pub(super) fn add(x: &mut [i64], out: &[i32], exponent: i32) {
            portable::add(x, out, exponent);
        }

        $(#[$features])*
        pub(super) fn place_query(head: &mut [i32], exponent: i32, cos: &[i32], sin: &[i32], q: &mut [u32]) -> i32 {
            portable::place_query(head, exponent, cos, sin, q)
        }

        $(#[$features])*
        pub(super) fn place_key_value(
            key: &mut [i32],
            value: &mut [i32],
            exponent: i32,
            cos: &[i32],
            sin: &[i32],
            slot: Slot,
        ) {
            portable::place_key_value(key, value, exponent, cos, sin, slot);
        }

        $(#[$features])*
        pub(super) fn pack_heads(values: &[i32], exponents: &[i32], head_dim: usize, y: &mut [i16]) -> i32 {
            portable::pack_heads(values, exponents, head_dim, y)
        }

        $(#[$features])*
        pub(super) fn gate_products(
            gate: &[i32],
            up: &[i32],
            c: &[i16],
            exponent: i32,
            products: &mut [i64],
            h: &mut [i16],
        ) -> i32 {
            portable::gate_products(gate, up, c, exponent, products, h)
        }

        $(#[$features])*
        pub(super) fn logits(out: &[i32], exponent: i32, logits: &mut [i32]) {
            portable::logits(out, exponent, logits);
        }
    };
}

/// Compiles attention of `portable.rs`, head by head, with some target features and inner loops.
macro_rules! attend_heads {
    ($products:expr, $(#[$features:meta])*) => {
        $(#[$features])*
        pub(super) fn attend(
            q: &[u32],
            q_exponents: &[i32],
            kv: KeysValues,
            len: usize,
            scratch: &mut AttendScratch,
            out: &mut [i32],
            exponents: &mut [i32],
        ) {
            let (half, head_dim) = (q.len() / q_exponents.len(), out.len() / exponents.len());
            let heads = q.chunks_exact(half).zip(q_exponents).zip(out.chunks_exact_mut(head_dim)).zip(exponents);
            for (((q, &exponent), out), out_exponent) in heads {
                *out_exponent = portable::attend($products, Query { q, exponent }, kv, len, scratch, out);
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
use {attend_heads, recompile};

/// The specification, compiled for the target's baseline.
mod scalar {
    use super::portable::Plain;
    pub(super) use super::portable::{complements, linear};
    use super::*;

    recompile!();
    attend_heads!(Plain,);
}

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

/// Cosines and sines (Q30) of the pairs of a head at one position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Angles<'a> {
    pub(crate) cos: &'a [i32],
    pub(crate) sin: &'a [i32],
}
