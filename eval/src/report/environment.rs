//! The machine that a run was measured on: as data, and as a table of a report.

use super::document::{Cell, Column, Table};
use serde::{Deserialize, Serialize};

/// What one needs to know to read the seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of this crate.
    pub eval_version: String,
    /// Processor model, where the system tells it.
    pub cpu: Option<String>,
    /// Logical processors.
    pub logical_cpus: usize,
    /// Files worked on side by side.
    pub threads: usize,
}

impl Environment {
    /// The machine that this runs on.
    pub fn current(threads: usize) -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let field = |name: &str| {
                let line = text.lines().find(|l| l.split(':').next().is_some_and(|key| key.trim() == name))?;
                Some(line.split_once(':')?.1.trim().to_string())
            };
            let model = field("model name")?;
            // Virtual machines hide the name; family and model still tell the generation.
            Some(match field("cpu family").zip(field("model")) {
                Some((family, number)) => format!("{model} (family {family}, model {number})"),
                None => model,
            })
        });
        Self {
            eval_version: env!("CARGO_PKG_VERSION").into(),
            cpu,
            logical_cpus: std::thread::available_parallelism().map_or(1, |n| n.get()),
            threads,
        }
    }
}

/// Where and how long: processor, threads, seconds and memory where they are known.
pub fn environment(e: &Environment, seconds: Option<f64>, peak_bytes: Option<u64>) -> Table {
    let mut rows = vec![
        ("lmcodec-eval", e.eval_version.clone()),
        ("processor", e.cpu.clone().unwrap_or_else(|| "unknown".into())),
        ("logical processors", e.logical_cpus.to_string()),
        ("files worked on side by side", e.threads.to_string()),
    ];
    if let Some(seconds) = seconds {
        rows.push(("wall time of the run", format!("{seconds:.0} s")));
    }
    if let Some(peak) = peak_bytes {
        rows.push(("peak memory of the measuring process", format!("{:.0} MB", peak as f64 / 1e6)));
    }
    Table {
        caption: "Environment".into(),
        columns: vec![Column::text("what"), Column::text("value")],
        rows: rows.into_iter().map(|(what, value)| vec![Cell::new(what), Cell::new(value)]).collect(),
        ..Table::default()
    }
}
