//! Frames a second of a typical workload (M = 32 frames a batch, 16 depth steps, DC) on one core, for every kernel.
//!
//! `cargo run --release -p lmcodec-entropy --features testing --example throughput [frames a batch [kernel]]`

use lmcodec_entropy::frame_llama::testing::{default_config, random_model};
use lmcodec_entropy::frame_llama::{
    DepthState, FrameEngine, FrameLlama, LAST_SYMBOLS, PRIMARIES, PlaneState, Position,
};
use lmcodec_entropy::isa::{Isa, Kernel};
use lmcodec_entropy::testing::Random;
use std::time::{Duration, Instant};

const STEPS: usize = 16;

fn main() {
    let m = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(32usize);
    let config = default_config();
    let model = FrameLlama::from_bytes(&random_model(&config, 1)).expect("a valid model");
    let mut random = Random::new(2);
    let (d, columns) = (config.d_model, 500);
    let features = random.features(m * config.features);
    let step_features = random.features(m * config.depth_features);
    let dc_features = random.features(m * config.dc_features);
    let (frames, last, prev): (Vec<u32>, _, _) = ((0..m as u32).collect(), vec![STEPS as u8; m], vec![3u8; m]);
    let only = std::env::args().nth(2);
    for kernel in Kernel::available().into_iter().filter(|k| only.as_deref().is_none_or(|o| o == k.name())) {
        let isa = Isa::new(kernel).expect("available");
        let mut engine = FrameEngine::new(&model, isa, m);
        let mut depth = DepthState::new(&config, m);
        // Independent planes of three rows, so that row 2 has the whole window of 24 frames; the best of all runs counts
        // (the machine may be busy).
        let mut planes = vec![PlaneState::wavefront(&config, 3, columns)];
        let mut h = vec![0; m * d];
        let mut logits = vec![0; m * LAST_SYMBOLS.max(PRIMARIES)];
        let mut weights = [0; LAST_SYMBOLS];
        let mut best = [Duration::MAX; 3];
        planes.resize(m, planes[0].clone());
        for column in 0..if kernel == Kernel::Scalar { 40 } else { 200 } {
            for row in 0..3 {
                // Rows above run to the end of their window first.
                let x = column + 2 * (2 - row);
                for c in planes[0].done(row)..=x {
                    let positions: Vec<Position> =
                        (0..m).map(|i| Position { plane: i as u32, row: row as u32, column: c as u32 }).collect();
                    let start = Instant::now();
                    engine.backbone(&mut planes, &positions, &features, &mut h);
                    engine.last_logits(&h, &mut logits[..m * LAST_SYMBOLS]);
                    for logits in logits.chunks_exact(LAST_SYMBOLS) {
                        isa.symbol_weights(logits, 0, &mut weights);
                    }
                    if row == 2 {
                        best[0] = best[0].min(start.elapsed());
                    }
                }
            }
            let start = Instant::now();
            engine.depth_begin(&mut depth, &h, &last);
            for k in 1..=STEPS {
                let logits = &mut logits[..m * PRIMARIES];
                engine.depth_step(&mut depth, &frames, k, &step_features, &prev, logits);
                for logits in logits.chunks_exact(PRIMARIES) {
                    isa.symbol_weights(logits, 1 << 31, &mut weights[..PRIMARIES]);
                }
            }
            best[1] = best[1].min(start.elapsed());
            let start = Instant::now();
            engine.dc(&h, &last, &dc_features, &mut logits[..m * PRIMARIES]);
            best[2] = best[2].min(start.elapsed());
        }
        let micros = best.map(|t| t.as_secs_f64() * 1e6 / m as f64);
        let total: f64 = micros.iter().sum();
        println!(
            "{:12} M = {m}: backbone {:6.2} + {STEPS} depth steps {:6.2} + DC {:5.2} = {total:6.2} µs a frame, {:7.0} frames/s",
            kernel.name(),
            micros[0],
            micros[1],
            micros[2],
            1e6 / total
        );
    }
}
