//! Causal attention with grouped key and value heads on the CPU, and its gradient.
//!
//! Rows of `qkv` hold all query heads, then the key heads, then the value heads. Scores exist only for [`BLOCK`] queries at a
//! time; the backward pass computes them again from the stored log-sum-exp (Dao et al., "FlashAttention", 2022).

use pulp::Arch;
use rayon::prelude::*;

use super::matrix::{View, product};
use super::rows::{dot, exp, max, sum};

/// Queries whose scores are in memory at once.
const BLOCK: usize = 64;

/// Sizes of an attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Query heads.
    pub(crate) queries: usize,
    /// Key heads, and value heads.
    pub(crate) keys: usize,
    /// Size of a head.
    pub(crate) size: usize,
    /// Positions of a sequence.
    pub(crate) length: usize,
}

impl Heads {
    /// Width of a row of `qkv`.
    pub(crate) fn width(&self) -> usize {
        (self.queries + 2 * self.keys) * self.size
    }

    /// Offset of the key head in a row, `head` being a query head.
    fn key(&self, head: usize) -> usize {
        (self.queries + head / (self.queries / self.keys)) * self.size
    }

    fn value(&self, head: usize) -> usize {
        self.key(head) + self.keys * self.size
    }

    fn scale(&self) -> f32 {
        (self.size as f32).sqrt().recip()
    }
}

/// `out` \[rows, queries · size\] and the log-sum-exp of every query's scaled scores \[rows, queries\].
pub(super) fn attention(qkv: &[f32], h: Heads, out: &mut [f32], log_sums: &mut [f32]) {
    let (width, size, wide) = (h.width(), h.size, h.queries * h.size);
    let arch = Arch::new();
    // One task a block of queries: rows of `out` are contiguous.
    let sequences = out.par_chunks_mut(h.length * wide).zip(log_sums.par_chunks_mut(h.length * h.queries));
    sequences.enumerate().for_each(|(s, (out, log_sums))| {
        let qkv = &qkv[s * h.length * width..][..h.length * width];
        let blocks = out.par_chunks_mut(BLOCK * wide).zip(log_sums.par_chunks_mut(BLOCK * h.queries));
        // The longest blocks first.
        blocks.enumerate().rev().with_max_len(1).for_each(|(block, (out, log_sums))| {
            let (first, rows) = (block * BLOCK, out.len() / wide);
            let keys = first + rows;
            let mut scores = vec![0.0; rows * keys];
            for head in 0..h.queries {
                let q = View::new(&qkv[first * width + head * size..], rows, size, width);
                let k = View::new(&qkv[h.key(head)..], keys, size, width);
                let v = View::new(&qkv[h.value(head)..], keys, size, width);
                product(&mut scores, keys, false, h.scale(), q, k.transposed());
                arch.dispatch(|| {
                    for (r, row) in scores.chunks_exact_mut(keys).enumerate() {
                        let seen = first + r + 1;
                        let top = max(&row[..seen]);
                        row[..seen].iter_mut().for_each(|x| *x = exp(*x - top));
                        row[seen..].fill(0.0);
                        let total = sum(seen, |i| row[i]);
                        log_sums[r * h.queries + head] = total.ln() + top;
                        let scale = total.recip();
                        row[..seen].iter_mut().for_each(|x| *x *= scale);
                    }
                });
                product(&mut out[head * size..], wide, false, 1.0, View::new(&scores, rows, keys, keys), v);
            }
        });
    });
}

/// Gradients of one key head and its query heads within one sequence.
struct Part {
    /// [query heads of the group, length, size]
    queries: Vec<f32>,
    /// [length, size]
    keys: Vec<f32>,
    /// [length, size]
    values: Vec<f32>,
}

/// Gradient of `qkv`, given that of the attention's output.
pub(super) fn attention_backward(
    qkv: &[f32],
    h: Heads,
    out: &[f32],
    log_sums: &[f32],
    d_out: &[f32],
    d_qkv: &mut [f32],
) {
    let (width, size, length) = (h.width(), h.size, h.length);
    let group = h.queries / h.keys;
    let sequences = qkv.len() / (length * width);
    let parts: Vec<Part> = (0..sequences * h.keys)
        .into_par_iter()
        .with_max_len(1)
        .map(|i| part_backward(qkv, h, (out, log_sums, d_out), i / h.keys, i % h.keys))
        .collect();
    d_qkv.par_chunks_exact_mut(width).enumerate().with_min_len(16).for_each(|(row, d)| {
        let (s, t) = (row / length, row % length);
        for (g, part) in parts[s * h.keys..][..h.keys].iter().enumerate() {
            for j in 0..group {
                let from = &part.queries[(j * length + t) * size..][..size];
                d[(g * group + j) * size..][..size].copy_from_slice(from);
            }
            d[h.key(g * group)..][..size].copy_from_slice(&part.keys[t * size..][..size]);
            d[h.value(g * group)..][..size].copy_from_slice(&part.values[t * size..][..size]);
        }
    });
}

fn part_backward(qkv: &[f32], h: Heads, (out, log_sums, d_out): (&[f32], &[f32], &[f32]), s: usize, g: usize) -> Part {
    let (width, size, length, wide) = (h.width(), h.size, h.length, h.queries * h.size);
    let group = h.queries / h.keys;
    let arch = Arch::new();
    let qkv = &qkv[s * length * width..][..length * width];
    let (out, d_out) = (&out[s * length * wide..][..length * wide], &d_out[s * length * wide..][..length * wide]);
    let log_sums = &log_sums[s * length * h.queries..][..length * h.queries];
    let mut part = Part {
        queries: vec![0.0; group * length * size],
        keys: vec![0.0; length * size],
        values: vec![0.0; length * size],
    };
    let mut probabilities = vec![0.0; BLOCK.min(length) * length];
    let mut d_scores = vec![0.0; BLOCK.min(length) * length];
    for j in 0..group {
        let head = g * group + j;
        for first in (0..length).step_by(BLOCK) {
            let rows = BLOCK.min(length - first);
            let keys = first + rows;
            let q = View::new(&qkv[first * width + head * size..], rows, size, width);
            let k = View::new(&qkv[h.key(head)..], keys, size, width);
            let v = View::new(&qkv[h.value(head)..], keys, size, width);
            let d_o = View::new(&d_out[first * wide + head * size..], rows, size, wide);
            let p = &mut probabilities[..rows * keys];
            let d_s = &mut d_scores[..rows * keys];
            product(p, keys, false, h.scale(), q, k.transposed());
            product(d_s, keys, false, 1.0, d_o, v.transposed());
            arch.dispatch(|| {
                for (r, (p, d_s)) in p.chunks_exact_mut(keys).zip(d_s.chunks_exact_mut(keys)).enumerate() {
                    let at = (first + r) * wide + head * size;
                    let mean = dot(&out[at..at + size], &d_out[at..at + size]);
                    let log_sum = log_sums[(first + r) * h.queries + head];
                    let seen = first + r + 1;
                    for (p, d) in p[..seen].iter_mut().zip(&mut d_s[..seen]) {
                        *p = exp(*p - log_sum);
                        *d = *p * (*d - mean);
                    }
                    p[seen..].fill(0.0);
                    d_s[seen..].fill(0.0);
                }
            });
            let (p, d_s) = (View::new(p, rows, keys, keys), View::new(d_s, rows, keys, keys));
            product(&mut part.values, size, true, 1.0, p.transposed(), d_o);
            product(&mut part.keys, size, true, h.scale(), d_s.transposed(), q);
            product(&mut part.queries[(j * length + first) * size..], size, false, h.scale(), d_s, k);
        }
    }
    part
}
