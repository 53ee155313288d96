//! A checkpoint as a Hugging Face folder in f32, with logits of this crate beside it, for comparison with transformers:
//! `checkpoint_parity CHECKPOINT OUT`, then `python finetune/tests/fixtures/compare_parity.py OUT`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use lmcodec_finetune::checkpoint::{Checkpoint, RopeScaling};
use lmcodec_finetune::sequence::model::Backbone;
use lmcodec_finetune::sequence::text::TextModel;
use safetensors::tensor::{Dtype, TensorView};

const TOKENS: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [checkpoint, out] = arguments.as_slice() else { return Err("CHECKPOINT OUT".into()) };
    let (checkpoint, out) = (Checkpoint::open(Path::new(checkpoint))?, Path::new(out));
    fs::create_dir_all(out)?;
    let c = checkpoint.config();
    let mut rope = serde_json::json!({ "rope_type": "default", "rope_theta": c.rope_theta });
    match &c.rope_scaling {
        None => {}
        Some(RopeScaling::Llama3(s)) => {
            rope = serde_json::json!({
                "rope_type": "llama3", "rope_theta": c.rope_theta, "factor": s.factor, "low_freq_factor": s.low_freq_factor,
                "high_freq_factor": s.high_freq_factor, "original_max_position_embeddings": s.original_context,
            });
        }
        Some(RopeScaling::Linear { factor }) => {
            rope = serde_json::json!({ "rope_type": "linear", "rope_theta": c.rope_theta, "factor": factor });
        }
        Some(RopeScaling::Divisors(_)) => return Err("transformers has no table of frequency divisors".into()),
    }
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": c.d_model, "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads, "num_key_value_heads": c.kv_heads, "head_dim": c.head_dim, "intermediate_size": c.ffn,
        "vocab_size": c.vocabulary, "max_position_embeddings": c.context, "rms_norm_eps": c.rms_norm_eps,
        "rope_theta": c.rope_theta, "rope_parameters": rope, "tie_word_embeddings": c.tied_embeddings, "hidden_act": "silu",
        "attention_bias": false, "mlp_bias": false, "torch_dtype": "float32",
    });
    fs::write(out.join("config.json"), serde_json::to_string_pretty(&config)?)?;
    let mut tensors = Vec::new();
    for (name, shape) in c.weights() {
        let bytes: Vec<u8> = checkpoint.tensor(&name)?.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        tensors.push((name, shape, bytes));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(format), &out.join("model.safetensors"))?;

    let backbone = Backbone::load(&checkpoint, TOKENS, &Device::flex())?;
    let model = TextModel::load(&checkpoint, backbone)?;
    let tokens: Vec<u32> = (0..TOKENS).map(|i| ((i * 7919 + 13) % c.vocabulary) as u32).collect();
    let logits: Vec<f32> = model.logits(&tokens)?.into_data().try_to_vec().map_err(|e| format!("{e:?}"))?;
    let bytes = |v: &[u32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    fs::write(out.join("tokens.u32"), bytes(&tokens))?;
    fs::write(out.join("logits.f32"), logits.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}
