//! The hand-written gradients against burn's autodiff and against finite differences; both kinds of kernels against each other.

use burn::tensor::{Device, Distribution, Tensor};

use super::heads::{Batch, Heads, Rows};
use super::kernels::Kernels;
use super::lora::{LoraConfig, Projection};
use super::model::Backbone;
use super::step::{evaluate, gradients};
use crate::checkpoint::{LlamaConfig, LlamaShape};
use crate::run::SequenceError;
use lmcodec_entropy::arrangement::flat::{Chunk, LayerPattern};

pub(super) fn config() -> LlamaConfig {
    let shape = LlamaShape {
        d_model: 24,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        ffn: 40,
        context: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: None,
    };
    LlamaConfig { shape, vocabulary: 10, tied_embeddings: true }
}

fn values<const D: usize>(t: &Tensor<D>) -> Vec<f32> {
    t.to_data().try_to_vec().unwrap()
}

fn close(name: &str, a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "{name}");
    let scale = b.iter().fold(1e-6f32, |m, x| m.max(x.abs()));
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{name}[{i}]: {x} instead of {y} (scale {scale})");
    }
}

/// Two layers' alphabets in turn, one chunk longer than a block of the attention kernel.
fn batch(rows: &Rows) -> Batch {
    let chunk = |n: usize, first_layer: u16, step: usize| {
        let layers = LayerPattern::Cycle(2);
        let mut chunk = Chunk { first_layer, layers, symbols: vec![0; n], escapes: vec![] };
        for i in 0..n {
            let v = rows.vocabularies()[usize::from(chunk.layer(i))] as usize;
            chunk.symbols[i] = ((i * i + 3 * i * step + step) % v) as u16;
        }
        chunk
    };
    let (a, b, c) = (chunk(70, 0, 1), chunk(67, 1, 2), chunk(5, 0, 5));
    Batch::new(&[&a, &b, &c], rows).unwrap()
}

#[test]
fn both_kinds_of_kernels_agree() {
    let device = Device::flex();
    device.seed(3);
    let rows = Rows::new(&[7, 5]);
    let host = Backbone::random(&config(), 128, &device).with_kernels(Kernels::Host);
    let composed = host.with_kernels(Kernels::Composed);
    let heads = Heads::random(&rows, &config(), (1.0, 0.5), None, &device.clone().autodiff());
    let batch = batch(&rows);
    let (a, b) = (evaluate(&host, &heads, &rows, &batch).unwrap(), evaluate(&composed, &heads, &rows, &batch).unwrap());
    assert_eq!(a.symbols, [71, 71]);
    for (x, y) in a.bits.iter().zip(&b.bits) {
        assert!((x - y).abs() < 1e-5 * y, "{x} {y}");
    }
    let (bits, a) = gradients(&host, &heads, &rows, &batch, 0.01).unwrap();
    assert_eq!(bits, evaluate(&host, &heads, &rows, &batch).unwrap());
    let (_, b) = gradients(&composed, &heads, &rows, &batch, 0.01).unwrap();
    close("embed", &values(a.parts().0), &values(b.parts().0), 2e-5);
    close("head", &values(a.parts().1), &values(b.parts().1), 2e-5);
}

#[test]
fn gradients_are_autodiffs() {
    let device = Device::flex();
    device.seed(5);
    let auto = device.clone().autodiff();
    let rows = Rows::new(&[7, 5]);
    let plain = Backbone::random(&config(), 128, &device).with_kernels(Kernels::Host);
    let heads = Heads::random(&rows, &config(), (1.0, 0.5), None, &auto);
    let batch = batch(&rows);
    let (_, found) = gradients(&plain, &heads, &rows, &batch, 0.01).unwrap();

    // The same by autodiff: forward in tensor operations, cross-entropy through the log-softmax.
    let backbone = plain.to_autodiff(&auto);
    let (embed, head) = (heads.embed.val(), heads.head.val());
    let index = |v: Vec<i32>| Tensor::<1, burn::tensor::Int>::from_ints(v.as_slice(), &auto);
    let x = embed.clone().select(0, index(batch.inputs.iter().map(|&i| i as i32).collect()));
    let (states, _) = backbone.forward(x, 3, None, false).unwrap();
    let mut loss = Tensor::<1>::zeros([1], &auto);
    for (layer, positions) in batch.positions_by_layer(2) {
        let (first, v) = rows.layer(layer);
        let part = states.clone().select(0, index(positions.iter().map(|&p| p as i32).collect()));
        let logits = part.matmul(head.clone().slice([first..first + v, 0..24]).transpose());
        let targets = index(positions.iter().map(|&p| batch.targets[p as usize] as i32).collect());
        let log_p = burn::tensor::activation::log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
        loss = loss - log_p.sum() * 0.01;
    }
    let all = loss.backward();
    close("embed", &values(found.parts().0), &values(&embed.grad(&all).unwrap()), 5e-5);
    close("head", &values(found.parts().1), &values(&head.grad(&all).unwrap()), 5e-5);
}

#[test]
fn steps_in_bf16_go_almost_the_same_way() {
    let device = Device::flex();
    device.seed(13);
    let rows = Rows::new(&[7, 5]);
    let exact = Backbone::random(&config(), 128, &device);
    // Processors without the instructions train in f32.
    let Some(half) = exact.in_bf16() else { return };
    let heads = Heads::random(&rows, &config(), (1.0, 0.5), None, &device.clone().autodiff());
    let batch = batch(&rows);
    let (bits, a) = gradients(&exact, &heads, &rows, &batch, 0.01).unwrap();
    let (half_bits, b) = gradients(&half, &heads, &rows, &batch, 0.01).unwrap();
    assert!((half_bits.total() / bits.total() - 1.0).abs() < 0.01, "{half_bits:?} {bits:?}");
    for (a, b) in [(a.parts().0, b.parts().0), (a.parts().1, b.parts().1)] {
        let dot = |x: &Tensor<2>, y: &Tensor<2>| f64::from((x.clone() * y.clone()).sum().into_scalar::<f32>());
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(cosine > 0.999 && cosine < 1.0 - 1e-9, "{cosine}");
    }
}

#[test]
fn lora_gradients_are_finite_differences() {
    let device = Device::flex();
    device.seed(7);
    let auto = device.clone().autodiff();
    let rows = Rows::new(&[7, 5]);
    let backbone = Backbone::random(&config(), 128, &device);
    let lora = LoraConfig { rank: 3, alpha: 6.0, projections: Projection::ALL.to_vec() };
    let mut heads = Heads::random(&rows, &config(), (1.0, 0.5), Some(&lora), &auto);
    // B = 0 would leave A without gradient.
    heads.lora = heads.lora.take().map(|l| {
        l.map_pairs(|b| {
            let noise = Tensor::<2>::random(b.shape(), Distribution::Normal(0.0, 0.1), &device);
            Tensor::from_inner(noise)
        })
    });
    let batch = batch(&rows);
    let (_, found) = gradients(&backbone, &heads, &rows, &batch, 1.0).unwrap();
    let nats = |heads: &Heads| evaluate(&backbone, heads, &rows, &batch).unwrap().total() * std::f64::consts::LN_2;
    // The derivative along each gradient is the square of its norm.
    for (layer, gradients) in found.parts().2.iter().enumerate() {
        assert_eq!(gradients.0.len(), 7);
        for (projection, d_a, d_b) in &gradients.0 {
            for (which, d) in [("a", d_a), ("b", d_b)] {
                let norm = f64::from(d.clone().square().sum().into_scalar::<f32>()).sqrt();
                assert!(norm > 1e-3, "{projection:?} {which}");
                let step = 2e-3;
                let moved = |sign: f64| {
                    let mut heads = heads.clone();
                    let direction = d.clone() * (sign * step / norm);
                    heads.lora = heads.lora.take().map(|l| l.moved(layer, *projection, which, direction));
                    nats(&heads)
                };
                let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
                assert!((slope / norm - 1.0).abs() < 0.03, "{layer} {projection:?} {which}: {slope} instead of {norm}");
            }
        }
    }
}

#[test]
fn stepping_with_a_cache_is_the_full_pass() {
    let device = Device::flex();
    device.seed(11);
    let backbone = Backbone::random(&config(), 32, &device);
    let x = Tensor::<2>::random([2 * 32, 24], Distribution::Normal(0.0, 1.0), &device);
    let (full, _) = backbone.forward(x.clone(), 2, None, false).unwrap();
    let mut cache = backbone.cache(2);
    let x = x.reshape([2, 32, 24]);
    let mut steps = Vec::new();
    let mut first = 0;
    // Several positions at once, then one by one.
    for n in [5, 1, 9, 1, 1, 15] {
        steps.push(backbone.step(&mut cache, x.clone().slice([0..2, first..first + n, 0..24]), None).unwrap());
        first += n;
    }
    assert_eq!(cache.filled(), 32);
    close("states", &values(&Tensor::cat(steps, 1)), &values(&full), 1e-5);
    let error = backbone.step(&mut cache, x.slice([0..2, 0..1, 0..24]), None).unwrap_err();
    assert_eq!(error, SequenceError::Context { length: 33, context: 32 });
    assert_eq!(cache.filled(), 32);
}

#[test]
fn sequences_beyond_the_context_are_refused() {
    let device = Device::flex();
    let backbone = Backbone::random(&config(), 16, &device);
    let x = Tensor::<2>::zeros([34, 24], &device);
    let error = backbone.forward(x.clone(), 2, None, false).err().unwrap();
    assert_eq!(error, SequenceError::Context { length: 17, context: 16 });
    assert!(matches!(backbone.forward(x, 3, None, false), Err(SequenceError::Batch { rows: 34, sequences: 3 })));
}
