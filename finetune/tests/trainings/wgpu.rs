//! The wgpu backend against the CPU's on tiny models: forward passes, training steps, saving and resuming.
//!
//! Any adapter will do, a software Vulkan driver (Mesa's lavapipe) too. Where there is none the tests say so and pass, unless
//! `LMCODEC_REQUIRE_WGPU` is set. GPUs add in other orders than the CPU, and autotuned kernels may differ from call to call: the
//! tolerances leave room for the rounding of f32, not for another formula.

use std::path::Path;
use std::sync::MutexGuard;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use lmcodec_codecs::jpeg::{EncodeOptions, PixelFormat, encode_planes};
use lmcodec_entropy::arrangement::features::BACKBONE_FEATURES;
use lmcodec_entropy::arrangement::flat::{Chunk, LayerPattern};
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::device::DeviceKind;
use lmcodec_finetune::frame::batch::{Batch as FrameBatch, Sample};
use lmcodec_finetune::frame::loss::{PositionCache, batch_loss};
use lmcodec_finetune::frame::model::{FrameLlama, FrameLlamaConfig, Positions};
use lmcodec_finetune::run::Unobserved;
use lmcodec_finetune::sequence::config::{FinetuneConfig, TrainingConfig};
use lmcodec_finetune::sequence::heads::{Batch, Heads, Rows};
use lmcodec_finetune::sequence::lora::{LoraConfig, Projection};
use lmcodec_finetune::sequence::model::Backbone;
use lmcodec_finetune::sequence::step::{evaluate, gradients};
use lmcodec_finetune::sequence::text::TextModel;
use lmcodec_finetune::sequence::train::{Outcome, RunOptions, finetune};

use crate::tiny::{self, head_values, long_checkpoint, turn, values};

/// Greatest difference of states and logits, as a share of the greatest value on the CPU.
const FORWARD: f32 = 1e-4;
/// Difference of losses and gradient norms, as a share of those on the CPU.
const LOSS: f64 = 1e-4;
/// Difference of what a step takes off the loss, as a share of that on the CPU. AdamW's first step is as long for a small
/// gradient as for a great one, so rounding may turn around single elements near zero.
const STEP: f64 = 2e-2;

/// The CPU, and the default adapter if there is one.
fn devices() -> Option<(Device, Device, MutexGuard<'static, ()>)> {
    let turn = turn();
    match DeviceKind::Wgpu.open() {
        Ok(gpu) => {
            eprintln!("on {:?}", gpu.identity());
            Some((DeviceKind::Cpu.open().expect("the CPU backend"), gpu, turn))
        }
        Err(reason) => {
            assert!(std::env::var_os("LMCODEC_REQUIRE_WGPU").is_none(), "LMCODEC_REQUIRE_WGPU is set: {reason}");
            eprintln!("not run: {reason}");
            None
        }
    }
}

#[track_caller]
fn assert_close(name: &str, gpu: &[f32], cpu: &[f32]) {
    assert_eq!(gpu.len(), cpu.len(), "{name}");
    let scale = cpu.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(scale > 1e-3, "{name}: nothing to compare");
    let near = |a: f32, b: f32| (a - b).abs() <= FORWARD * scale; // False for a not-a-number.
    let wrong = gpu.iter().zip(cpu).position(|(a, b)| !near(*a, *b));
    assert!(wrong.is_none(), "{name}: element {wrong:?} of {scale}: {:?}", wrong.map(|i| (gpu[i], cpu[i])));
}

#[track_caller]
fn assert_share(name: &str, gpu: f64, cpu: f64, tolerance: f64) {
    assert!((gpu - cpu).abs() <= tolerance * cpu.abs(), "{name}: {gpu} on the GPU, {cpu} on the CPU");
}

/// Loss before and after a step must move, and move alike.
#[track_caller]
fn assert_same_step(name: &str, gpu: (f64, f64), cpu: (f64, f64)) {
    assert_share(name, gpu.0, cpu.0, LOSS);
    assert!(cpu.1 < 0.995 * cpu.0, "{name}: the step does not help: {cpu:?}");
    assert_share(name, gpu.0 - gpu.1, cpu.0 - cpu.1, STEP);
}

fn frame_llama(device: &Device) -> FrameLlama {
    device.seed(3);
    FrameLlamaConfig { depth_state: true, ..tiny::frame_llama() }.init(device)
}

fn frame_batch() -> FrameBatch {
    let (width, height) = (40, 32);
    let picture: Vec<u8> =
        (0..width * height).map(|i| ((i % width) * 5 + (i / width) * 3) as u8 ^ ((i * i) as u8 & 15)).collect();
    let image = encode_planes(&picture, width, height, PixelFormat::Gray8, &EncodeOptions::default());
    FrameBatch::new(&[Sample::from_image(&image.expect("encoded"), 0)])
}

/// Two layers' alphabets in turn, chunks of different lengths.
fn sequence_batch(rows: &Rows) -> Batch {
    let chunk = |n: usize, first_layer: u16, step: usize| {
        let mut chunk = Chunk { first_layer, layers: LayerPattern::Cycle(2), symbols: vec![0; n], escapes: Vec::new() };
        for i in 0..n {
            let v = rows.vocabularies()[usize::from(chunk.layer(i))] as usize;
            chunk.symbols[i] = ((i * i + 3 * i * step + step) % v) as u16;
        }
        chunk
    };
    let (a, b) = (chunk(50, 0, 1), chunk(37, 1, 2));
    Batch::new(&[&a, &b], rows).expect("symbols of the alphabets")
}

#[test]
fn frame_states_are_those_of_the_cpu() {
    let Some((cpu, gpu, _turn)) = devices() else { return };
    let model = frame_llama(&cpu);
    let (rows, columns) = (3, 5);
    let states = |model: &FrameLlama, device: &Device| {
        let n = rows * columns * BACKBONE_FEATURES;
        let features: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let features = TensorData::new(features, [1, rows * columns, BACKBONE_FEATURES]);
        let positions = Positions::window(rows, columns, 32, device);
        values(model.backbone(Tensor::<3>::from_data(features, device), &positions))
    };
    assert_close("states", &states(&model.clone().fork(&gpu), &gpu), &states(&model, &cpu));
}

#[test]
fn a_frame_training_step_moves_the_loss_as_on_the_cpu() {
    let Some((cpu, gpu, _turn)) = devices() else { return };
    let (model, batch) = (frame_llama(&cpu.clone().autodiff()), frame_batch());
    let step = |model: FrameLlama, device: &Device| {
        let loss = batch_loss(&model, &batch, &mut PositionCache::default(), &device.clone().autodiff());
        let before = loss.bits();
        let symbols = (batch.frames() + batch.steps()) as f64;
        let gradients = GradientsParams::from_grads((loss.loss * symbols.recip()).backward(), &model);
        let model = AdamWConfig::new().init().step(2e-3, model, gradients);
        (before, batch_loss(&model.valid(), &batch, &mut PositionCache::default(), device).bits())
    };
    let on_gpu = step(model.clone().fork(&gpu.clone().autodiff()), &gpu);
    let on_cpu = step(model, &cpu);
    for (name, gpu, cpu) in [
        ("last", on_gpu.0.last, on_cpu.0.last),
        ("ac", on_gpu.0.ac, on_cpu.0.ac),
        ("escape", on_gpu.0.escape, on_cpu.0.escape),
        ("dc", on_gpu.0.dc, on_cpu.0.dc),
    ] {
        assert_share(name, gpu, cpu, LOSS);
    }
    assert_same_step("frames", (on_gpu.0.total(), on_gpu.1.total()), (on_cpu.0.total(), on_cpu.1.total()));
}

#[test]
fn sequence_logits_are_those_of_the_cpu() {
    let Some((cpu, gpu, _turn)) = devices() else { return };
    // Grouped attention with tied tables, and the scaled rotary embedding.
    for name in ["gqa_tied_bf16", "llama3_rope_f16"] {
        let checkpoint = tiny::checkpoint(name);
        let logits = |device: &Device| {
            let backbone = Backbone::load(&checkpoint, 64, device).expect("a backbone");
            let tokens: Vec<u32> = (0..48).map(|i| (i * i + 5 * i) % 24).collect();
            values(TextModel::load(&checkpoint, backbone).expect("tables").logits(&tokens).expect("logits"))
        };
        assert_close(name, &logits(&gpu), &logits(&cpu));
    }
}

#[test]
fn stepping_with_a_cache_is_the_full_pass_of_the_cpu() {
    let Some((cpu, gpu, _turn)) = devices() else { return };
    let checkpoint = tiny::checkpoint("gqa_tied_bf16");
    cpu.seed(5);
    let x = Tensor::<2>::random([2 * 12, 16], Distribution::Normal(0.0, 1.0), &cpu);
    let full = Backbone::load(&checkpoint, 64, &cpu).expect("a backbone").forward(x.clone(), 2, None, false);
    let backbone = Backbone::load(&checkpoint, 64, &gpu).expect("a backbone");
    let mut cache = backbone.cache(2);
    let x = Tensor::<2>::from_data(x.into_data(), &gpu).reshape([2, 12, 16]);
    let mut step = |first: usize, end: usize| {
        backbone.step(&mut cache, x.clone().slice([0..2, first..end, 0..16]), None).expect("within the context")
    };
    let steps = vec![step(0, 7), step(7, 8), step(8, 12)];
    assert_close("states", &values(Tensor::cat(steps, 1)), &values(full.expect("states").0));
}

#[test]
fn a_sequence_training_step_moves_the_loss_as_on_the_cpu() {
    let Some((cpu, gpu, _turn)) = devices() else { return };
    let checkpoint = tiny::checkpoint("gqa_tied_bf16");
    let rows = Rows::new(&[7, 5]);
    let batch = sequence_batch(&rows);
    let auto = cpu.clone().autodiff();
    auto.seed(9);
    let heads = Heads::random(&rows, checkpoint.config(), (1.0, 0.3), None, &auto);
    let step = |heads: Heads, device: &Device| {
        let backbone = Backbone::load(&checkpoint, 64, device).expect("a backbone");
        let weight = 1.0 / batch.symbols() as f64;
        let (bits, found) = gradients(&backbone, &heads, &rows, &batch, weight).expect("a valid batch");
        assert_eq!(bits.symbols.iter().sum::<u64>(), 87);
        let (found, norm) = found.clip(None);
        let params = found.into_params(&heads);
        let heads = AdamWConfig::new().init().step(1e-2, heads, params);
        let after = evaluate(&backbone, &heads, &rows, &batch).expect("a valid batch");
        (norm, (bits.total(), after.total()))
    };
    let on_gpu = step(heads.clone().fork(&gpu.clone().autodiff()), &gpu);
    let on_cpu = step(heads, &cpu);
    assert_share("norm of the gradient", on_gpu.0, on_cpu.0, 10.0 * LOSS);
    assert_same_step("sequences", on_gpu.1, on_cpu.1);
}

/// A run on codes that repeat, and a checkpoint with room for its chunks.
fn run_folder(dir: &Path) -> (FinetuneConfig, Checkpoint) {
    // The precision is the default, bf16 where the device has it.
    let training = TrainingConfig {
        batch: 2,
        accumulate: 1,
        epochs: 2.0,
        validate_every: 100,
        log_every: 1,
        ..TrainingConfig::default()
    };
    let lora = LoraConfig { rank: 2, alpha: 4.0, projections: vec![Projection::Q, Projection::Down] };
    (FinetuneConfig { lora: Some(lora), ..tiny::sequences(dir, 800, training) }, long_checkpoint(dir))
}

#[test]
fn saved_runs_go_on() {
    let Some((_, gpu, _turn)) = devices() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (config, checkpoint) = run_folder(dir.path());
    let run = |name: &str, resume, steps| {
        let options = RunOptions { resume, stop_after: Some(steps) };
        let (out, gpu) = (dir.path().join(name), std::slice::from_ref(&gpu));
        finetune(&config, &checkpoint, &out, gpu, options, &mut Unobserved).expect("a run")
    };
    let whole = run("whole", false, 6);
    let cut = run("cut", false, 3);
    // Nothing is computed here: what comes back is what was saved, bit for bit.
    let loaded = run("cut", true, 0);
    assert_eq!(loaded.state.step, 3);
    assert_eq!(head_values(&loaded), head_values(&cut));
    let resumed = run("cut", true, 3);
    assert_eq!((resumed.state.step, resumed.state.seen), (whole.state.step, whole.state.seen));
    assert_ne!(head_values(&resumed), head_values(&cut));
    // Every step of its own had the loss that it had in one go; without the optimizer's moments it would not.
    let losses = |o: &Outcome| o.state.training.iter().map(|t| t.1).collect::<Vec<_>>();
    assert_eq!(losses(&resumed).len(), 6);
    for (step, (a, b)) in losses(&resumed).into_iter().zip(losses(&whole)).enumerate() {
        assert_share(&format!("step {}", step + 1), a, b, 1e-3);
    }
    let last = |o: &Outcome| o.state.validations.last().expect("a validation").1;
    assert_share("validation", last(&resumed), last(&whole), 1e-3);
    assert!(last(&resumed) < 0.99 * resumed.state.validations[0].1, "{:?}", resumed.state.validations);
}
