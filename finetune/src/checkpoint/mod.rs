//! Pretrained Llama checkpoints: a Hugging Face folder or a GGUF file → configuration and f32 weights.
//!
//! Both kinds give the same [`Checkpoint`]: names, shapes and the order of the q/k rows are those of Hugging Face's
//! `LlamaForCausalLM`. Weights are read from the file when they are asked for, one tensor at a time.

mod config;
mod error;
mod gguf;
mod huggingface;
mod tokenizer;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use config::LlamaConfig;
pub use error::CheckpointError;
pub use lmcodec_entropy::export::{Llama3Scaling, LlamaShape, RopeScaling};
pub use tokenizer::Tokenizer;

/// A tensor in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Its shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Its values in row-major order.
    pub values: Vec<f32>,
}

/// Where the tensors are.
#[derive(Debug)]
enum Source {
    HuggingFace(huggingface::Folder),
    Gguf(Box<gguf::GgufFile>),
}

/// A pretrained Llama.
#[derive(Debug)]
pub struct Checkpoint {
    config: LlamaConfig,
    name: String,
    sha256: String,
    source: Source,
}

impl Checkpoint {
    /// Opens a Hugging Face folder (`config.json` and safetensors) or a GGUF file, and checks that every weight of the
    /// configuration is there with its shape.
    ///
    /// # Errors
    /// [`CheckpointError`] that names the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let checkpoint = if path.is_dir() {
            huggingface::open(path)?
        } else if path.is_file() {
            gguf::open(path)?
        } else {
            return Err(CheckpointError::Io {
                path: path.into(),
                source: std::io::Error::new(std::io::ErrorKind::NotFound, "no such file or folder"),
            });
        };
        for (name, shape) in checkpoint.config.weights() {
            let found = checkpoint.shape(&name).ok_or_else(|| CheckpointError::MissingTensor { name: name.clone() })?;
            if found != shape {
                return Err(CheckpointError::Shape { name, found, expected: shape });
            }
        }
        Ok(checkpoint)
    }

    /// The model's dimensions.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// What the checkpoint calls itself, else the name of its folder or file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 in lower-case hexadecimal: of the weight file's bytes, or, for several shards, of the shards' SHA-256s (32
    /// bytes each) one after the other in the order of their names.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match &self.source {
            Source::HuggingFace(folder) => folder.shape(name),
            Source::Gguf(file) => file.shape(name),
        }
    }

    /// Reads a weight by its Hugging Face name, for example `model.layers.0.self_attn.q_proj.weight` \[out, in\].
    ///
    /// `lm_head.weight` of a checkpoint with tied embeddings is `model.embed_tokens.weight`.
    ///
    /// # Errors
    /// [`CheckpointError`] if there is none of that name or it cannot be read.
    pub fn tensor(&self, name: &str) -> Result<HostTensor, CheckpointError> {
        let name =
            if name == "lm_head.weight" && self.config.tied_embeddings { "model.embed_tokens.weight" } else { name };
        let tensor = match &self.source {
            Source::HuggingFace(folder) => folder.tensor(name),
            Source::Gguf(file) => file.tensor(name, &self.config),
        }?;
        if tensor.values.iter().all(|v| v.is_finite()) {
            Ok(tensor)
        } else {
            Err(CheckpointError::NotFinite { name: name.into() })
        }
    }

    /// The tokenizer that comes with the checkpoint, if there is one.
    ///
    /// # Errors
    /// [`CheckpointError`] if there is one that cannot be used.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>, CheckpointError> {
        match &self.source {
            Source::HuggingFace(folder) => folder.tokenizer(),
            Source::Gguf(file) => file.tokenizer(),
        }
    }
}

/// SHA-256 of a file.
fn file_sha256(path: &Path) -> Result<[u8; 32], CheckpointError> {
    let fault = CheckpointError::io(path);
    let mut file = File::open(path).map_err(&fault)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).map_err(&fault)?;
        if n == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&buffer[..n]);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
