//! Row-wise operations of a Llama block on the CPU, each one pass over memory, rows spread over the threads.
//!
//! Closures given to `pulp` are compiled once for every instruction set; what they call must be inlined for that.

use pulp::Arch;
use rayon::prelude::*;

/// Rows that a thread takes at once.
const ROWS: usize = 16;
const LANES: usize = 32;

/// e^x for x ≤ 88 with a relative error below 2·10⁻⁷; 0 below −87.3.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Cephes' expf: e^x = 2^n · e^r with |r| ≤ ln 2 / 2.
    let clamped = x.clamp(-87.3, 88.0);
    let n = (clamped * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let e = p * r * r + r + 1.0;
    let scaled = e * f32::from_bits(((n as i32 + 127) << 23) as u32);
    if x < -87.3 { 0.0 } else { scaled }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Σ f(i) with a fixed order of additions that vector units like.
#[inline(always)]
pub(super) fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = n / LANES * LANES;
    let mut i = 0;
    while i < whole {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + l);
        }
        i += LANES;
    }
    (whole..n).for_each(|i| lanes[i - whole] += f(i));
    lanes.iter().sum()
}

#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len();
    let b = &b[..n];
    sum(n, |i| a[i] * b[i])
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    (dot(x, x) / x.len() as f32 + eps).sqrt().recip()
}

/// `x += delta` (if given), then RMSNorm of x with weight w into `out`. Rows of `w.len()` values.
pub(super) fn add_rms_norm(x: &mut [f32], delta: Option<&[f32]>, w: &[f32], eps: f32, out: &mut [f32]) {
    let d = w.len();
    let arch = Arch::new();
    x.par_chunks_mut(ROWS * d).zip(out.par_chunks_mut(ROWS * d)).enumerate().for_each(|(block, (x, out))| {
        arch.dispatch(|| {
            if let Some(delta) = delta {
                let delta = &delta[block * ROWS * d..][..x.len()];
                x.iter_mut().zip(delta).for_each(|(x, d)| *x += d);
            }
            for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
                let inverse = inverse_rms(x, eps);
                for i in 0..d {
                    out[i] = x[i] * inverse * w[i];
                }
            }
        });
    });
}

/// Adds to `d_x` the gradient with respect to x of an RMSNorm whose output has the gradient `d_y`.
pub(super) fn rms_norm_backward(x: &[f32], w: &[f32], eps: f32, d_y: &[f32], d_x: &mut [f32]) {
    let d = w.len();
    let arch = Arch::new();
    let blocks = x.par_chunks(ROWS * d).zip(d_y.par_chunks(ROWS * d)).zip(d_x.par_chunks_mut(ROWS * d));
    blocks.for_each(|((x, d_y), d_x)| {
        arch.dispatch(|| {
            for ((x, d_y), d_x) in x.chunks_exact(d).zip(d_y.chunks_exact(d)).zip(d_x.chunks_exact_mut(d)) {
                let inverse = inverse_rms(x, eps);
                let mean = sum(d, |i| d_y[i] * w[i] * x[i]) * inverse * inverse * inverse / d as f32;
                for i in 0..d {
                    d_x[i] += d_y[i] * w[i] * inverse - x[i] * mean;
                }
            }
        });
    });
}

/// Turns the first `heads` heads of every row in place; row r has the position `r % length`. `cos`, `sin` are
/// \[positions, head_dim / 2\]; `back` turns the other way.
pub(super) fn rotate(
    rows: &mut [f32],
    width: usize,
    heads: usize,
    (cos, sin): (&[f32], &[f32]),
    half: usize,
    length: usize,
    back: bool,
) {
    let arch = Arch::new();
    let sign = if back { -1.0 } else { 1.0 };
    rows.par_chunks_mut(ROWS * width).enumerate().for_each(|(block, rows)| {
        arch.dispatch(|| {
            for (r, row) in rows.chunks_exact_mut(width).enumerate() {
                let position = (block * ROWS + r) % length;
                let cos = &cos[position * half..][..half];
                let sin = &sin[position * half..][..half];
                for head in row[..heads * 2 * half].chunks_exact_mut(2 * half) {
                    let (a, b) = head.split_at_mut(half);
                    for i in 0..half {
                        let (x, y, s) = (a[i], b[i], sign * sin[i]);
                        a[i] = x * cos[i] - y * s;
                        b[i] = y * cos[i] + x * s;
                    }
                }
            }
        });
    });
}

/// SwiGLU: rows (gate, up) of 2·ffn values → silu(gate) · up.
pub(super) fn swiglu(gate_up: &[f32], ffn: usize, out: &mut [f32]) {
    let arch = Arch::new();
    gate_up.par_chunks(ROWS * 2 * ffn).zip(out.par_chunks_mut(ROWS * ffn)).for_each(|(gate_up, out)| {
        arch.dispatch(|| {
            for (row, out) in gate_up.chunks_exact(2 * ffn).zip(out.chunks_exact_mut(ffn)) {
                let (gate, up) = row.split_at(ffn);
                for i in 0..ffn {
                    out[i] = gate[i] * sigmoid(gate[i]) * up[i];
                }
            }
        });
    });
}

/// Replaces (gate, up) by their gradients, given that of the SwiGLU's output.
pub(super) fn swiglu_backward(gate_up: &mut [f32], ffn: usize, d_out: &[f32]) {
    let arch = Arch::new();
    gate_up.par_chunks_mut(ROWS * 2 * ffn).zip(d_out.par_chunks(ROWS * ffn)).for_each(|(gate_up, d_out)| {
        arch.dispatch(|| {
            for (row, d) in gate_up.chunks_exact_mut(2 * ffn).zip(d_out.chunks_exact(ffn)) {
                let (gate, up) = row.split_at_mut(ffn);
                for i in 0..ffn {
                    let (g, u, s) = (gate[i], up[i], sigmoid(gate[i]));
                    gate[i] = d[i] * u * s * (1.0 + g * (1.0 - s));
                    up[i] = d[i] * g * s;
                }
            }
        });
    });
}

/// Cross-entropy of rows of logits: nats into `nats`; the logits become `weight · (softmax − one-hot(target))`.
pub(super) fn cross_entropy(logits: &mut [f32], targets: &[u32], weights: &[f32], nats: &mut [f32]) {
    let v = logits.len() / targets.len().max(1);
    let arch = Arch::new();
    logits.par_chunks_mut(ROWS * v).zip(nats.par_chunks_mut(ROWS)).enumerate().for_each(|(block, (logits, nats))| {
        arch.dispatch(|| {
            for (r, (row, nats)) in logits.chunks_exact_mut(v).zip(nats).enumerate() {
                let (target, weight) = (targets[block * ROWS + r] as usize, weights[block * ROWS + r]);
                let max = max(row);
                let at_target = row[target];
                for x in row.iter_mut() {
                    *x = exp(*x - max);
                }
                let total = sum(v, |i| row[i]);
                *nats = total.ln() + max - at_target;
                let scale = weight / total;
                for x in row.iter_mut() {
                    *x *= scale;
                }
                row[target] -= weight;
            }
        });
    });
}

#[inline(always)]
pub(super) fn max(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    let all = lanes.iter().chain(rest);
    all.fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate() {
        let mut worst = 0.0f64;
        for i in -87_000..88_000 {
            let x = i as f32 * 1e-3;
            let e = f64::from(exp(x)) / f64::from(x).exp() - 1.0;
            worst = worst.max(e.abs());
        }
        assert!(worst < 2e-7, "{worst}");
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn sums_and_maxima_of_every_length() {
        for n in 0..100usize {
            let v: Vec<f32> = (0..n).map(|i| ((i * 37) % 19) as f32 - 9.0).collect();
            assert_eq!(sum(n, |i| v[i]), v.iter().sum::<f32>());
            assert_eq!(max(&v), v.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
