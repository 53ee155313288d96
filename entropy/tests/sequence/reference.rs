//! A Llama in f64, written from the Hugging Face definition: rotate-half RoPE, grouped queries, RMSNorm, SwiGLU.

use lmcodec_entropy::sequence::testing::RandomCheckpoint;
use std::collections::HashMap;

/// The checkpoint's tensors in f64, and the embedding and head of one alphabet for each RVQ layer.
pub struct Reference {
    checkpoint: RandomCheckpoint,
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
        Self { checkpoint: checkpoint.clone(), weights, embed, head, vocabularies: vocabularies.to_vec() }
    }

    pub fn chunk(&self) -> Chunk {
        let layers = self.checkpoint.shape.layers;
        Chunk { keys: vec![Vec::new(); layers], values: vec![Vec::new(); layers] }
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + self.checkpoint.shape.rms_norm_eps).sqrt();
        x.iter().zip(&self.weights[name]).map(|(x, w)| x * scale * w).collect()
    }

    fn rotate(&self, heads: &mut [f64], position: usize) {
        let shape = &self.checkpoint.shape;
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
        let s = &self.checkpoint.shape;
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
