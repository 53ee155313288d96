//! The exporter: head set files, adapters, errors.

use lmcodec_entropy::error::ModelError;
use lmcodec_entropy::sequence_llama::export::{
    CheckpointShape, ExportError, HeadSet, RopeScaling, Tensor, export_backbone, export_head_set,
};
use lmcodec_entropy::sequence_llama::testing::{RandomCheckpoint, small_shape};
use lmcodec_entropy::sequence_llama::{SequenceBackbone, SequenceLlama};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

const VOCABULARIES: [u32; 2] = [5, 8];

fn metadata() -> serde_json::Value {
    json!({
        "arch": "sequence-heads", "format": 1, "backbone_sha256": "00", "backbone_name": "random",
        "arrangement": { "medium": "rvq", "offset": 0, "vocabularies": VOCABULARIES, "chunk": 256 },
        "d_model": 48, "lora": { "rank": 2, "alpha": 3.0 }, "training": { "steps": 10 },
    })
}

type F32Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

fn tables() -> F32Tensors {
    let (embed, head) = RandomCheckpoint::new(small_shape(), 1).tables(&VOCABULARIES);
    HashMap::from([
        ("embed.weight".to_owned(), (vec![15, 48], embed)),
        ("head.weight".to_owned(), (vec![13, 48], head)),
    ])
}

fn file(metadata: &serde_json::Value, tensors: &F32Tensors) -> Vec<u8> {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(n, (s, d))| (n.clone(), s.clone(), d.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes.iter().map(|(n, s, d)| (n.as_str(), TensorView::new(Dtype::F32, s.clone(), d).unwrap()));
    serialize(views, Some(HashMap::from([("lmcodec".to_owned(), metadata.to_string())]))).unwrap()
}

fn source(
    checkpoint: &RandomCheckpoint,
) -> impl FnMut(&str) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>> {
    |name: &str| Ok(checkpoint.tensor(name))
}

#[test]
fn head_set_file_to_integers() {
    let checkpoint = RandomCheckpoint::new(small_shape(), 1);
    let backbone =
        export_backbone(&checkpoint.shape, json!({"name": "random"}), &mut source(&checkpoint), None).unwrap();
    let heads = HeadSet::from_bytes(&file(&metadata(), &tables())).unwrap();
    assert!(!heads.has_adapter());
    let heads = export_head_set(&heads, Sha256::digest(&backbone).into()).unwrap();
    let model = SequenceLlama::from_bytes(&backbone, &heads).unwrap();
    assert_eq!(model.vocabularies(), VOCABULARIES);
    assert_eq!(model.arrangement(), &metadata()["arrangement"]);
    assert_eq!(model.heads_config().source, metadata());
    assert_eq!(model.backbone().config().source, json!({"name": "random"}));
    // Exporting again gives the same bytes.
    let again = export_backbone(&checkpoint.shape, json!({"name": "random"}), &mut source(&checkpoint), None).unwrap();
    assert_eq!(again, backbone);
}

#[test]
fn an_adapter_is_merged() {
    let checkpoint = RandomCheckpoint::new(small_shape(), 1);
    let (outputs, inputs, rank) = (48, 130, 2);
    let a: Vec<f32> = (0..rank * inputs).map(|i| (i as f32 * 0.7).sin() * 0.1).collect();
    let b: Vec<f32> = (0..outputs * rank).map(|i| (i as f32 * 1.3).cos() * 0.1).collect();
    let mut tensors = tables();
    tensors.insert("lora.1.down.a".to_owned(), (vec![rank, inputs], a.clone()));
    tensors.insert("lora.1.down.b".to_owned(), (vec![outputs, rank], b.clone()));
    let heads = HeadSet::from_bytes(&file(&metadata(), &tensors)).unwrap();
    assert!(heads.has_adapter());
    let found = export_backbone(&checkpoint.shape, json!(null), &mut source(&checkpoint), Some(&heads)).unwrap();
    let mut merged = |name: &str| {
        let mut tensor = checkpoint.tensor(name);
        if name == "model.layers.1.mlp.down_proj.weight" {
            for n in 0..outputs {
                for k in 0..inputs {
                    let change: f32 = (0..rank).map(|r| b[n * rank + r] * a[r * inputs + k]).sum();
                    tensor.data[n * inputs + k] += change * 1.5;
                }
            }
        }
        Ok(tensor)
    };
    let expected = export_backbone(&checkpoint.shape, json!(null), &mut merged, None).unwrap();
    let plain = export_backbone(&checkpoint.shape, json!(null), &mut source(&checkpoint), None).unwrap();
    // The sums may round apart in their last bit, and a weight in a hundred thousand with them.
    let differences = |other: &[u8]| found.iter().zip(other).filter(|(a, b)| a != b).count();
    assert!(differences(&expected) < 100 && differences(&plain) > 1000, "{}", differences(&expected));
    SequenceBackbone::from_bytes(&found).unwrap();

    // Transposed: refused by shape.
    tensors.insert("lora.1.down.a".to_owned(), (vec![inputs, rank], a));
    let heads = HeadSet::from_bytes(&file(&metadata(), &tensors)).unwrap();
    let found = export_backbone(&checkpoint.shape, json!(null), &mut source(&checkpoint), Some(&heads)).unwrap_err();
    assert!(matches!(found, ExportError::Shape { ref name, .. } if name == "lora.1.down.a"), "{found}");
}

#[test]
fn head_sets_that_do_not_fit_are_named() {
    let error = |metadata: &serde_json::Value, tensors: &F32Tensors| {
        HeadSet::from_bytes(&file(metadata, tensors)).expect_err("damaged")
    };
    let mut other = metadata();
    other["arch"] = json!("frame-llama");
    assert!(matches!(error(&other, &tables()), ExportError::Model(ModelError::Unsupported { field: "arch", .. })));
    let mut other = metadata();
    other["arrangement"] = json!({});
    assert!(matches!(error(&other, &tables()), ExportError::Model(ModelError::Config(_))));
    let mut short = tables();
    short.get_mut("embed.weight").unwrap().0 = vec![48, 15];
    assert!(matches!(error(&metadata(), &short), ExportError::Shape { .. }));
    let mut more = tables();
    more.insert("extra".to_owned(), (vec![1], vec![0.0]));
    assert!(matches!(error(&metadata(), &more), ExportError::Model(ModelError::UnexpectedTensor { .. })));
    let mut half = tables();
    half.insert("lora.0.q.a".to_owned(), (vec![2, 48], vec![0.0; 96]));
    assert!(matches!(error(&metadata(), &half), ExportError::Model(ModelError::MissingTensor { .. })));
    let mut infinite = tables();
    infinite.get_mut("head.weight").unwrap().1[7] = f32::NAN;
    let heads = HeadSet::from_bytes(&file(&metadata(), &infinite)).unwrap();
    let found = export_head_set(&heads, [0; 32]).unwrap_err();
    assert!(matches!(found, ExportError::Value { index: 7, .. }), "{found}");
}

#[test]
fn checkpoints_that_do_not_fit_are_named() {
    let checkpoint = RandomCheckpoint::new(small_shape(), 1);
    let export = |shape: &CheckpointShape, change: fn(&str, &mut Tensor)| {
        let mut tensors = |name: &str| {
            let mut tensor = checkpoint.tensor(name);
            change(name, &mut tensor);
            if name.contains("layers.1.mlp.up") { Err("not here".into()) } else { Ok(tensor) }
        };
        export_backbone(shape, json!(null), &mut tensors, None).expect_err("damaged")
    };
    let found = export(&small_shape(), |_, _| {});
    assert!(matches!(found, ExportError::Tensor { ref name, .. } if name.contains("layers.1.mlp.up_proj")), "{found}");
    let found = export(&small_shape(), |name, t| {
        if name.contains("o_proj") {
            t.data[3] = f32::INFINITY
        }
    });
    assert!(matches!(found, ExportError::Value { index: 3, .. }), "{found}");
    let found = export(&small_shape(), |name, t| {
        if name.contains("k_proj") {
            t.shape.reverse()
        }
    });
    assert!(matches!(found, ExportError::Shape { .. }), "{found}");
    let found = export(&CheckpointShape { head_dim: 15, ..small_shape() }, |_, _| {});
    assert!(matches!(found, ExportError::Model(ModelError::ConfigRange { field: "head_dim", .. })), "{found}");
    let found = export(&CheckpointShape { rope_theta: f64::NAN, ..small_shape() }, |_, _| {});
    assert!(matches!(found, ExportError::Number { field: "rope_theta", .. }), "{found}");
    let nothing = Some(RopeScaling::Linear { factor: 0.0 });
    let found = export(&CheckpointShape { rope_scaling: nothing, ..small_shape() }, |_, _| {});
    assert!(matches!(found, ExportError::Number { field: "rope_scaling", .. }), "{found}");
}
