//! Positions a second of a sequence Llama of the shape of SmolLM2-135M (random weights), on one core.
//!
//! `cargo run --release -p lmcodec-entropy --features testing --example sequence_throughput [kernel]`
//!
//! Decoding steps one position of many chunks; encoding runs many positions of one chunk at once.

use lmcodec_entropy::isa::{Isa, Kernel};
use lmcodec_entropy::sequence_llama::testing::{RandomCheckpoint, smol_shape};
use lmcodec_entropy::sequence_llama::{Position, SequenceEngine, SequenceLlama};
use std::time::{Duration, Instant};

/// Steps that are timed for each figure, at most.
const STEPS: usize = 24;

fn main() {
    let start = Instant::now();
    let (backbone, heads) = RandomCheckpoint::new(smol_shape(), 1).export(&[256]).expect("a valid shape");
    println!("export: {:.2} s, {} bytes", start.elapsed().as_secs_f64(), backbone.len() + heads.len());
    let start = Instant::now();
    let model = SequenceLlama::from_bytes(&backbone, &heads).expect("a valid model");
    println!("load: {:.3} s, {} bytes of weights", start.elapsed().as_secs_f64(), model.backbone().memory_bytes());
    drop((backbone, heads));
    let kernel = std::env::args().nth(1);
    let kernels =
        Kernel::available().into_iter().filter(|k| kernel.as_deref().map_or(*k == Kernel::detect(), |n| k.name() == n));
    for kernel in kernels {
        let isa = Isa::new(kernel).expect("available");
        for (way, rows, batch) in
            [("decode", 1, 1), ("decode", 16, 16), ("decode", 64, 64), ("encode", 1, 64), ("encode", 1, 256)]
        {
            for context in [256, 2048] {
                let bytes = SequenceEngine::memory_bytes(&model, rows, context, batch);
                let mut engine = SequenceEngine::new(&model, isa, rows, context, batch);
                let rate = run(&mut engine, context, batch / rows);
                println!(
                    "{:12} {way} rows {rows:3} batch {batch:3} context {context:4}: {rate:7.1} positions/s, {:.2} GB",
                    kernel.name(),
                    bytes as f64 / 1e9
                );
            }
        }
    }
}

/// Positions a second of steps at equally spaced places of chunks of `context` positions; the positions between are not
/// run (their keys and values are noise).
fn run(engine: &mut SequenceEngine, context: usize, together: usize) -> f64 {
    let (rows, mut logits) = (engine.rows() as u32, Vec::new());
    let (mut busy, mut positions) = (Duration::ZERO, 0);
    let places = context / together;
    for step in (0..places).step_by(places.div_ceil(STEPS)) {
        engine.pretend_len(step * together);
        let position = |row, i| {
            let index = step * together + i;
            let symbol = ((index * 37 + row as usize * 101) % 256) as u16;
            Position { row, previous: (index > 0).then_some((0, symbol)), layer: 0 }
        };
        let batch: Vec<_> = (0..rows).flat_map(|row| (0..together).map(move |i| position(row, i))).collect();
        let start = on_cpu();
        engine.step(&batch, &mut logits);
        busy += on_cpu() - start;
        positions += batch.len();
    }
    positions as f64 / busy.as_secs_f64()
}

/// Time that this thread has run: on Linux without the time that it waited for a processor.
fn on_cpu() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = ran.as_deref().and_then(|s| s.split_whitespace().next()).and_then(|s| s.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
