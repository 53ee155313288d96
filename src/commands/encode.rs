//! `lmcodec encode`: image files → `.ljpg`, files of codebook indices → `.lvq` and `.lrvq`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use lmcodec::models::folders;
use lmcodec::{
    CodesOptions, Effort, EncodeOptions, Encoded, Mode, Model, Progress, StoredReason, Subsampling, encode,
    encode_codes,
};
use serde_json::json;

use super::batch::{Batch, Report};
use super::codes::{self, Codes};
use super::exit::{Exit, Failure};
use super::files::{Job, Target, find, targets};
use super::{Coding, output};

/// What JPEG files are called; in folders only these are encoded.
const JPEG_EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "jpe", "jfif", "jif"];

/// Recompress JPEG files byte for byte (photo.jpg becomes photo.ljpg).
///
/// PNG, WebP, TIFF, BMP and PNM images are encoded lossily at --quality; decoding gives a JPEG file or, with -o x.png, its
/// pixels. A JPEG file that cannot be modelled is stored: every file comes back.
///
/// With --vq or --rvq inputs are .npy, .npz or .safetensors files of codebook indices (codes.npy becomes codes.lvq or codes.lrvq).
#[derive(Debug, Args)]
pub(crate) struct Encode {
    /// Files, folders with --recursive, or - for standard input
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Output file, folder, or - for standard output [default: IN with the extension ljpg, lvq or lrvq]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(short, long)]
    force: bool,
    /// Encode the JPEG files in folders and their subfolders (with --vq or --rvq: the .npy, .npz and .safetensors files)
    #[arg(short, long)]
    recursive: bool,
    /// How much work a photo is worth, fast, default or best: the model, and whether it learns from the file; decoding takes as
    /// long as encoding
    #[arg(short, long, value_name = "LEVEL", default_value_t)]
    effort: Effort,
    /// Do not decode the result and compare before reporting success
    #[arg(long)]
    no_verify: bool,
    /// Quality of images that are not JPEG files yet
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// Chroma subsampling of images that are not JPEG files yet
    #[arg(long, value_name = "S", default_value = "420", value_parser = ["444", "422", "420"])]
    subsampling: String,
    /// Model to encode with, instead of the embedded one of the effort: a frame Llama, frame heads (--vq, --rvq), or a head
    /// set, whose backbone lies beside it or in a model folder; a file, or the name or hash of a model in a model folder
    #[arg(long, value_name = "FILE|NAME")]
    model: Option<PathBuf>,
    /// Keep the modelled form even where storing takes fewer bytes
    #[arg(long, hide = true)]
    always_model: bool,
    /// Rows of luma blocks in a segment, about [default: 64]
    #[arg(long, hide = true, value_name = "N")]
    segment_rows: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    codes: Codes,
    #[command(flatten)]
    coding: Coding,
}

impl Encode {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let codes = self.codes.options()?;
        let extensions = if codes.is_some() { codes::EXTENSIONS.as_slice() } else { &JPEG_EXTENSIONS };
        let found = find(&self.inputs, self.recursive, extensions)?;
        let extension = self.codes.extension();
        let jobs = targets(found, self.output.as_deref(), |path: &Path| path.with_extension(extension))?;
        let mut options = EncodeOptions::new()
            .effort(self.effort)
            .quality(self.quality)
            .subsampling(match self.subsampling.as_str() {
                "444" => Subsampling::S444,
                "422" => Subsampling::S422,
                _ => Subsampling::S420,
            })
            .verify(!self.no_verify)
            .always_model(self.always_model)
            .limits(self.coding.limits())
            .execution(self.coding.execution());
        options.segment_rows = self.segment_rows;
        if let Some(path) = &self.model {
            options.model = Some(Arc::new(Model::named(path, &folders::standard())?));
        }
        let batch = Batch {
            coding: &self.coding,
            data_on_stdout: jobs.iter().any(|job| job.target == Target::Stdout),
            verb: "encoding",
        };
        batch.run(
            &jobs,
            |job| job.source.to_string(),
            |job, progress| self.one(job, codes.as_ref(), &options, progress),
        )
    }

    fn one(
        &self,
        job: &Job,
        codes: Option<&CodesOptions>,
        options: &EncodeOptions,
        progress: Progress,
    ) -> Result<Report, Failure> {
        let start = Instant::now();
        output::check(job, self.force)?;
        let bytes = job.source.read(options.limits.max_original_bytes)?;
        let mut options = options.clone();
        options.execution.progress = Some(progress);
        // Whatever a file named as a JPEG file holds, it is to come back byte for byte.
        options.exact = job.source.extension().is_some_and(|extension| JPEG_EXTENSIONS.contains(&extension.as_str()));
        let encoded = match codes {
            Some(codes) => encode_codes(&bytes, codes, &options)?,
            None => encode(&bytes, &options).map_err(|error| codes::hint(error, &bytes))?,
        };
        output::write(&job.target, &encoded.bytes, self.force)?;
        Ok(self.report(job, bytes.len(), &encoded, start))
    }

    fn report(&self, job: &Job, input_bytes: usize, encoded: &Encoded, start: Instant) -> Report {
        let (source, target) = (&job.source, &job.target);
        let output_bytes = encoded.bytes.len();
        let saving = if input_bytes == 0 { 0.0 } else { 100.0 * (1.0 - output_bytes as f64 / input_bytes as f64) };
        let saving = (saving * 100.0).round() / 100.0;
        let seconds = start.elapsed().as_secs_f64();
        let summary = &encoded.summary;
        let mut notes = summary.notes.clone();
        // Nothing is lost, but somebody should know.
        let fault = matches!(&summary.mode, Mode::Stored { reason: StoredReason::VerificationFailed(_) });
        if let Some(format) = summary.converted_from {
            notes.insert(0, format!("{format} converted lossily to JPEG at quality {}", self.quality));
        }
        let text = if self.coding.json {
            let mut line = json!({
                "input": source.to_string(),
                "output": target.to_string(),
                "input_bytes": input_bytes,
                "output_bytes": output_bytes,
                "saving_percent": saving,
                "mode": if matches!(summary.mode, Mode::Stored { .. }) { "stored" } else { "modelled" },
                "model": summary.model,
                "seconds": (seconds * 1e4).round() / 1e4,
            });
            if let Some(symbols) = summary.symbols {
                line["symbols"] = json!(symbols);
                line["symbols_per_second"] = json!((symbols as f64 / seconds.max(1e-9)).round());
            }
            codes::put_worth(summary, &mut line);
            if let Mode::Stored { reason } = &summary.mode {
                line["reason"] = json!(reason.to_string());
            }
            if fault {
                line["verification_failed"] = json!(true);
            }
            if summary.converted_from.is_some() {
                line["jpeg_bytes"] = json!(summary.original_bytes);
            }
            if !notes.is_empty() {
                line["notes"] = json!(std::mem::take(&mut notes));
            }
            format!("{line}\n")
        } else {
            if let Mode::Stored { reason } = &summary.mode {
                notes.push(format!("stored, not modelled: {reason}"));
            }
            format!(
                "{source} -> {target}: {input_bytes} -> {output_bytes} bytes, {saving:.2} % saved{} ({seconds:.2} s)\n",
                codes::worth(summary)
            )
        };
        Report { text, notes, exit: fault.then_some(Exit::Mismatch) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::files::Source;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        encode: Encode,
    }

    #[test]
    fn a_failed_verification_is_said_in_every_way() {
        let job = Job { source: Source::Stdin, target: Target::Stdout };
        let mut encoded = lmcodec::store(b"abc", "asked for", &EncodeOptions::new()).expect("stores");
        let report = |arguments: &[&str], encoded: &Encoded| {
            let line = Line::parse_from([&["encode", "-"], arguments].concat());
            line.encode.report(&job, 3, encoded, Instant::now())
        };
        assert_eq!(report(&[], &encoded).exit, None);
        encoded.summary.mode = Mode::Stored { reason: StoredReason::VerificationFailed("bytes differ".into()) };
        let (plain, json) = (report(&[], &encoded), report(&["--json"], &encoded));
        assert_eq!((plain.exit, json.exit), (Some(Exit::Mismatch), Some(Exit::Mismatch)));
        let said = "stored, not modelled: verification of the modelled form failed: bytes differ";
        assert_eq!(plain.notes, [said]);
        assert!(
            json.text.contains("\"verification_failed\":true") && json.text.contains("bytes differ"),
            "{}",
            json.text
        );
    }
}
