//! `lmcodec-eval speed`: CPU seconds and peak memory of lmcodec and its peers, in paired runs.

use super::{CommandResult, json, progress_bar, write_output};
use clap::Args;
use lmcodec_eval::peers::installed_peers;
use lmcodec_eval::speed::{SpeedReport, measure_speed};
use lmcodec_eval::under_test::{codecs_under_test, external};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Median CPU seconds and peak memory over paired runs of every codec that is installed.
#[derive(Debug, Args)]
pub struct SpeedArgs {
    /// JPEG files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Measured runs a file and codec.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Codec that ratios are against.
    #[arg(long, default_value = "jpegtran-arithmetic")]
    anchor: String,
    /// Model file of lmcodec, instead of the embedded model.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Leave lmcodec itself out.
    #[arg(long)]
    no_lmcodec: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: &SpeedArgs) -> CommandResult {
    let program = std::env::current_exe()?;
    let model = args.model.as_ref().map(std::fs::canonicalize).transpose()?;
    let mut codecs = Vec::new();
    if !args.no_lmcodec {
        let own = codecs_under_test(model.as_deref())?;
        codecs.extend(own.iter().map(|c| external(&program, &**c, model.as_deref())));
    }
    codecs.extend(installed_peers());
    let files = args
        .files
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let bar = progress_bar((files.len() * args.runs) as u64);
    let report = measure_speed(&codecs, &files, args.runs, &args.anchor, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let text = if args.json { json(&report)? } else { table(&report).into_bytes() };
    write_output(Path::new("-"), &text, false)
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
