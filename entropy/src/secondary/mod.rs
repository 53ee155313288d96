//! Secondary estimation: what the file at hand shows about the model's mistakes.
//!
//! A photo that was saved as JPEG before, or comes from a camera with a processing of its own, has gaps and peaks in the
//! histograms of its coefficients that no model can know beforehand. So a primary symbol is coded as a chain of yes-or-no
//! questions – nonzero? positive? greater than 1, 2, … 14? – and the model's probability of each answer is refined by what was
//! learned from the answers so far, as context-mixing compressors do with their adaptive probability maps and mixers
//! (M. Mahoney, "Adaptive weighing of context models for lossless data compression", 2005):
//!
//! `d = Σ over three contexts (w·s + v·o + b)`, with s = log2 odds of the model and
//! o = log2 of how much more often than the model expected the answer was yes, less the same for no, at this frequency.
//! The weights begin with w = ⅓, v = 0.1, b = 0 and follow the gradient of the code length.
//!
//! All in integers; a state begins with every segment. Constants were chosen on held-out training photos.

mod logistic;

use logistic::{ONE_BITS, log2, squash};

use crate::arrangement::symbols::{ALPHABET, ESCAPE_NEGATIVE, ESCAPE_POSITIVE, PRIMARY_MAX, ZERO as ZERO_SYMBOL};

/// The greatest total that a bit is coded with.
pub(crate) const TOTAL: u32 = 1 << ONE_BITS;

/// Questions of a symbol: nonzero, sign, and greater than 1 to 14.
const QUESTIONS: usize = 16;
const ZERO: usize = ZERO_SYMBOL as usize;
const NEGATIVE: usize = ESCAPE_NEGATIVE as usize;
const POSITIVE: usize = ESCAPE_POSITIVE as usize;
const ROLES: usize = 4;
/// One in the weights' fixed point.
const ONE: i32 = 1 << 20;
/// Weights stay within ± this: ±8.
const WEIGHT_LIMIT: i64 = 8 << 20;
/// Log2 odds stay within ± this: ±20 in Q16.
const ODDS_LIMIT: i64 = 20 << 16;
/// Answers that the model is taken to have been right about beforehand, in Q12.
const TRUST: u64 = 10 << 12;
/// When this many answers (Q12) are counted, all counts are halved.
const FULL: u32 = 1 << 28;

/// What a symbol is refined under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    /// Component, at most 3.
    pub(crate) role: usize,
    /// Zigzag position; 0 for the DC.
    pub(crate) position: usize,
    /// Two magnitudes of what was coded nearby, 16·log2; any values.
    pub(crate) magnitudes: [i16; 2],
    /// Coefficients up to the last nonzero one.
    pub(crate) distance: usize,
}

impl Surroundings {
    /// The contexts, each below its number in [`SETS`].
    fn sets(&self) -> [usize; 3] {
        let (role, level) = (self.role.min(ROLES - 1), |m: i16| (m / 12).clamp(0, 15) as usize);
        let dc = if self.position == 0 { ROLES } else { 0 };
        [
            role * 64 + self.position,
            (role + dc) * 256 + level(self.magnitudes[0]) * 16 + level(self.magnitudes[1]),
            (role + dc) * 32 + self.distance.min(20),
        ]
    }
}

const SETS: [usize; 3] = [ROLES * 64, 2 * ROLES * 256, 2 * ROLES * 32];

/// Weights of one context, Q20: of the model, of the counts, and alone.
#[derive(Debug, Clone, Copy)]
struct Weights {
    model: i32,
    counts: i32,
    bias: i32,
}

const START: Weights = Weights { model: ONE / 3, counts: ONE / 10, bias: 0 };

/// Answers under one frequency, Q12: [no, yes] as found and as the model expected.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    found: [u32; 2],
    expected: [u32; 2],
}

impl Counts {
    /// log2 of found over expected, yes less no; `p` is the model's probability of yes in Q16.
    #[inline]
    fn surplus(&self, p: u32) -> i32 {
        let prior = |p: u32| ((TRUST * u64::from(p)) >> 16) as u32 + 1;
        let (yes, no) = (prior(p), prior(65_536 - p));
        // FULL + TRUST < 2^29.
        log2(self.found[1] + yes) - log2(self.expected[1] + yes) - log2(self.found[0] + no)
            + log2(self.expected[0] + no)
    }

    #[inline]
    fn add(&mut self, p: u32, answer: bool) {
        self.found[usize::from(answer)] += 1 << 12;
        self.expected[1] += p >> 4;
        self.expected[0] += (65_536 - p) >> 4;
        if self.found[0] + self.found[1] >= FULL {
            self.found = self.found.map(|n| n / 2);
            self.expected = self.expected.map(|n| n / 2);
        }
    }
}

/// What was learned from the segment so far.
#[derive(Debug)]
pub(crate) struct SecondaryEstimator {
    weights: [Vec<[Weights; QUESTIONS]>; 3],
    counts: Vec<[Counts; QUESTIONS]>,
}

impl SecondaryEstimator {
    pub(crate) fn new() -> Self {
        Self {
            weights: SETS.map(|sets| vec![[START; QUESTIONS]; sets]),
            counts: vec![[Counts::default(); QUESTIONS]; SETS[0]],
        }
    }

    /// Codes a primary symbol. `weights` are the model's, at most 2^20 each; the 31 symbols have weights of at least 1, or 0
    /// for [`ZERO`] where the value cannot be 0. `code` codes a yes-or-no answer with the given probability of yes in units of
    /// 1 / [`TOTAL`] (neither 0 nor 1): the answer given is the one to write, the result is the answer.
    pub(crate) fn symbol(
        &mut self,
        around: &Surroundings,
        weights: &[u32; ALPHABET],
        truth: usize,
        code: &mut impl FnMut(u32, bool) -> bool,
    ) -> usize {
        const MOST: usize = PRIMARY_MAX as usize;
        let sets = around.sets();
        let value = match truth {
            NEGATIVE => -(PRIMARY_MAX + 1),
            POSITIVE => PRIMARY_MAX + 1,
            _ => truth as i32 - PRIMARY_MAX,
        };
        let below: u32 = weights[..ZERO].iter().sum::<u32>() + weights[NEGATIVE];
        let above: u32 = weights[ZERO + 1..NEGATIVE].iter().sum::<u32>() + weights[POSITIVE];
        let zero = weights[ZERO];
        if zero > 0 && !self.answer(sets, 0, [zero, below + above], value != 0, code) {
            return ZERO;
        }
        let positive = self.answer(sets, 1, [below, above], value > 0, code);
        let mut rest = if positive { above } else { below };
        let symbol = |m: usize| match (positive, m) {
            (true, 1..=MOST) => ZERO + m,
            (false, 1..=MOST) => ZERO - m,
            (true, _) => POSITIVE,
            (false, _) => NEGATIVE,
        };
        for m in 1..=MOST {
            let here = weights[symbol(m)];
            rest -= here;
            if !self.answer(sets, m + 1, [here, rest], value.unsigned_abs() as usize > m, code) {
                return symbol(m);
            }
        }
        symbol(MOST + 1)
    }

    /// Codes one answer, the model's weights of [no, yes] given, both ≥ 1, and learns from it.
    #[inline]
    fn answer(
        &mut self,
        sets: [usize; 3],
        question: usize,
        model: [u32; 2],
        truth: bool,
        code: &mut impl FnMut(u32, bool) -> bool,
    ) -> bool {
        let odds = i64::from(log2(model[1]) - log2(model[0]));
        // The sum of all weights is below 2^25.
        let p = ((u64::from(model[1]) << 16) / u64::from(model[0] + model[1])) as u32;
        let counts = &mut self.counts[sets[0]][question];
        let surplus = i64::from(counts.surplus(p));
        let mut d = 0;
        for (set, weights) in sets.iter().zip(&self.weights) {
            let w = &weights[*set][question];
            // |odds| < 25 · 2^16, |surplus| < 60 · 2^16, weights ±2^23: below 2^47.
            d += ((i64::from(w.model) * odds + i64::from(w.counts) * surplus) >> 20) + i64::from(w.bias >> 4);
        }
        let refined = squash(d.clamp(-ODDS_LIMIT, ODDS_LIMIT) as i32);
        let answer = code(refined, truth);
        // Q16; the gradient of the code length.
        let error = (i64::from(answer) << 16) - i64::from(refined >> (ONE_BITS - 16));
        counts.add(p, answer);
        let learn = |w: &mut i32, step: i64| *w = (i64::from(*w) + step).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) as i32;
        let (of_model, of_counts) = ((error * odds * 91 + (1 << 27)) >> 28, (error * surplus * 454 + (1 << 27)) >> 28);
        let of_bias = (error * 3030 + (1 << 15)) >> 16;
        for (set, weights) in sets.iter().zip(&mut self.weights) {
            let w = &mut weights[*set][question];
            learn(&mut w.model, of_model);
            learn(&mut w.counts, of_counts);
            learn(&mut w.bias, of_bias);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    /// Answers with their probabilities, and their code length in bits.
    #[derive(Default)]
    struct Recorder(Vec<(u32, bool)>, f64);

    impl Recorder {
        fn record(&mut self) -> impl FnMut(u32, bool) -> bool {
            |p, answer| {
                assert!(p > 0 && p < TOTAL);
                self.0.push((p, answer));
                self.1 -= (f64::from(if answer { p } else { TOTAL - p }) / f64::from(TOTAL)).log2();
                answer
            }
        }
    }

    fn random_case(random: &mut Random) -> (Surroundings, [u32; ALPHABET]) {
        let around = Surroundings {
            role: random.below(5) as usize,
            position: random.below(64) as usize,
            magnitudes: [random.below(300) as i16 - 20, random.below(300) as i16],
            distance: random.below(64) as usize,
        };
        let mut weights = [0; ALPHABET];
        weights[..31].fill_with(|| 1 + (random.below(1 << 20) >> random.below(20)));
        if around.position > 0 && random.below(4) == 0 {
            weights[ZERO] = 0;
        }
        (around, weights)
    }

    #[test]
    fn a_reader_sees_the_writers_probabilities_and_symbols() {
        let mut random = Random::new(5);
        let cases: Vec<_> = (0..20_000)
            .map(|_| {
                let (around, weights) = random_case(&mut random);
                let mut symbol = random.below(31) as usize;
                if weights[symbol] == 0 {
                    symbol = 15;
                }
                (around, weights, symbol)
            })
            .collect();
        let mut recorder = Recorder::default();
        let mut writer = SecondaryEstimator::new();
        for (around, weights, symbol) in &cases {
            assert_eq!(writer.symbol(around, weights, *symbol, &mut recorder.record()), *symbol);
        }
        let mut recorded = recorder.0.into_iter();
        let mut play = |p, _| {
            let (expected, answer) = recorded.next().expect("no more answers than were recorded");
            assert_eq!(p, expected);
            answer
        };
        let mut reader = SecondaryEstimator::new();
        for (around, weights, symbol) in &cases {
            assert_eq!(reader.symbol(around, weights, 0, &mut play), *symbol);
        }
        assert!(recorded.next().is_none());
    }

    #[test]
    fn at_first_the_models_probabilities_are_kept() {
        let mut random = Random::new(6);
        for _ in 0..2000 {
            let (around, mut weights) = random_case(&mut random);
            // Answers less likely than 2^-18 are coded as if they were not.
            weights.iter_mut().filter(|w| **w > 0).for_each(|w| *w += 256);
            let symbol = (0..31).filter(|&s| weights[s] > 0).nth(random.below(30) as usize).expect("30 at least");
            let mut recorder = Recorder::default();
            SecondaryEstimator::new().symbol(&around, &weights, symbol, &mut recorder.record());
            let model = -(f64::from(weights[symbol]) / f64::from(weights.iter().sum::<u32>())).log2();
            assert!((recorder.1 - model).abs() < 0.02 + 0.01 * model, "{} {model}", recorder.1);
        }
    }

    #[test]
    fn gaps_in_a_histogram_are_learned() {
        // The model thinks that magnitudes fall evenly; in the file all are even.
        let mut weights = [0; ALPHABET];
        for v in -PRIMARY_MAX..=PRIMARY_MAX {
            weights[(v + PRIMARY_MAX) as usize] = 1 << (18 - v.unsigned_abs());
        }
        (weights[NEGATIVE], weights[POSITIVE]) = (8, 8);
        let around = Surroundings { role: 0, position: 3, magnitudes: [40, 40], distance: 9 };
        let mut random = Random::new(7);
        let (mut estimator, mut recorder, mut model) = (SecondaryEstimator::new(), Recorder::default(), 0.0);
        for _ in 0..3000 {
            let v = 2 * (random.below(5) as i32 - 2);
            let symbol = (v + PRIMARY_MAX) as usize;
            model -= (f64::from(weights[symbol]) / f64::from(weights.iter().sum::<u32>())).log2();
            estimator.symbol(&around, &weights, symbol, &mut recorder.record());
        }
        // log2(5) = 2.32 bits are the least; the model alone needs 3.58.
        assert!(model / 3000.0 > 3.5 && recorder.1 / 3000.0 < 2.5, "{} {}", model / 3000.0, recorder.1 / 3000.0);
    }
}
