//! Products with a frozen matrix in bfloat16 on processors with AVX512-BF16: f32 rows × bf16 matrix → f32 rows.
//!
//! The matrix is packed once: panels of [`PANEL`] columns, in them pairs of consecutive inputs side by side, as `vdpbf16ps` takes
//! them. Rows are rounded to bf16 (to nearest even) as they come; products and sums are f32.

use half::bf16;

/// Columns of a panel: two registers.
const PANEL: usize = 32;
/// Rows of the innermost loop: 2 × 12 accumulators.
#[cfg(target_arch = "x86_64")]
const ROWS: usize = 12;
/// Rows of a task.
#[cfg(target_arch = "x86_64")]
const TASK: usize = 8 * ROWS;

/// A matrix [inputs, outputs] for many products.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    inputs: usize,
    outputs: usize,
    /// [panels, pairs of inputs, PANEL, 2], padded with zeros.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    data: Vec<bf16>,
}

impl Packed {
    /// Whether this processor has the instructions.
    pub(crate) fn is_supported() -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512bf16")
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Packs a row-major matrix [inputs, outputs], or its transpose given as [outputs, inputs].
    pub(crate) fn new(w: &[f32], inputs: usize, outputs: usize, transposed: bool) -> Self {
        assert_eq!(w.len(), inputs * outputs, "a matrix of another size");
        let (panels, pairs) = (outputs.div_ceil(PANEL), inputs.div_ceil(2));
        let mut data = vec![bf16::ZERO; panels * pairs * PANEL * 2];
        for (p, panel) in data.chunks_exact_mut(pairs * PANEL * 2).enumerate() {
            for (k, pair) in panel.chunks_exact_mut(PANEL * 2).enumerate() {
                for (i, x) in pair.iter_mut().enumerate() {
                    let (input, output) = (2 * k + i % 2, p * PANEL + i / 2);
                    if input < inputs && output < outputs {
                        let at = if transposed { output * inputs + input } else { input * outputs + output };
                        *x = bf16::from_f32(w[at]);
                    }
                }
            }
        }
        Self { inputs, outputs, data }
    }

    /// Rows [n, inputs] × the matrix, into `out` [n, outputs].
    ///
    /// # Panics
    /// If the processor lacks the instructions ([`Self::is_supported`]) or lengths do not fit.
    pub(crate) fn product(&self, x: &[f32], out: &mut [f32]) {
        assert!(Self::is_supported(), "no AVX512-BF16 here");
        let rows = x.len() / self.inputs;
        assert!(x.len() == rows * self.inputs && out.len() == rows * self.outputs, "rows of another width");
        #[cfg(target_arch = "x86_64")]
        {
            use rayon::prelude::*;
            x.par_chunks(TASK * self.inputs).zip(out.par_chunks_mut(TASK * self.outputs)).for_each(|(x, out)| {
                // SAFETY: the instructions are there; the task's slices hold whole rows.
                unsafe { self.task(x, out) }
            });
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (x, out);
    }

    /// Some rows on one thread.
    ///
    /// # Safety
    /// The processor must have the instructions.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn task(&self, x: &[f32], out: &mut [f32]) {
        let pairs = self.inputs.div_ceil(2);
        let rows = x.len() / self.inputs;
        // Rows rounded to bf16 and padded to whole pairs; rows past the end stay zero.
        let mut rounded = vec![bf16::ZERO; rows.next_multiple_of(ROWS) * pairs * 2];
        for (x, r) in x.chunks_exact(self.inputs).zip(rounded.chunks_exact_mut(pairs * 2)) {
            round(x, r);
        }
        for (p, panel) in self.data.chunks_exact(pairs * PANEL * 2).enumerate() {
            let columns = PANEL.min(self.outputs - p * PANEL);
            for (block, block_rows) in rounded.chunks_exact(ROWS * pairs * 2).enumerate() {
                let n = ROWS.min(rows - block * ROWS);
                let at = block * ROWS * self.outputs + p * PANEL;
                // SAFETY: the block has ROWS rows of `pairs` pairs, the panel as many pairs.
                let sums = unsafe { tile(block_rows.as_ptr(), panel.as_ptr(), pairs) };
                for (r, sums) in sums.iter().enumerate().take(n) {
                    out[at + r * self.outputs..][..columns].copy_from_slice(&sums[..columns]);
                }
            }
        }
    }
}

/// Rounds to nearest even. Values that are no numbers stay so.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn round(x: &[f32], out: &mut [bf16]) {
    use std::arch::x86_64::{__m256bh, __m256i, _mm256_storeu_si256, _mm512_cvtneps_pbh, _mm512_loadu_ps};
    let whole = x.len() / 16 * 16;
    for (x, out) in x[..whole].chunks_exact(16).zip(out.chunks_exact_mut(16)) {
        // SAFETY: both chunks have 16 values.
        unsafe {
            let r = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(x.as_ptr())));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), r);
        }
    }
    x[whole..].iter().zip(&mut out[whole..]).for_each(|(x, o)| *o = bf16::from_f32(*x));
}

/// ROWS × PANEL sums over all pairs.
///
/// # Safety
/// `rows` must point to ROWS · `pairs` pairs, `panel` to `pairs` · PANEL pairs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn tile(rows: *const bf16, panel: *const bf16, pairs: usize) -> [[f32; PANEL]; ROWS] {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps,
        _mm512_storeu_ps,
    };
    let mut sums: [[__m512; 2]; ROWS] = [[_mm512_setzero_ps(); 2]; ROWS];
    for k in 0..pairs {
        // SAFETY: k < pairs; see above. Register types of the same size are transmuted.
        unsafe {
            let w = panel.add(k * PANEL * 2);
            let w: [__m512bh; 2] = [
                std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(w.cast())),
                std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(w.add(PANEL).cast())),
            ];
            for (r, sums) in sums.iter_mut().enumerate() {
                let pair = rows.add((r * pairs + k) * 2).cast::<i32>().read_unaligned();
                let x = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(pair));
                sums[0] = _mm512_dpbf16_ps(sums[0], x, w[0]);
                sums[1] = _mm512_dpbf16_ps(sums[1], x, w[1]);
            }
        }
    }
    let mut out = [[0.0; PANEL]; ROWS];
    for (out, sums) in out.iter_mut().zip(sums) {
        // SAFETY: 2 × 16 values.
        unsafe {
            _mm512_storeu_ps(out.as_mut_ptr(), sums[0]);
            _mm512_storeu_ps(out.as_mut_ptr().add(16), sums[1]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_rounded_values() {
        if !Packed::is_supported() {
            return;
        }
        for (n, inputs, outputs) in [(1, 1, 1), (13, 7, 33), (100, 64, 96), (25, 48, 5)] {
            let value = |i: usize| (((i * 7919 + 13) % 257) as f32 - 128.0) / 77.0;
            let x: Vec<f32> = (0..n * inputs).map(value).collect();
            let w: Vec<f32> = (0..inputs * outputs).map(|i| value(i * 31 + 5)).collect();
            let turned: Vec<f32> = (0..inputs * outputs).map(|i| w[i % inputs * outputs + i / inputs]).collect();
            let rounded = |v: f32| f64::from(bf16::from_f32(v).to_f32());
            for packed in [Packed::new(&w, inputs, outputs, false), Packed::new(&turned, inputs, outputs, true)] {
                let mut out = vec![0.0; n * outputs];
                packed.product(&x, &mut out);
                for (i, &found) in out.iter().enumerate() {
                    let (r, c) = (i / outputs, i % outputs);
                    let wanted: f64 =
                        (0..inputs).map(|k| rounded(x[r * inputs + k]) * rounded(w[k * outputs + c])).sum();
                    assert!((f64::from(found) - wanted).abs() < 1e-4, "{n} {inputs} {outputs} {i}: {found} {wanted}");
                }
            }
        }
    }
}
