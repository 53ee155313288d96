//! Runs of a tiny model: killed at every file operation, with sources and steps that fail, and of something else.

use std::path::Path;

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use lmcodec_files::testing::{kill_after, revive};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::folder::{RunFolder, is_run};
use super::*;

const STEPS: usize = 7;

/// What a run is of.
#[derive(Clone, Copy, Debug, Serialize)]
struct Config {
    seed: u64,
    optimizer: Rates,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Rates {
    learning_rate: f64,
}

const CONFIG: Config = Config { seed: 3, optimizer: Rates { learning_rate: 0.01 } };

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    rows: u64,
}

/// How a test lets a step fail.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    SourcePanics(usize),
    SourceIsEmpty(usize),
    BitsAreNone(usize),
    WeightsAreNone(usize),
}

/// A linear layer that learns to swap two numbers.
struct Swap {
    model: Linear,
    optimizer: ModuleOptimizer,
    fault: Fault,
    validated: Vec<bool>,
}

impl Training for Swap {
    type Seen = Seen;
    type Model = Linear;
    type Step = Vec<f32>;
    const UNIT: Unit = Unit { text: "bits/row", key: "bits_per_row" };
    const END: &'static str = "steps";
    const AHEAD: usize = 2;

    fn rhythm(&self) -> Rhythm {
        Rhythm { steps: STEPS, log_every: 1, validate_every: 3, save_every: 2, validate_first: true, patience: 0 }
    }

    fn source(&self) -> Source<Vec<f32>> {
        let fault = self.fault;
        Box::new(move |step| match fault {
            Fault::SourcePanics(at) if at == step => panic!("no photo left"),
            Fault::SourceIsEmpty(at) if at == step => {
                Err(RunError::NoData { path: "photos".into(), message: "none left".into() })
            }
            _ => Ok((0..8).map(|i| ((step * 31 + i * 7) % 13) as f32 / 13.0).collect()),
        })
    }

    fn learning_rate(&self, step: usize) -> f64 {
        CONFIG.optimizer.learning_rate * (step + 1) as f64
    }

    fn step(&mut self, batches: &Vec<f32>, rate: f64, seen: &mut Seen) -> Result<Measured, RunError> {
        let loss = self.loss(batches);
        let mut bits = f64::from(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.optimizer.step(rate, self.model.clone(), gradients);
        let step = seen.rows as usize / 4;
        match self.fault {
            Fault::BitsAreNone(at) if at == step => bits = f64::NAN,
            Fault::WeightsAreNone(at) if at == step => {
                self.model.weight = self.model.weight.clone().map(|w| w * f64::NAN);
            }
            _ => {}
        }
        seen.rows += 4;
        Ok(Measured { bits, units: 4.0 })
    }

    fn log_fields(&mut self, seen: &Seen) -> Fields {
        Fields::from_iter([("rows".to_owned(), json!(seen.rows))])
    }

    fn validate(&mut self) -> Result<Option<Validation>, RunError> {
        let bits = f64::from(self.loss(&[0.5, 0.25, 0.125, 1.0]).into_scalar::<f32>());
        Ok(Some(Validation { bits, fields: Fields::new() }))
    }

    fn validated(&mut self, best: bool) -> Result<(), RunError> {
        self.validated.push(best);
        Ok(())
    }

    fn parts(&self) -> (&Linear, &ModuleOptimizer) {
        (&self.model, &self.optimizer)
    }
}

impl Swap {
    fn loss(&self, values: &[f32]) -> Tensor<1> {
        let device = Device::flex().autodiff();
        let rows = |values: Vec<f32>| {
            let n = values.len() / 2;
            Tensor::<2>::from_data(TensorData::new(values, [n, 2]), &device)
        };
        let swapped = values.chunks_exact(2).flat_map(|v| [v[1], v[0]]).collect();
        (self.model.forward(rows(values.to_vec())) - rows(swapped)).square().sum()
    }

    fn weights(&self) -> Vec<f32> {
        let bias = self.model.bias.as_ref().expect("a bias").val();
        let all = [self.model.weight.val().into_data(), bias.into_data()];
        all.into_iter().flat_map(|data| data.try_to_vec::<f32>().expect("f32")).collect()
    }
}

fn identity() -> Identity {
    Identity { data: "photos".into(), base: Some("llama".into()), ..Identity::default() }
}

/// Opens the folder, and trains from what is there.
fn run(folder: &Path, fault: Fault, stop_after: Option<usize>) -> Result<(Swap, RunState<Seen>), RunError> {
    let mut run = RunFolder::open(folder, &CONFIG, identity())?;
    let device = Device::flex().autodiff();
    let values = Tensor::from_data(TensorData::new(vec![0.5f32, -0.25, 0.125, 1.0], [2, 2]), &device);
    let mut model = LinearConfig::new(2, 2).init(&device);
    model.weight = Param::from_tensor(values);
    model.bias = Some(Param::from_tensor(Tensor::zeros([2], &device)));
    let mut optimizer = AdamWConfig::new().init();
    if run.is_resumed() {
        (model, optimizer) = run.load(model, optimizer)?;
    }
    let mut training = Swap { model, optimizer, fault, validated: Vec::new() };
    drive(&mut training, &mut run, stop_after, &mut Unobserved)?;
    Ok((training, run.state))
}

/// All that must not depend on interruptions: all but the clock, what it moves in the log, and the last bits of the losses
/// (burn adds them up in an order that depends on where they lie in memory; no gradient does).
fn comparable(state: &RunState<Seen>) -> RunState<Seen> {
    let rounded = |course: &[(usize, f64)]| course.iter().map(|v| (v.0, (v.1 * 1e5).round())).collect();
    let (training, validations) = (rounded(&state.training), rounded(&state.validations));
    RunState { seconds: 0.0, log_bytes: 0, training, validations, ..state.clone() }
}

fn log_steps(folder: &Path) -> Vec<(u64, bool)> {
    let text = std::fs::read_to_string(folder.join("log.jsonl")).expect("a log");
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        (line["step"].as_u64().expect("a step"), line["validation_bits_per_row"].is_f64())
    };
    text.lines().map(line).collect()
}

fn checkpoints(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").file_name());
    let names = entries.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("checkpoint") || name.ends_with(".tmp")).collect()
}

#[test]
fn a_run_that_is_killed_at_any_file_operation_ends_in_the_same_bits() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = dir.path().join("whole");
    let (trained, state) = run(&whole, Fault::None, None).expect("trained");
    assert_eq!((state.step, state.ended.as_deref()), (STEPS, Some("steps")));
    assert_eq!(trained.validated, [true; 4], "the loss falls");
    let steps = [(0, true), (1, false), (2, false), (3, false), (3, true), (4, false), (5, false), (6, false)];
    assert_eq!(log_steps(&whole)[..8], steps);

    let mut operations = 0;
    loop {
        let cut = dir.path().join(format!("cut at {operations}"));
        kill_after(operations);
        let killed = run(&cut, Fault::None, None);
        let tried = revive();
        // What lies there now is what a process finds that starts after `kill -9`.
        let (resumed, found) = run(&cut, Fault::None, None).expect("resumed");
        assert!(resumed.weights() == trained.weights(), "killed at operation {operations}");
        assert_eq!(comparable(&found), comparable(&state), "killed at operation {operations}");
        assert_eq!(log_steps(&cut), log_steps(&whole), "killed at operation {operations}");
        assert_eq!(checkpoints(&cut), [format!("checkpoint-{STEPS}")], "killed at operation {operations}");
        if tried <= operations {
            assert!(killed.is_ok(), "nothing was in its way");
            break;
        }
        operations += 1;
    }
    // Four checkpoints of two files, four states, and what goes with them.
    assert!(operations > 50, "{operations}");
}

#[test]
fn an_interrupted_run_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let (trained, _) = run(&whole, Fault::None, None).expect("trained");
    for done in 1..=STEPS {
        let (_, state) = run(&cut, Fault::None, Some(1)).expect("trained");
        assert_eq!((state.step, state.seen.rows), (done, 4 * done as u64));
    }
    let (resumed, state) = run(&cut, Fault::None, None).expect("nothing to do");
    assert!(resumed.weights() == trained.weights());
    assert_eq!(state.step, STEPS);
}

#[test]
fn a_source_or_step_that_fails_ends_the_run_and_keeps_the_last_checkpoint() {
    let error = |fault| {
        let dir = tempfile::tempdir().expect("a folder");
        let error = run(dir.path(), fault, None).err().expect("a failure");
        assert_eq!(checkpoints(dir.path()), ["checkpoint-4"], "{fault:?}");
        // Without the fault it ends as if nothing had been.
        let (_, state) = run(dir.path(), Fault::None, None).expect("resumed");
        assert_eq!(state.step, STEPS);
        error
    };
    let panicked = error(Fault::SourcePanics(4));
    assert!(matches!(&panicked, RunError::SourcePanicked { step: 5, message } if message == "no photo left"));
    assert!(matches!(error(Fault::SourceIsEmpty(5)), RunError::NoData { .. }));
    assert!(matches!(error(Fault::BitsAreNone(4)), RunError::NotFinite { step: 5, .. }));
    // Found by the next validation, by the bits of the next step, or when they would be saved.
    assert!(matches!(error(Fault::WeightsAreNone(4)), RunError::NotFinite { step: 6, .. }));
    assert!(matches!(error(Fault::WeightsAreNone(5)), RunError::NotFinite { step: 6, .. }));
}

#[test]
fn weights_that_are_no_numbers_are_never_saved() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = run(dir.path(), Fault::WeightsAreNone(1), Some(2)).err().expect("a failure");
    assert!(matches!(error, RunError::NotFinite { step: 2, .. }), "{error}");
    assert!(!is_run(dir.path()));
    assert_eq!(checkpoints(dir.path()), [""; 0]);
}

#[test]
fn a_run_of_something_else_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    run(dir.path(), Fault::None, Some(1)).expect("trained");
    let before = std::fs::read(dir.path().join("config.toml")).expect("a config");
    let refused = |config: Config, identity: Identity| match RunFolder::<Seen>::open(dir.path(), &config, identity) {
        Err(RunError::Changed { part, difference, .. }) => (part, difference),
        other => panic!("{:?}", other.map(|run| run.state)),
    };
    let other = Config { optimizer: Rates { learning_rate: 0.5 }, ..CONFIG };
    assert_eq!(refused(other, identity()), (Part::Config, "optimizer.learning_rate = 0.01, now 0.5".into()));
    let (part, difference) = refused(CONFIG, Identity { data: "others".into(), ..identity() });
    assert_eq!((part, difference.as_str()), (Part::Data, "SHA-256 photos, now others"));
    let (part, difference) = refused(CONFIG, Identity { base: None, ..identity() });
    assert_eq!((part, difference.as_str()), (Part::Base, "SHA-256 llama, now none"));
    assert_eq!(std::fs::read(dir.path().join("config.toml")).expect("a config"), before);
    run(dir.path(), Fault::None, Some(1)).expect("the run itself goes on");
}
