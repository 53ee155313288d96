//! GGUF files of the llama architecture, read and dequantized by candle.
//!
//! llama.cpp's converter interleaves the two halves of every query and key head (its rotary embedding turns neighbouring
//! dimensions); [`GgufFile::tensor`] puts the rows back into Hugging Face's order.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};

use super::{
    Checkpoint, CheckpointError, HostTensor, LlamaConfig, LlamaShape, RopeScaling, Source, Tokenizer, file_sha256, hex,
};

/// An opened file.
#[derive(Debug)]
pub(super) struct GgufFile {
    path: PathBuf,
    content: Content,
}

pub(super) fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let fault = CheckpointError::io(path);
    let mut reader = BufReader::new(File::open(path).map_err(&fault)?);
    let content =
        Content::read(&mut reader).map_err(|e| CheckpointError::corrupt(path, format!("no GGUF file: {e}")))?;
    let file = GgufFile { path: path.into(), content };
    let config = file.config()?;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match file.content.metadata.get("general.name") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        _ => stem,
    };
    Ok(Checkpoint { config, name, sha256: hex(&file_sha256(path)?), source: Source::Gguf(Box::new(file)) })
}

/// The GGUF name of a Hugging Face weight.
fn gguf_name(name: &str) -> Option<String> {
    let outer = match name {
        "model.embed_tokens.weight" => Some("token_embd.weight"),
        "model.norm.weight" => Some("output_norm.weight"),
        "lm_head.weight" => Some("output.weight"),
        _ => None,
    };
    if let Some(outer) = outer {
        return Some(outer.into());
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let inner = match rest {
        "input_layernorm.weight" => "attn_norm",
        "self_attn.q_proj.weight" => "attn_q",
        "self_attn.k_proj.weight" => "attn_k",
        "self_attn.v_proj.weight" => "attn_v",
        "self_attn.o_proj.weight" => "attn_output",
        "post_attention_layernorm.weight" => "ffn_norm",
        "mlp.gate_proj.weight" => "ffn_gate",
        "mlp.up_proj.weight" => "ffn_up",
        "mlp.down_proj.weight" => "ffn_down",
        _ => return None,
    };
    Some(format!("blk.{layer}.{inner}.weight"))
}

/// Rows of a query or key matrix from llama.cpp's order (pair, half) to Hugging Face's (half, pair), head by head.
fn unpermute(values: &[f32], rows: usize, head_dim: usize) -> Vec<f32> {
    let columns = values.len() / rows;
    let half = head_dim / 2;
    let mut out = Vec::with_capacity(values.len());
    for row in 0..rows {
        let (head, i) = (row / head_dim, row % head_dim);
        let from = head * head_dim + 2 * (i % half) + i / half;
        out.extend_from_slice(&values[from * columns..(from + 1) * columns]);
    }
    out
}

impl GgufFile {
    fn not_llama<T>(&self, field: &str, found: impl ToString, expected: &str) -> Result<T, CheckpointError> {
        Err(CheckpointError::NotLlama {
            path: self.path.clone(),
            field: field.into(),
            found: found.to_string(),
            expected: expected.into(),
        })
    }

    fn size(&self, field: &str, most: u64) -> Result<usize, CheckpointError> {
        let value = self.content.metadata.get(field);
        match value.map(Value::to_u64) {
            Some(Ok(n)) if (1..=most).contains(&n) => Ok(n as usize),
            None => self.not_llama(field, "missing", &format!("an integer in 1..={most}")),
            _ => self.not_llama(field, format!("{value:?}"), &format!("an integer in 1..={most}")),
        }
    }

    fn number(&self, field: &str) -> Option<f64> {
        match self.content.metadata.get(field)? {
            Value::F32(v) => Some(f64::from(*v)),
            Value::F64(v) => Some(*v),
            _ => None,
        }
    }

    fn config(&self) -> Result<LlamaConfig, CheckpointError> {
        match self.content.metadata.get("general.architecture") {
            Some(Value::String(arch)) if arch == "llama" => {}
            Some(Value::String(arch)) => return self.not_llama("general.architecture", arch, "llama"),
            _ => return self.not_llama("general.architecture", "missing", "llama"),
        }
        match self.content.metadata.get("llama.rope.scaling.type") {
            None => {}
            Some(Value::String(s)) if s == "none" => {}
            Some(v) => return self.not_llama("llama.rope.scaling.type", format!("{v:?}"), "none"),
        }
        if self.content.metadata.contains_key("llama.expert_count") {
            return self.not_llama("llama.expert_count", "present", "a model without experts");
        }
        if let Some(name) = self.content.tensor_infos.keys().find(|n| n.ends_with(".bias")) {
            return self.not_llama(name, "present", "a model without biases");
        }
        let d_model = self.size("llama.embedding_length", 1 << 16)?;
        let heads = self.size("llama.attention.head_count", 1 << 12)?;
        let optional = |field: &str, default: usize, most: u64| {
            if self.content.metadata.contains_key(field) { self.size(field, most) } else { Ok(default) }
        };
        let head_dim = optional("llama.attention.key_length", d_model / heads, 1 << 12)?;
        if optional("llama.rope.dimension_count", head_dim, 1 << 12)? != head_dim {
            return self.not_llama("llama.rope.dimension_count", "not the size of a head", "rotation of whole heads");
        }
        let vocabulary = self.shape("model.embed_tokens.weight").and_then(|s| s.first().copied()).unwrap_or(0);
        let rope_scaling = if self.content.tensor_infos.contains_key("rope_freqs.weight") {
            Some(RopeScaling::Divisors(self.read("rope_freqs.weight")?.values))
        } else {
            None
        };
        let shape = LlamaShape {
            d_model,
            layers: self.size("llama.block_count", 1 << 12)?,
            heads,
            kv_heads: optional("llama.attention.head_count_kv", heads, 1 << 12)?,
            head_dim,
            ffn: self.size("llama.feed_forward_length", 1 << 18)?,
            context: self.size("llama.context_length", 1 << 24)?,
            rms_norm_eps: self.number("llama.attention.layer_norm_rms_epsilon").unwrap_or(0.0),
            rope_theta: self.number("llama.rope.freq_base").unwrap_or(10_000.0),
            rope_scaling,
        };
        let config = LlamaConfig {
            shape,
            vocabulary,
            tied_embeddings: !self.content.tensor_infos.contains_key("output.weight"),
        };
        config.check(&self.path)?;
        Ok(config)
    }

    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.content.tensor_infos.get(&gguf_name(name)?)?.shape.dims().to_vec())
    }

    /// Reads a tensor by its GGUF name, rows in the file's order.
    fn read(&self, name: &str) -> Result<HostTensor, CheckpointError> {
        let info =
            self.content.tensor_infos.get(name).ok_or_else(|| CheckpointError::MissingTensor { name: name.into() })?;
        let shape = info.shape.dims().to_vec();
        // candle multiplies the dimensions unchecked.
        if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err(CheckpointError::corrupt(&self.path, format!("{name} has the impossible shape {shape:?}")));
        }
        let mut reader = File::open(&self.path).map_err(CheckpointError::io(&self.path))?;
        let corrupt = |e: candle_core::Error| CheckpointError::corrupt(&self.path, format!("{name}: {e}"));
        let tensor = info.read(&mut reader, self.content.tensor_data_offset, &Device::Cpu).map_err(corrupt)?;
        let values = tensor
            .dequantize(&Device::Cpu)
            .and_then(|t| t.flatten_all())
            .and_then(|t| t.to_vec1::<f32>())
            .map_err(corrupt)?;
        Ok(HostTensor { shape, values })
    }

    /// Reads a weight by its Hugging Face name.
    pub(super) fn tensor(&self, name: &str, config: &LlamaConfig) -> Result<HostTensor, CheckpointError> {
        let stored = gguf_name(name).ok_or_else(|| CheckpointError::MissingTensor { name: name.into() })?;
        let mut tensor = self.read(&stored)?;
        if name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight") {
            tensor.values = unpermute(&tensor.values, tensor.shape[0], config.head_dim);
        }
        Ok(tensor)
    }

    fn strings(&self, field: &str) -> Result<Vec<String>, CheckpointError> {
        let all = match self.content.metadata.get(field) {
            Some(Value::Array(all)) => all.iter().map(|v| v.to_string().cloned()).collect::<Result<Vec<_>, _>>().ok(),
            _ => None,
        };
        all.ok_or_else(|| CheckpointError::Tokenizer {
            path: self.path.clone(),
            message: format!("{field} is no list of strings"),
        })
    }

    pub(super) fn tokenizer(&self) -> Result<Option<Tokenizer>, CheckpointError> {
        let text = |field: &str| match self.content.metadata.get(field) {
            Some(Value::String(s)) => Some(s.as_str()),
            _ => None,
        };
        let Some(model) = text("tokenizer.ggml.model") else {
            return Ok(None);
        };
        let pre = text("tokenizer.ggml.pre").unwrap_or("missing");
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let merges = self.strings("tokenizer.ggml.merges").unwrap_or_default();
        Tokenizer::from_gguf(&self.path, (model, pre), &tokens, &merges).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_heads_return_to_halves() {
        // Two heads of six rows; llama.cpp's file has row (pair, half), named here by its place in Hugging Face's order.
        let file: Vec<f32> = (0..12)
            .map(|r| {
                let (h, i) = (r / 6, r % 6);
                (h * 6 + (i % 2) * 3 + i / 2) as f32
            })
            .collect();
        assert_eq!(unpermute(&file, 12, 6), (0..12).map(|r| r as f32).collect::<Vec<_>>());
    }
}
