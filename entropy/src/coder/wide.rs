//! Integer weights of large alphabets: VQ indices, RVQ codes, coefficient values.

use super::symbol::{SymbolSink, SymbolSource};
use super::weights::wide_weights;
use crate::isa::Isa;

/// The greatest alphabet of a [`WideDistribution`].
pub const MAX_WIDE_SYMBOLS: usize = 1 << 14;

/// Symbols that are summed at once when a symbol is looked up.
const RUN: usize = 64;

/// Integer weights of 1..=16384 symbols, every one at least 1 and their sum below 2^26, ready for the coder.
///
/// From logits ℓ in Q16 log2 units: `w = exp2neg24(max − ℓ)`, `S = Σ w`, `R = floor(2^24·(2^26 − 2^15) / S)`, and the
/// weight is `1 + floor(w·R / 2^24)`.
///
/// Bounds: the greatest logit has w = 2^24, so `2^24 ≤ S ≤ 2^38` and `2^12 ≤ R < 2^26`; `w·R < 2^50`. `Σ floor(w·R / 2^24) ≤
/// S·R / 2^24 ≤ 2^26 − 2^15`, and the ones add at most 2^14, so the total stays below 2^26. The ones cost at most
/// `16384 / (2^26 − 2^15)` of the probability: 0.00036 bits a symbol for the greatest alphabet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WideDistribution {
    weights: Vec<u32>,
    total: u32,
}

impl WideDistribution {
    /// The weights of logits (any i32; Q16 log2 units).
    ///
    /// # Panics
    /// If there are no logits or more than [`MAX_WIDE_SYMBOLS`].
    pub fn from_logits(isa: Isa, logits: &[i32]) -> Self {
        let mut distribution = Self { weights: Vec::new(), total: 0 };
        distribution.set_logits(isa, logits);
        distribution
    }

    /// As [`from_logits`](Self::from_logits), in the memory of this distribution.
    ///
    /// # Panics
    /// As [`from_logits`](Self::from_logits).
    pub fn set_logits(&mut self, isa: Isa, logits: &[i32]) {
        assert!((1..=MAX_WIDE_SYMBOLS).contains(&logits.len()), "{} logits", logits.len());
        self.weights.resize(logits.len(), 0);
        self.total = wide_weights(isa, logits, &mut self.weights);
    }

    /// The weights.
    pub fn weights(&self) -> &[u32] {
        &self.weights
    }

    /// The sum of the weights.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Codes a symbol.
    ///
    /// # Panics
    /// If the symbol is not below the number of logits.
    #[inline]
    pub fn encode(&self, symbol: usize, sink: &mut impl SymbolSink) {
        let cum = self.weights[..symbol].iter().sum();
        sink.code(cum, self.weights[symbol], self.total);
    }

    /// Reads a symbol. Whatever the source gives, the result is a symbol of the alphabet.
    #[inline]
    pub fn decode(&self, source: &mut impl SymbolSource) -> usize {
        let target = source.target(self.total);
        let mut cum = 0;
        for (run, weights) in self.weights.chunks(RUN).enumerate() {
            let sum: u32 = weights.iter().sum();
            if target >= cum + sum {
                cum += sum;
                continue;
            }
            for (i, &weight) in weights.iter().enumerate() {
                if target < cum + weight {
                    source.advance(cum, weight, self.total);
                    return run * RUN + i;
                }
                cum += weight;
            }
        }
        unreachable!("the weights sum to {} and the target is {target}", self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BitCounter, RangeDecoder, RangeEncoder};
    use super::*;
    use crate::isa::Kernel;
    use crate::testing::isas;
    use proptest::prelude::*;

    fn logits() -> impl Strategy<Value = Vec<i32>> {
        let sizes = prop_oneof![1..=3usize, 4..=300usize, Just(MAX_WIDE_SYMBOLS)];
        let spread = prop_oneof![Just(0u32), Just(16), Just(20), Just(31)];
        (sizes, spread, any::<u64>()).prop_map(|(n, spread, seed)| {
            let mut random = crate::testing::Random::new(seed);
            (0..n).map(|_| (random.next_u64() as u32 as i32) >> (31 - spread)).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn weights_keep_their_bounds_and_follow_the_logits(logits in logits()) {
            let found = WideDistribution::from_logits(Isa::detect(), &logits);
            let sum: u64 = found.weights().iter().map(|&w| u64::from(w)).sum();
            prop_assert_eq!(sum, u64::from(found.total()));
            prop_assert!(found.total() < 1 << 26 && found.weights().iter().all(|&w| w >= 1));
            let max = f64::from(*logits.iter().max().unwrap());
            let exact: Vec<f64> = logits.iter().map(|&l| ((f64::from(l) - max) / 65536.0).exp2()).collect();
            let total: f64 = exact.iter().sum();
            for (w, p) in found.weights().iter().zip(&exact) {
                // Relative: the ones N / 2^26, the polynomial 2^-14.5. Absolute: floors of 2^-24 and 2^-26.
                let (p, found) = (p / total, f64::from(*w) / f64::from(found.total()));
                prop_assert!((found - p).abs() < p * 4e-4 + 1e-7, "{found} for {p}");
            }
        }

        #[test]
        fn symbols_come_back(logits in logits(), picks in prop::collection::vec(any::<u32>(), 1..50)) {
            let model = WideDistribution::from_logits(Isa::detect(), &logits);
            let (mut encoder, mut counter) = (RangeEncoder::new(), BitCounter::new());
            let symbols: Vec<usize> = picks.iter().map(|&p| p as usize % logits.len()).collect();
            for &s in &symbols {
                model.encode(s, &mut encoder);
                model.encode(s, &mut counter);
            }
            let bytes = encoder.finish();
            prop_assert!(bytes.len() as f64 * 8.0 <= counter.bits() * 1.001 + 9.0);
            let mut decoder = RangeDecoder::new(&bytes);
            for &s in &symbols {
                prop_assert_eq!(model.decode(&mut decoder), s);
            }
            prop_assert_eq!(decoder.finish(), Ok(()));
        }

        #[test]
        fn damage_never_panics(logits in logits(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let model = WideDistribution::from_logits(Isa::detect(), &logits);
            let mut decoder = RangeDecoder::new(&bytes);
            for _ in 0..40 {
                prop_assert!(model.decode(&mut decoder) < logits.len());
            }
        }
    }

    #[test]
    fn every_kernel_weighs_alike() {
        let mut random = crate::testing::Random::new(5);
        let logits: Vec<i32> = (0..1000).map(|_| random.normal(200_000.0) as i32).collect();
        let found: Vec<_> = isas().map(|isa| WideDistribution::from_logits(isa, &logits)).collect();
        assert!(found.iter().all(|d| *d == found[0]), "{:?}", Kernel::available());
        // Part of the file format: changes only with its version.
        let known = WideDistribution::from_logits(Isa::detect(), &[0, 65536, -1 << 20, i32::MIN]);
        assert_eq!((known.weights(), known.total()), (&[22358585, 44717170, 342, 1][..], 67076098));
    }

    #[test]
    #[should_panic(expected = "0 logits")]
    fn no_symbols_are_refused() {
        WideDistribution::from_logits(Isa::detect(), &[]);
    }
}
