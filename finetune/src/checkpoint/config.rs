//! Dimensions of a Llama, from a Hugging Face `config.json`.

use std::ops::Deref;
use std::path::Path;

use lmcodec_entropy::export::{Llama3Scaling, LlamaShape, RopeScaling};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CheckpointError;

/// A checkpoint's Llama: its shape, and what the integer backbone does without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LlamaConfig {
    /// Sizes and constants of the blocks.
    #[serde(flatten)]
    pub shape: LlamaShape,
    /// Tokens of the pretrained vocabulary.
    pub vocabulary: usize,
    /// The head is the embedding.
    pub tied_embeddings: bool,
}

impl Deref for LlamaConfig {
    type Target = LlamaShape;

    fn deref(&self) -> &LlamaShape {
        &self.shape
    }
}

impl LlamaConfig {
    /// Rotary frequencies in radians a position, `head_dim / 2` of them.
    pub fn rotary_frequencies(&self) -> Vec<f64> {
        self.shape.frequencies()
    }

    /// Names and shapes of all weights.
    pub fn weights(&self) -> Vec<(String, Vec<usize>)> {
        let (d, q, kv) = (self.d_model, self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocabulary, d])];
        for i in 0..self.layers {
            let mut add =
                |name: &str, shape: &[usize]| all.push((format!("model.layers.{i}.{name}.weight"), shape.to_vec()));
            add("input_layernorm", &[d]);
            add("self_attn.q_proj", &[q, d]);
            add("self_attn.k_proj", &[kv, d]);
            add("self_attn.v_proj", &[kv, d]);
            add("self_attn.o_proj", &[d, q]);
            add("post_attention_layernorm", &[d]);
            add("mlp.gate_proj", &[self.ffn, d]);
            add("mlp.up_proj", &[self.ffn, d]);
            add("mlp.down_proj", &[d, self.ffn]);
        }
        all.push(("model.norm.weight".into(), vec![d]));
        if !self.tied_embeddings {
            all.push(("lm_head.weight".into(), vec![self.vocabulary, d]));
        }
        all
    }

    /// Parameters of the transformer blocks and norms, without embedding and head.
    pub fn backbone_parameters(&self) -> usize {
        let count = |(name, shape): &(String, Vec<usize>)| {
            if name.contains("embed_tokens") || name == "lm_head.weight" { 0 } else { shape.iter().product() }
        };
        self.weights().iter().map(count).sum()
    }

    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// [`CheckpointError::NotLlama`] for whatever this crate's Llama does not compute, [`CheckpointError::Corrupt`] if it is
    /// no JSON object.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, CheckpointError> {
        let json: Value = serde_json::from_str(text).map_err(|e| CheckpointError::corrupt(path, e))?;
        let fields = Fields { path, json: &json };
        if !json.is_object() {
            return Err(CheckpointError::corrupt(path, "not a JSON object"));
        }
        fields.only("model_type", &json["model_type"], |v| v == "llama", "\"llama\"")?;
        let silu = |v: &Value| v.is_null() || v == "silu" || v == "swish";
        fields.only("hidden_act", &json["hidden_act"], silu, "\"silu\"")?;
        for name in ["attention_bias", "mlp_bias", "rope_interleaved"] {
            fields.only(name, &json[name], |v| v.is_null() || v == false, "false")?;
        }
        for name in ["pretraining_tp", "partial_rotary_factor"] {
            fields.only(name, &json[name], |v| v.is_null() || v.as_f64() == Some(1.0), "1")?;
        }
        fields.only("quantization_config", &json["quantization_config"], Value::is_null, "no quantization_config")?;

        let d_model = fields.size("hidden_size", 1 << 16)?;
        let heads = fields.size("num_attention_heads", 1 << 12)?;
        let optional = |name: &str, default: usize, most: usize| {
            if json[name].is_null() { Ok(default) } else { fields.size(name, most) }
        };
        let kv_heads = optional("num_key_value_heads", heads, 1 << 12)?;
        let head_dim = optional("head_dim", d_model / heads, 1 << 12)?;
        // Since transformers 5 the rotary settings stand together in `rope_parameters`.
        let nested = &json["rope_parameters"];
        let scaling = if nested.is_null() { &json["rope_scaling"] } else { nested };
        let theta = if nested["rope_theta"].is_null() { &json["rope_theta"] } else { &nested["rope_theta"] };
        let shape = LlamaShape {
            d_model,
            layers: fields.size("num_hidden_layers", 1 << 12)?,
            heads,
            kv_heads,
            head_dim,
            ffn: fields.size("intermediate_size", 1 << 18)?,
            context: optional("max_position_embeddings", 2048, 1 << 24)?,
            rms_norm_eps: if json["rms_norm_eps"].is_null() {
                1e-6
            } else {
                fields.number("rms_norm_eps", &json["rms_norm_eps"])?
            },
            rope_theta: if theta.is_null() { 10_000.0 } else { fields.number("rope_theta", theta)? },
            rope_scaling: fields.rope_scaling(scaling)?,
        };
        let config = Self {
            shape,
            vocabulary: fields.size("vocab_size", 1 << 22)?,
            // Hugging Face's default for Llama is false.
            tied_embeddings: json["tie_word_embeddings"].as_bool().unwrap_or(false),
        };
        config.check(path)?;
        Ok(config)
    }

    /// Checks what the arithmetic relies on.
    ///
    /// # Errors
    /// [`CheckpointError::NotLlama`].
    pub(super) fn check(&self, path: &Path) -> Result<(), CheckpointError> {
        let wrong = |field: &str, found: String, expected: &str| {
            Err(CheckpointError::NotLlama { path: path.into(), field: field.into(), found, expected: expected.into() })
        };
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return wrong(
                "num_key_value_heads",
                self.kv_heads.to_string(),
                &format!("a divisor of {} heads", self.heads),
            );
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return wrong("head_dim", self.head_dim.to_string(), "an even number");
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return wrong("rms_norm_eps", self.rms_norm_eps.to_string(), "a number between 0 and 1");
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 0.0) {
            return wrong("rope_theta", self.rope_theta.to_string(), "a positive number");
        }
        match &self.rope_scaling {
            Some(RopeScaling::Divisors(d))
                if d.len() != self.head_dim / 2 || d.iter().any(|f| !f.is_finite() || *f <= 0.0) =>
            {
                wrong("rope_freqs", format!("{} values", d.len()), &format!("{} positive numbers", self.head_dim / 2))
            }
            Some(RopeScaling::Llama3(s))
                if !(s.factor >= 1.0 && s.high_freq_factor > s.low_freq_factor && s.low_freq_factor > 0.0) =>
            {
                wrong("rope_scaling", format!("{s:?}"), "factor ≥ 1 and high_freq_factor > low_freq_factor > 0")
            }
            _ => Ok(()),
        }
    }
}

struct Fields<'a> {
    path: &'a Path,
    json: &'a Value,
}

impl Fields<'_> {
    fn wrong<T>(&self, field: &str, found: &Value, expected: &str) -> Result<T, CheckpointError> {
        Err(CheckpointError::NotLlama {
            path: self.path.into(),
            field: field.into(),
            found: if found.is_null() { "missing".into() } else { found.to_string() },
            expected: expected.into(),
        })
    }

    fn only(
        &self,
        field: &str,
        value: &Value,
        allowed: impl Fn(&Value) -> bool,
        expected: &str,
    ) -> Result<(), CheckpointError> {
        if allowed(value) { Ok(()) } else { self.wrong(field, value, expected) }
    }

    fn size(&self, field: &str, most: usize) -> Result<usize, CheckpointError> {
        match self.json[field].as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) if (1..=most).contains(&n) => Ok(n),
            _ => self.wrong(field, &self.json[field], &format!("an integer in 1..={most}")),
        }
    }

    fn number(&self, field: &str, value: &Value) -> Result<f64, CheckpointError> {
        value.as_f64().map_or_else(|| self.wrong(field, value, "a number"), Ok)
    }

    fn rope_scaling(&self, value: &Value) -> Result<Option<RopeScaling>, CheckpointError> {
        if value.is_null() {
            return Ok(None);
        }
        let kind = if value["rope_type"].is_null() { &value["type"] } else { &value["rope_type"] };
        match kind.as_str() {
            Some("default") => Ok(None),
            Some("llama3") => {
                let number = |name: &str| self.number(&format!("rope_scaling.{name}"), &value[name]);
                Ok(Some(RopeScaling::Llama3(Llama3Scaling {
                    factor: number("factor")?,
                    low_freq_factor: number("low_freq_factor")?,
                    high_freq_factor: number("high_freq_factor")?,
                    original_context: number("original_max_position_embeddings")? as usize,
                })))
            }
            _ => self.wrong("rope_scaling.rope_type", kind, "\"default\" or \"llama3\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: Value) -> Result<LlamaConfig, CheckpointError> {
        LlamaConfig::from_json(&json.to_string(), Path::new("config.json"))
    }

    fn plain() -> Value {
        serde_json::json!({
            "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
            "intermediate_size": 96, "vocab_size": 100, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        })
    }

    #[test]
    fn defaults_are_hugging_faces() {
        let c = parse(plain()).unwrap();
        assert_eq!((c.kv_heads, c.head_dim, c.rope_theta, c.context), (4, 16, 10_000.0, 2048));
        assert!(!c.tied_embeddings && c.rope_scaling.is_none());
    }

    #[test]
    fn every_other_architecture_is_refused_by_field() {
        for (field, value) in [
            ("model_type", serde_json::json!("mistral")),
            ("hidden_act", serde_json::json!("gelu")),
            ("attention_bias", serde_json::json!(true)),
            ("num_key_value_heads", serde_json::json!(3)),
            ("head_dim", serde_json::json!(15)),
            ("hidden_size", serde_json::json!(1u64 << 40)),
            ("num_hidden_layers", serde_json::json!("two")),
            ("rms_norm_eps", serde_json::json!(0)),
            ("partial_rotary_factor", serde_json::json!(0.5)),
            ("quantization_config", serde_json::json!({"bits": 4})),
        ] {
            let mut json = plain();
            json[field] = value;
            match parse(json) {
                Err(CheckpointError::NotLlama { field: f, .. }) => assert_eq!(f, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        let mut json = plain();
        json["rope_scaling"] = serde_json::json!({"rope_type": "yarn", "factor": 2.0});
        assert!(
            matches!(parse(json), Err(CheckpointError::NotLlama { field, .. }) if field == "rope_scaling.rope_type")
        );
    }

    #[test]
    fn rope_settings_are_read_from_both_places() {
        let scaling = serde_json::json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64});
        let mut old = plain();
        old["rope_scaling"] = scaling.clone();
        old["rope_theta"] = serde_json::json!(500000.0);
        let mut new = plain();
        new["rope_parameters"] = scaling;
        new["rope_parameters"]["rope_theta"] = serde_json::json!(500000.0);
        let (old, new) = (parse(old).unwrap(), parse(new).unwrap());
        assert_eq!(old, new);
        let f = old.rotary_frequencies();
        assert_eq!(f[0], 1.0);
        let last = 500000f64.powf(-14.0 / 16.0) / 8.0;
        assert!((f[7] - last).abs() < 1e-15, "{} {last}", f[7]);
    }
}
