//! Damaged integer files give typed errors, never a panic.

use lmcodec_entropy::error::ModelError;
use lmcodec_entropy::sequence_llama::testing::{RandomCheckpoint, small_shape};
use lmcodec_entropy::sequence_llama::{SequenceBackbone, SequenceLlama};
use lmcodec_entropy::testing::Random;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const VOCABULARIES: [u32; 2] = [9, 20];

fn files() -> (Vec<u8>, Vec<u8>) {
    RandomCheckpoint::new(small_shape(), 3).export(&VOCABULARIES).unwrap()
}

/// A file taken apart.
#[derive(Clone)]
struct Parts {
    json: String,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        let json = header.metadata().as_ref().unwrap()["lmcodec"].clone();
        let file = SafeTensors::deserialize(bytes).unwrap();
        let part = |(name, t): (String, TensorView)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec()));
        Self { json, tensors: file.tensors().into_iter().map(part).collect() }
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self
            .tensors
            .iter()
            .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        serialize(views, Some(HashMap::from([("lmcodec".to_owned(), self.json.clone())]))).unwrap()
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut parts = self.clone();
        change(&mut parts.tensors.get_mut(name).unwrap().2);
        parts.bytes()
    }
}

/// Tensor by tensor: missing, reshaped, of another type; and one too many.
fn every_tensor_is_checked(bytes: &[u8], load: impl Fn(&[u8]) -> ModelError) {
    let parts = Parts::of(bytes);
    for (name, (dtype, shape, data)) in &parts.tensors {
        let mut missing = parts.clone();
        missing.tensors.remove(name);
        assert!(matches!(load(&missing.bytes()), ModelError::MissingTensor { name: n } if n == *name));
        let mut reshaped = parts.clone();
        reshaped.tensors.insert(name.clone(), (*dtype, [&[1][..], shape].concat(), data.clone()));
        assert!(matches!(load(&reshaped.bytes()), ModelError::Shape { name: n, .. } if n == *name));
        let mut retyped = parts.clone();
        let other = match dtype {
            Dtype::I8 => Dtype::U8,
            Dtype::I16 => Dtype::U16,
            Dtype::I32 => Dtype::U32,
            _ => Dtype::I64,
        };
        retyped.tensors.insert(name.clone(), (other, shape.clone(), data.clone()));
        assert!(matches!(load(&retyped.bytes()), ModelError::ElementType { name: n, .. } if n == *name));
    }
    let mut more = parts.clone();
    more.tensors.insert("extra".to_owned(), (Dtype::I8, vec![1], vec![0]));
    assert!(matches!(load(&more.bytes()), ModelError::UnexpectedTensor { name } if name == "extra"));
}

#[test]
fn tensors_of_both_files_are_checked() {
    let (backbone, heads) = files();
    every_tensor_is_checked(&backbone, |b| SequenceBackbone::from_bytes(b).expect_err("damaged"));
    let backbone = Arc::new(SequenceBackbone::from_bytes(&backbone).unwrap());
    every_tensor_is_checked(&heads, |h| SequenceLlama::new(backbone.clone(), h).expect_err("damaged"));
    let whole = SequenceLlama::new(backbone.clone(), &heads).unwrap();
    assert_eq!((whole.vocabularies(), whole.context()), (&VOCABULARIES[..], 256));
    assert_eq!(whole.arrangement(), &serde_json::json!({ "vocabularies": VOCABULARIES }));
}

#[test]
fn values_outside_their_range_are_named() {
    let (backbone, heads) = files();
    let parts = Parts::of(&backbone);
    let load = |bytes: &[u8]| SequenceBackbone::from_bytes(bytes).expect_err("damaged");
    let negative = parts.edit("layers.1.o.mult", |d| d[8..12].copy_from_slice(&(-1i32).to_le_bytes()));
    assert!(matches!(load(&negative), ModelError::Value { index: 2, found: -1, min: 0, .. }));
    let odd = parts.edit("layers.0.gate_up.weight", |d| d[77] = 0x80);
    assert!(matches!(load(&odd), ModelError::Value { index: 77, found: -128, min: -127, .. }));
    let far = parts.edit("layers.0.down.exponent", |d| d.copy_from_slice(&5000i32.to_le_bytes()));
    assert!(matches!(load(&far), ModelError::Value { found: 5000, max: 4096, .. }));
    let steep = parts.edit("norm.weight", |d| d[..4].copy_from_slice(&i32::MIN.to_le_bytes()));
    assert!(matches!(load(&steep), ModelError::Value { name, index: 0, .. } if name == "norm.weight"));

    let backbone = Arc::new(SequenceBackbone::from_bytes(&backbone).unwrap());
    let load = |bytes: &[u8]| SequenceLlama::new(backbone.clone(), bytes).expect_err("damaged");
    let parts = Parts::of(&heads);
    let shifted = parts.edit("embed.shift", |d| d[..4].copy_from_slice(&31i32.to_le_bytes()));
    assert!(matches!(load(&shifted), ModelError::Value { found: 31, max: 30, .. }));
    let odd = parts.edit("head.weight", |d| d[10 * 48 + 5] = 0x80);
    assert!(matches!(load(&odd), ModelError::Value { index: 485, found: -128, .. }));
}

#[test]
fn metadata_is_checked() {
    let (backbone, heads) = files();
    let with = |bytes: &[u8], from: &str, to: &str| {
        let mut parts = Parts::of(bytes);
        assert!(parts.json.contains(from), "{from}");
        parts.json = parts.json.replacen(from, to, 1);
        parts.bytes()
    };
    let load = |from, to| SequenceBackbone::from_bytes(&with(&backbone, from, to)).expect_err("damaged");
    assert!(matches!(load("{", "["), ModelError::Config(_)));
    assert!(matches!(load("sequence-llama", "gpt"), ModelError::Unsupported { field: "arch", .. }));
    assert!(matches!(load("\"format\":1", "\"format\":2"), ModelError::Unsupported { field: "format", .. }));
    for (from, to, field) in [
        ("\"heads\":3", "\"heads\":0", "heads"),
        ("\"kv_heads\":1", "\"kv_heads\":2", "kv_heads"),
        ("\"head_dim\":16", "\"head_dim\":15", "head_dim"),
        ("\"head_dim\":16", "\"head_dim\":130", "head_dim"),
        ("\"d_model\":48", "\"d_model\":99999", "d_model"),
        ("\"ffn\":130", "\"ffn\":0", "ffn"),
        ("\"layers\":2", "\"layers\":1000", "layers"),
        ("\"context\":256", "\"context\":0", "context"),
        ("\"eps_q48\":", "\"eps_q48\":99999", "eps_q48"),
    ] {
        let found = load(from, to);
        assert!(matches!(found, ModelError::ConfigRange { field: f, .. } if f == field), "{found}");
    }
    let backbone = Arc::new(SequenceBackbone::from_bytes(&backbone).unwrap());
    let load =
        |from: &str, to: &str| SequenceLlama::new(backbone.clone(), &with(&heads, from, to)).expect_err("damaged");
    assert!(matches!(load("sequence-heads-int", "sequence-heads"), ModelError::Unsupported { field: "arch", .. }));
    assert!(matches!(load("\"d_model\":48", "\"d_model\":49"), ModelError::ConfigRange { field: "d_model", .. }));
    for vocabularies in ["\"vocabularies\":[9,0]", "\"vocabularies\":[9,16385]", "\"vocabularies\":[]"] {
        // The arrangement's own comes first in the JSON: replace both.
        let mut parts = Parts::of(&heads);
        parts.json = parts.json.replace("\"vocabularies\":[9,20]", vocabularies);
        let found = SequenceLlama::new(backbone.clone(), &parts.bytes()).expect_err("damaged");
        assert!(matches!(found, ModelError::ConfigRange { field: "vocabularies", .. }), "{found}");
    }
    assert!(matches!(load("[9,20]", "[20,9]"), ModelError::Unsupported { field: "arrangement.vocabularies", .. }));
    let other = RandomCheckpoint::new(small_shape(), 4).export(&VOCABULARIES).unwrap().0;
    let found = SequenceLlama::from_bytes(&other, &heads).expect_err("another backbone");
    assert!(matches!(found, ModelError::OtherBackbone { .. }), "{found}");
}

#[test]
fn random_damage_never_panics() {
    let (backbone, heads) = files();
    let whole = Arc::new(SequenceBackbone::from_bytes(&backbone).unwrap());
    let mut random = Random::new(9);
    let mut damage = |bytes: &[u8]| {
        let mut damaged = bytes.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len().min(6000) as u32) as usize;
            damaged[at] ^= 1 << random.below(8);
        }
        if random.below(3) == 0 {
            damaged.truncate(random.below(bytes.len() as u32) as usize);
        }
        damaged
    };
    for _ in 0..200 {
        let _ = SequenceBackbone::from_bytes(&damage(&backbone));
        let _ = SequenceLlama::new(whole.clone(), &damage(&heads));
    }
    let _ = SequenceLlama::from_bytes(&[], &[]);
}
