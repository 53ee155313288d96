//! A Hugging Face Llama checkpoint's blocks in integers.

use super::error::{ExportError, check_shape, check_values};
use super::heads::HeadSet;
use super::quantize::{quantize_linear, quantize_norm};
use super::shape::LlamaShape;
use super::tensor::CheckpointTensors;
use crate::sequence_llama::fixed::turns_per_position;
use crate::tensors::TensorWriter;
use safetensors::Dtype;

/// The greatest magnitude of a checkpoint's weight.
const WEIGHT_LIMIT: f32 = 1e6;

/// The integer backbone file of a checkpoint. `source` goes into its metadata as it is; a head set's LoRA adapter is merged
/// into the weights.
///
/// Norms stay apart from the linear layers; each row of a linear layer is rounded on its own; log2(e)/√head_dim is part of
/// the queries' multipliers. One tensor is held in memory at a time, and the file.
///
/// # Errors
/// [`ExportError`].
pub fn export_backbone(
    shape: &LlamaShape,
    source: serde_json::Value,
    tensors: &mut impl CheckpointTensors,
    adapter: Option<&HeadSet>,
) -> Result<Vec<u8>, ExportError> {
    let config = shape.config(source)?;
    let mut writer = TensorWriter::default();
    let (d, kv) = (shape.d_model, shape.kv_heads * shape.head_dim);
    let q_factor = std::f64::consts::LOG2_E / (shape.head_dim as f64).sqrt();
    for i in 0..shape.layers {
        let hf = |part: &str| format!("model.layers.{i}.{part}.weight");
        let name = |part: &str| format!("layers.{i}.{part}");
        let mut read = |part: &str, short: &str, outputs: usize, inputs: usize| {
            let mut data = fetch(tensors, &hf(part), &[outputs, inputs])?;
            if let Some(adapter) = adapter {
                adapter.merge(i, short, outputs, inputs, &mut data)?;
            }
            Ok::<_, ExportError>(data)
        };
        let q_rows = config.attended();
        let mut qkv = read("self_attn.q_proj", "q", q_rows, d)?;
        qkv.extend(read("self_attn.k_proj", "k", kv, d)?);
        qkv.extend(read("self_attn.v_proj", "v", kv, d)?);
        write_linear(&mut writer, &name("qkv"), &qkv, d, |n| if n < q_rows { q_factor } else { 1.0 });
        let o = read("self_attn.o_proj", "o", d, q_rows)?;
        write_linear(&mut writer, &name("o"), &o, q_rows, |_| 1.0);
        let mut gate_up = read("mlp.gate_proj", "gate", shape.ffn, d)?;
        gate_up.extend(read("mlp.up_proj", "up", shape.ffn, d)?);
        write_linear(&mut writer, &name("gate_up"), &gate_up, d, |_| 1.0);
        let down = read("mlp.down_proj", "down", d, shape.ffn)?;
        write_linear(&mut writer, &name("down"), &down, shape.ffn, |_| 1.0);
        write_norm(&mut writer, &name("norm1"), &fetch(tensors, &hf("input_layernorm"), &[d])?);
        write_norm(&mut writer, &name("norm2"), &fetch(tensors, &hf("post_attention_layernorm"), &[d])?);
    }
    write_norm(&mut writer, "norm", &fetch(tensors, "model.norm.weight", &[d])?);
    let steps = shape.frequencies().into_iter().flat_map(|f| turns_per_position(f).to_le_bytes()).collect();
    writer.set("rope.step", Dtype::U64, &[shape.head_dim / 2], steps);
    let json = serde_json::to_string(&config).map_err(crate::error::ModelError::from)?;
    Ok(writer.finish(&json)?)
}

fn fetch(tensors: &mut impl CheckpointTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, ExportError> {
    let tensor = tensors.tensor(name).map_err(|reason| ExportError::Tensor { name: name.to_owned(), reason })?;
    check_shape(name, &tensor.shape, tensor.data.len(), shape)?;
    check_values(name, &tensor.data, WEIGHT_LIMIT)?;
    Ok(tensor.data)
}

fn write_linear(
    writer: &mut TensorWriter,
    prefix: &str,
    weights: &[f32],
    inputs: usize,
    factor: impl Fn(usize) -> f64,
) {
    let layer = quantize_linear(weights, inputs, factor);
    let shape = [layer.mult.len(), inputs];
    writer.set(format!("{prefix}.weight"), Dtype::I8, &shape, layer.weights);
    writer.i32(format!("{prefix}.mult"), &shape[..1], &layer.mult);
    writer.i32(format!("{prefix}.exponent"), &[1], &[layer.exponent]);
}

fn write_norm(writer: &mut TensorWriter, prefix: &str, weights: &[f32]) {
    let (mantissas, exponent) = quantize_norm(weights);
    writer.i32(format!("{prefix}.weight"), &[mantissas.len()], &mantissas);
    writer.i32(format!("{prefix}.exponent"), &[1], &[exponent]);
}
