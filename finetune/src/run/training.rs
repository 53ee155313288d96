//! The loop of a training, and what it asks of a model in training.

use std::time::Instant;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::RunError;
use super::folder::{RunFolder, RunState};
use super::log::Log;
use super::observer::{Course, Observer, Unit};
use super::prefetch::{Prefetch, Source};

/// Fields of a line of the log.
pub(crate) type Fields = Map<String, Value>;

/// How many steps a run has, and when something is due. Everything is due after the last step of a call too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// Steps in all.
    pub steps: usize,
    /// Steps between lines of the log, besides those before a checkpoint.
    pub log_every: usize,
    /// Steps between validations.
    pub validate_every: usize,
    /// Steps between checkpoints.
    pub save_every: usize,
    /// Whether a validation comes before the first step.
    pub validate_first: bool,
    /// Validations without improvement after which the run ends; 0 for never.
    pub patience: usize,
}

/// Bits of some batches.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    /// Bits in all.
    pub bits: f64,
    /// Pixels, codes or symbols.
    pub units: f64,
}

impl Measured {
    fn mean(self) -> f64 {
        self.bits / self.units
    }
}

/// Bits a unit of what is held out, and what else the log says of it.
pub(crate) struct Validation {
    pub bits: f64,
    pub fields: Fields,
}

/// A model in training.
pub(crate) trait Training {
    /// Counts of what was seen, as the state keeps them.
    type Seen: Clone + Default + Serialize + DeserializeOwned;
    /// What is trained.
    type Model: Module;
    /// The batches of a step.
    type Step: Send + 'static;
    /// What bits are counted by.
    const UNIT: Unit;
    /// What a run that has taken all its steps has ended by.
    const END: &'static str;
    /// Steps whose batches are made ahead.
    const AHEAD: usize;

    fn rhythm(&self) -> Rhythm;

    /// What makes the batches of the steps.
    fn source(&self) -> Source<Self::Step>;

    /// Learning rate of a step, from 0.
    fn learning_rate(&self, step: usize) -> f64;

    /// One step of the optimizer; bits are those before it.
    fn step(&mut self, batches: &Self::Step, rate: f64, seen: &mut Self::Seen) -> Result<Measured, RunError>;

    /// What the log says besides, about the steps since it was asked before.
    fn log_fields(&mut self, seen: &Self::Seen) -> Fields;

    /// Bits of what is held out, if anything is.
    fn validate(&mut self) -> Result<Option<Validation>, RunError>;

    /// After a validation: `best` if none was better before.
    fn validated(&mut self, best: bool) -> Result<(), RunError> {
        let _ = best;
        Ok(())
    }

    /// What a checkpoint saves.
    fn parts(&self) -> (&Self::Model, &ModuleOptimizer);
}

/// Trains until the run's steps are taken or its patience has ended, at most `stop_after` steps in this call.
pub(crate) fn drive<T: Training>(
    training: &mut T,
    run: &mut RunFolder<T::Seen>,
    stop_after: Option<usize>,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    let rhythm = training.rhythm();
    let end = stop_after.map_or(rhythm.steps, |n| (run.state.step + n).min(rhythm.steps));
    let mut log = Log::open(run.path(), run.state.log_bytes)?;
    observer.begin(run.state.step, rhythm.steps, T::UNIT);
    if rhythm.validate_first && run.state.step == 0 {
        validate(training, &mut run.state, rhythm, &mut log, observer)?;
    }
    let first = if run.state.ended.is_some() { end } else { run.state.step };
    let mut batches = Prefetch::start(first..end, T::AHEAD, training.source());
    let (mut window, mut clock) = (Measured::default(), Instant::now());
    while run.state.step < end && run.state.ended.is_none() {
        let state = &mut run.state;
        let rate = training.learning_rate(state.step);
        let found = training.step(&batches.next(state.step)?, rate, &mut state.seen)?;
        state.step += 1;
        let step = state.step;
        if !found.bits.is_finite() {
            return Err(RunError::NotFinite { step, what: "the number of bits" });
        }
        window = Measured { bits: window.bits + found.bits, units: window.units + found.units };
        observer.step(step, window.mean());

        let due = |every: usize| step.is_multiple_of(every.max(1)) || step == end;
        if due(rhythm.log_every) || due(rhythm.save_every) {
            state.training.push((step, window.mean()));
            let mut fields = training.log_fields(&state.seen);
            let seconds = state.seconds + clock.elapsed().as_secs_f64();
            let common = [
                ("step", json!(step)),
                ("seconds", json!(seconds)),
                ("learning_rate", json!(rate)),
                (T::UNIT.key, json!(window.mean())),
            ];
            fields.extend(common.map(|(name, value)| (name.to_owned(), value)));
            log.line(fields)?;
            window = Measured::default();
        }
        if due(rhythm.validate_every) {
            validate(training, state, rhythm, &mut log, observer)?;
        }
        if step == rhythm.steps && state.ended.is_none() {
            state.ended = Some(T::END.into());
        }
        if due(rhythm.save_every) || state.ended.is_some() {
            state.seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            state.log_bytes = log.sync()?;
            let (model, optimizer) = training.parts();
            run.save(model, optimizer)?;
        }
    }
    observer.end();
    Ok(())
}

/// Validates, and ends the run if none of the last validations was the best.
fn validate<T: Training>(
    training: &mut T,
    state: &mut RunState<T::Seen>,
    rhythm: Rhythm,
    log: &mut Log,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    let best_before = state.validations.iter().map(|v| v.1).fold(f64::INFINITY, f64::min);
    let mut best = true;
    if let Some(Validation { bits, mut fields }) = training.validate()? {
        if !bits.is_finite() {
            return Err(RunError::NotFinite { step: state.step, what: "the number of bits of the validation" });
        }
        best = bits < best_before;
        state.validations.push((state.step, bits));
        let key = format!("validation_{}", T::UNIT.key);
        fields.extend([("step".into(), json!(state.step)), (key, json!(bits)), ("best".into(), json!(best))]);
        log.line(fields)?;
    }
    training.validated(best)?;
    let course = Course { unit: T::UNIT, training: &state.training, validations: &state.validations };
    observer.validated(state.step, course);
    if rhythm.patience > 0 && stale(&state.validations) >= rhythm.patience {
        state.ended = Some("patience".into());
    }
    Ok(())
}

/// Validations since the best one.
fn stale(validations: &[(usize, f64)]) -> usize {
    let best = validations.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map_or(0, |(i, _)| i);
    validations.len().saturating_sub(best + 1)
}
