//! A Llama in f64, written from the Hugging Face definition: rotate-half RoPE, grouped queries, RMSNorm, SwiGLU.

use lmcodec_entropy::sequence_llama::export::CheckpointShape;
use lmcodec_entropy::sequence_llama::testing::RandomCheckpoint;
use safetensors::SafeTensors;
use std::collections::HashMap;

/// The checkpoint's tensors in f64, and the embedding and head of one alphabet for each RVQ layer.
pub struct Reference {
    shape: CheckpointShape,
    weights: HashMap<String, Vec<f64>>,
    embed: Vec<f64>,
    head: Vec<f64>,
    vocabularies: Vec<u32>,
}

/// Keys and values of one chunk: `[layer][position][kv_heads · head_dim]`.
#[derive(Clone)]
pub struct Chunk {
    keys: Vec<Vec<Vec<f64>>>,
    values: Vec<Vec<Vec<f64>>>,
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn matvec(weights: &[f64], x: &[f64]) -> Vec<f64> {
    weights.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

impl Reference {
    pub fn new(checkpoint: &RandomCheckpoint, vocabularies: &[u32]) -> Self {
        let mut weights = HashMap::new();
        let parts = [
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
            "input_layernorm",
            "post_attention_layernorm",
        ];
        let names = (0..checkpoint.shape.layers)
            .flat_map(|i| parts.iter().map(move |part| format!("model.layers.{i}.{part}.weight")));
        for name in names.chain(["model.norm.weight".to_owned()]) {
            let data = wide(&checkpoint.tensor(&name).data);
            weights.insert(name, data);
        }
        let (embed, head) = checkpoint.tables(vocabularies);
        let (embed, head) = (wide(&embed), wide(&head));
        Self { shape: checkpoint.shape.clone(), weights, embed, head, vocabularies: vocabularies.to_vec() }
    }

    /// The weights that integer files stand for (`docs/MODEL.md`).
    pub fn of_integers(shape: &CheckpointShape, backbone: &[u8], heads: &[u8], vocabularies: &[u32]) -> Self {
        let files = [backbone, heads].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        let bytes = |name: &str| files.iter().find_map(|f| f.tensor(name).ok()).unwrap().data().to_vec();
        let i32s = |name: &str| -> Vec<f64> {
            bytes(name).as_chunks().0.iter().map(|&b| f64::from(i32::from_le_bytes(b))).collect()
        };
        let norm = |name: &str| -> Vec<f64> {
            let exponent = i32s(&format!("{name}.exponent"))[0];
            i32s(&format!("{name}.weight")).into_iter().map(|w| w * exponent.exp2()).collect()
        };
        // Rows of a layer; `exponents` gives rows and exponent of each part.
        let linear = |name: &str, inputs: usize, exponents: &[(usize, f64)]| -> Vec<f64> {
            let pre = (0..).find(|p| (inputs as u64 * 127 * 32767 + ((1 << p) >> 1)) >> p < 1 << 31).unwrap();
            let exponent = exponents.iter().flat_map(|&(n, e)| std::iter::repeat_n(e, n));
            let scales = i32s(&format!("{name}.mult"));
            let scales = scales.iter().zip(exponent).map(|(m, e)| m * (e - 32.0 - f64::from(pre)).exp2());
            let weights = bytes(&format!("{name}.weight"));
            let rows = weights.chunks_exact(inputs).zip(scales);
            rows.flat_map(|(row, scale)| row.iter().map(move |&w| f64::from(w as i8) * scale)).collect()
        };
        let layer =
            |name: &str, inputs: usize| linear(name, inputs, &[(usize::MAX, i32s(&format!("{name}.exponent"))[0])]);
        let (d, q, kv) = (shape.d_model, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let log2e = std::f64::consts::LOG2_E;
        let mut weights = HashMap::from([("model.norm.weight".to_owned(), norm("norm"))]);
        for i in 0..shape.layers {
            let mut put = |part: &str, data: &[f64]| {
                weights.insert(format!("model.layers.{i}.{part}.weight"), data.to_vec());
            };
            put("input_layernorm", &norm(&format!("layers.{i}.norm1")));
            put("post_attention_layernorm", &norm(&format!("layers.{i}.norm2")));
            let qkv = layer(&format!("layers.{i}.qkv"), d);
            let unscaled = (shape.head_dim as f64).sqrt() / log2e;
            put("self_attn.q_proj", &qkv[..q * d].iter().map(|w| w * unscaled).collect::<Vec<_>>());
            put("self_attn.k_proj", &qkv[q * d..(q + kv) * d]);
            put("self_attn.v_proj", &qkv[(q + kv) * d..]);
            put("self_attn.o_proj", &layer(&format!("layers.{i}.o"), q));
            let gate_up = layer(&format!("layers.{i}.gate_up"), d);
            put("mlp.gate_proj", &gate_up[..shape.ffn * d]);
            put("mlp.up_proj", &gate_up[shape.ffn * d..]);
            put("mlp.down_proj", &layer(&format!("layers.{i}.down"), shape.ffn));
        }
        let shifts = i32s("embed.shift");
        let mantissas = bytes("embed.weight");
        let rows = mantissas.chunks_exact(2 * d).zip(shifts);
        let element = |b: &[u8], shift: f64| f64::from(i16::from_le_bytes([b[0], b[1]])) * (shift - 24.0).exp2();
        let embed = rows.flat_map(|(row, shift)| row.chunks_exact(2).map(move |b| element(b, shift))).collect();
        let parts: Vec<_> = vocabularies.iter().map(|&v| v as usize).zip(i32s("head.exponent")).collect();
        let head = linear("head", d, &parts).into_iter().map(|w| w / log2e).collect();
        Self { shape: shape.clone(), weights, embed, head, vocabularies: vocabularies.to_vec() }
    }

    pub fn chunk(&self) -> Chunk {
        let layers = self.shape.layers;
        Chunk { keys: vec![Vec::new(); layers], values: vec![Vec::new(); layers] }
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + self.shape.rms_norm_eps).sqrt();
        x.iter().zip(&self.weights[name]).map(|(x, w)| x * scale * w).collect()
    }

    fn rotate(&self, heads: &mut [f64], position: usize) {
        let shape = &self.shape;
        let half = shape.head_dim / 2;
        for head in heads.chunks_exact_mut(shape.head_dim) {
            for (j, frequency) in shape.frequencies().into_iter().enumerate() {
                let (sin, cos) = (frequency * position as f64).sin_cos();
                let (a, b) = (head[j], head[j + half]);
                (head[j], head[j + half]) = (a * cos - b * sin, b * cos + a * sin);
            }
        }
    }

    /// Logits of the next position, in bits (log2 units).
    pub fn step(&self, chunk: &mut Chunk, previous: Option<(u16, u16)>, layer: u16) -> Vec<f64> {
        let s = &self.shape;
        let first = |layer: u16| self.vocabularies[..usize::from(layer)].iter().sum::<u32>() as usize;
        let symbols = self.vocabularies.iter().sum::<u32>() as usize;
        let row = match previous {
            None => symbols + usize::from(layer),
            Some((layer, symbol)) => first(layer) + usize::from(symbol),
        };
        let mut x = self.embed[row * s.d_model..][..s.d_model].to_vec();
        for i in 0..s.layers {
            let name = |part: &str| format!("model.layers.{i}.{part}.weight");
            let y = self.norm(&name("input_layernorm"), &x);
            let weight = |part: &str| &self.weights[&name(part)];
            let mut q = matvec(weight("self_attn.q_proj"), &y);
            let mut k = matvec(weight("self_attn.k_proj"), &y);
            let position = chunk.keys[i].len();
            self.rotate(&mut q, position);
            self.rotate(&mut k, position);
            chunk.keys[i].push(k);
            chunk.values[i].push(matvec(weight("self_attn.v_proj"), &y));
            let (d, group) = (s.head_dim, s.heads / s.kv_heads);
            let mut attended = vec![0.0; s.heads * d];
            for (h, (q, out)) in q.chunks_exact(d).zip(attended.chunks_exact_mut(d)).enumerate() {
                let at = h / group * d..(h / group + 1) * d;
                let dot = |k: &Vec<f64>| k[at.clone()].iter().zip(q).map(|(k, q)| k * q).sum::<f64>();
                let scores: Vec<f64> = chunk.keys[i].iter().map(|k| dot(k) / (d as f64).sqrt()).collect();
                let max = scores.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
                for (score, v) in scores.iter().zip(&chunk.values[i]) {
                    let share = (score - max).exp() / sum;
                    out.iter_mut().zip(&v[at.clone()]).for_each(|(out, v)| *out += share * v);
                }
            }
            let o = matvec(weight("self_attn.o_proj"), &attended);
            x.iter_mut().zip(o).for_each(|(x, o)| *x += o);
            let y = self.norm(&name("post_attention_layernorm"), &x);
            let (gate, up) = (matvec(weight("mlp.gate_proj"), &y), matvec(weight("mlp.up_proj"), &y));
            let hidden: Vec<f64> = gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
            let down = matvec(weight("mlp.down_proj"), &hidden);
            x.iter_mut().zip(down).for_each(|(x, d)| *x += d);
        }
        let y = self.norm("model.norm.weight", &x);
        let vocabulary = self.vocabularies[usize::from(layer)] as usize;
        let head = &self.head[first(layer) * s.d_model..][..vocabulary * s.d_model];
        matvec(head, &y).into_iter().map(|l| l * std::f64::consts::LOG2_E).collect()
    }
}

/// Probabilities of logits in bits.
pub fn probabilities(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::MIN, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| (l - max).exp2()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}
