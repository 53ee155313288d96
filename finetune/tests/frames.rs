//! Heads for frames of codes end to end on tiny arrays: learning, exact resume, frozen blocks, parity with the integers.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lmcodec_entropy::code_heads::CodeHeads;
use lmcodec_entropy::frame_llama::testing::{default_config, random_model};
use lmcodec_entropy::frame_llama::{FrameConfig, FrameLlama};
use lmcodec_finetune::device::{Device, DeviceKind};
use lmcodec_finetune::frames::data::CodeArray;
use lmcodec_finetune::frames::report::{FramesReport, finish_frames};
use lmcodec_finetune::frames::train::{
    FramesOutcome, FramesTrainConfig, Trained, is_frames_config, read_frames_config, train_frames,
};
use lmcodec_finetune::train::TrainError;

/// burn's random generator belongs to the device, not to the test: tests that draw initial weights take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cpu() -> Device {
    DeviceKind::Cpu.open().expect("the CPU backend")
}

/// A `.npy` file, format 1.0.
fn save_npy(path: &Path, descr: &str, shape: &[usize], data: &[u8]) {
    let shape: Vec<_> = shape.iter().map(ToString::to_string).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({},), }}", shape.join(", "));
    header.push_str(&" ".repeat((64 - (header.len() + 11) % 64) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).expect("written");
}

const VQ: &str = r#"
    medium = "vq"
    codebook = 20
    code_width = 6
    rows = 3
    columns = 4
    context = [[1, 0, 0], [0, 0, -1], [0, -1, 0]]
    copies = 2
"#;
const RVQ: &str = r#"
    medium = "rvq"
    codebook = 6
    code_layers = 4
    code_width = 4
    context = [[0, 0, -1]]
    step_context = [[0, -1], [1, 0]]
"#;

/// A folder with a small random backbone, an array of codes that mostly follow the ones before, and a config.
fn run_folder(frames: &str, steps: usize, train: &str) -> (tempfile::TempDir, FramesTrainConfig) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let backbone = FrameConfig {
        d_model: 64,
        layers: 2,
        heads: 2,
        ffn: 64,
        depth_d: 32,
        depth_layers: 1,
        depth_heads: 2,
        depth_ffn: 32,
        features: 20,
        ..default_config()
    };
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("backbone.safetensors"), random_model(&backbone, 3)).expect("written");
    let vq = frames.contains("\"vq\"");
    let codes: Vec<u8> = if vq {
        // A pattern that wanders by one column a grid.
        (0..40 * 12).map(|i| ((i % 4 + i / 12 + 3 * (i / 4 % 3)) % 20) as u8).collect()
    } else {
        (0..300 * 4).map(|i| ((i / 4 + (i % 4) * (i / 4 / 3)) % 6) as u8).collect()
    };
    save_npy(&at("codes.npy"), "|u1", if vq { &[40, 12] } else { &[300, 4] }, &codes);
    let (train_end, validation_end, length) = if vq { (28, 32, 0) } else { (220, 250, 24) };
    let text = format!(
        r#"
        seed = 3
        [frames]
        {frames}
        backbone = {:?}
        train = "{train}"
        [data]
        file = {:?}
        source = "made by the test"
        licence = "none"
        train = [0, {train_end}]
        validation = [{train_end}, {validation_end}]
        frames = {length}
        dropout = 0.05
        first = 0.1
        [optimizer]
        steps = {steps}
        crops = 3
        workers = 2
        learning_rate = 5e-3
        final_share = 0.1
        warmup = 4
        betas = [0.9, 0.99]
        weight_decay = 0.01
        clip_norm = 1.0
        checkpoint_every = 3
        validate_every = 1000
        validation_batches = 4
        "#,
        at("backbone.safetensors").display().to_string(),
        at("codes.npy").display().to_string()
    );
    let path = at("config.toml");
    std::fs::write(&path, text).expect("written");
    assert!(is_frames_config(&path).expect("TOML"));
    let config = read_frames_config(&path).expect("a valid config");
    (dir, config)
}

/// All weights, as the model file would have them for a model that holds its blocks.
fn weights(outcome: &FramesOutcome) -> Vec<u8> {
    let mut config = outcome.config.clone();
    config.backbone_sha256 = None;
    lmcodec_finetune::frames::export::export_frames(&outcome.model, &config)
}

fn trained(frames: &str, steps: usize, train: &str) -> (FramesOutcome, FramesReport, f64) {
    let (dir, config) = run_folder(frames, steps, train);
    let folder = dir.path().join("run");
    let outcome = train_frames(&config, &folder, &cpu(), None).expect("trained");
    let log = std::fs::read_to_string(folder.join("log.jsonl")).expect("a log");
    let first: serde_json::Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
    let report = finish_frames(&config, &folder, &cpu(), &outcome, &[]).expect("a report");
    // The written file is the one that was measured, and needs the backbone exactly when it was frozen.
    let bytes = std::fs::read(&report.model).expect("a model");
    let backbone = std::fs::read(config.frames.backbone.as_ref().expect("a path")).expect("a backbone");
    let backbone = FrameLlama::from_bytes(&backbone).expect("valid");
    CodeHeads::from_bytes(&bytes, &[&backbone]).expect("a valid model file");
    assert_eq!(CodeHeads::from_bytes(&bytes, &[]).is_ok(), config.frames.train == Trained::Full);
    (outcome, report, first["bits_per_code"].as_f64().expect("a number"))
}

#[test]
fn heads_learn_on_frozen_blocks_and_the_integers_agree() {
    let _turn = turn();
    for frames in [VQ, RVQ] {
        let (_, report, first) = trained(frames, 60, "heads");
        let coded = &report.tests[0].1;
        assert!(coded.float_bits_per_code < 0.6 * first, "{first} → {coded:?}");
        // 9 bits: the coder's ending.
        let bits = coded.float_bits_per_code * coded.codes as f64;
        assert!((8.0 * coded.coded_bytes as f64 - bits).abs() < 0.02 * bits + 9.0, "{coded:?}");
        assert!(report.trained_parameters == report.head_parameters);
    }
}

#[test]
fn blocks_move_only_when_they_are_trained() {
    let _turn = turn();
    for (frames, train) in [(VQ, "heads"), (RVQ, "heads"), (VQ, "full"), (RVQ, "full")] {
        let (dir, config) = run_folder(frames, 4, train);
        let outcome = |name: &str, stop: usize| {
            train_frames(&config, &dir.path().join(name), &cpu(), Some(stop)).expect("trained")
        };
        let (before, after) = (outcome("a", 0), outcome("b", 4));
        let blocks = |o: &FramesOutcome| -> Vec<f32> {
            let all = o.model.layers.iter().chain(o.model.depth.iter().flat_map(|d| &d.layers));
            all.flat_map(|b| b.qkv.weight.val().into_data().try_to_vec::<f32>().expect("f32")).collect()
        };
        assert_eq!(blocks(&before) == blocks(&after), train == "heads", "{train}");
        assert!(weights(&before) != weights(&after));
    }
}

#[test]
fn an_interrupted_run_ends_like_an_uninterrupted_one() {
    let _turn = turn();
    for (frames, train) in [(VQ, "heads"), (RVQ, "full")] {
        let (dir, config) = run_folder(frames, 7, train);
        let run = |name: &str, stop| train_frames(&config, &dir.path().join(name), &cpu(), stop).expect("trained");
        let whole = run("whole", None);
        assert_eq!(run("cut", Some(2)).state.step, 2);
        let resumed = run("cut", None);
        assert_eq!((whole.state.step, whole.state.codes), (resumed.state.step, resumed.state.codes));
        assert!(weights(&whole) == weights(&resumed), "the same bits on the CPU backend");
    }
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let _turn = turn();
    let (dir, config) = run_folder(VQ, 1, "heads");
    let heads = train_frames(&config, &dir.path().join("run"), &cpu(), Some(0)).expect("started").config;
    let path = dir.path().join("bad.npy");
    let message = |descr: &str, shape: &[usize], data: &[u8]| {
        save_npy(&path, descr, shape, data);
        match CodeArray::read(&path, &heads) {
            Err(TrainError::Invalid { message, .. }) => message,
            other => panic!("{other:?}"),
        }
    };
    assert!(message("|u1", &[2, 11], &[0; 22]).contains("does not fit"));
    assert!(message("|u1", &[1, 12], &[0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0]).contains("element [0, 2] is 20"));
    assert!(message("|i1", &[1, 12], &[255; 12]).contains("element [0, 0] is -1"));
    assert!(message("<f4", &[1, 12], &[0; 48]).contains("<f4"));
    assert!(!message("|u1", &[1, 12], &[0; 3]).is_empty());
    for descr in ["<u2", "<i2", "<i4", "<i8", ">u2"] {
        let size: usize = descr[2..].parse().expect("a size");
        save_npy(&path, descr, &[1, 3, 4], &vec![0; 12 * size]);
        assert_eq!(CodeArray::read(&path, &heads).expect("integers").codes, [0; 12]);
    }
    std::fs::write(&path, b"no array").expect("written");
    assert!(matches!(CodeArray::read(&path, &heads), Err(TrainError::Invalid { .. })));
}
