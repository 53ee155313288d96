//! Single kernel calls of the sequence Llama for benches (the kernels themselves are private).

use super::cache::KeysValues;
use super::kernel::{self, AttendScratch, BLOCK_TILES, LANES, Norm};
use super::linear::{LinearSource, WideLinear};
use crate::isa::Isa;
use crate::testing::Random;

/// One kernel call on random data.
#[derive(Debug, Clone)]
pub struct SequenceKernelBench {
    job: Job,
}

#[derive(Debug, Clone)]
enum Job {
    Linear { layer: WideLinear, a: Vec<i16>, out: Vec<i32> },
    RmsNorm { norm: Norm, x: Vec<i64>, values: Vec<i32>, y: Vec<i16> },
    Attend(Box<Attend>),
}

#[derive(Debug, Clone)]
struct Attend {
    columns: usize,
    len: usize,
    k: Vec<u32>,
    v: Vec<u32>,
    /// Of the keys and of the values.
    exponents: Vec<i32>,
    q: Vec<u32>,
    q_exponents: Vec<i32>,
    scratch: AttendScratch,
    out: Vec<i32>,
    out_exponents: Vec<i32>,
}

/// Pairs of mantissas of usual magnitude.
fn pairs(random: &mut Random, n: usize) -> Vec<u32> {
    let mut mantissa = || u32::from((random.normal(700.0) as i16).clamp(-4095, 4095) as u16);
    (0..n).map(|_| mantissa() | mantissa() << 16).collect()
}

impl SequenceKernelBench {
    /// A linear layer on `m` rows.
    ///
    /// # Panics
    /// If a size is 0.
    pub fn linear(inputs: usize, outputs: usize, m: usize) -> Self {
        assert!(inputs > 0 && outputs > 0 && m > 0, "{inputs} inputs, {outputs} outputs, {m} rows");
        let mut random = Random::new(1);
        let weights: Vec<u8> = (0..inputs * outputs).map(|_| (random.below(201) as i32 - 100) as i8 as u8).collect();
        let mult = vec![1 << 30; outputs];
        let source = LinearSource { name: "bench".into(), weights: &weights, inputs, mult, exponent: 0, first_row: 0 };
        let layer = source.pack().expect("no weight is -128");
        let a = (0..m * layer.stride()).map(|_| random.normal(2048.0) as i16).collect();
        let out = vec![0; m * layer.output_stride()];
        Self { job: Job::Linear { layer, a, out } }
    }

    /// RMSNorm of one row of the residual stream.
    pub fn rms_norm(width: usize) -> Self {
        let mut random = Random::new(2);
        let x = (0..width).map(|_| (random.normal(1.0) * f64::from(1 << 24)) as i64).collect();
        let norm = Norm { weight: vec![1 << 29; width], exponent: -29 };
        Self { job: Job::RmsNorm { norm, x, values: vec![0; width], y: vec![0; width] } }
    }

    /// Scores, softmax and weighted sum of `heads` query heads on one key and value head over `len` positions.
    ///
    /// # Panics
    /// If a size is 0, or `head_dim` is odd or above 128.
    pub fn attend(heads: usize, head_dim: usize, len: usize) -> Self {
        assert!(heads > 0 && len > 0 && head_dim.is_multiple_of(2) && (2..=128).contains(&head_dim));
        let mut random = Random::new(3);
        let (half, columns) = (head_dim / 2, head_dim.next_multiple_of(LANES));
        let tiles = len.div_ceil(BLOCK_TILES * LANES) * BLOCK_TILES;
        let job = Attend {
            columns,
            len,
            k: pairs(&mut random, tiles * half * LANES),
            v: pairs(&mut random, tiles * columns * LANES / 2),
            exponents: vec![-10; tiles * LANES],
            q: pairs(&mut random, heads * half),
            q_exponents: vec![-10; heads],
            scratch: AttendScratch::new(heads, len, columns),
            out: vec![0; heads * head_dim],
            out_exponents: vec![0; heads],
        };
        Self { job: Job::Attend(Box::new(job)) }
    }

    /// Runs it once; the sum of the outputs, so that nothing is optimised away and kernels can be compared.
    pub fn run(&mut self, isa: Isa) -> i64 {
        match &mut self.job {
            Job::Linear { layer, a, out } => {
                kernel::linear(isa, layer, a, out);
                out.iter().map(|&v| i64::from(v)).sum()
            }
            Job::RmsNorm { norm, x, values, y } => {
                let exponent = kernel::rms_norm(isa, x, norm, 1 << 31, values, y);
                y.iter().map(|&v| i64::from(v)).sum::<i64>() + i64::from(exponent)
            }
            Job::Attend(job) => {
                let job = job.as_mut();
                let kv = KeysValues {
                    columns: job.columns,
                    k: &job.k,
                    v: &job.v,
                    k_exponents: &job.exponents,
                    v_exponents: &job.exponents,
                };
                let (scratch, out, exponents) = (&mut job.scratch, &mut job.out, &mut job.out_exponents);
                kernel::attend(isa, &job.q, &job.q_exponents, kv, job.len, scratch, out, exponents);
                job.out.iter().chain(&job.out_exponents).map(|&v| i64::from(v)).sum()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Kernel;

    #[test]
    fn all_kernels_do_the_same_work() {
        let benches = [
            SequenceKernelBench::linear(96, 40, 3),
            SequenceKernelBench::rms_norm(96),
            SequenceKernelBench::attend(3, 64, 70),
        ];
        for bench in benches {
            let sum = |kernel| bench.clone().run(Isa::new(kernel).expect("available"));
            let sums: Vec<i64> = Kernel::available().into_iter().map(sum).collect();
            assert!(sums[0] != 0 && sums.iter().all(|&s| s == sums[0]), "{sums:?}");
        }
    }
}
