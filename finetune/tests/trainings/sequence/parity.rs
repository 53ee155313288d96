//! Checkpoints of every supported kind against the logits of Hugging Face transformers (tests/fixtures/make_parity.py), and
//! checkpoints that must be refused.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use lmcodec_finetune::checkpoint::{Checkpoint, CheckpointError, RopeScaling};
use lmcodec_finetune::sequence::model::Backbone;
use lmcodec_finetune::sequence::text::TextModel;
use safetensors::SafeTensors;

use crate::tiny::fixture;

fn expected(folder: &Path) -> (Vec<u32>, Vec<f32>) {
    let bytes = fs::read(folder.join("expected.safetensors")).expect("the fixture");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let words = |name: &str| file.tensor(name).expect("a tensor").data().as_chunks::<4>().0.to_vec();
    let tokens = words("tokens").into_iter().map(|b| i32::from_le_bytes(b) as u32).collect();
    (tokens, words("logits").into_iter().map(f32::from_le_bytes).collect())
}

/// Greatest difference of the logits, relative to the greatest logit.
fn difference(checkpoint: &Checkpoint, folder: &Path) -> f32 {
    let backbone = Backbone::load(checkpoint, 64, &Device::flex()).expect("a backbone");
    let model = TextModel::load(checkpoint, backbone).expect("tables");
    let (tokens, logits) = expected(folder);
    let found: Vec<f32> = model.logits(&tokens).expect("logits").into_data().try_to_vec().expect("f32");
    assert_eq!(found.len(), logits.len());
    let scale = logits.iter().fold(1.0f32, |m, x| m.max(x.abs()));
    found.iter().zip(&logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
}

#[test]
fn logits_are_those_of_transformers() {
    for name in ["untied_f32", "gqa_tied_bf16", "llama3_rope_f16", "sharded_gqa"] {
        let checkpoint = Checkpoint::open(&fixture(name)).expect("a checkpoint");
        let d = difference(&checkpoint, &fixture(name));
        assert!(d < 1e-5, "{name}: {d}");
    }
    let scaled = Checkpoint::open(&fixture("llama3_rope_f16")).expect("a checkpoint");
    assert!(matches!(scaled.config().rope_scaling, Some(RopeScaling::Llama3(_))));
    let tied = Checkpoint::open(&fixture("gqa_tied_bf16")).expect("a checkpoint");
    let table = |name: &str| tied.tensor(name).expect("a table");
    assert_eq!(table("lm_head.weight"), table("model.embed_tokens.weight"));
}

#[test]
fn gguf_weights_are_dequantized_and_put_into_order() {
    let checkpoint = Checkpoint::open(&fixture("gguf/model.gguf")).expect("a checkpoint");
    assert_eq!(checkpoint.name(), "Parity");
    assert!(!checkpoint.config().tied_embeddings);
    let d = difference(&checkpoint, &fixture("gguf"));
    assert!(d < 1e-5, "{d}");
    let tokenizer = checkpoint.tokenizer().expect("usable").expect("there is one");
    // Digits one by one; the merge of a and b; a space is Ġ.
    assert_eq!(tokenizer.tokens("-120").expect("tokens"), [1, 2, 3, 11]);
    assert_eq!(tokenizer.tokens("ab a").expect("tokens"), [15, 12, 13]);
}

#[test]
fn bits_of_text_are_the_cross_entropy_of_its_tokens() {
    let checkpoint = Checkpoint::open(&fixture("gguf/model.gguf")).expect("a checkpoint");
    let tokenizer = checkpoint.tokenizer().expect("usable").expect("there is one");
    let backbone = Backbone::load(&checkpoint, 64, &Device::flex()).expect("a backbone");
    let model = TextModel::load(&checkpoint, backbone).expect("tables");
    let text = "12 ab 3";
    let tokens = tokenizer.tokens(text).expect("tokens");
    let logits = model.logits(&tokens[..tokens.len() - 1]).expect("logits");
    let log_p: Tensor<2> = burn::tensor::activation::log_softmax(logits, 1);
    let log_p: Vec<f32> = log_p.into_data().try_to_vec().expect("f32");
    let nats: f32 = tokens[1..].iter().enumerate().map(|(i, &t)| -log_p[i * 16 + t as usize]).sum();
    let bits = model.bits(&tokenizer, text, 64).expect("bits");
    assert_eq!((bits.tokens, bits.bytes), (tokens.len(), 7));
    let wanted = f64::from(nats) * std::f64::consts::LOG2_E + 4.0;
    assert!((bits.bits - wanted).abs() < 1e-4, "{} {wanted}", bits.bits);
    // Chunks of one token cost 4 bits each.
    assert_eq!(model.bits(&tokenizer, text, 1).expect("bits").bits, 4.0 * tokens.len() as f64);
}

#[test]
fn shards_are_hashed_in_the_order_of_their_names() {
    use sha2::{Digest, Sha256};
    let folder = fixture("sharded_gqa");
    let mut all = Sha256::new();
    for i in 1..=3 {
        let shard = fs::read(folder.join(format!("model-{i:05}-of-00003.safetensors"))).expect("a shard");
        all.update(Sha256::digest(shard));
    }
    let wanted: String = all.finalize().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(Checkpoint::open(&folder).expect("a checkpoint").sha256(), wanted);
}

/// A copy of a fixture that may be damaged.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(fixture(name)).expect("the fixture") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, dir.path().join(path.file_name().expect("a name"))).expect("a copy");
    }
    dir
}

#[test]
fn broken_checkpoints_are_refused_with_what_is_wrong() {
    let missing = copy("sharded_gqa");
    fs::remove_file(missing.path().join("model-00002-of-00003.safetensors")).expect("removed");
    match Checkpoint::open(missing.path()) {
        Err(CheckpointError::MissingShard { shard, .. }) => assert_eq!(shard, "model-00002-of-00003.safetensors"),
        other => panic!("{other:?}"),
    }

    let cut = copy("untied_f32");
    let path = cut.path().join("model.safetensors");
    let bytes = fs::read(&path).expect("weights");
    // In the length, in the header, in the data.
    for n in [3, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..n]).expect("written");
        assert!(matches!(Checkpoint::open(cut.path()), Err(CheckpointError::Corrupt { .. })), "{n}");
    }
    let mut long = bytes.clone();
    long[7] = 0x7f;
    fs::write(&path, &long).expect("written");
    assert!(matches!(Checkpoint::open(cut.path()), Err(CheckpointError::Corrupt { .. })));
    let mut not_finite = bytes.clone();
    let n = not_finite.len();
    not_finite[n - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &not_finite).expect("written");
    let opened = Checkpoint::open(cut.path()).expect("the header is whole");
    let names: Vec<String> = opened.config().weights().into_iter().map(|(name, _)| name).collect();
    let refused = |name: &String| matches!(opened.tensor(name), Err(CheckpointError::NotFinite { .. }));
    assert_eq!(names.iter().filter(|n| refused(n)).count(), 1);

    let config = |edit: &dyn Fn(&mut serde_json::Value)| {
        let folder = copy("untied_f32");
        let path = folder.path().join("config.json");
        let mut json = serde_json::from_str(&fs::read_to_string(&path).expect("text")).expect("JSON");
        edit(&mut json);
        fs::write(&path, json.to_string()).expect("written");
        Checkpoint::open(folder.path()).expect_err("must be refused")
    };
    assert!(
        matches!(config(&|c| c["model_type"] = "gpt2".into()), CheckpointError::NotLlama { field, .. } if field == "model_type")
    );
    match config(&|c| c["intermediate_size"] = 25.into()) {
        CheckpointError::Shape { name, found, expected } => {
            assert_eq!(name, "model.layers.0.mlp.gate_proj.weight");
            assert_eq!((found, expected), (vec![24, 16], vec![25, 16]));
        }
        other => panic!("{other:?}"),
    }
    match config(&|c| c["num_hidden_layers"] = 3.into()) {
        CheckpointError::MissingTensor { name } => assert_eq!(name, "model.layers.2.input_layernorm.weight"),
        other => panic!("{other:?}"),
    }
    let nothing = tempfile::tempdir().expect("a folder");
    assert!(matches!(Checkpoint::open(nothing.path()), Err(CheckpointError::Io { .. })));
    assert!(matches!(Checkpoint::open(&nothing.path().join("no")), Err(CheckpointError::Io { .. })));
}

#[test]
fn damaged_gguf_files_never_panic() {
    let bytes = fs::read(fixture("gguf/model.gguf")).expect("the fixture");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("model.gguf");
    let mut refused = 0;
    // The header and the first bytes of the data.
    for at in (0..4000).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).expect("written");
        match Checkpoint::open(&path) {
            Ok(checkpoint) => {
                for (name, _) in checkpoint.config().weights() {
                    let _ = checkpoint.tensor(&name);
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
    for n in [0, 10, 500, bytes.len() - 100] {
        fs::write(&path, &bytes[..n]).expect("written");
        let read = |c: Checkpoint| c.config().weights().iter().try_for_each(|(name, _)| c.tensor(name).map(drop));
        assert!(Checkpoint::open(&path).and_then(read).is_err(), "{n}");
    }
}

#[test]
fn a_context_beyond_the_checkpoints_is_refused() {
    let checkpoint = Checkpoint::open(&fixture("untied_f32")).expect("a checkpoint");
    let error = Backbone::load(&checkpoint, 65, &Device::flex()).expect_err("65 > 64");
    assert!(error.to_string().contains("64"), "{error}");
    let backbone = Backbone::load(&checkpoint, 8, &Device::flex()).expect("a backbone");
    let x = Tensor::<2>::from_data(TensorData::new(vec![0.0f32; 9 * 16], [9, 16]), &Device::flex());
    assert!(backbone.forward(x, 1, None, false).is_err());
}
