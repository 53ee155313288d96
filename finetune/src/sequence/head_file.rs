//! Head-set files: safetensors with `embed.weight`, `head.weight` and LoRA pairs, and a description as JSON in the metadata entry
//! `lmcodec`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use lmcodec_entropy::arrangement::flat::FlatArrangement;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::heads::{Heads, Rows};
use super::lora::{Lora, LoraConfig};
use crate::checkpoint::LlamaConfig;
use crate::run::RunError;

/// The metadata of a head set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSetDescription {
    /// `sequence-heads`.
    pub arch: String,
    /// 1.
    pub format: u32,
    /// SHA-256 of the backbone's checkpoint, as [`crate::checkpoint::Checkpoint::sha256`].
    pub backbone_sha256: String,
    /// What the checkpoint calls itself.
    pub backbone_name: String,
    /// What the heads are for.
    pub arrangement: FlatArrangement,
    /// Width of the backbone.
    pub d_model: usize,
    /// Rank, strength and place of LoRA pairs, if there are any.
    pub lora: Option<LoraConfig>,
    /// How it was trained.
    pub training: serde_json::Value,
}

/// Writes a head set, whole or not at all.
///
/// # Errors
/// [`RunError::Io`].
pub fn save(path: &Path, heads: &Heads, description: &HeadSetDescription) -> Result<(), RunError> {
    let mut tensors: Vec<(String, [usize; 2], Vec<u8>)> = Vec::new();
    let mut add = |name: String, t: burn::tensor::Tensor<2>| {
        let shape = t.dims();
        let values: Vec<f32> = t.into_data().try_to_vec().map_err(|e| RunError::invalid(path, format!("{e:?}")))?;
        tensors.push((name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()));
        Ok::<_, RunError>(())
    };
    add("embed.weight".into(), heads.embed())?;
    add("head.weight".into(), heads.head())?;
    for (layer, projection, pair) in heads.lora.iter().flat_map(Lora::pairs) {
        add(format!("lora.{layer}.{}.a", projection.name()), pair.a.val().inner())?;
        add(format!("lora.{layer}.{}.b", projection.name()), pair.b.val().inner())?;
    }
    let views = tensors
        .iter()
        .map(|(name, shape, data)| TensorView::new(Dtype::F32, shape.to_vec(), data).map(|view| (name, view)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| RunError::invalid(path, e))?;
    let json = serde_json::to_string(description).map_err(|e| RunError::invalid(path, e))?;
    let bytes = safetensors::serialize(views, Some(HashMap::from([("lmcodec".to_owned(), json)])))
        .map_err(|e| RunError::invalid(path, e))?;
    lmcodec_files::write(path, &bytes).map_err(RunError::io(path))
}

/// Reads a head set for a backbone onto a device with autodiff.
///
/// # Errors
/// [`RunError`] if it is no head set, is for another width, or a tensor is missing or of a wrong shape.
pub fn load(path: &Path, llama: &LlamaConfig, device: &Device) -> Result<(Heads, HeadSetDescription), RunError> {
    let bytes = fs::read(path).map_err(RunError::io(path))?;
    let invalid = |message: String| RunError::invalid(path, message);
    let (_, metadata) =
        SafeTensors::read_metadata(&bytes).map_err(|e| invalid(format!("no whole safetensors file: {e}")))?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get("lmcodec"));
    let json = json.ok_or_else(|| invalid("the metadata entry lmcodec is missing".into()))?;
    let description: HeadSetDescription = serde_json::from_str(json).map_err(|e| invalid(format!("metadata: {e}")))?;
    if description.arch != "sequence-heads" || description.format != 1 {
        return Err(invalid(format!(
            "{} of format {}, not sequence-heads of format 1",
            description.arch, description.format
        )));
    }
    if description.d_model != llama.d_model {
        return Err(invalid(format!(
            "heads for a width of {}, the backbone has {}",
            description.d_model, llama.d_model
        )));
    }
    description.arrangement.validate()?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| invalid(e.to_string()))?;
    let table = |name: &str, shape: [usize; 2]| -> Result<Vec<f32>, RunError> {
        let view = file.tensor(name).map_err(|e| invalid(format!("{name}: {e}")))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            return Err(invalid(format!("{name} is {:?} {:?}, expected F32 {shape:?}", view.dtype(), view.shape())));
        }
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(invalid(format!("{name} has values that are infinite or no numbers")));
        }
        Ok(values)
    };
    let rows = Rows::new(&description.arrangement.vocabularies);
    let d = llama.d_model;
    let (embed, head) = (table("embed.weight", [rows.embeddings(), d])?, table("head.weight", [rows.symbols(), d])?);
    let lora = match &description.lora {
        Some(config) if (1..=1024).contains(&config.rank) => {
            let lora = Lora::new(config, llama, device);
            Some(lora.with_values(llama, |layer, projection, which, shape| {
                table(&format!("lora.{layer}.{}.{which}", projection.name()), shape)
            })?)
        }
        Some(config) => return Err(invalid(format!("lora.rank is {}, expected 1..=1024", config.rank))),
        None => None,
    };
    Ok((Heads::from_tables(embed, head, d, lora, device), description))
}
