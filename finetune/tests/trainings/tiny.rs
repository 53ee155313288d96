//! Models, pictures, arrays of codes and runs that are small enough for tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use lmcodec_entropy::arrangement::flat::{FlatArrangement, LayerOrder};
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::frame::model::FrameLlamaConfig;
use lmcodec_finetune::sequence::config::{CodesConfig, DataConfig, FinetuneConfig, InitialConfig, TrainingConfig};
use lmcodec_finetune::sequence::train::Outcome;

/// burn's random generator belongs to the device, not to the test: tests that draw initial weights take turns.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The values of a tensor.
pub(crate) fn values<const R: usize>(t: Tensor<R>) -> Vec<f32> {
    t.into_data().try_to_vec().expect("f32")
}

/// A frame Llama.
pub(crate) fn frame_llama() -> FrameLlamaConfig {
    FrameLlamaConfig {
        d_model: 64,
        layers: 2,
        heads: 2,
        ffn: 64,
        depth_d: 32,
        depth_layers: 1,
        depth_heads: 2,
        depth_ffn: 32,
        dc_ffn: 32,
        depth_state: false,
    }
}

/// A `.npy` file, format 1.0; `shape` as numpy writes it, without parentheses: `4, 2`, or `4,`.
pub(crate) fn save_npy(path: &Path, descr: &str, shape: &str, data: &[u8]) {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    header.push_str(&" ".repeat((64 - (header.len() + 11) % 64) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    fs::write(path, bytes).expect("written");
}

/// A pretrained checkpoint of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn checkpoint(name: &str) -> Checkpoint {
    Checkpoint::open(&fixture(name)).expect("the fixture")
}

/// Fixtures have a context of 64, arrangements chunks of 256 and more: the same weights with a longer context. The integer
/// engine can run them too.
pub(crate) fn long_checkpoint(dir: &Path) -> Checkpoint {
    let (from, to) = (fixture("gqa_tied_bf16"), dir.join("gqa_tied_bf16"));
    fs::create_dir_all(&to).expect("a folder");
    fs::copy(from.join("model.safetensors"), to.join("model.safetensors")).expect("a copy");
    let text = fs::read_to_string(from.join("config.json")).expect("text");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json["max_position_embeddings"] = 1024.into();
    fs::write(to.join("config.json"), json.to_string()).expect("written");
    Checkpoint::open(&to).expect("a checkpoint")
}

/// Two interleaved layers; the second one repeats the first, which walks through its codebook.
pub(crate) fn interleaved_codes(steps: usize) -> Vec<u8> {
    (0..steps).flat_map(|t| [(t % 7) as u8, (t % 7 / 2) as u8]).collect()
}

/// A run of flat sequences on `steps` time steps of them.
pub(crate) fn sequences(dir: &Path, steps: usize, training: TrainingConfig) -> FinetuneConfig {
    let file = dir.join("codes.npy");
    save_npy(&file, "|u1", &format!("{steps}, 2"), &interleaved_codes(steps));
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
        training: TrainingConfig { chunk: 64, learning_rate: 1e-2, ..training },
        initial: InitialConfig::default(),
        lora: None,
    }
}

/// Everything that a run of flat sequences has trained: embedding, head, LoRA pairs.
pub(crate) fn head_values(outcome: &Outcome) -> Vec<Vec<f32>> {
    let pairs = outcome.heads.lora.iter().flat_map(|lora| lora.pairs());
    let pairs = pairs.flat_map(|(_, _, p)| [values(p.a.val().inner()), values(p.b.val().inner())]);
    [values(outcome.heads.embed()), values(outcome.heads.head())].into_iter().chain(pairs).collect()
}
