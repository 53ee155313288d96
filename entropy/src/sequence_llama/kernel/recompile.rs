//! The functions of `specification.rs` compiled for an instruction set: each module of one expands these macros.

/// Compiles the elementwise functions of `specification.rs` with some target features.
macro_rules! recompile {
    ($(#[$features:meta])*) => {
        $(#[$features])*
        pub(super) fn rms_norm(x: &[i64], norm: &Norm, eps_q48: u64, values: &mut [i32], y: &mut [i16]) -> i32 {
            specification::rms_norm(x, norm, eps_q48, values, y)
        }

        $(#[$features])*
        pub(super) fn add(x: &mut [i64], out: &[i32], exponent: i32) {
            specification::add(x, out, exponent);
        }

        $(#[$features])*
        pub(super) fn place_query(head: &mut [i32], exponent: i32, cos: &[i32], sin: &[i32], q: &mut [u32]) -> i32 {
            specification::place_query(head, exponent, cos, sin, q)
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
            specification::place_key_value(key, value, exponent, cos, sin, slot);
        }

        $(#[$features])*
        pub(super) fn pack_heads(values: &[i32], exponents: &[i32], head_dim: usize, y: &mut [i16]) -> i32 {
            specification::pack_heads(values, exponents, head_dim, y)
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
            specification::gate_products(gate, up, c, exponent, products, h)
        }

        $(#[$features])*
        pub(super) fn logits(out: &[i32], exponent: i32, logits: &mut [i32]) {
            specification::logits(out, exponent, logits);
        }
    };
}

/// Compiles attention of `specification.rs`, head by head, with some target features and inner loops.
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
                *out_exponent = specification::attend($products, Query { q, exponent }, kv, len, scratch, out);
            }
        }
    };
}

pub(super) use {attend_heads, recompile};
