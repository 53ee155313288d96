//! Speed and memory of a fine-tuning step with a frozen backbone: symbols a second by chunk length.
//!
//! `cargo run --release -p lmcodec-finetune --example finetune_throughput -- CHECKPOINT [VOCABULARY [SYMBOLS_A_BATCH]]`

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use lmcodec_entropy::arrangement::flat::{Chunk, LayerPattern};
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::sequence::heads::{Batch, Heads, Rows};
use lmcodec_finetune::sequence::model::Backbone;
use lmcodec_finetune::sequence::step::{evaluate, gradients};

/// Peak resident memory in MiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("a checkpoint is needed")?;
    let vocabulary: u32 = arguments.next().map_or(Ok(256), |v| v.parse())?;
    let symbols: usize = arguments.next().map_or(Ok(2048), |v| v.parse())?;
    let device = Device::flex();
    let checkpoint = Checkpoint::open(Path::new(&path))?;
    let backbone = Backbone::load(&checkpoint, 2048, &device)?;
    let rows = Rows::new(&[vocabulary]);
    let heads = Heads::random(&rows, checkpoint.config(), (0.1, 0.01), None, &device.clone().autodiff());
    for length in [512, 1024, 2048] {
        let chunk = |seed: usize| Chunk {
            first_layer: 0,
            layers: LayerPattern::Same,
            symbols: (0..length).map(|i| ((i * i + seed * 31 + i * seed) % vocabulary as usize) as u16).collect(),
            escapes: Vec::new(),
        };
        let chunks: Vec<Chunk> = (0..(symbols / length).max(1)).map(chunk).collect();
        let batch = Batch::new(&chunks.iter().collect::<Vec<_>>(), &rows)?;
        let n = batch.symbols() as f64;
        let best = |f: &dyn Fn() -> f64| {
            f();
            (0..3).map(|_| f()).fold(f64::INFINITY, f64::min)
        };
        let forward = best(&|| {
            let clock = Instant::now();
            evaluate(&backbone, &heads, &rows, &batch).expect("a valid batch");
            clock.elapsed().as_secs_f64()
        });
        let step = best(&|| {
            let clock = Instant::now();
            gradients(&backbone, &heads, &rows, &batch, 1e-3).expect("a valid batch");
            clock.elapsed().as_secs_f64()
        });
        println!(
            "{}",
            serde_json::json!({
                "chunk": length, "chunks": chunks.len(), "forward_symbols_per_second": (n / forward).round(),
                "step_symbols_per_second": (n / step).round(), "peak_memory_mib": peak_memory(),
            })
        );
    }
    Ok(())
}
