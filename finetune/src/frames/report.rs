//! What a trained model is worth: real bytes of codes that it has not seen, decoded and compared, beside the float model's
//! cross-entropy.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use lmcodec_entropy::code_heads::config::Medium;
use lmcodec_entropy::code_heads::{CodeHeads, Codes, SEGMENT, decode, encode};
use lmcodec_entropy::error::ModelError;
use lmcodec_entropy::frame_llama::FrameLlama;
use lmcodec_entropy::isa::Isa;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::data::{CodeArray, CodeBatch};
use super::export::export_frames;
use super::train::{FramesOutcome, FramesTrainConfig, Trained, bits_per_code};
use crate::train::TrainError;

/// Coded size of an array of codes.
#[derive(Clone, Debug, Serialize)]
pub struct Coded {
    /// Codes.
    pub codes: usize,
    /// Codes × log2(codebook) / 8, bytes.
    pub raw_bytes: f64,
    /// Bytes written; they decoded to the same codes.
    pub coded_bytes: usize,
    /// coded / raw in percent.
    pub cr_percent: f64,
    /// Cross-entropy of the float model, bits a code.
    pub float_bits_per_code: f64,
    /// Coded bits over the float cross-entropy, in percent.
    pub integer_cost_percent: f64,
    /// Seconds of one thread.
    pub encode_seconds: f64,
    /// Seconds of one thread.
    pub decode_seconds: f64,
}

/// The exported model and what it does.
#[derive(Clone, Debug, Serialize)]
pub struct FramesReport {
    /// The model file.
    pub model: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Parameters outside the blocks.
    pub head_parameters: usize,
    /// Parameters that were trained.
    pub trained_parameters: usize,
    /// Seconds of training.
    pub seconds: f64,
    /// Validation, bits a code at the end.
    pub validation: Option<f64>,
    /// The part after training and validation, if the configuration leaves one, and the arrays of `tests`.
    pub tests: Vec<(String, Coded)>,
}

/// Writes an outcome's `model.safetensors` and `report.json` into `folder`; codes the rest of the array and every file of
/// `tests`.
///
/// # Errors
/// [`TrainError`] if a file cannot be read or written, does not fit the model, or does not come back from its code.
pub fn finish_frames(
    config: &FramesTrainConfig,
    folder: &Path,
    device: &Device,
    outcome: &FramesOutcome,
    tests: &[PathBuf],
) -> Result<FramesReport, TrainError> {
    let exported = export_frames(&outcome.model, &outcome.config);
    let path = folder.join("model.safetensors");
    let backbone = FrameLlama::from_bytes(&config.backbone()?).map_err(|e| TrainError::invalid(&path, e))?;
    let heads =
        CodeHeads::from_bytes(&exported, &[&backbone]).map_err(|e: ModelError| TrainError::invalid(&path, e))?;
    let array = CodeArray::read(&config.data.file, &outcome.config)?;
    let (medium, d) = (config.frames.medium, &config.data);
    let rest = d.train[1].max(d.validation[1])..array.extent(medium);
    let mut arrays = Vec::new();
    if !rest.is_empty() {
        arrays.push((format!("{}, from {}", d.file.display(), rest.start), array.part(medium, rest)));
    }
    for test in tests {
        arrays.push((test.display().to_string(), CodeArray::read(test, &outcome.config)?));
    }
    let mut results = Vec::new();
    for (name, array) in arrays {
        let coded = measure(outcome, &heads, &array, device).map_err(|e| TrainError::invalid(Path::new(&name), e))?;
        results.push((name, coded));
    }
    let all = burn::module::Module::num_params(&outcome.model);
    let head_parameters = outcome.model.head_parameters();
    let report = FramesReport {
        model: path.clone(),
        bytes: exported.len(),
        sha256: Sha256::digest(&exported).iter().map(|b| format!("{b:02x}")).collect(),
        head_parameters,
        trained_parameters: if config.frames.train == Trained::Full { all } else { head_parameters },
        seconds: outcome.state.seconds,
        validation: outcome.state.validations.last().map(|v| v.1),
        tests: results,
    };
    let json = serde_json::to_string_pretty(&report).map_err(|e| TrainError::invalid(folder, e))?;
    for (name, bytes) in [("report.json", json.as_bytes()), ("model.safetensors", &exported)] {
        let (path, temporary) = (folder.join(name), folder.join(format!("{name}.tmp")));
        std::fs::write(&temporary, bytes)
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(TrainError::io(&path))?;
    }
    Ok(report)
}

/// Codes an array with both models.
///
/// # Errors
/// A message if the array does not fit the model or does not come back.
pub fn measure(
    outcome: &FramesOutcome,
    heads: &CodeHeads,
    array: &CodeArray,
    device: &Device,
) -> Result<Coded, String> {
    let c = &outcome.config;
    let count = match c.medium {
        Medium::Vq => 8,
        Medium::Rvq => 2,
    };
    let batches = CodeBatch::cover(c, array, (count, SEGMENT));
    let float = bits_per_code(&outcome.model, c, &batches, device);
    let (shape, isa, clock) = (array.shape, Isa::detect(), Instant::now());
    let bytes = encode(heads, isa, Codes { shape, codes: &array.codes }).map_err(|e| e.to_string())?;
    let (encode_seconds, clock) = (clock.elapsed().as_secs_f64(), Instant::now());
    let found = decode(heads, isa, shape, &bytes).map_err(|e| e.to_string())?;
    let decode_seconds = clock.elapsed().as_secs_f64();
    if found != array.codes {
        return Err("the codes that were decoded are not those that were encoded".into());
    }
    let codes = array.codes.len();
    let raw_bytes = codes as f64 * (c.codebook as f64).log2() / 8.0;
    Ok(Coded {
        codes,
        raw_bytes,
        coded_bytes: bytes.len(),
        cr_percent: 100.0 * bytes.len() as f64 / raw_bytes,
        float_bits_per_code: float,
        integer_cost_percent: 100.0 * (8.0 * bytes.len() as f64 / (float * codes as f64) - 1.0),
        encode_seconds,
        decode_seconds,
    })
}
