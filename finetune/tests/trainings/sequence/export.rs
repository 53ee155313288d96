//! From a trained head set to the integer files, and what the rounding costs.

use std::fs;

use burn::tensor::Device;
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::run::{RunError, Unobserved};
use lmcodec_finetune::sequence::config::FinetuneConfig;
use lmcodec_finetune::sequence::data::Latents;
use lmcodec_finetune::sequence::export::{integer_bits, integer_files};
use lmcodec_finetune::sequence::head_file;
use lmcodec_finetune::sequence::lora::LoraConfig;
use lmcodec_finetune::sequence::model::Backbone;
use lmcodec_finetune::sequence::train::{RunOptions, finetune};
use lmcodec_finetune::sequence::validation::validate;

use super::training::config;
use crate::tiny::{self, long_checkpoint, turn};

/// (bits of the float model, bits of the integer model) of the validation chunks after some steps.
fn bits(config: &FinetuneConfig, checkpoint: &Checkpoint, dir: &std::path::Path) -> (f64, f64) {
    let device = Device::flex();
    let options = RunOptions { resume: false, stop_after: Some(8) };
    let outcome =
        finetune(config, checkpoint, dir, std::slice::from_ref(&device), options, &mut Unobserved).expect("a run");
    let files = integer_files(checkpoint, &outcome.head_file).expect("integer files");
    let chunks = Latents::load(config).expect("latents").validation.chunks();
    let (heads, _) =
        head_file::load(&outcome.head_file, checkpoint.config(), &device.clone().autodiff()).expect("heads");
    let backbone = Backbone::load(checkpoint, 256, &device).expect("a backbone");
    let float = validate(&backbone, &heads, &config.arrangement, &chunks, 2).expect("bits").bits.total();
    (float, integer_bits(&files.model, &config.arrangement, &chunks).expect("bits"))
}

#[test]
fn integers_cost_almost_nothing() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (mut config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    let (float, integer) = bits(&config, &checkpoint, &dir.path().join("plain"));
    assert!((integer / float - 1.0).abs() < 0.01, "{float} {integer}");
    // LoRA pairs are merged into the integer backbone.
    config.lora =
        Some(LoraConfig { rank: 4, alpha: 8.0, projections: lmcodec_finetune::sequence::lora::Projection::ALL.into() });
    let (float, integer) = bits(&config, &checkpoint, &dir.path().join("lora"));
    assert!((integer / float - 1.0).abs() < 0.01, "{float} {integer}");
}

#[test]
fn heads_of_another_backbone_are_refused() {
    let _turn = turn();
    let dir = tempfile::tempdir().expect("a folder");
    let (config, checkpoint) = (config(dir.path()), long_checkpoint(dir.path()));
    let options = RunOptions { resume: false, stop_after: Some(1) };
    let out = dir.path().join("run");
    let outcome = finetune(&config, &checkpoint, &out, &[Device::flex()], options, &mut Unobserved).expect("a run");
    let other = tiny::checkpoint("untied_f32");
    let error = integer_files(&other, &outcome.head_file).err().expect("refused");
    assert!(matches!(error, RunError::Invalid { .. }) && error.to_string().contains("trained on"), "{error}");
    let bytes = fs::read(&outcome.head_file).expect("heads");
    let cut = dir.path().join("cut.safetensors");
    fs::write(&cut, &bytes[..bytes.len() - 1]).expect("written");
    assert!(matches!(integer_files(&checkpoint, &cut), Err(RunError::Invalid { .. })));
}
