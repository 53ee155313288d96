//! What the integers cost against f64: by the rounding of the weights, and by everything else.

use super::reference::{Reference, probabilities};
use lmcodec_entropy::isa::Isa;
use lmcodec_entropy::sequence_llama::export::{CheckpointShape, RopeScaling};
use lmcodec_entropy::sequence_llama::testing::{RandomCheckpoint, small_shape};
use lmcodec_entropy::sequence_llama::{Position, SequenceEngine, SequenceLlama};
use lmcodec_entropy::testing::Random;

const VOCABULARIES: [u32; 2] = [40, 17];

/// The integer model against an f64 model, on symbols that the f64 model draws.
#[derive(Debug)]
struct Cost {
    /// Root mean square of the logits' error (up to a shift of all of a position), bits.
    rms: f64,
    /// Kullback–Leibler divergence, bits a symbol.
    divergence: f64,
    /// The divergence as a share of the f64 model's entropy.
    loss: f64,
}

fn cost(model: &SequenceLlama, reference: &Reference, length: usize) -> Cost {
    let mut engine = SequenceEngine::new(model, Isa::detect(), 1, length, 1);
    let (mut chunk, mut random, mut logits) = (reference.chunk(), Random::new(5), Vec::new());
    let (mut previous, mut square, mut count) = (None, 0.0, 0.0);
    let (mut entropy, mut divergence) = (0.0, 0.0);
    for i in 0..length {
        let layer = (i % VOCABULARIES.len()) as u16;
        engine.step(&[Position { row: 0, previous, layer }], &mut logits);
        let exact = reference.step(&mut chunk, previous, layer);
        let found: Vec<f64> = logits.iter().map(|&l| f64::from(l) / 65536.0).collect();
        let shift = found.iter().zip(&exact).map(|(f, e)| f - e).sum::<f64>() / found.len() as f64;
        square += found.iter().zip(&exact).map(|(f, e)| (f - e - shift).powi(2)).sum::<f64>();
        count += found.len() as f64;
        let (p, q) = (probabilities(&exact), probabilities(&found));
        entropy -= p.iter().map(|p| p * p.log2()).sum::<f64>();
        divergence += p.iter().zip(&q).map(|(p, q)| p * (p / q).log2()).sum::<f64>();
        let mut target = random.next_u64() as f64 / 2f64.powi(64);
        let drawn = |p: &f64| {
            target -= p;
            target < 0.0
        };
        let symbol = p.iter().position(drawn).unwrap_or(p.len() - 1);
        previous = Some((layer, symbol as u16));
    }
    Cost { rms: (square / count).sqrt(), divergence: divergence / length as f64, loss: divergence / entropy }
}

/// (name, checkpoint, bound of the loss by rounded weights, bound of the rms error by the arithmetic alone in bits).
fn cases() -> Vec<(&'static str, RandomCheckpoint, f64, f64)> {
    let llama3 =
        RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 64.0 };
    let wide =
        CheckpointShape { d_model: 256, layers: 4, heads: 8, kv_heads: 2, head_dim: 32, ffn: 700, ..small_shape() };
    let big = CheckpointShape { heads: 2, kv_heads: 2, head_dim: 128, rope_scaling: Some(llama3), ..small_shape() };
    let linear = Some(RopeScaling::Linear { factor: 4.0 });
    let odd = CheckpointShape {
        d_model: 33,
        heads: 5,
        head_dim: 6,
        ffn: 7,
        rope_scaling: linear,
        rms_norm_eps: 0.01,
        ..small_shape()
    };
    let sharp = RandomCheckpoint { sharpness: 12.0, ..RandomCheckpoint::new(wide.clone(), 5) };
    let outlier = RandomCheckpoint { outlier: Some(7), ..RandomCheckpoint::new(wide.clone(), 6) };
    vec![
        ("small", RandomCheckpoint::new(small_shape(), 1), 0.002, 0.003),
        ("wide", RandomCheckpoint::new(wide, 2), 0.002, 0.003),
        ("heads of 128, Llama-3 scaling", RandomCheckpoint::new(big, 3), 0.002, 0.003),
        ("heads of 6, odd sizes, linear scaling, great epsilon", RandomCheckpoint::new(odd, 4), 0.002, 0.003),
        // Scores of a hundred bits: what is rounded decides which of two positions wins.
        ("sharp attention", sharp, 0.3, 0.2),
        ("a channel a thousand times the others", outlier, 0.01, 0.02),
    ]
}

#[test]
fn rounded_weights_cost_little() {
    for (name, checkpoint, loss, _) in cases() {
        let model = super::load(&checkpoint, &VOCABULARIES);
        let found = cost(&model, &Reference::new(&checkpoint, &VOCABULARIES), 200);
        println!("{name}: {found:?}");
        assert!(found.loss < loss, "{name}: {found:?}");
    }
}

/// Against f64 with the very weights of the integer file: only activations, norms, rotations, softmax and the gate differ.
#[test]
fn arithmetic_costs_nothing_to_speak_of() {
    for (name, checkpoint, _, rms) in cases() {
        let (backbone, heads) = checkpoint.export(&VOCABULARIES).unwrap();
        let model = SequenceLlama::from_bytes(&backbone, &heads).unwrap();
        let reference = Reference::of_integers(&checkpoint.shape, &backbone, &heads, &VOCABULARIES);
        let found = cost(&model, &reference, 200);
        println!("{name}: {found:?}");
        assert!(found.rms < rms && found.divergence < rms * rms, "{name}: {found:?}");
    }
}

/// Attention over thousands of positions, nearly even: small shares must not vanish.
#[test]
fn long_diffuse_attention_is_accurate() {
    let shape = CheckpointShape { d_model: 32, layers: 1, heads: 1, ffn: 32, context: 8192, ..small_shape() };
    let checkpoint = RandomCheckpoint { sharpness: 0.05, ..RandomCheckpoint::new(shape, 9) };
    let (backbone, heads) = checkpoint.export(&VOCABULARIES).unwrap();
    let model = SequenceLlama::from_bytes(&backbone, &heads).unwrap();
    let reference = Reference::of_integers(&checkpoint.shape, &backbone, &heads, &VOCABULARIES);
    let found = cost(&model, &reference, 4000);
    println!("{found:?}");
    assert!(found.rms < 0.002, "{found:?}");
}
