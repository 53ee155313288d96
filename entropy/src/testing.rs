//! What tests and benches of this workspace share: seeded random numbers, and the kernels to try.

use crate::isa::{Isa, Kernel};

/// Every kernel that this processor runs, slowest first.
pub fn isas() -> impl Iterator<Item = Isa> {
    Kernel::available().into_iter().filter_map(|kernel| Isa::new(kernel).ok())
}

/// A small, fast, seeded generator (SplitMix64), so that tests need no crate for it.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n` (slightly biased; n > 0).
    pub fn below(&mut self, n: u32) -> u32 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u32
    }

    /// Roughly normal, standard deviation `sigma`, within ±3.5 `sigma` (a sum of 12 uniforms).
    pub fn normal(&mut self, sigma: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64).sum();
        ((sum - 6.0) * sigma).clamp(-3.5 * sigma, 3.5 * sigma)
    }

    /// `n` features in Q4: most are zero, the others a few units, as differences of DCT coefficients are.
    pub fn features(&mut self, n: usize) -> Vec<i16> {
        (0..n).map(|_| if self.below(3) == 0 { self.normal(24.0) as i16 } else { 0 }).collect()
    }
}
