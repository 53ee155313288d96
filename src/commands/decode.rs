//! `lmcodec decode`: `.ljpg`, `.lvq`, `.lrvq` → the original file, or its pixels in another format.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
#[cfg(feature = "images")]
use lmcodec::pixels;
use lmcodec::{DecodeOptions, Progress, decode, salvage};
use serde_json::json;

use super::batch::{Batch, Report};
use super::exit::{Exit, Failure};
use super::files::{Job, Target, find, targets};
use super::{CODED_EXTENSIONS, Coding, Models, output};

/// Names that ask for pixels, which builds without the feature `images` cannot give.
#[cfg(not(feature = "images"))]
const PIXEL_EXTENSIONS: [&str; 10] = ["png", "webp", "tif", "tiff", "bmp", "pnm", "ppm", "pgm", "pbm", "pam"];

/// Give back the original files (photo.ljpg becomes photo.jpg, codes.lvq codes.npy; the very bytes).
#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Files, folders with --recursive, or - for standard input
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Output file, folder, or - for standard output [default: IN with the extension jpg, npy, npz or safetensors];
    /// a name ending in png, webp, tiff, bmp or ppm gives pixels
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(short, long)]
    force: bool,
    /// Decode the .ljpg, .lvq and .lrvq files in folders and their subfolders
    #[arg(short, long)]
    recursive: bool,
    /// Write what can be recovered of a damaged file, gray or 0 where segments are lost; the exit code still tells
    #[arg(long)]
    salvage: bool,
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    coding: Coding,
}

impl Decode {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let found = find(&self.inputs, self.recursive, &CODED_EXTENSIONS)?;
        let jobs = targets(found, self.output.as_deref(), |path: &Path| match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("ljpg") => path.with_extension("jpg"),
            Some(extension) if extension.eq_ignore_ascii_case("lvq") || extension.eq_ignore_ascii_case("lrvq") => {
                path.with_extension("npy")
            }
            _ => PathBuf::from(format!("{}.jpg", path.display())),
        })?;
        let options = self.coding.decode_options(self.models.registry()?);
        let batch = Batch {
            coding: &self.coding,
            data_on_stdout: jobs.iter().any(|job| job.target == Target::Stdout),
            verb: "decoding",
        };
        batch.run(&jobs, |job| job.source.to_string(), |job, progress| self.one(job, &options, progress))
    }

    fn one(&self, job: &Job, options: &DecodeOptions, progress: Progress) -> Result<Report, Failure> {
        let start = Instant::now();
        output::check(job, self.force)?;
        let bytes = job.source.read(options.limits.max_coded_bytes())?;
        let mut options = options.clone();
        options.execution.progress = Some(progress);
        #[cfg_attr(not(feature = "images"), expect(unused_mut, reason = "pixels replace it"))]
        let (mut original, faults, segments) = if self.salvage {
            let salvaged = salvage(&bytes, &options)?;
            (salvaged.bytes, salvaged.faults, salvaged.segments)
        } else {
            (decode(&bytes, &options)?, Vec::new(), 0)
        };
        let format = match &job.target {
            Target::File(path) => path.extension().and_then(|extension| extension.to_str()),
            Target::Stdout => None,
        };
        #[cfg(feature = "images")]
        if let Some(format) = format.and_then(pixels::PictureFormat::of_extension) {
            original = pixels::render(&original, format)?;
        }
        #[cfg(not(feature = "images"))]
        if let Some(format) = format.filter(|format| PIXEL_EXTENSIONS.contains(&format.to_ascii_lowercase().as_str())) {
            let message = format!(
                "pixels are not written by this build (.{format}); get it with: cargo install lmcodec --features images"
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        let target = &self.named_by_content(job, &original);
        output::write(target, &original, self.force)?;

        let (source, output_bytes) = (&job.source, original.len());
        let seconds = start.elapsed().as_secs_f64();
        let lost: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let text = if self.coding.json {
            let mut line = json!({
                "input": source.to_string(),
                "output": target.to_string(),
                "input_bytes": bytes.len(),
                "output_bytes": output_bytes,
                "seconds": (seconds * 1e4).round() / 1e4,
            });
            if !lost.is_empty() {
                line["salvaged"] = json!(true);
                line["lost"] = json!(lost);
            }
            format!("{line}\n")
        } else {
            format!("{source} -> {target}: {} -> {output_bytes} bytes ({seconds:.2} s)\n", bytes.len())
        };
        let mut notes: Vec<String> = lost.iter().map(|lost| format!("lost, gray or 0 in the output: {lost}")).collect();
        if !lost.is_empty() {
            notes.push(format!(
                "salvaged: {} of {segments} segments are lost; the output is not the original",
                lost.len()
            ));
        }
        Ok(Report { text, notes, exit: (!lost.is_empty()).then_some(Exit::Malformed) })
    }

    /// The target, with the extension that fits where the name was not given: files of codes are of three kinds, and only
    /// the decoded bytes tell which.
    fn named_by_content(&self, job: &Job, original: &[u8]) -> Target {
        match &job.target {
            Target::File(path)
                if self.output.as_ref().is_none_or(|output| output != path)
                    && path.extension().is_some_and(|extension| extension == "npy")
                    && !original.starts_with(b"\x93NUMPY") =>
            {
                Target::File(path.with_extension(if original.starts_with(b"PK") { "npz" } else { "safetensors" }))
            }
            target => target.clone(),
        }
    }
}
