//! The sequence Llama in integers: the same for every kernel, batch and order; close to the same Llama in f64.

mod reference;

use lmcodec_entropy::llama::testing::Random;
use lmcodec_entropy::llama::{Isa, Kernel};
use lmcodec_entropy::sequence::export::{CheckpointShape, RopeScaling};
use lmcodec_entropy::sequence::testing::{RandomCheckpoint, small_shape};
use lmcodec_entropy::sequence::{Position, SequenceEngine, SequenceLlama};
use reference::{Reference, probabilities};

fn load(checkpoint: &RandomCheckpoint, vocabularies: &[u32]) -> SequenceLlama {
    let (backbone, heads) = checkpoint.export(vocabularies).unwrap();
    SequenceLlama::from_bytes(&backbone, &heads).unwrap()
}

/// What quantization costs on symbols that the f64 model draws.
#[derive(Debug)]
struct Cost {
    /// Root mean square of the centred logits' error, bits.
    rms: f64,
    /// The greatest error, bits.
    greatest: f64,
    /// Cross-entropy of the f64 model, bits a symbol.
    entropy: f64,
    /// Added cross-entropy of the integer model, share.
    loss: f64,
}

fn cost(checkpoint: &RandomCheckpoint, vocabularies: &[u32], length: usize) -> Cost {
    let model = load(checkpoint, vocabularies);
    let reference = Reference::new(checkpoint, vocabularies);
    let mut engine = SequenceEngine::new(&model, Isa::detect(), 1, length, 1);
    let (mut chunk, mut random, mut logits) = (reference.chunk(), Random::new(5), Vec::new());
    let (mut previous, mut square, mut count, mut greatest) = (None, 0.0, 0.0, 0f64);
    let (mut exact_bits, mut integer_bits) = (0.0, 0.0);
    for i in 0..length {
        let layer = (i % vocabularies.len()) as u16;
        engine.step(&[Position { row: 0, previous, layer }], &mut logits);
        let exact = reference.step(&mut chunk, previous, layer);
        let found: Vec<f64> = logits.iter().map(|&l| f64::from(l) / 65536.0).collect();
        let shift = found.iter().zip(&exact).map(|(f, e)| f - e).sum::<f64>() / found.len() as f64;
        for (f, e) in found.iter().zip(&exact) {
            let error = (f - e - shift).abs();
            (square, count, greatest) = (square + error * error, count + 1.0, greatest.max(error));
        }
        let (p, q) = (probabilities(&exact), probabilities(&found));
        let mut target = random.next_u64() as f64 / 2f64.powi(64);
        let symbol = p
            .iter()
            .position(|p| {
                target -= p;
                target < 0.0
            })
            .unwrap_or(p.len() - 1);
        // The whole distribution, not only the symbol drawn: less chance in the figure.
        exact_bits -= p.iter().map(|p| p * p.log2()).sum::<f64>();
        integer_bits -= p.iter().zip(&q).map(|(p, q)| p * q.log2()).sum::<f64>();
        previous = Some((layer, symbol as u16));
    }
    let entropy = exact_bits / length as f64;
    Cost { rms: (square / count).sqrt(), greatest, entropy, loss: integer_bits / exact_bits - 1.0 }
}

#[test]
fn close_to_floating_point() {
    let llama3 =
        RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 64.0 };
    let wide =
        CheckpointShape { d_model: 256, layers: 4, heads: 8, kv_heads: 2, head_dim: 32, ffn: 700, ..small_shape() };
    let big_head =
        CheckpointShape { heads: 2, kv_heads: 2, head_dim: 128, rope_scaling: Some(llama3), ..small_shape() };
    let tiny = CheckpointShape { d_model: 33, heads: 5, kv_heads: 1, head_dim: 6, ffn: 7, ..small_shape() };
    let cases = [
        ("small", RandomCheckpoint::new(small_shape(), 1)),
        ("wide", RandomCheckpoint::new(wide.clone(), 2)),
        ("big heads, scaled rope", RandomCheckpoint::new(big_head, 3)),
        ("tiny odd", RandomCheckpoint::new(tiny, 4)),
        ("sharp", RandomCheckpoint { sharpness: 12.0, ..RandomCheckpoint::new(wide.clone(), 5) }),
        ("outlier", RandomCheckpoint { outlier: Some(7), ..RandomCheckpoint::new(wide, 6) }),
    ];
    for (name, checkpoint) in cases {
        let found = cost(&checkpoint, &[40, 17], 200);
        println!("{name}: {found:?}");
    }
}

fn _unused() {
    let _ = Kernel::available();
}
