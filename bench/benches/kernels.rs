//! Speeds of the kernels and of whole steps; `cargo bench -p lmcodec-bench --bench kernels`.
//!
//! Every kernel of the processor is measured. `linear` reports multiply–accumulates as elements a second.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lmcodec_entropy::coder::{BitCounter, Distribution, RangeDecoder, RangeEncoder, WideDistribution};
use lmcodec_entropy::frame_llama::testing::{KernelBench, default_config, random_model};
use lmcodec_entropy::frame_llama::{DepthState, FrameEngine, FrameLlama, PlaneState, Position};
use lmcodec_entropy::isa::Isa;
use lmcodec_entropy::sequence_llama::bench::SequenceKernelBench;
use lmcodec_entropy::testing::{Random, isas};
use std::hint::black_box;

/// Linear layers of the default model: (name, inputs, outputs).
const SHAPES: [(&str, usize, usize); 8] = [
    ("embed", 1130, 192),
    ("qkv", 192, 576),
    ("o_proj", 192, 192),
    ("gate_up", 192, 768),
    ("down", 384, 192),
    ("depth.qkv", 64, 192),
    ("depth.gate_up", 64, 256),
    ("ac", 64, 32),
];

/// Dot products of 16-bit numbers in registers alone: the most that the processor can do.
#[cfg(target_arch = "x86_64")]
mod registers {
    use std::arch::x86_64::*;

    /// Sums that do not wait for each other.
    pub const SUMS: usize = 16;
    /// Multiply–accumulates of an instruction.
    pub const EACH: usize = 32;

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn dot_products(rounds: usize, a: i16, b: i16) -> i32 {
        let (a, b) = (_mm512_set1_epi16(a), _mm512_set1_epi16(b));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..rounds {
            sums.iter_mut().for_each(|sum| *sum = _mm512_dpwssd_epi32(*sum, a, b));
        }
        sums.into_iter().fold(0, |all, sum| all.wrapping_add(_mm512_reduce_add_epi32(sum)))
    }
}

/// The roof of the roofline (docs/SPEED.md); elements are multiply–accumulates.
#[cfg(target_arch = "x86_64")]
fn peak(c: &mut Criterion) {
    use registers::{EACH, SUMS, dot_products};
    const ROUNDS: usize = 1000;
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
        let mut group = c.benchmark_group("peak");
        group.throughput(Throughput::Elements((ROUNDS * SUMS * EACH) as u64));
        group.bench_function("avx512-vnni, 16 bits", |b| {
            b.iter(|| {
                // SAFETY: the processor has these instructions.
                unsafe { dot_products(black_box(ROUNDS), black_box(3), black_box(-5)) }
            })
        });
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn peak(_: &mut Criterion) {}

fn linear(c: &mut Criterion) {
    for (name, inputs, outputs) in SHAPES {
        let mut group = c.benchmark_group(format!("linear/{name}-{inputs}x{outputs}"));
        for isa in isas() {
            for m in [1, 8, 32] {
                let mut bench = KernelBench::linear(inputs, outputs, m);
                group.throughput(Throughput::Elements((inputs * outputs * m) as u64));
                group.bench_function(BenchmarkId::new(isa.kernel().name(), m), |b| b.iter(|| bench.run(isa)));
            }
        }
    }
}

fn elementwise(c: &mut Criterion) {
    let mut group = c.benchmark_group("elementwise");
    for isa in isas() {
        for (name, mut bench) in KernelBench::elementwise() {
            group.bench_function(BenchmarkId::new(name, isa.kernel().name()), |b| b.iter(|| bench.run(isa)));
        }
    }
}

fn coder(c: &mut Criterion) {
    let mut random = Random::new(5);
    let logits: Vec<[i32; 32]> = (0..1000).map(|_| std::array::from_fn(|_| random.normal(200_000.0) as i32)).collect();
    let mut group = c.benchmark_group("coder");
    group.throughput(Throughput::Elements(1000));
    for isa in isas() {
        group.bench_function(BenchmarkId::new("weights-32", isa.kernel().name()), |b| {
            b.iter(|| logits.iter().map(|l| Distribution::<32>::from_logits(isa, l, 1 << 31).total()).max());
        });
    }
    let models: Vec<Distribution<32>> =
        logits.iter().map(|l| Distribution::from_logits(Isa::detect(), l, 1 << 31)).collect();
    let symbols: Vec<usize> = logits.iter().map(|l| (0..31).max_by_key(|&i| l[i]).unwrap_or(0)).collect();
    group.bench_function("encode", |b| {
        b.iter(|| {
            let mut encoder = RangeEncoder::new();
            models.iter().zip(&symbols).for_each(|(m, &s)| m.encode(s, &mut encoder));
            encoder.finish()
        });
    });
    group.bench_function("count", |b| {
        b.iter(|| {
            let mut counter = BitCounter::new();
            models.iter().zip(&symbols).for_each(|(m, &s)| m.encode(s, &mut counter));
            counter.bits()
        });
    });
    let mut encoder = RangeEncoder::new();
    models.iter().zip(&symbols).for_each(|(m, &s)| m.encode(s, &mut encoder));
    let bytes = encoder.finish();
    group.bench_function("decode", |b| {
        b.iter(|| {
            let mut decoder = RangeDecoder::new(&bytes);
            models.iter().map(|m| m.decode(&mut decoder)).sum::<usize>()
        });
    });
}

/// Linear layers of SmolLM2-135M: (name, inputs, outputs).
const SEQUENCE_SHAPES: [(&str, usize, usize); 5] =
    [("qkv", 576, 960), ("o_proj", 576, 576), ("gate_up", 576, 3072), ("down", 1536, 576), ("head-256", 576, 256)];

fn sequence_kernels(c: &mut Criterion) {
    for (name, inputs, outputs) in SEQUENCE_SHAPES {
        let mut group = c.benchmark_group(format!("sequence_linear/{name}-{inputs}x{outputs}"));
        for isa in isas() {
            for m in [1, 16, 64] {
                let mut bench = SequenceKernelBench::linear(inputs, outputs, m);
                group.throughput(Throughput::Elements((inputs * outputs * m) as u64));
                group.bench_function(BenchmarkId::new(isa.kernel().name(), m), |b| b.iter(|| bench.run(isa)));
            }
        }
    }
    let mut group = c.benchmark_group("sequence_elementwise");
    let all = [
        ("rms_norm-576", SequenceKernelBench::rms_norm(576)),
        ("attend-3x64-256", SequenceKernelBench::attend(3, 64, 256)),
        ("attend-3x64-2048", SequenceKernelBench::attend(3, 64, 2048)),
    ];
    for isa in isas() {
        for (name, bench) in &all {
            let mut bench = bench.clone();
            group.bench_function(BenchmarkId::new(*name, isa.kernel().name()), |b| b.iter(|| bench.run(isa)));
        }
    }
}

/// Softmax to integer weights and the range coder, by the size of the alphabet; elements are symbols of 100.
fn wide_coder(c: &mut Criterion) {
    for size in [16usize, 256, 1024, 16384] {
        let mut random = Random::new(6);
        let logits: Vec<Vec<i32>> =
            (0..100).map(|_| (0..size).map(|_| random.normal(200_000.0) as i32).collect()).collect();
        let models: Vec<WideDistribution> =
            logits.iter().map(|l| WideDistribution::from_logits(Isa::detect(), l)).collect();
        let symbols: Vec<usize> = (0..100).map(|_| random.below(size as u32) as usize).collect();
        let mut group = c.benchmark_group(format!("wide_coder/{size}"));
        group.throughput(Throughput::Elements(100));
        let mut reused = models[0].clone();
        group.bench_function("weights", |b| {
            b.iter(|| {
                logits.iter().for_each(|l| reused.set_logits(Isa::detect(), l));
                reused.total()
            });
        });
        let encode = || {
            let mut encoder = RangeEncoder::new();
            models.iter().zip(&symbols).for_each(|(m, &s)| m.encode(s, &mut encoder));
            encoder.finish()
        };
        group.bench_function("encode", |b| b.iter(encode));
        let bytes = encode();
        group.bench_function("decode", |b| {
            b.iter(|| {
                let mut decoder = RangeDecoder::new(&bytes);
                models.iter().map(|m| m.decode(&mut decoder)).sum::<usize>()
            });
        });
    }
}

fn steps(c: &mut Criterion) {
    let config = default_config();
    let model = FrameLlama::from_bytes(&random_model(&config, 1)).expect("a valid model");
    let mut random = Random::new(2);
    for m in [1usize, 8, 32] {
        let mut group = c.benchmark_group(format!("step/M={m}"));
        group.throughput(Throughput::Elements(m as u64));
        for isa in isas() {
            let mut engine = FrameEngine::new(&model, isa, m);
            let features = random.features(m * config.features);
            let mut h = vec![0; m * config.d_model];
            let mut planes = vec![PlaneState::wavefront(&config, 1, 8); m];
            group.bench_function(BenchmarkId::new("backbone-8-columns", isa.kernel().name()), |b| {
                b.iter(|| {
                    for column in 0..8 {
                        let positions: [Position; 32] =
                            std::array::from_fn(|i| Position { plane: i as u32, row: 0, column });
                        engine.backbone(&mut planes, &positions[..m], &features, &mut h);
                    }
                    planes.iter_mut().for_each(|p| p.reset(1, 8));
                });
            });
            let mut depth = DepthState::new(&config, m);
            let (frames, prev): (Vec<u32>, _) = ((0..m as u32).collect(), vec![3; m]);
            let features = random.features(m * config.depth_features);
            let mut logits = vec![0; m * 32];
            group.bench_function(BenchmarkId::new("depth-16-steps", isa.kernel().name()), |b| {
                b.iter(|| {
                    engine.depth_begin(&mut depth, &h, &vec![20; m]);
                    for k in 1..=16 {
                        engine.depth_step(&mut depth, &frames, k, &features, &prev, &mut logits);
                    }
                    black_box(&logits);
                });
            });
            let features = random.features(m * config.dc_features);
            group.bench_function(BenchmarkId::new("dc", isa.kernel().name()), |b| {
                b.iter(|| engine.dc(&h, &vec![20; m], &features, &mut logits));
            });
        }
    }
}

criterion_group!(benches, peak, linear, elementwise, coder, wide_coder, sequence_kernels, steps);
criterion_main!(benches);
