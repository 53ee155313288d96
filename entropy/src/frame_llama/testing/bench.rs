//! Single kernel calls for benches.

use super::super::linear::Linear;
use crate::isa::Isa;
use crate::testing::Random;

/// One kernel call on random data, for benches (the kernels themselves are private).
#[derive(Debug, Clone)]
pub struct KernelBench {
    job: Job,
    a: Vec<i16>,
    x: Vec<i32>,
    out: Vec<i16>,
    pairs: [Vec<u32>; 3],
}

#[derive(Debug, Clone)]
enum Job {
    Linear(Linear),
    RmsNorm(usize),
    SiluMul(usize),
    Attend(usize, &'static [(usize, u16)]),
}

impl KernelBench {
    fn new(job: Job, len: usize) -> Self {
        let mut random = Random::new(1);
        let mut pairs = |n: usize| (0..n).map(|_| random.next_u64() as u32 & 0x1fff_1fff).collect();
        let pairs = [pairs(len / 2), pairs(24 * len), pairs(24 * len)];
        let a = (0..2 * len).map(|_| random.normal(2048.0) as i16).collect();
        Self { job, a, x: vec![4096; len], out: vec![0; len], pairs }
    }

    /// A linear layer on `m` rows.
    pub fn linear(inputs: usize, outputs: usize, m: usize) -> Self {
        let weights: Vec<i8> = (0..inputs * outputs).map(|i| (i * 37 % 101) as i8 - 50).collect();
        let layer = Linear::new(&weights, inputs, vec![1 << 30; outputs], 40, vec![32767; outputs]);
        let mut bench = Self::new(Job::Linear(layer), m * inputs.div_ceil(2) * 2);
        bench.a.truncate(m * inputs.div_ceil(2) * 2);
        bench.out = vec![0; m * outputs];
        bench
    }

    /// The other kernels at the default sizes, each with its name.
    pub fn elementwise() -> Vec<(&'static str, Self)> {
        vec![
            ("rmsnorm-32x64", Self::new(Job::RmsNorm(64), 32 * 64)),
            ("rmsnorm-32x192", Self::new(Job::RmsNorm(192), 32 * 192)),
            ("silu_mul-32x128", Self::new(Job::SiluMul(128), 32 * 128)),
            ("silu_mul-32x384", Self::new(Job::SiluMul(384), 32 * 384)),
            ("attend-depth-16-steps", Self::new(Job::Attend(8, &[(0, u16::MAX)]), 64)),
            ("attend-backbone-24-frames", Self::new(Job::Attend(16, &[(0, 0x7f80), (1, 0x0ff0), (2, 0x1fe0)]), 192)),
        ]
    }

    /// Runs it once.
    pub fn run(&mut self, isa: Isa) {
        match &self.job {
            Job::Linear(layer) => isa.linear_i16(layer, &self.a, &mut self.out),
            Job::RmsNorm(width) => isa.rmsnorm(&self.x, *width, &mut self.out),
            Job::SiluMul(ffn) => isa.silu_mul(&self.a, *ffn, &mut self.out),
            Job::Attend(half, marks) => {
                let [q, k, v] = &self.pairs;
                isa.attend(*half, q, k, v, marks, &mut self.out);
            }
        }
    }
}
