//! `lmcodec train` as a program: a source of photos that fails ends in an exit code, and nothing is exported.
#![cfg(feature = "finetune")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// The exit code and standard error of a training on six pictures.
fn train(dir: &Path, validation_one_in: u32, crops: &str, learning_rate: &str) -> (i32, String) {
    for i in 0..6u32 {
        let pixels = (0..96 * 96u32).flat_map(|at| [(at * (i + 1)) as u8, (at / 32) as u8, at as u8]);
        let picture: Vec<u8> = b"P6 96 96 255\n".iter().copied().chain(pixels).collect();
        fs::write(dir.join(format!("{i}.ppm")), picture).expect("written");
    }
    let config = format!(
        "seed = 3\n[model]\nd_model = 32\nlayers = 1\nheads = 1\nffn = 32\ndepth_d = 16\ndepth_layers = 1\n\
         depth_heads = 1\ndepth_ffn = 16\ndc_ffn = 16\n[data]\nfolder = {:?}\nsource = \"drawn by the test\"\n\
         licence = \"none\"\nvalidation_one_in = {validation_one_in}\n[crops]\nrows = 2\ncolumns = 2\n{crops}\n[optimizer]\n\
         steps = 4\ncrops = 1\nlearning_rate = {learning_rate}\nfinal_share = 0.1\nwarmup = 1\nbetas = [0.9, 0.99]\n\
         weight_decay = 0.0\nclip_norm = 1.0\ncheckpoint_every = 2\nvalidate_every = 2\nvalidation_batches = 1\n",
        dir.display().to_string()
    );
    fs::write(dir.join("config.toml"), config).expect("written");
    let mut lmcodec = Command::new(env!("CARGO_BIN_EXE_lmcodec"));
    let output = lmcodec.current_dir(dir).args(["train", "config.toml", "--out", "run"]).output().expect("started");
    (output.status.code().expect("no signal"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn trainings_that_fail_export_nothing() {
    for (one_in, crops, rate, code, says) in [
        (1, "", "1e-3", 2, "none is left to train on"),
        (3, "quality = [90, 10]", "1e-3", 2, "crops.quality"),
        (0, "quality = [5, 29]\nresaved_probability = 1.0", "1e-3", 2, "crops.quality"),
        (0, "chroma_probability = 1.5", "1e-3", 2, "crops.chroma_probability"),
        (0, "", "1e30", 1, "not a number"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let (found, stderr) = train(dir.path(), one_in, crops, rate);
        assert_eq!(found, code, "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
        assert!(!dir.path().join("run/model.safetensors").exists());
    }
}

#[test]
fn a_training_that_works_exports_a_model_and_its_curve() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, stderr) = train(dir.path(), 3, "", "1e-3");
    assert_eq!(code, 0, "{stderr}");
    for name in ["model.safetensors", "model.md", "parity.json", "state.json", "log.jsonl", "manifest.json"] {
        assert!(dir.path().join("run").join(name).exists(), "{name}");
    }
    let curve = fs::read_to_string(dir.path().join("run/loss.svg")).expect("a curve");
    assert!(curve.starts_with("<svg"), "{curve}");
}
