//! Watching a run: what a program shows while it trains.

/// What bits are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// As a reader reads it: `bits/pixel`.
    pub text: &'static str,
    /// As the log names it: `bits_per_pixel`.
    pub key: &'static str,
}

/// The course of a run: (step, bits a unit).
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// What the bits are counted by.
    pub unit: Unit,
    /// Means over the batches that were trained on since the entry before.
    pub training: &'a [(usize, f64)],
    /// On what is held out.
    pub validations: &'a [(usize, f64)],
}

/// Is told how a run goes on; by default it does nothing with it.
pub trait Observer {
    /// Training begins: `done` of `steps` steps were taken before.
    fn begin(&mut self, done: usize, steps: usize, unit: Unit) {
        let _ = (done, steps, unit);
    }

    /// Step `step` (from 1) is taken; `bits` a unit is the mean since the last entry of the log.
    fn step(&mut self, step: usize, bits: f64) {
        let _ = (step, bits);
    }

    /// A validation is over, or would be if there were anything held out.
    fn validated(&mut self, step: usize, course: Course<'_>) {
        let _ = (step, course);
    }

    /// No further step is taken in this call.
    fn end(&mut self) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
