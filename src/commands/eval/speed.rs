//! `lmcodec eval speed`: CPU seconds and peak memory of lmcodec and its peers, in paired runs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_eval::recompress::peers::installed_peers;
use lmcodec_eval::recompress::speed::{SpeedError, SpeedReport, measure_speed};

use super::lmcodec_codec::Own;
use super::{outputs, progress_bar, read};
use crate::commands::exit::{Exit, Failure};

/// Median CPU seconds and peak memory over paired runs of every codec that is installed.
#[derive(Debug, Args)]
pub(super) struct SpeedArgs {
    /// JPEG files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Measured runs a file and codec.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Codec that ratios are against.
    #[arg(long, default_value = "jpegtran-arithmetic")]
    anchor: String,
    #[command(flatten)]
    own: Own,
    /// Leave lmcodec itself out.
    #[arg(long)]
    no_lmcodec: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl SpeedArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut codecs = Vec::new();
        if !self.no_lmcodec {
            codecs.extend(self.own.processes()?);
        }
        codecs.extend(installed_peers());
        let files = self
            .files
            .iter()
            .map(|path| Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), read(path)?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let bar = progress_bar((files.len() * self.runs) as u64);
        let report = measure_speed(&codecs, &files, self.runs, &self.anchor, &|| bar.inc(1)).map_err(|error| {
            let exit = if matches!(error, SpeedError::NoSize { .. }) { Exit::Malformed } else { Exit::Failure };
            Failure::new(exit, error.to_string())
        })?;
        bar.finish_and_clear();
        let text = if self.json { outputs::json(&report)? } else { table(&report).into_bytes() };
        outputs::write(Path::new("-"), &text, false)
    }
}

fn table(report: &SpeedReport) -> String {
    let mut out = String::from(
        "| codec | bytes | byte exact | enc CPU-s | enc MP/s | enc ratio | dec CPU-s | dec MP/s | dec ratio | enc/dec peak MB |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for c in &report.codecs {
        let _ = writeln!(
            out,
            "| {} | {} | {}/{} | {:.4} | {:.2} | {:.2} | {:.4} | {:.2} | {:.2} | {:.1}/{:.1} |",
            c.codec,
            c.coded_bytes,
            c.byte_exact,
            report.files.len(),
            c.encode.cpu_s,
            c.encode.mp_per_cpu_s,
            c.encode.cpu_ratio,
            c.decode.cpu_s,
            c.decode.mp_per_cpu_s,
            c.decode.cpu_ratio,
            c.encode.peak_bytes as f64 / 1e6,
            c.decode.peak_bytes as f64 / 1e6
        );
    }
    let _ = writeln!(
        out,
        "\n{} files, {:.2} MP; CPU seconds: sum over the files of the median of {} runs; ratios: median against {} in the \
         same round; peaks cannot read below {:.1} MB (the measuring process).",
        report.files.len(),
        report.pixels as f64 / 1e6,
        report.runs,
        report.anchor,
        report.peak_floor_bytes as f64 / 1e6
    );
    out
}
