//! Speed and memory of a fine-tuning step with a frozen backbone: symbols a second by chunk length.
//!
//! `cargo run --release -p lmcodec-finetune --example finetune_throughput -- CHECKPOINT [VOCABULARY [SYMBOLS_A_BATCH [CHUNK
//! [PRECISION]]]]`; without a chunk length 512, 1024 and 2048 are run, without `f32` or `bf16` both. `RAYON_NUM_THREADS` sets
//! the threads. `finetune_throughput.py` beside this file runs the same step in PyTorch.

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use lmcodec_entropy::arrangement::flat::{Chunk, LayerPattern};
use lmcodec_finetune::checkpoint::Checkpoint;
use lmcodec_finetune::sequence::heads::{Batch, Heads, Rows};
use lmcodec_finetune::sequence::model::Backbone;
use lmcodec_finetune::sequence::step::{evaluate, gradients};

/// CPU seconds of all threads so far, where the system tells: on a busy machine a better measure than the clock.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // utime and stime, in ticks of 1/100 s.
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

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
    let lengths: Vec<usize> = arguments.next().map_or(Ok(vec![512, 1024, 2048]), |n| n.parse().map(|n| vec![n]))?;
    let only = arguments.next();
    if let Some(other) = only.as_deref().filter(|p| !["f32", "bf16"].contains(p)) {
        return Err(format!("precision {other:?}: expected f32 or bf16").into());
    }
    let wanted = |precision: &str| only.as_deref().is_none_or(|only| only == precision);
    let device = Device::flex();
    let checkpoint = Checkpoint::open(Path::new(&path))?;
    let backbone = Backbone::load(&checkpoint, 2048, &device)?;
    let half = if wanted("bf16") { backbone.in_bf16() } else { None };
    let rows = Rows::new(&[vocabulary]);
    let heads = Heads::random(&rows, checkpoint.config(), (0.1, 0.01), None, &device.clone().autodiff());
    for length in lengths {
        let chunk = |seed: usize| Chunk {
            first_layer: 0,
            layers: LayerPattern::Same,
            symbols: (0..length).map(|i| ((i * i + seed * 31 + i * seed) % vocabulary as usize) as u16).collect(),
            escapes: Vec::new(),
        };
        let chunks: Vec<Chunk> = (0..(symbols / length).max(1)).map(chunk).collect();
        let batch = Batch::new(&chunks.iter().collect::<Vec<_>>(), &rows)?;
        let n = batch.symbols() as f64;
        // (wall-clock, CPU) seconds of the fastest of three runs after one to warm up.
        let best = |f: &dyn Fn()| {
            f();
            let run = |_| {
                let (clock, cpu) = (Instant::now(), cpu_seconds());
                f();
                (clock.elapsed().as_secs_f64(), cpu_seconds().zip(cpu).map_or(f64::NAN, |(a, b)| a - b))
            };
            (0..3).map(run).fold((f64::INFINITY, f64::INFINITY), |a, b| (a.0.min(b.0), a.1.min(b.1)))
        };
        for (precision, backbone) in [("f32", Some(&backbone)), ("bf16", half.as_ref())] {
            let Some(backbone) = backbone.filter(|_| wanted(precision)) else { continue };
            let forward = best(&|| drop(evaluate(backbone, &heads, &rows, &batch).expect("a valid batch")));
            let step = best(&|| drop(gradients(backbone, &heads, &rows, &batch, 1e-3).expect("a valid batch")));
            println!(
                "{}",
                serde_json::json!({
                    "precision": precision, "chunk": length, "chunks": chunks.len(), "peak_memory_mib": peak_memory(),
                    "forward_symbols_per_second": (n / forward.0).round(),
                    "step_symbols_per_second": (n / step.0).round(),
                    "forward_symbols_per_cpu_second": (n / forward.1).round(),
                    "step_symbols_per_cpu_second": (n / step.1).round(),
                })
            );
        }
    }
    Ok(())
}
