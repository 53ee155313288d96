//! Checkpoint and head set → the integer files that coding uses, and what the rounding costs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lmcodec_entropy::arrangement::flat::{Chunk, FlatArrangement};
use lmcodec_entropy::coder::{BitCounter, WideDistribution};
use lmcodec_entropy::export::{ExportError, HeadSet, Tensor, export_backbone, export_head_set};
use lmcodec_entropy::isa::Isa;
use lmcodec_entropy::sequence_llama::{Position, SequenceBackbone, SequenceEngine, SequenceLlama};

use crate::checkpoint::Checkpoint;
use crate::run::RunError;

/// Positions of a chunk that the integer engine runs at once.
const BATCH: usize = 64;

/// The integer files of a backbone and a head set, checked by loading them.
pub struct IntegerFiles {
    /// The integer backbone.
    pub backbone: Vec<u8>,
    /// The integer head set, which names that backbone.
    pub heads: Vec<u8>,
    /// Both, loaded.
    pub model: SequenceLlama,
}

/// Rounds a checkpoint and a head set file. LoRA pairs are merged into the backbone, which then belongs to that head set alone.
///
/// # Errors
/// [`RunError`] if the head set is for another checkpoint, or either cannot be rounded.
pub fn integer_files(checkpoint: &Checkpoint, head_set: &Path) -> Result<IntegerFiles, RunError> {
    let bytes = fs::read(head_set).map_err(RunError::io(head_set))?;
    let fault = |e: ExportError| RunError::invalid(head_set, e);
    let heads = HeadSet::from_bytes(&bytes).map_err(fault)?;
    let wanted = heads.metadata()["backbone_sha256"].as_str().unwrap_or_default();
    if wanted != checkpoint.sha256() {
        let message =
            format!("trained on the backbone {wanted}, not on {} ({})", checkpoint.sha256(), checkpoint.name());
        return Err(RunError::invalid(head_set, message));
    }
    let source = serde_json::json!({ "name": checkpoint.name(), "sha256": checkpoint.sha256() });
    let mut read = |name: &str| {
        let t = checkpoint.tensor(name)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Tensor { shape: t.shape, data: t.values })
    };
    let adapter = heads.has_adapter().then_some(&heads);
    let backbone = export_backbone(&checkpoint.config().shape, source, &mut read, adapter).map_err(fault)?;
    let loaded = SequenceBackbone::from_bytes(&backbone).map_err(|e| RunError::invalid(head_set, e))?;
    let integer_heads = export_head_set(&heads, loaded.sha256()).map_err(fault)?;
    let model = SequenceLlama::new(Arc::new(loaded), &integer_heads).map_err(|e| RunError::invalid(head_set, e))?;
    Ok(IntegerFiles { backbone, heads: integer_heads, model })
}

/// Bits of chunks under the integer model, as its probabilities give them (raw bits of escapes are not counted).
///
/// # Errors
/// [`RunError::Invalid`] if a chunk is beyond the model's context or has a symbol that it does not know.
pub fn integer_bits(model: &SequenceLlama, arrangement: &FlatArrangement, chunks: &[Chunk]) -> Result<f64, RunError> {
    let longest = chunks.iter().map(|c| c.symbols.len()).max().unwrap_or(1);
    let fits = |c: &Chunk| {
        let known = |(i, &s): (usize, &u16)| {
            model.vocabularies().get(usize::from(c.layer(i))).is_some_and(|&v| u32::from(s) < v)
        };
        c.symbols.iter().enumerate().all(known)
    };
    if longest > model.context() || model.vocabularies() != arrangement.vocabularies || !chunks.iter().all(fits) {
        return Err(RunError::invalid(Path::new("chunks"), "they do not fit the model's context and alphabets"));
    }
    let isa = Isa::detect();
    let mut engine = SequenceEngine::new(model, isa, 1, longest, BATCH);
    let (mut logits, mut counter) = (Vec::new(), BitCounter::new());
    for chunk in chunks {
        engine.reset_row(0);
        for first in (0..chunk.symbols.len()).step_by(BATCH) {
            let range = first..(first + BATCH).min(chunk.symbols.len());
            let previous = |i: usize| (i > 0).then(|| (chunk.layer(i - 1), chunk.symbols[i - 1]));
            let position = |i: usize| Position { row: 0, previous: previous(i), layer: chunk.layer(i) };
            engine.step(&range.clone().map(position).collect::<Vec<_>>(), &mut logits);
            let mut rest = logits.as_slice();
            for i in range {
                let (now, later) = rest.split_at(model.vocabularies()[usize::from(chunk.layer(i))] as usize);
                WideDistribution::from_logits(isa, now).encode(usize::from(chunk.symbols[i]), &mut counter);
                rest = later;
            }
        }
    }
    Ok(counter.bits())
}
