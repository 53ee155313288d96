//! Fine-tuning end to end on a tiny checkpoint: learning, exact resumption, head sets, refusals.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use lmcodec_files::testing::{kill_after, revive};
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::run::folder::read_state;
use lmcodec_finetune::run::{Part, RunError, Unobserved};
use lmcodec_finetune::sequence::config::{
    DataConfig, FinetuneConfig, InitialConfig, InitialEmbedding, InitialHead, TrainingConfig, read_config,
};
use lmcodec_finetune::sequence::head_file;
use lmcodec_finetune::sequence::initial::initial_heads;
use lmcodec_finetune::sequence::lora::{LoraConfig, Projection};
use lmcodec_finetune::sequence::train::{Outcome, RunOptions, finetune};

use crate::tiny::{self, head_values, interleaved_codes, long_checkpoint, save_npy, turn, values};

pub(super) fn config(dir: &Path) -> FinetuneConfig {
    let training = TrainingConfig {
        batch: 3,
        accumulate: 2,
        epochs: 5.0,
        validate_every: 4,
        log_every: 2,
        ..TrainingConfig::default()
    };
    tiny::sequences(dir, 4000, training)
}

fn run(config: &FinetuneConfig, checkpoint: &Checkpoint, out: &Path, options: RunOptions) -> Result<Outcome, RunError> {
    finetune(config, checkpoint, out, &[Device::flex()], options, &mut Unobserved)
}

#[test]
fn heads_learn_a_pattern_and_are_saved() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    let out = dir.path().join("run");
    let outcome = run(&config, &checkpoint, &out, RunOptions::default()).expect("a run");
    let bits: Vec<f64> = outcome.state.validations.iter().map(|v| v.1).collect();
    // A head of zeros is uniform over 7 and 5 symbols in turn.
    assert!((bits[0] - (7f64.log2() + 5f64.log2()) / 2.0).abs() < 1e-3, "{bits:?}");
    let best = bits.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(best < 0.8 * bits[0], "{bits:?}");
    assert_eq!(outcome.state.ended.as_deref(), Some("epochs"));

    let (heads, description) =
        head_file::load(&outcome.head_file, checkpoint.config(), &Device::flex().autodiff()).expect("a head set");
    assert_eq!(description.backbone_sha256, checkpoint.sha256());
    assert_eq!(description.arrangement, config.arrangement);
    assert_eq!((heads.embed().dims(), heads.head().dims()), ([14, 16], [12, 16]));
    if bits.last() == Some(&best) {
        assert_eq!(values(heads.embed()), values(outcome.heads.embed()));
    }
    let log = fs::read_to_string(out.join("log.jsonl")).expect("a log");
    let lines: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert!(lines.iter().any(|l| l["validation_cr_percent"].is_f64()));
    assert!(lines.iter().any(|l| l["gradient_norm"].is_f64()));
    assert_eq!(read_config(&out.join("config.toml")).expect("the config"), config);
}

#[test]
fn interrupted_runs_end_in_the_same_bits() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    config.lora =
        Some(LoraConfig { rank: 2, alpha: 4.0, projections: vec![Projection::Q, Projection::V, Projection::Down] });
    let options = |resume, n| RunOptions { resume, stop_after: Some(n) };
    let whole = run(&config, &checkpoint, &dir.path().join("whole"), options(false, 5)).expect("a run");
    let parts = dir.path().join("parts");
    run(&config, &checkpoint, &parts, options(false, 2)).expect("a run");
    let parts = run(&config, &checkpoint, &parts, options(true, 3)).expect("a run");
    assert_eq!(parts.state.step, 5);
    assert_eq!(parts.state.seen, whole.state.seen);
    let (a, b) = (head_values(&parts), head_values(&whole));
    assert_eq!(a.len(), 2 + 2 * 3 * 2);
    assert!(a == b, "the same bits on the CPU backend");
    assert!(a.iter().skip(3).step_by(2).any(|b| b.iter().any(|x| *x != 0.0)), "B has moved");

    // The head set with pairs comes back as it was saved.
    let (loaded, _) =
        head_file::load(&parts.head_file, checkpoint.config(), &Device::flex().autodiff()).expect("a head set");
    assert_eq!(loaded.lora.expect("pairs").pairs().count(), 6);
}

/// With one batch a device several devices take the very steps of one that accumulates; with more the sums are bracketed
/// otherwise.
#[test]
fn replicas_take_the_steps_of_one_device_that_accumulates() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    config.lora = Some(LoraConfig { rank: 2, alpha: 4.0, projections: vec![Projection::Q, Projection::Down] });
    let options = RunOptions { resume: false, stop_after: Some(3) };
    let parameters = |name: &str, config: &FinetuneConfig, devices: usize| {
        let devices = vec![Device::flex(); devices];
        let out = dir.path().join(name);
        let outcome = finetune(config, &checkpoint, &out, &devices, options, &mut Unobserved).expect("a run");
        (head_values(&outcome).concat(), outcome.state.training)
    };
    let (one, log) = parameters("one", &config, 1);
    assert_eq!(parameters("two", &config, 2), (one, log));

    (config.training.batch, config.training.accumulate) = (1, 6);
    let (one, _) = parameters("one of six", &config, 1);
    for (name, devices) in [("two of six", 2), ("four of six", 4)] {
        let (several, _) = parameters(name, &config, devices);
        // AdamW's first steps are as long as the learning rate, 0.01, whatever the gradient: rounding shows where a gradient
        // is near zero.
        let apart = one.iter().zip(&several).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-3, "{devices} devices: {apart}");
    }
    let (out, devices) = (dir.path().join("x"), vec![Device::flex(); 7]);
    let too_many = finetune(&config, &checkpoint, &out, &devices, options, &mut Unobserved);
    assert!(too_many.err().expect("refused").to_string().contains("7 devices for steps of accumulate = 6"));
    assert!(!dir.path().join("x").exists());
}

#[test]
fn runs_are_not_mixed_up() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    let out = dir.path().join("run");
    let one = RunOptions { resume: false, stop_after: Some(1) };
    run(&config, &checkpoint, &out, one).expect("a run");
    let again = run(&config, &checkpoint, &out, one).err().expect("the folder is taken");
    assert!(matches!(again, RunError::Exists { .. }) && again.to_string().contains("--resume"), "{again}");
    config.training.learning_rate = 2e-2;
    let other = run(&config, &checkpoint, &out, RunOptions { resume: true, ..one }).err().expect("another config");
    assert!(matches!(other, RunError::Changed { part: Part::Config, .. }), "{other}");
    assert!(other.to_string().contains("training.learning_rate = 0.01, now 0.02"), "{other}");
}

#[test]
fn bad_latents_are_refused() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (good, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    let out = dir.path().join("run");
    let refuse =
        |config: &FinetuneConfig| run(config, &checkpoint, &out, RunOptions::default()).err().expect("refused");
    let file = dir.path().join("codes.npy");

    let mut wide = interleaved_codes(4000);
    wide[1001] = 5;
    save_npy(&file, "|u1", "4000, 2", &wide);
    let error = refuse(&good);
    assert!(matches!(error, RunError::Arrangement(_)), "{error}");
    assert!(error.to_string().contains("symbol 5 in a vocabulary of 5"), "{error}");
    save_npy(&file, "|u1", "2, 4000", &interleaved_codes(4000));
    assert!(refuse(&good).to_string().contains("[2, 4000]"));
    save_npy(&file, "|u1", "100, 2", &interleaved_codes(100));
    let error = refuse(&good);
    assert!(matches!(&error, RunError::NoData { message, .. } if message.contains("less than a step")), "{error}");
    fs::remove_file(&file).expect("removed");
    assert!(matches!(refuse(&good), RunError::Io { .. }));
    assert!(!out.join("heads.safetensors").exists());
    // A chunk beyond the backbone's context.
    save_npy(&file, "|u1", "4000, 2", &interleaved_codes(4000));
    let error = run(&good, &tiny::checkpoint("gqa_tied_bf16"), &out, RunOptions::default()).err().expect("refused");
    assert!(matches!(error, RunError::Checkpoint(_)), "{error}");
}

#[test]
fn time_may_be_the_last_dimension() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    let one = RunOptions { resume: false, stop_after: Some(1) };
    let last = run(&config, &checkpoint, &dir.path().join("a"), one).expect("a run");
    let (by_step, file) = (interleaved_codes(4000), dir.path().join("codes.npy"));
    let by_layer: Vec<u8> =
        (0..2).flat_map(|l| by_step.iter().skip(l).step_by(2).copied().collect::<Vec<_>>()).collect();
    save_npy(&file, "|u1", "1, 2, 4000", &by_layer);
    if let DataConfig::Codes(c) = &mut config.data {
        c.time_last = true;
    }
    let first = run(&config, &checkpoint, &dir.path().join("b"), one).expect("a run");
    assert_eq!(values(first.heads.head()), values(last.heads.head()));
}

#[test]
fn numerals_start_from_the_checkpoints_tables() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let mut config = config(dir.path());
    config.initial = InitialConfig { embedding: InitialEmbedding::Numerals, head: InitialHead::Numerals };
    let error = run(&config, &long_checkpoint(dir.path()), &dir.path().join("a"), RunOptions::default());
    assert!(error.err().expect("no tokenizer").to_string().contains("tokenizer"));
    let gguf = tiny::checkpoint("gguf/model.gguf");
    let heads = initial_heads(&config, &gguf, &Device::flex().autodiff()).expect("tables");
    let table = gguf.tensor("model.embed_tokens.weight").expect("a table");
    let found = values(heads.embed());
    // Symbol 3 of layer 0 is the token "3", number 4 of the fixture's vocabulary.
    assert_eq!(found[3 * 256..4 * 256], table.values[4 * 256..5 * 256]);
}

#[test]
fn a_run_that_is_killed_at_any_file_operation_goes_on_to_the_same_bits() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    (config.training.batch, config.training.accumulate, config.training.validate_every) = (1, 1, 1);
    config.training.validation_chunks = 1;
    let options = |resume| RunOptions { resume, stop_after: Some(2) };
    let whole = run(&config, &checkpoint, &dir.path().join("whole"), options(false)).expect("a run");
    let head_set = fs::read(&whole.head_file).expect("a head set");
    for operations in 0.. {
        let out = dir.path().join(format!("cut at {operations}"));
        kill_after(operations);
        let killed = run(&config, &checkpoint, &out, options(false));
        if revive() <= operations {
            assert_eq!(killed.expect("nothing was in its way").state.step, 2);
            assert!(operations > 40, "{operations}");
            break;
        }
        let begun = fs::exists(out.join("state.json")).expect("a folder");
        let step = if begun { read_state::<serde_json::Value>(&out).expect("a state").step } else { 0 };
        let rest = RunOptions { resume: begun, stop_after: Some(2 - step) };
        let resumed = run(&config, &checkpoint, &out, rest).expect("resumed");
        assert_eq!(resumed.state.step, 2, "killed at operation {operations}");
        assert!(head_values(&resumed) == head_values(&whole), "killed at operation {operations}");
        assert!(fs::read(&resumed.head_file).expect("a head set") == head_set, "killed at operation {operations}");
    }
}
