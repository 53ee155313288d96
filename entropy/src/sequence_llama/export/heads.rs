//! A trained head set (embedding, heads, adapter) in integers.

use super::super::config::{FORMAT, HEADS_ARCH, HeadsConfig};
use super::super::model::hex;
use super::backbone::Tensor;
use super::quantize::quantize_linear;
use super::{ExportError, Writer, check_shape, check_values};
use crate::error::ModelError;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// The greatest magnitude of an embedding's element: `2^15 · 2^30` in Q24.
const EMBED_LIMIT: f32 = 2e6;
/// The greatest magnitude of a head's or adapter's weight.
const WEIGHT_LIMIT: f32 = 1e6;

/// A floating-point head set file: safetensors with `embed.weight` f32 [ΣV + L, D], `head.weight` f32 [ΣV, D], optional LoRA
/// tensors `lora.{layer}.{q,k,v,o,gate,up,down}.{a,b}` (a: [rank, inputs], b: [outputs, rank]; the weight's change is
/// `alpha / rank · b·a`) and a JSON object in the metadata entry `lmcodec` with at least `arch` = `sequence-heads`, `format`
/// = 1, `d_model`, `arrangement` (with `vocabularies`) and, with LoRA, `lora: {rank, alpha}`.
#[derive(Debug, Clone)]
pub struct HeadSet {
    metadata: serde_json::Value,
    d_model: usize,
    vocabularies: Vec<u32>,
    embed: Vec<f32>,
    head: Vec<f32>,
    /// alpha / rank.
    scale: f32,
    rank: usize,
    /// By `{layer}.{part}`: a and b.
    lora: BTreeMap<String, [Tensor; 2]>,
}

fn invalid(text: impl std::fmt::Display) -> ModelError {
    ModelError::Config(serde::de::Error::custom(text))
}

impl HeadSet {
    /// Reads a head set file.
    ///
    /// # Errors
    /// [`ExportError`] with the field or tensor, what was found and what is allowed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ExportError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(ModelError::from)?;
        let json = header.metadata().as_ref().and_then(|m| m.get("lmcodec")).ok_or(ModelError::MissingConfig)?;
        let metadata: serde_json::Value = serde_json::from_str(json).map_err(ModelError::from)?;
        for (field, expected) in [("arch", "\"sequence-heads\""), ("format", "1")] {
            let found = metadata.get(field).map(ToString::to_string).unwrap_or_default();
            if found != expected {
                return Err(ModelError::Unsupported { field, found, supported: expected }.into());
            }
        }
        let d_model =
            metadata.get("d_model").and_then(serde_json::Value::as_u64).ok_or(invalid("no `d_model`"))? as usize;
        let named =
            metadata.pointer("/arrangement/vocabularies").cloned().ok_or(invalid("no `arrangement.vocabularies`"))?;
        let vocabularies: Vec<u32> = serde_json::from_value(named).map_err(ModelError::from)?;
        let mut found = Self {
            d_model,
            vocabularies,
            embed: Vec::new(),
            head: Vec::new(),
            scale: 0.0,
            rank: 0,
            lora: BTreeMap::new(),
            metadata,
        };
        let config = found.config([0; 32]);
        config.check()?;
        let tensors = SafeTensors::deserialize(bytes).map_err(ModelError::from)?;
        let read = |name: &str| -> Result<Tensor, ModelError> {
            let tensor = tensors.tensor(name).map_err(|_| ModelError::MissingTensor { name: name.to_owned() })?;
            if tensor.dtype() != Dtype::F32 {
                let (name, found) = (name.to_owned(), format!("{:?}", tensor.dtype()));
                return Err(ModelError::ElementType { name, found, expected: "F32" });
            }
            let data = tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            Ok(Tensor { shape: tensor.shape().to_vec(), data })
        };
        for name in tensors.names() {
            match name.strip_prefix("lora.").and_then(|n| n.strip_suffix(".a").or_else(|| n.strip_suffix(".b"))) {
                Some(part) => {
                    let pair = [read(&format!("lora.{part}.a"))?, read(&format!("lora.{part}.b"))?];
                    found.lora.insert(part.to_owned(), pair);
                }
                None if ["embed.weight", "head.weight"].contains(&name) => {}
                None => return Err(ModelError::UnexpectedTensor { name: name.to_owned() }.into()),
            }
        }
        let embed = read("embed.weight")?;
        check_shape("embed.weight", &embed.shape, embed.data.len(), &[config.embeddings(), d_model])?;
        let head = read("head.weight")?;
        check_shape("head.weight", &head.shape, head.data.len(), &[config.symbols(), d_model])?;
        (found.embed, found.head) = (embed.data, head.data);
        if !found.lora.is_empty() {
            let number = |field: &str| {
                let value = found.metadata.pointer(field).and_then(serde_json::Value::as_f64);
                value.filter(|v| v.is_finite()).ok_or(invalid(format!("LoRA tensors, but no number `{field}`")))
            };
            let (rank, alpha) = (number("/lora/rank")?, number("/lora/alpha")?);
            if rank < 1.0 || rank.fract() != 0.0 {
                return Err(ExportError::Number { field: "lora.rank", found: rank, allowed: "1, 2, 3, …" });
            }
            (found.scale, found.rank) = ((alpha / rank) as f32, rank as usize);
        }
        Ok(found)
    }

    /// The metadata entry `lmcodec`.
    pub fn metadata(&self) -> &serde_json::Value {
        &self.metadata
    }

    /// Whether there is an adapter: then the integer backbone belongs to this head set alone.
    pub fn has_adapter(&self) -> bool {
        !self.lora.is_empty()
    }

    fn config(&self, backbone_int_sha256: [u8; 32]) -> HeadsConfig {
        HeadsConfig {
            arch: HEADS_ARCH.to_owned(),
            format: FORMAT,
            d_model: self.d_model,
            vocabularies: self.vocabularies.clone(),
            backbone_int_sha256: hex(&backbone_int_sha256),
            arrangement: self.metadata.get("arrangement").cloned().unwrap_or_default(),
            source: self.metadata.clone(),
        }
    }

    /// Adds the adapter's change to the weights `[outputs][inputs]` of a block's part.
    pub(super) fn merge(
        &self,
        layer: usize,
        part: &str,
        outputs: usize,
        inputs: usize,
        weights: &mut [f32],
    ) -> Result<(), ExportError> {
        let key = format!("{layer}.{part}");
        let Some([a, b]) = self.lora.get(&key) else { return Ok(()) };
        let names = [format!("lora.{key}.a"), format!("lora.{key}.b")];
        check_shape(&names[0], &a.shape, a.data.len(), &[self.rank, inputs])?;
        check_shape(&names[1], &b.shape, b.data.len(), &[outputs, self.rank])?;
        check_values(&names[0], &a.data, WEIGHT_LIMIT)?;
        check_values(&names[1], &b.data, WEIGHT_LIMIT)?;
        for (row, b) in weights.chunks_exact_mut(inputs).zip(b.data.chunks_exact(self.rank)) {
            for (&b, a) in b.iter().zip(a.data.chunks_exact(inputs)) {
                let factor = b * self.scale;
                row.iter_mut().zip(a).for_each(|(w, &a)| *w += factor * a);
            }
        }
        Ok(())
    }
}

/// The integer head set of a floating-point head set file, for the integer backbone with this SHA-256.
///
/// # Errors
/// [`ExportError`].
pub fn export_head_set(heads: &HeadSet, backbone_int_sha256: [u8; 32]) -> Result<Vec<u8>, ExportError> {
    export_heads(&heads.config(backbone_int_sha256), &heads.embed, &heads.head)
}

/// An integer head set from its tables: `embed` `[ΣV + L][D]` (rows of the RVQ layers' symbols, then the start rows), `head`
/// `[ΣV][D]`. log2(e) becomes part of the heads' multipliers.
///
/// # Errors
/// [`ExportError`].
pub fn export_heads(config: &HeadsConfig, embed: &[f32], head: &[f32]) -> Result<Vec<u8>, ExportError> {
    config.check()?;
    let (d, rows, symbols) = (config.d_model, config.embeddings(), config.symbols());
    check_shape("embed.weight", &[rows, d], embed.len(), &[rows, d])?;
    check_shape("head.weight", &[symbols, d], head.len(), &[symbols, d])?;
    check_values("embed.weight", embed, EMBED_LIMIT)?;
    check_values("head.weight", head, WEIGHT_LIMIT)?;
    let mut writer = Writer::default();
    let (mut mantissas, mut shifts) = (Vec::with_capacity(2 * embed.len()), Vec::with_capacity(rows));
    for row in embed.chunks_exact(d) {
        let peak = row.iter().fold(0f64, |max, &v| max.max(f64::from(v).abs())) * 2f64.powi(24);
        let fits = |s: i32| (peak * 2f64.powi(-s)).round() <= 32767.0;
        let shift = (0..30).find(|&s| fits(s)).unwrap_or(30);
        let scale = 2f64.powi(24 - shift);
        mantissas.extend(row.iter().flat_map(|&v| ((f64::from(v) * scale).round() as i16).to_le_bytes()));
        shifts.push(shift);
    }
    writer.bytes("embed.weight".to_owned(), Dtype::I16, &[rows, d], mantissas);
    writer.i32("embed.shift".to_owned(), &shifts);
    let (mut weights, mut mult, mut exponents) = (Vec::with_capacity(head.len()), Vec::new(), Vec::new());
    let mut rest = head;
    for &v in &config.vocabularies {
        let (slice, after) = rest.split_at(v as usize * d);
        let layer = quantize_linear(slice, d, |_| std::f64::consts::LOG2_E);
        weights.extend(layer.weights);
        mult.extend(layer.mult);
        exponents.push(layer.exponent);
        rest = after;
    }
    writer.bytes("head.weight".to_owned(), Dtype::I8, &[symbols, d], weights);
    writer.i32("head.mult".to_owned(), &mult);
    writer.i32("head.exponent".to_owned(), &exponents);
    Ok(writer.finish(serde_json::to_string(config).map_err(ModelError::from)?)?)
}
