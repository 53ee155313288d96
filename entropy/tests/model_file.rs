//! Damaged model files give typed errors, never a panic.

use lmcodec_entropy::error::ModelError;
use lmcodec_entropy::frame_llama::testing::{ModelWriter, Weights, random_model, small_config};
use lmcodec_entropy::frame_llama::{FrameConfig, FrameLlama};
use lmcodec_entropy::testing::Random;
use safetensors::Dtype;

/// With every tensor that a model can have.
fn writer() -> ModelWriter {
    ModelWriter::random(&FrameConfig { depth_state: true, ..small_config() }, 3, Weights::Realistic)
}

fn error(writer: &ModelWriter) -> ModelError {
    FrameLlama::from_bytes(&writer.to_bytes()).expect_err("a damaged file")
}

#[test]
fn a_whole_file_loads() {
    let bytes = random_model(&small_config(), 3);
    let model = FrameLlama::from_bytes(&bytes).unwrap();
    assert_eq!(model.config(), &small_config());
    assert_ne!(model.sha256(), [0; 32]);
}

#[test]
fn every_tensor_is_needed_with_its_type_and_shape() {
    for name in writer().names() {
        let mut missing = writer();
        missing.remove(&name);
        assert!(matches!(error(&missing), ModelError::MissingTensor { name: n } if n == name));

        let (dtype, shape, data) = writer().get(&name).unwrap().clone();
        let mut reshaped = writer();
        reshaped.set(&name, dtype, &[&[1][..], &shape].concat(), data.clone());
        assert!(matches!(error(&reshaped), ModelError::Shape { name: n, .. } if n == name));

        let mut retyped = writer();
        let other = if dtype == Dtype::I8 { Dtype::U8 } else { Dtype::F32 };
        retyped.set(&name, other, &shape, data);
        assert!(matches!(error(&retyped), ModelError::ElementType { name: n, .. } if n == name));
    }
}

#[test]
fn values_outside_their_range_are_named() {
    let mut w = writer();
    w.set("embed.shift", Dtype::I32, &[1], 63i32.to_le_bytes().to_vec());
    assert!(matches!(error(&w), ModelError::Value { found: 63, min: 1, max: 62, .. }));

    let mut w = writer();
    let (dtype, shape, mut data) = w.get("layers.1.qkv.mult").unwrap().clone();
    data[4..8].copy_from_slice(&(-1i32).to_le_bytes());
    w.set("layers.1.qkv.mult", dtype, &shape, data);
    assert!(matches!(error(&w), ModelError::Value { index: 1, found: -1, min: 0, .. }));

    let mut w = writer();
    let (dtype, shape, mut data) = w.get("depth.prev").unwrap().clone();
    data[..4].copy_from_slice(&((1i32 << 23) + 1).to_le_bytes());
    w.set("depth.prev", dtype, &shape, data);
    assert!(matches!(error(&w), ModelError::Value { name, index: 0, .. } if name == "depth.prev"));

    let mut w = writer();
    w.set("extra", Dtype::I32, &[1], vec![0; 4]);
    assert!(matches!(error(&w), ModelError::UnexpectedTensor { name } if name == "extra"));
}

#[test]
fn rows_that_could_overflow_are_refused() {
    let config = lmcodec_entropy::frame_llama::FrameConfig { features: 600, ..small_config() };
    let mut w = ModelWriter::random(&config, 3, Weights::Realistic);
    let (dtype, shape, mut data) = w.get("embed.weight").unwrap().clone();
    data[600..1200].fill(127);
    w.set("embed.weight", dtype, &shape, data);
    let found = FrameLlama::from_bytes(&w.to_bytes()).unwrap_err();
    assert!(matches!(found, ModelError::Accumulator { row: 1, sum: 76200, max: 65535, .. }), "{found}");
}

#[test]
fn metadata_is_checked() {
    let w = writer();
    let json = small_config().to_json();
    let load = |json: &str| FrameLlama::from_bytes(&w.to_bytes_with(json)).unwrap_err();
    assert!(matches!(load("{"), ModelError::Config(_)));
    assert!(matches!(load(&json.replace("frame-llama", "gpt")), ModelError::Unsupported { field: "arch", .. }));
    assert!(matches!(load(&json.replace("\"format\":1", "\"format\":2")), ModelError::Unsupported { .. }));
    for (from, to, field) in [
        ("\"heads\":3", "\"heads\":0", "heads"),
        ("\"d_model\":48", "\"d_model\":50", "d_model"),
        ("\"ffn\":80", "\"ffn\":81", "ffn"),
        ("\"layers\":2", "\"layers\":99999999", "layers"),
        ("\"features\":37", "\"features\":0", "features"),
    ] {
        let found = load(&json.replacen(from, to, 1));
        assert!(matches!(found, ModelError::ConfigRange { field: f, .. } if f == field), "{found}");
    }
    let other = safetensors::serialize(Vec::<(String, safetensors::tensor::TensorView)>::new(), None).unwrap();
    assert!(matches!(FrameLlama::from_bytes(&other), Err(ModelError::MissingConfig)));
}

#[test]
fn random_damage_never_panics() {
    let bytes = random_model(&small_config(), 3);
    let mut random = Random::new(9);
    let _ = FrameLlama::from_bytes(&[]);
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len().min(12_000) as u32) as usize;
            damaged[at] ^= 1 << random.below(8);
        }
        let _ = FrameLlama::from_bytes(&damaged);
        let _ = FrameLlama::from_bytes(&bytes[..random.below(bytes.len() as u32) as usize]);
    }
}
