//! Fine-tuning end to end on a tiny checkpoint: learning, exact resumption, head sets, refusals.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor};
use lmcodec_entropy::arrangement::flat::{FlatArrangement, LayerOrder};
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::sequence::config::{
    CodesConfig, DataConfig, FinetuneConfig, InitialConfig, InitialEmbedding, InitialHead, TrainingConfig, read_config,
};
use lmcodec_finetune::sequence::error::FinetuneError;
use lmcodec_finetune::sequence::head_file;
use lmcodec_finetune::sequence::lora::{LoraConfig, Projection};
use lmcodec_finetune::sequence::train::{Outcome, RunOptions, finetune};

/// burn's random generator belongs to the device, not to the test.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn checkpoint(name: &str) -> Checkpoint {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    Checkpoint::open(&path).expect("the fixture")
}

/// Fixtures have a context of 64, arrangements chunks of 256 and more: the same weights with a longer context.
fn long_checkpoint(dir: &Path, name: &str) -> Checkpoint {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let to = dir.join(name);
    fs::create_dir_all(&to).expect("a folder");
    fs::copy(from.join("model.safetensors"), to.join("model.safetensors")).expect("a copy");
    let text = fs::read_to_string(from.join("config.json")).expect("text");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json["max_position_embeddings"] = 1024.into();
    fs::write(to.join("config.json"), json.to_string()).expect("written");
    Checkpoint::open(&to).expect("a checkpoint")
}

/// A checkpoint that the integer engine can run too.
pub(crate) fn exportable_checkpoint(dir: &Path) -> Checkpoint {
    long_checkpoint(dir, "gqa_tied_bf16")
}

/// A `.npy` file of u8 codes.
fn npy(path: &Path, shape: &str, codes: &[u8]) {
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(codes);
    fs::write(path, bytes).expect("written");
}

/// Two interleaved layers; the second one repeats the first, which walks through its codebook.
fn codes(steps: usize) -> Vec<u8> {
    (0..steps).flat_map(|t| [(t % 7) as u8, (t % 7 / 2) as u8]).collect()
}

pub(crate) fn config(dir: &Path) -> FinetuneConfig {
    let file = dir.join("codes.npy");
    npy(&file, "(4000, 2)", &codes(4000));
    FinetuneConfig {
        seed: 3,
        arrangement: FlatArrangement::rvq(vec![7, 5], LayerOrder::Interleaved, 256),
        data: DataConfig::Codes(CodesConfig {
            files: vec![file],
            tensor: None,
            time_last: false,
            train: (0.0, 0.8),
            validation: (0.8, 1.0),
        }),
        training: TrainingConfig {
            chunk: 64,
            batch: 3,
            accumulate: 2,
            epochs: 5.0,
            learning_rate: 1e-2,
            validate_every: 4,
            log_every: 2,
            ..TrainingConfig::default()
        },
        initial: InitialConfig::default(),
        lora: None,
    }
}

fn values(t: Tensor<2>) -> Vec<f32> {
    t.into_data().try_to_vec().expect("f32")
}

fn run(
    config: &FinetuneConfig,
    checkpoint: &Checkpoint,
    out: &Path,
    options: RunOptions,
) -> Result<Outcome, FinetuneError> {
    finetune(config, checkpoint, out, &[Device::flex()], options)
}

#[test]
fn heads_learn_a_pattern_and_are_saved() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path(), "gqa_tied_bf16"));
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
    assert!(fs::read_to_string(out.join("loss.svg")).expect("a curve").starts_with("<svg"));
    assert_eq!(read_config(&out.join("config.toml")).expect("the config"), config);
    assert!(!out.join("checkpoint.tmp").exists());
}

#[test]
fn interrupted_runs_end_in_the_same_bits() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path(), "gqa_tied_bf16"));
    config.lora =
        Some(LoraConfig { rank: 2, alpha: 4.0, projections: vec![Projection::Q, Projection::V, Projection::Down] });
    let options = |resume, n| RunOptions { resume, stop_after: Some(n) };
    let whole = run(&config, &checkpoint, &dir.path().join("whole"), options(false, 5)).expect("a run");
    let parts = dir.path().join("parts");
    run(&config, &checkpoint, &parts, options(false, 2)).expect("a run");
    let parts = run(&config, &checkpoint, &parts, options(true, 3)).expect("a run");
    assert_eq!(parts.state.step, 5);
    assert_eq!(parts.state.symbols, whole.state.symbols);
    assert_eq!(values(parts.heads.embed()), values(whole.heads.embed()));
    assert_eq!(values(parts.heads.head()), values(whole.heads.head()));
    let pairs = |o: &Outcome| {
        let lora = o.heads.lora.as_ref().expect("pairs");
        lora.pairs().flat_map(|(_, _, p)| [values(p.a.val().inner()), values(p.b.val().inner())]).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&parts).len(), 2 * 3 * 2);
    assert_eq!(pairs(&parts), pairs(&whole));
    assert!(pairs(&parts).iter().skip(1).step_by(2).any(|b| b.iter().any(|x| *x != 0.0)));

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
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path(), "gqa_tied_bf16"));
    config.lora = Some(LoraConfig { rank: 2, alpha: 4.0, projections: vec![Projection::Q, Projection::Down] });
    let options = RunOptions { resume: false, stop_after: Some(3) };
    let parameters = |name: &str, config: &FinetuneConfig, devices: usize| {
        let devices = vec![Device::flex(); devices];
        let outcome = finetune(config, &checkpoint, &dir.path().join(name), &devices, options).expect("a run");
        let lora = outcome.heads.lora.as_ref().expect("pairs").pairs().flat_map(|(_, _, p)| values(p.b.val().inner()));
        let all: Vec<f32> =
            values(outcome.heads.embed()).into_iter().chain(values(outcome.heads.head())).chain(lora).collect();
        (all, outcome.state.training)
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
    let too_many = finetune(&config, &checkpoint, &dir.path().join("x"), &vec![Device::flex(); 7], options);
    assert!(too_many.err().expect("refused").to_string().contains("7 devices for steps of accumulate = 6"));
    assert!(!dir.path().join("x").exists());
}

#[test]
fn runs_are_not_mixed_up() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path(), "gqa_tied_bf16"));
    let out = dir.path().join("run");
    let one = RunOptions { resume: false, stop_after: Some(1) };
    run(&config, &checkpoint, &out, one).expect("a run");
    let again = run(&config, &checkpoint, &out, one).err().expect("the folder is taken");
    assert!(again.to_string().contains("--resume"), "{again}");
    config.training.learning_rate = 2e-2;
    let other = run(&config, &checkpoint, &out, RunOptions { resume: true, ..one }).err().expect("another config");
    assert!(other.to_string().contains("another config"), "{other}");
}

#[test]
fn bad_latents_are_refused() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (good, checkpoint) = (config(dir.path()), long_checkpoint(dir.path(), "gqa_tied_bf16"));
    let out = dir.path().join("run");
    let refuse =
        |config: &FinetuneConfig| run(config, &checkpoint, &out, RunOptions::default()).err().expect("refused");
    let file = dir.path().join("codes.npy");

    let mut wide = codes(4000);
    wide[1001] = 5;
    npy(&file, "(4000, 2)", &wide);
    let error = refuse(&good);
    assert!(matches!(error, FinetuneError::Arrangement(_)), "{error}");
    assert!(error.to_string().contains("symbol 5 in a vocabulary of 5"), "{error}");
    npy(&file, "(2, 4000)", &codes(4000));
    assert!(refuse(&good).to_string().contains("[2, 4000]"));
    npy(&file, "(100, 2)", &codes(100));
    assert!(refuse(&good).to_string().contains("less than a step"));
    fs::remove_file(&file).expect("removed");
    assert!(matches!(refuse(&good), FinetuneError::Io { .. }));
    assert!(!out.join("heads.safetensors").exists());
    // A chunk beyond the backbone's context.
    npy(&file, "(4000, 2)", &codes(4000));
    let error = run(&good, &self::checkpoint("gqa_tied_bf16"), &out, RunOptions::default()).err().expect("refused");
    assert!(matches!(error, FinetuneError::Checkpoint(_)), "{error}");
}

#[test]
fn time_may_be_the_last_dimension() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path(), "gqa_tied_bf16"));
    let one = RunOptions { resume: false, stop_after: Some(1) };
    let last = run(&config, &checkpoint, &dir.path().join("a"), one).expect("a run");
    let (by_step, file) = (codes(4000), dir.path().join("codes.npy"));
    let by_layer: Vec<u8> =
        (0..2).flat_map(|l| by_step.iter().skip(l).step_by(2).copied().collect::<Vec<_>>()).collect();
    npy(&file, "(1, 2, 4000)", &by_layer);
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
    let error =
        run(&config, &long_checkpoint(dir.path(), "gqa_tied_bf16"), &dir.path().join("a"), RunOptions::default());
    assert!(error.err().expect("no tokenizer").to_string().contains("tokenizer"));
    let gguf = checkpoint("gguf/model.gguf");
    let heads =
        lmcodec_finetune::sequence::initial::initial_heads(&config, &gguf, &Device::flex().autodiff()).expect("tables");
    let table = gguf.tensor("model.embed_tokens.weight").expect("a table");
    let found = values(heads.embed());
    // Symbol 3 of layer 0 is the token "3", number 4 of the fixture's vocabulary.
    assert_eq!(found[3 * 256..4 * 256], table.values[4 * 256..5 * 256]);
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path(), "gqa_tied_bf16"));
    let out = dir.path().join("run");
    let options = RunOptions { resume: false, stop_after: Some(1) };
    let outcome = run(&config, &checkpoint, &out, options).expect("a run");
    let (head_set, state) =
        (fs::read(&outcome.head_file).expect("heads"), fs::read(out.join("state.json")).expect("state"));
    // Nothing can be written where the temporary files would be: folders stand there.
    let blocked: Vec<PathBuf> = ["heads.tmp", "state.tmp"].map(|n| out.join(n)).into();
    blocked.iter().for_each(|p| fs::create_dir_all(p.join("x")).expect("a folder"));
    let error =
        run(&config, &checkpoint, &out, RunOptions { resume: true, stop_after: Some(8) }).err().expect("blocked");
    assert!(matches!(error, FinetuneError::Io { .. }), "{error}");
    assert_eq!(fs::read(&outcome.head_file).expect("heads"), head_set);
    assert_eq!(fs::read(out.join("state.json")).expect("state"), state);
    // With room again the run goes on.
    blocked.iter().for_each(|p| fs::remove_dir_all(p).expect("removed"));
    let went_on = run(&config, &checkpoint, &out, RunOptions { resume: true, stop_after: Some(2) }).expect("a run");
    assert_eq!(went_on.state.step, 3);
}
