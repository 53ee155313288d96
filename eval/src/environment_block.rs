//! The environment of a run as a table.

use crate::document::{Cell, Column, Table};
use crate::report::Environment;

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
