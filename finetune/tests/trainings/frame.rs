//! Training end to end on tiny data: causality, resume, export, parity.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use lmcodec_entropy::arrangement::features::{BACKBONE_FEATURES, STEP_FEATURES};
use lmcodec_entropy::frame_llama::FrameLlama as IntegerLlama;
use lmcodec_finetune::frame::ablation;
use lmcodec_finetune::frame::batch::{Batch, Sample};
use lmcodec_finetune::frame::config::{InitialWeights, TrainConfig, read_config};
use lmcodec_finetune::frame::export::export;
use lmcodec_finetune::frame::loss::{PositionCache, batch_loss};
use lmcodec_finetune::frame::model::{FrameLlamaConfig, Positions};
use lmcodec_finetune::frame::parity::{held_out_images, parity};
use lmcodec_finetune::frame::train::{Outcome, load_model, train};
use lmcodec_finetune::run::{Part, RunError, Unobserved};

use crate::tiny::{frame_llama, turn, values};

/// A folder of smooth pictures with edges, and a config that trains on them.
fn run_folder(steps: usize) -> (tempfile::TempDir, TrainConfig) {
    let dir = tempfile::tempdir().expect("temporary folder");
    for i in 0..6u32 {
        let picture = image::RgbImage::from_fn(220, 180, |x, y| {
            let wave = (f64::from(x * (i + 1)) / 17.0).sin() + (f64::from(y * (7 - i)) / 23.0).cos();
            let edge = if (x + i * 20) / 40 % 2 == 0 { 30.0 } else { 0.0 };
            let v = (120.0 + 40.0 * wave + edge) as u8;
            image::Rgb([v, v.wrapping_add(20), 255 - v])
        });
        picture.save(dir.path().join(format!("{i}.png"))).expect("saved");
    }
    let text = format!(
        r#"
        seed = 3
        [model]
        d_model = 64
        layers = 2
        heads = 2
        ffn = 64
        depth_d = 32
        depth_layers = 1
        depth_heads = 2
        depth_ffn = 32
        dc_ffn = 32
        depth_state = true
        [data]
        folder = {:?}
        source = "drawn by the test"
        licence = "none"
        validation_one_in = 3
        [crops]
        rows = 3
        columns = 5
        [optimizer]
        steps = {steps}
        crops = 2
        workers = 2
        learning_rate = 5e-3
        final_share = 0.1
        warmup = 4
        betas = [0.9, 0.99]
        weight_decay = 0.01
        clip_norm = 1.0
        muon = true
        checkpoint_every = 3
        validate_every = 1000
        validation_batches = 2
        "#,
        dir.path().display().to_string()
    );
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).expect("written");
    let config = read_config(&path).expect("a valid config");
    (dir, config)
}

fn weights(folder: &Path, config: &TrainConfig) -> Vec<f32> {
    let model = load_model(folder, config, &Device::flex()).expect("a checkpoint");
    values(model.embed.weight.val()).into_iter().chain(values(model.ac.weight.val())).collect()
}

#[test]
fn an_interrupted_run_ends_like_an_uninterrupted_one() {
    let _turn = turn();
    let (dir, config) = run_folder(7);
    let device = Device::flex();
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let a = train(&config, &whole, &device, None, &mut Unobserved).expect("trained");
    assert_eq!(a.state.step, 7);
    assert_eq!(train(&config, &cut, &device, Some(2), &mut Unobserved).expect("trained").state.step, 2);
    let b = train(&config, &cut, &device, None, &mut Unobserved).expect("resumed");
    assert_eq!(b.state.seen, a.state.seen);
    assert!(weights(&whole, &config) == weights(&cut, &config), "the same bits on the CPU backend");
}

/// The error of a training that must not leave a model.
fn refused(config: &TrainConfig, folder: &Path) -> RunError {
    let error = train(config, folder, &Device::flex(), None, &mut Unobserved).err().expect("refused");
    assert!(!folder.join("model.safetensors").exists());
    error
}

#[test]
fn photos_that_are_all_held_out_are_an_error() {
    let (dir, mut config) = run_folder(7);
    config.data.validation_one_in = 1;
    let error = refused(&config, &dir.path().join("run"));
    assert!(matches!(error, RunError::NoData { .. }), "{error}");
    assert!(error.to_string().contains("all 6 photos are held out by validation_one_in = 1"), "{error}");
}

#[test]
fn crops_that_cannot_be_drawn_are_refused() {
    let _turn = turn();
    let (dir, config) = run_folder(7);
    let text = std::fs::read_to_string(dir.path().join("config.toml")).expect("a config");
    for (wrong, says) in [
        ("quality = [90, 10]", "crops.quality = (90, 10), but must be ascending in 1..=100"),
        ("chroma_probability = 1.5", "crops.chroma_probability = 1.5, but must be in 0..=1"),
        ("quality = [5, 29]\nresaved_probability = 0.1", "crops.quality = (5, 29), but must be up to 30"),
        ("scale = [0.9, 0.4]", "crops.scale = (0.9, 0.4), but must be positive and ascending"),
    ] {
        let path = dir.path().join("wrong.toml");
        std::fs::write(&path, text.replace("[crops]", &format!("[crops]\n{wrong}"))).expect("written");
        let error = read_config(&path).expect_err("a wrong config").to_string();
        assert!(error.contains(says), "{error}");
    }
    // A program may make its own configuration.
    let mut wrong = config.clone();
    wrong.crops.quality = (90, 10);
    assert!(matches!(refused(&wrong, &dir.path().join("run")), RunError::Crops(_)));
    wrong.data.validation_one_in = 0;
    assert!(matches!(refused(&wrong, &dir.path().join("run")), RunError::Crops(_)));
}

#[test]
fn weights_that_explode_end_the_run() {
    let _turn = turn();
    let (dir, mut config) = run_folder(7);
    (config.optimizer.learning_rate, config.optimizer.muon) = (1e30, false);
    let error = refused(&config, &dir.path().join("run"));
    assert!(matches!(error, RunError::NotFinite { step: 2.., .. }), "{error}");
}

#[test]
fn a_run_goes_on_with_the_same_config_and_photos_only() {
    let _turn = turn();
    let (dir, config) = run_folder(7);
    let folder = dir.path().join("run");
    train(&config, &folder, &Device::flex(), Some(1), &mut Unobserved).expect("trained");
    let mut longer = config.clone();
    longer.optimizer.steps = 8;
    let error = refused(&longer, &folder);
    assert!(matches!(error, RunError::Changed { part: Part::Config, .. }), "{error}");
    assert!(error.to_string().ends_with("another config: optimizer.steps = 7, now 8"), "{error}");
    image::RgbImage::new(64, 64).save(dir.path().join("more.png")).expect("saved");
    let error = refused(&config, &folder);
    assert!(matches!(error, RunError::Changed { part: Part::Data, .. }), "{error}");
}

#[test]
fn training_learns_and_the_integer_model_agrees() {
    let _turn = turn();
    let (dir, config) = run_folder(60);
    let device = Device::flex();
    let folder = dir.path().join("run");
    let outcome = train(&config, &folder, &device, None, &mut Unobserved).expect("trained");
    let log = std::fs::read_to_string(folder.join("log.jsonl")).expect("a log");
    let bpp = |line: &str| {
        let v: serde_json::Value = serde_json::from_str(line).expect("JSON");
        v["bits_per_pixel"].as_f64()
    };
    let lines: Vec<f64> = log.lines().filter_map(bpp).collect();
    let mean = |l: &[f64]| l.iter().sum::<f64>() / l.len() as f64;
    let (first, last) = (mean(&lines[..4]), mean(&lines[lines.len() - 8..]));
    assert!(last < 0.85 * first, "{first} → {last} bits a pixel");

    let bytes = export(&outcome.model, &config.model.config());
    let photos = lmcodec_datasets::photos::load_folder(&config.data.folder).expect("photos");
    let images = held_out_images(&photos, config.data.validation_one_in, 2, 75);
    assert!(!images.is_empty(), "the split holds something out");
    let p = parity(&outcome.model, &bytes, &images, 75, &device).expect("the exported model loads");
    assert!(p.cost_percent().abs() < 1.0, "{p:?}");
}

#[test]
fn a_run_that_grows_out_of_another_begins_where_that_ended() {
    let _turn = turn();
    let (dir, mut config) = run_folder(12);
    config.model.depth_state = false;
    let device = Device::flex();
    let validation = |o: &Outcome| o.state.validations.last().expect("validated").1;
    let (small, large) = (dir.path().join("small"), dir.path().join("large"));
    let before = validation(&train(&config, &small, &device, None, &mut Unobserved).expect("trained"));
    let mut grown = config.clone();
    grown.initial = Some(InitialWeights { run: small.clone() });
    grown.model.depth_state = true;
    (grown.model.d_model, grown.model.heads, grown.model.depth_layers) = (96, 3, 2);
    grown.optimizer.learning_rate = 0.0;
    let after = validation(&train(&grown, &large, &device, Some(1), &mut Unobserved).expect("grown"));
    assert!((after - before).abs() < 1e-3 * before, "{before} → {after} bits/pixel");

    config.initial = Some(InitialWeights { run: large });
    let error =
        train(&config, &dir.path().join("shrunk"), &device, Some(1), &mut Unobserved).err().expect("a larger model");
    assert!(error.to_string().contains("cannot grow into the smaller"), "{error}");
}

#[test]
fn a_model_can_be_trained_without_a_part() {
    let _turn = turn();
    let (dir, config) = run_folder(6);
    let device = Device::flex();
    let bits = |without: Vec<ablation::Part>, name: &str| {
        let config = TrainConfig { without, ..config.clone() };
        train(&config, &dir.path().join(name), &device, None, &mut Unobserved).expect("trained").state.validations[0].1
    };
    let [whole, again] = ["whole", "again"].map(|name| bits(Vec::new(), name));
    assert_eq!(whole, again);
    use ablation::Part::{Attention, Edges, FarBlocks, Magnitudes, Quantization, References};
    for part in [Edges, References, FarBlocks, Magnitudes, Quantization, Attention] {
        assert_ne!(bits(vec![part], &format!("{part:?}")), whole, "{part:?}");
    }
}

#[test]
fn an_untrained_export_loads_for_every_shape() {
    let _turn = turn();
    let wide =
        FrameLlamaConfig { d_model: 96, heads: 3, depth_d: 48, depth_heads: 3, depth_state: true, ..frame_llama() };
    for config in [frame_llama(), wide] {
        let model = config.init(&Device::flex());
        IntegerLlama::from_bytes(&export(&model, &config)).expect("a valid model file");
    }
}

#[test]
fn a_frame_sees_no_later_frame() {
    let _turn = turn();
    let device = Device::flex();
    let model = frame_llama().init(&device);
    let (rows, columns) = (4, 6);
    let positions = Positions::window(rows, columns, 32, &device);
    let run = |changed: Option<usize>| {
        let mut data: Vec<f32> =
            (0..rows * columns * BACKBONE_FEATURES).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        if let Some(t) = changed {
            data[t * BACKBONE_FEATURES..][..BACKBONE_FEATURES].fill(1.5);
        }
        let x = Tensor::<3>::from_data(TensorData::new(data, [1, rows * columns, BACKBONE_FEATURES]), &device);
        let h: Vec<f32> = model.backbone(x, &positions).into_data().try_to_vec().expect("f32");
        h.chunks(64).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    let base = run(None);
    for changed in 0..rows * columns {
        for (t, (a, b)) in base.iter().zip(&run(Some(changed))).enumerate() {
            // Wavefront order: row r runs two columns behind row r−1.
            let step = |t: usize| t % columns + 2 * (t / columns);
            if t != changed && step(t) <= step(changed) {
                assert_eq!(a, b, "frame {t} must not see frame {changed}");
            }
            if t == changed {
                assert_ne!(a, b);
            }
        }
    }
}

#[test]
fn a_step_sees_no_later_step() {
    let _turn = turn();
    let device = Device::flex();
    let model = frame_llama().init(&device);
    let k = 9;
    let positions = Positions::causal(k, 16, &device);
    let run = |changed: usize| {
        let mut data = vec![0.25f32; k * STEP_FEATURES];
        if changed < k {
            data[changed * STEP_FEATURES..][..STEP_FEATURES].fill(-1.0);
        }
        let features = Tensor::<3>::from_data(TensorData::new(data, [1, k, STEP_FEATURES]), &device);
        let previous = Tensor::from_data(TensorData::new(vec![3i32; k], [k]), &device);
        let (h, frame) = (Tensor::<2>::zeros([1, 64], &device), Tensor::<2>::zeros([1, 32], &device));
        let y = model.depth(h, frame, features, previous, &positions);
        let y: Vec<f32> = y.into_data().try_to_vec().expect("f32");
        y.chunks(32).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    let base = run(k);
    for changed in 0..k {
        let other = run(changed);
        assert_eq!(base[..changed], other[..changed]);
        assert_ne!(base[changed], other[changed]);
    }
}

#[test]
fn grouping_frames_changes_no_bits() {
    let _turn = turn();
    // The same plane alone and twice in a batch: twice the bits.
    let device = Device::flex();
    let model = frame_llama().init(&device).valid();
    let picture: Vec<u8> = (0..48 * 40).map(|i| ((i % 48) * 5 + (i / 48) * 3) as u8 ^ ((i * i) as u8 & 15)).collect();
    let image = lmcodec_codecs::jpeg::encode_planes(
        &picture,
        48,
        40,
        lmcodec_codecs::jpeg::PixelFormat::Gray8,
        &lmcodec_codecs::jpeg::EncodeOptions::default(),
    )
    .expect("encoded");
    let sample = || Sample::from_image(&image, 0);
    let mut cache = PositionCache::default();
    let one = batch_loss(&model, &Batch::new(&[sample()]), &mut cache, &device).bits().total();
    let two = batch_loss(&model, &Batch::new(&[sample(), sample()]), &mut cache, &device).bits().total();
    assert!((two - 2.0 * one).abs() < 1e-3 * one, "{one} {two}");
}
