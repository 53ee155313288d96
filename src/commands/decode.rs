//! `lmcodec decode`: `.ljpg`, `.lvq`, `.lrvq` → the original file, or its pixels in another format.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Args;
#[cfg(feature = "images")]
use lmcodec::pixels;
use lmcodec::{DecodeOptions, FileAttributes, Progress, decode, salvage};
use serde_json::json;

use super::batch::{Batch, Item, Report};
use super::exit::{Exit, Failure};
use super::files::{Found, Selection, Source};
use super::names::{self, CODED_EXTENSIONS, Destination};
use super::output::Target;
use super::terminal::put_path;
use super::totals::{Outcome, Tally};
use super::{Coding, Models, existing, output, preserve, remove};

/// Names that ask for pixels, which builds without the feature `images` cannot give.
#[cfg(not(feature = "images"))]
const PIXEL_EXTENSIONS: [&str; 10] = ["png", "webp", "tif", "tiff", "bmp", "pnm", "ppm", "pgm", "pbm", "pam"];

/// Give back the original files, byte for byte, with their names, dates and rights.
///
/// IMG.ljpg becomes IMG.JPG again if that was the original's name, holiday.ljpg (renamed since) holiday.JPG.
#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Files, folders with --recursive, or - for standard input
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Output file, folder, or - for standard output [default: beside IN, with the original's extension];
    /// a name ending in png, webp, tiff, bmp or ppm gives pixels
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Write to standard output, as -o - does
    #[arg(short = 'c', long, conflicts_with = "output")]
    stdout: bool,
    /// Overwrite existing files
    #[arg(short, long)]
    force: bool,
    /// Delete every input whose original is safely on the disk
    #[arg(long, visible_alias = "replace", conflicts_with_all = ["stdout", "salvage"])]
    rm: bool,
    /// Keep the inputs (the default)
    #[arg(short, long, overrides_with = "rm")]
    keep: bool,
    #[command(flatten)]
    selection: Selection,
    /// Give the original's own name, also to files that were renamed since
    #[arg(long)]
    original_name: bool,
    /// Give back neither dates, rights nor extended attributes
    #[arg(long)]
    no_preserve: bool,
    /// Write what can be recovered of a damaged file, gray or 0 where segments are lost; the exit code still tells
    #[arg(long)]
    salvage: bool,
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    coding: Coding,
}

impl Item for Found {
    fn source(&self) -> &Source {
        &self.source
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What the files of a run share.
struct Run<'a> {
    destination: Destination<'a>,
    options: DecodeOptions,
    /// Outputs that were begun: two inputs never become one file.
    taken: Mutex<HashSet<PathBuf>>,
}

impl Decode {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let inputs = self.selection.find(&self.inputs, &CODED_EXTENSIONS)?;
        let destination = Destination::of(self.output.as_deref(), self.stdout, &inputs.found, inputs.folder)?;
        let options = self.coding.decode_options(self.models.registry()?);
        let mut batch = Batch::new(&self.coding, ("decoding", "decoded"), &inputs);
        batch.data_on_stdout = matches!(destination, Destination::Stdout);
        let run = Run { destination, options, taken: Mutex::default() };
        let work = |found: &Found, progress| self.one(found, &run, progress);
        Ok(batch.run(&inputs.found, &inputs, |found| existing::pixels(&found.source), work))
    }

    fn one(&self, found: &Found, run: &Run<'_>, progress: Progress) -> Result<Report, Failure> {
        let start = Instant::now();
        let source = &found.source;
        if let Some(report) = self.done(found, run)? {
            return Ok(report);
        }
        let (bytes, metadata) = source.read(run.options.limits.max_coded_bytes())?;
        let mut options = run.options.clone();
        options.execution.progress = Some(progress);
        #[cfg_attr(not(feature = "images"), expect(unused_mut, reason = "pixels replace it"))]
        let (mut original, faults, segments) = if self.salvage {
            let salvaged = salvage(&bytes, &options)?;
            (salvaged.bytes, salvaged.faults, salvaged.segments)
        } else {
            // Refused before any work is done.
            if let Ok(attributes) = lmcodec::attributes(&bytes)
                && let Some(target) = self.target(found, run, &attributes, None)
            {
                output::check(source, &target, self.force)?;
            }
            (decode(&bytes, &options)?, Vec::new(), 0)
        };
        let attributes = lmcodec::attributes(&bytes)?;
        let target = self.target(found, run, &attributes, Some(&original));
        let target = target.ok_or_else(|| Failure::new(Exit::Usage, "no name for the output; -o gives it one"))?;
        output::check(source, &target, self.force)?;
        if let Target::File(path) = &target
            && !run.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone())
        {
            return Err(Failure::new(
                Exit::Io,
                format!("another input of this run has become {target}; -o names it otherwise"),
            ));
        }
        if self.rm {
            output::check_kept(&target)?;
        }
        let format = match &target {
            Target::File(path) => path.extension().and_then(|extension| extension.to_str()),
            Target::Stdout => None,
        };
        #[cfg(feature = "images")]
        if let Some(format) = format.and_then(pixels::PictureFormat::of_extension) {
            if self.rm {
                return Err(Failure::new(Exit::Usage, "pixels are not the original; --rm would lose it"));
            }
            original = pixels::render(&original, format)?;
        }
        #[cfg(not(feature = "images"))]
        if let Some(format) = format.filter(|format| PIXEL_EXTENSIONS.contains(&format.to_ascii_lowercase().as_str())) {
            let message = format!(
                "pixels are not written by this build (.{format}); get it with: cargo install lmcodec --features images"
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        let mut notes = match (source, &metadata) {
            (Source::File(path), Some(metadata)) if !self.no_preserve => {
                let finish = |file: &fs::File| preserve::give(file, &attributes, (path, metadata));
                output::write(&target, &original, self.force, Some(&finish))?
            }
            _ => output::write(&target, &original, self.force, None)?,
        };

        let output_bytes = original.len();
        let seconds = start.elapsed().as_secs_f64();
        let lost: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let text = if self.coding.json {
            let mut line = json!({
                "input_bytes": bytes.len(),
                "output_bytes": output_bytes,
                "seconds": (seconds * 1e4).round() / 1e4,
            });
            put_path(&mut line, "input", source.path());
            put_path(&mut line, "output", target.path());
            if !lost.is_empty() {
                line["salvaged"] = json!(true);
                line["lost"] = json!(lost);
            }
            format!("{line}\n")
        } else {
            format!("{source} -> {target}: {} -> {output_bytes} bytes ({seconds:.2} s)\n", bytes.len())
        };
        notes.extend(lost.iter().map(|lost| format!("lost, gray or 0 in the output: {lost}")));
        if !lost.is_empty() {
            notes.push(format!(
                "salvaged: {} of {segments} segments are lost; the output is not the original",
                lost.len()
            ));
        }
        let tally =
            Tally { outcome: Outcome::Coded, input_bytes: bytes.len() as u64, output_bytes: output_bytes as u64 };
        let exit = (!lost.is_empty()).then_some(Exit::Malformed);
        let mut report = Report { text, notes, exit, tally: Some(tally), ..Report::default() };
        if let Target::File(path) = &target {
            self.finish(found, run, &attributes, path, metadata.as_ref(), &mut report)?;
        }
        Ok(report)
    }

    /// Where the original goes. Without a name in the file its content has to say what it is; `None` before that is known.
    fn target(
        &self,
        found: &Found,
        run: &Run<'_>,
        attributes: &FileAttributes,
        content: Option<&[u8]>,
    ) -> Option<Target> {
        if let Destination::File(_) | Destination::Stdout = run.destination {
            return Some(run.destination.place(found, Path::to_path_buf));
        }
        let rename = |path: &Path| names::original(path, attributes, self.original_name);
        let known =
            rename(&found.relative).is_some() || found.source.extension().is_none_or(|extension| extension == "ljpg");
        let extension = match content {
            Some([0x93, b'N', b'U', b'M', b'P', b'Y', ..]) => "npy",
            Some([b'P', b'K', ..]) => "npz",
            Some(_) if found.source.extension().is_some_and(|e| e == "lvq" || e == "lrvq") => "safetensors",
            None if !known => return None,
            _ => "jpg",
        };
        Some(run.destination.place(found, |path| rename(path).unwrap_or_else(|| names::usual(path, extension))))
    }

    /// An earlier run has decoded this file, as far as its header and the file system tell.
    fn done(&self, found: &Found, run: &Run<'_>) -> Result<Option<Report>, Failure> {
        let Source::File(path) = &found.source else { return Ok(None) };
        if self.force || self.salvage {
            return Ok(None);
        }
        let Some(header) = existing::header(path) else { return Ok(None) };
        let Some(Target::File(target)) = self.target(found, run, &header.attributes, None) else { return Ok(None) };
        let Ok(now) = fs::metadata(&target) else { return Ok(None) };
        if existing::is_same(path, &target) || !now.is_file() || !existing::is_of(&header, &target, &now) {
            return Ok(None);
        }
        output::sweep_beside(&target);
        let tally = Tally { outcome: Outcome::Done, input_bytes: found.bytes, output_bytes: 0 };
        let mut report = Report { tally: Some(tally), ..Report::default() };
        let (source, shown) = (&found.source, Target::File(target.clone()));
        report.text = if self.coding.json {
            let mut line = json!({ "mode": "done before" });
            put_path(&mut line, "input", source.path());
            put_path(&mut line, "output", &target);
            format!("{line}\n")
        } else {
            format!("{source}: done before, {shown} holds it\n")
        };
        if self.rm
            && lmcodec::container::Checksum::of(&Source::File(target.clone()).read(u64::MAX)?.0)
                != header.original_checksum
        {
            return Ok(None);
        }
        let metadata = fs::metadata(path).ok();
        self.finish(found, run, &header.attributes, &target, metadata.as_ref(), &mut report)?;
        Ok(Some(report))
    }

    /// Gives the original the further names that the coded file has, and deletes the coded file where that is asked for.
    fn finish(
        &self,
        found: &Found,
        run: &Run<'_>,
        attributes: &FileAttributes,
        target: &Path,
        metadata: Option<&fs::Metadata>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        for link in &found.links {
            let Some(Target::File(path)) = self.target(link, run, attributes, None) else { continue };
            if !existing::is_same(&path, target) {
                output::link(target, &path)?;
            }
            report.links += 1;
            if let (true, Some(metadata)) = (self.rm, metadata) {
                remove::source(link.source.path(), metadata)?;
            }
        }
        if let (true, Source::File(source), Some(metadata)) = (self.rm, &found.source, metadata) {
            remove::source(source, metadata)?;
            report.removed = true;
        }
        Ok(())
    }
}
