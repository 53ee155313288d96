//! Learning rates over the steps of a run.

use std::f64::consts::PI;

/// A linear warm-up on a cosine from the first step to the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cosine {
    /// Peak learning rate.
    pub peak: f64,
    /// Share of it that is left at the end.
    pub final_share: f64,
    /// Steps of the warm-up.
    pub warmup: usize,
    /// Steps in all.
    pub steps: usize,
}

impl Cosine {
    /// Learning rate of a step, from 0.
    pub(crate) fn at(&self, step: usize) -> f64 {
        let warm = ((step + 1) as f64 / self.warmup.max(1) as f64).min(1.0);
        let progress = (step as f64 / self.steps.max(1) as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (PI * progress).cos());
        self.peak * warm * (cosine * (1.0 - self.final_share) + self.final_share)
    }
}

/// A linear warm-up, then cosines that restart (I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm
/// restarts", ICLR 2017).
#[derive(Clone, Copy, Debug)]
pub(crate) struct WarmRestarts {
    /// Peak learning rate.
    pub peak: f64,
    /// Share of it that is left at the end of each cosine.
    pub final_share: f64,
    /// Steps of the warm-up, before the first cosine.
    pub warmup: usize,
    /// Steps of the first cosine.
    pub period: f64,
    /// Each later cosine is this many times as long, at least 1.
    pub growth: f64,
}

impl WarmRestarts {
    /// Learning rate of a step, from 0.
    pub(crate) fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let (mut at, mut period) = ((step - self.warmup) as f64, self.period.max(1.0));
        while at >= period {
            at -= period;
            period *= self.growth;
        }
        let cosine = 0.5 * (1.0 + (PI * at / period).cos());
        self.peak * (self.final_share + (1.0 - self.final_share) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_warms_up_and_ends_at_its_share() {
        let cosine = Cosine { peak: 2.0, final_share: 0.1, warmup: 4, steps: 100 };
        assert!((cosine.at(0) - 0.5).abs() < 1e-9);
        assert!(cosine.at(3) > 1.99);
        assert!((cosine.at(50) - 1.1).abs() < 1e-9);
        assert!((cosine.at(100) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn cosines_restart_and_grow() {
        let rates = WarmRestarts { peak: 1.0, final_share: 0.0, warmup: 2, period: 10.0, growth: 2.0 };
        let rate = |step| rates.at(step);
        assert_eq!((rate(0), rate(1), rate(2)), (0.5, 1.0, 1.0));
        assert!((rate(7) - 0.5).abs() < 1e-12);
        assert!(rate(11) < 0.03);
        assert_eq!(rate(12), 1.0);
        assert!((rate(22) - 0.5).abs() < 1e-12);
        assert_eq!(rate(32), 1.0);
    }
}
