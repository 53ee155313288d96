//! Integer weights of large alphabets: VQ indices, RVQ codes, coefficient values.

use super::symbol::{SymbolSink, SymbolSource};
use crate::frame_llama::fixed::exp2neg24;

/// The greatest alphabet of a [`WideDistribution`].
pub const MAX_WIDE_SYMBOLS: usize = 1 << 14;

/// What the likely symbols share; every symbol gets one more. `2^26 − 2^15 + 2^14 < 2^26` = the bound of a total.
const SHARE: u64 = (1 << 26) - (1 << 15);

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
    pub fn from_logits(logits: &[i32]) -> Self {
        let mut distribution = Self { weights: Vec::new(), total: 0 };
        distribution.set_logits(logits);
        distribution
    }

    /// As [`from_logits`](Self::from_logits), in the memory of this distribution.
    ///
    /// # Panics
    /// As [`from_logits`](Self::from_logits).
    pub fn set_logits(&mut self, logits: &[i32]) {
        assert!((1..=MAX_WIDE_SYMBOLS).contains(&logits.len()), "{} logits", logits.len());
        self.weights.resize(logits.len(), 0);
        self.total = weigh(logits, &mut self.weights);
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

/// Fills the weights and gives their sum.
fn weigh(logits: &[i32], weights: &mut [u32]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        return unsafe { weigh_avx2(logits, weights) };
    }
    weigh_inline(logits, weights)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn weigh_avx2(logits: &[i32], weights: &mut [u32]) -> u32 {
    weigh_inline(logits, weights)
}

#[inline(always)]
fn weigh_inline(logits: &[i32], weights: &mut [u32]) -> u32 {
    let max = logits.iter().copied().fold(i32::MIN, i32::max);
    let mut sum = 0u64;
    for (weight, &logit) in weights.iter_mut().zip(logits) {
        *weight = exp2neg24((max as u32).wrapping_sub(logit as u32));
        sum += u64::from(*weight);
    }
    let scale = (SHARE << 24) / sum;
    let mut total = 0;
    for weight in weights {
        *weight = 1 + ((u64::from(*weight) * scale) >> 24) as u32;
        total += *weight;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::super::{BitCounter, RangeDecoder, RangeEncoder};
    use super::*;
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
            let found = WideDistribution::from_logits(&logits);
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
            let model = WideDistribution::from_logits(&logits);
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
            let model = WideDistribution::from_logits(&logits);
            let mut decoder = RangeDecoder::new(&bytes);
            for _ in 0..40 {
                prop_assert!(model.decode(&mut decoder) < logits.len());
            }
        }
    }

    #[test]
    fn every_build_weighs_alike() {
        let mut random = crate::testing::Random::new(5);
        let logits: Vec<i32> = (0..1000).map(|_| random.normal(200_000.0) as i32).collect();
        let mut portable = vec![0; logits.len()];
        let total = weigh_inline(&logits, &mut portable);
        let found = WideDistribution::from_logits(&logits);
        assert_eq!((found.weights(), found.total()), (&portable[..], total));
        // Part of the file format: changes only with its version.
        let known = WideDistribution::from_logits(&[0, 65536, -1 << 20, i32::MIN]);
        assert_eq!((known.weights(), known.total()), (&[22358585, 44717170, 342, 1][..], 67076098));
    }

    #[test]
    #[should_panic(expected = "0 logits")]
    fn no_symbols_are_refused() {
        WideDistribution::from_logits(&[]);
    }
}
