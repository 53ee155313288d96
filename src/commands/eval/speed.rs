//! `lmcodec eval speed`: CPU seconds and peak memory of lmcodec and its peers, in paired runs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec::Kernel;
use lmcodec_eval::recompress::codec::Recompressor;
use lmcodec_eval::recompress::peers::installed_peers;
use lmcodec_eval::recompress::speed::{Cost, SpeedError, SpeedReport, measure_speed};

use super::lmcodec_codec::Own;
use super::{outputs, progress_bar, read};
use crate::commands::exit::{Exit, Failure};
use crate::commands::kernel;

/// Median CPU seconds and peak memory over paired runs of every codec that is installed.
#[derive(Debug, Args)]
pub(super) struct SpeedArgs {
    /// JPEG files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Measured runs a file and codec.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Codecs that ratios are against.
    #[arg(
        long = "anchor",
        value_name = "NAME,..",
        value_delimiter = ',',
        default_value = "jpegtran-arithmetic,cjxl-e9"
    )]
    anchors: Vec<String>,
    /// Kernels of lmcodec, each measured [default: the fastest].
    #[arg(long = "kernel", value_name = "NAME,..", value_delimiter = ',', value_parser = kernel)]
    kernels: Vec<Kernel>,
    /// Another build of lmcodec to measure, with the same models [default: this program].
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// What is measured, in a few words, for the record.
    #[arg(long, default_value = "")]
    title: String,
    /// Peers that run [default: all that are installed].
    #[arg(long = "peer", value_name = "NAME,..", value_delimiter = ',')]
    peers: Vec<String>,
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
            let fastest = [Kernel::detect()];
            let kernels = if self.kernels.is_empty() { &fastest } else { self.kernels.as_slice() };
            codecs.extend(self.own.processes(kernels, self.program.as_deref())?);
        }
        let wanted = |name: &str| self.peers.is_empty() || self.peers.iter().any(|peer| peer == name);
        codecs.extend(installed_peers().into_iter().filter(|peer| wanted(peer.name())));
        #[cfg(feature = "lepton")]
        if wanted("lepton") {
            codecs.push(super::lmcodec_codec::lepton_process()?);
        }
        let files = self
            .files
            .iter()
            .map(|path| Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), read(path)?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let bar = progress_bar((files.len() * self.runs) as u64);
        let measured = measure_speed(&self.title, &codecs, &files, self.runs, &self.anchors, &|| bar.inc(1));
        let report = measured.map_err(|error| {
            let exit = if matches!(error, SpeedError::NoSize { .. }) { Exit::Malformed } else { Exit::Failure };
            Failure::new(exit, error.to_string())
        })?;
        bar.finish_and_clear();
        let text = if self.json { outputs::json(&report)? } else { table(&report).into_bytes() };
        outputs::write(Path::new("-"), &text, false)
    }
}

fn table(report: &SpeedReport) -> String {
    let mut out = String::from("| codec | kernel | bytes | byte exact |");
    let anchors: Vec<&str> =
        report.codecs.first().map_or(Vec::new(), |c| c.encode.ratios.iter().map(|r| r.anchor.as_str()).collect());
    for way in ["enc", "dec"] {
        let _ = write!(out, " {way} CPU-s | {way} MP/s |");
        anchors.iter().for_each(|anchor| {
            let _ = write!(out, " {way} / {anchor} |");
        });
        let _ = write!(out, " {way} peak MB |");
    }
    let _ = write!(out, "\n|{}\n", "---|".repeat(4 + 2 * (3 + anchors.len())));
    for c in &report.codecs {
        let kernel = c.kernel.as_deref().unwrap_or_default();
        let _ = write!(out, "| {} | {kernel} | {} | {}/{} |", c.codec, c.coded_bytes, c.byte_exact, report.files.len());
        for cost in [&c.encode, &c.decode] {
            out.push_str(&cells(cost, &anchors));
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "\n{} files, {:.2} MP; CPU seconds: sum over the files of the median of {} runs; ratios: medians of runs of the same \
         round; no peak: not above that of the measuring process.",
        report.files.len(),
        report.pixels as f64 / 1e6,
        report.runs,
    );
    out
}

fn cells(cost: &Cost, anchors: &[&str]) -> String {
    let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |v| format!("{v:.digits$}"));
    let mut out = format!(" {} | {} |", number(cost.cpu_s, 4), number(cost.mp_per_cpu_s, 3));
    anchors.iter().for_each(|anchor| {
        let _ = write!(out, " {} |", number(cost.ratio(anchor), 2));
    });
    let _ = write!(out, " {} |", number(cost.peak_bytes.map(|b| b as f64 / 1e6), 1));
    out
}
