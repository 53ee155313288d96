//! `lmcodec encode`: image files → `.ljpg`, files of codebook indices → `.lvq` and `.lrvq`.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use lmcodec::models::folders;
use lmcodec::sniff::{self, Kind};
use lmcodec::{
    CodesOptions, Effort, EncodeOptions, Encoded, Mode, Model, Progress, StoredReason, Subsampling, encode,
    encode_codes, verify,
};
use serde_json::json;

use super::batch::{Batch, Item, Report};
use super::codes::{self, Codes};
use super::exit::{Exit, Failure};
use super::files::{Found, Inputs, Selection, Source};
use super::names::{self, Destination};
use super::output::Target;
use super::terminal::{put_path, shown};
use super::totals::{Outcome, Tally, saving};
use super::{Coding, existing, output, preserve, remove};

/// What JPEG files are called; in folders only these are encoded.
const JPEG_EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "jpe", "jfif", "jif"];
/// What cameras call raw files. Many begin like a TIFF file that holds a small picture.
const RAW_EXTENSIONS: [&str; 21] = [
    "nef", "nrw", "cr2", "cr3", "crw", "dng", "arw", "srf", "sr2", "orf", "rw2", "raf", "pef", "srw", "raw", "rwl",
    "3fr", "iiq", "x3f", "erf", "kdc",
];

/// Recompress JPEG files byte for byte (photo.jpg becomes photo.ljpg).
///
/// The original stays where it is, unless --rm is given; its name, date and rights are kept in the result and come back with it. A
/// JPEG file that cannot be modelled is stored, one that would not become smaller is left alone. What an earlier run has done is not
/// done again.
///
/// With --lossy also PNG, WebP, TIFF, BMP and PNM images; decoding gives a JPEG file or, with -o x.png, its pixels.
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
    /// Write to standard output, as -o - does
    #[arg(short = 'c', long, conflicts_with = "output")]
    stdout: bool,
    /// Overwrite existing files, and encode anew what is done already
    #[arg(short, long)]
    force: bool,
    /// Delete every input whose result is verified and safely on the disk
    #[arg(long, visible_alias = "replace", conflicts_with_all = ["no_verify", "stdout"])]
    rm: bool,
    /// Keep the inputs (the default)
    #[arg(short, long, overrides_with = "rm")]
    keep: bool,
    #[command(flatten)]
    selection: Selection,
    /// How much work a photo is worth, fast, default or best: the model, and whether it learns from the file; decoding takes as
    /// long as encoding
    #[arg(short, long, value_name = "LEVEL", default_value_t)]
    effort: Effort,
    /// Do not decode the result and compare before reporting success
    #[arg(long)]
    no_verify: bool,
    /// Keep neither name, date, rights nor extended attributes of the inputs
    #[arg(long)]
    no_preserve: bool,
    /// Also write results that are no smaller than their inputs
    #[arg(long)]
    store: bool,
    /// Accept images that are no JPEG files; their pixels do not come back exactly
    #[arg(long)]
    lossy: bool,
    /// Quality of images that are not JPEG files yet; means --lossy [default: 90]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
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

/// A file to encode, under one or several names.
struct Job {
    found: Found,
    target: Target,
    /// Where the result goes if `target` is of another file; `None` if its place was chosen.
    long: Option<PathBuf>,
    /// Further names of the result, short and long.
    links: Vec<(PathBuf, PathBuf)>,
}

impl Item for Job {
    fn source(&self) -> &Source {
        &self.found.source
    }

    fn bytes(&self) -> u64 {
        self.found.bytes
    }
}

impl Encode {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let codes = self.codes.options()?;
        let extensions = if codes.is_some() { codes::EXTENSIONS.as_slice() } else { &JPEG_EXTENSIONS };
        let inputs = self.selection.find(&self.inputs, extensions)?;
        let jobs = self.jobs(&inputs)?;
        let mut options = EncodeOptions::new()
            .effort(self.effort)
            .lossy(self.lossy || self.quality.is_some())
            .quality(self.quality.unwrap_or(90))
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
        let mut batch = Batch::new(&self.coding, ("encoding", "encoded"), &inputs);
        batch.data_on_stdout = jobs.iter().any(|job| job.target == Target::Stdout);
        let work = |job: &Job, progress| self.one(job, codes.as_ref(), &options, progress);
        Ok(batch.run(&jobs, &inputs, |job| existing::pixels(job.source()), work))
    }

    /// The place of every result, under all its names. Where several would get one short name, all but one get the long one.
    fn jobs(&self, inputs: &Inputs) -> Result<Vec<Job>, Failure> {
        let extension = self.codes.extension();
        let destination = Destination::of(self.output.as_deref(), self.stdout, &inputs.found, inputs.folder)?;
        let short = |found: &Found| destination.place(found, |path| names::coded(path, extension));
        let long = |found: &Found| destination.place(found, |path| names::long_coded(path, extension));
        let has_names = matches!(destination, Destination::Beside | Destination::Folder(_));
        // Every name, after its first one.
        let all: Vec<(&Found, &Found)> = inputs
            .found
            .iter()
            .flat_map(|first| std::iter::once(first).chain(&first.links).map(move |f| (f, first)))
            .collect();
        let mut targets: Vec<Target> = all.iter().map(|(found, _)| short(found)).collect();
        if has_names {
            let owns = |index: usize, path: &Path| {
                let (found, first) = all[index];
                let is_link = !std::ptr::eq(found, first) && existing::is_same(path, short(first).path());
                is_link || existing::owner(path).as_deref() == found.source.path().file_name()
            };
            for index in names::without_short_name(&targets, owns) {
                targets[index] = long(all[index].0);
            }
        }
        let mut places = targets.into_iter();
        let jobs = inputs.found.iter().map(|found| {
            let mut next = || places.next().unwrap_or(Target::Stdout);
            let target = next();
            let pair = |link: &Found| (next().path().to_path_buf(), long(link).path().to_path_buf());
            let links = found.links.iter().map(pair).collect();
            let long = has_names.then(|| long(found).path().to_path_buf());
            Job { found: found.clone(), target, long, links }
        });
        Ok(jobs.collect())
    }

    fn one(
        &self,
        job: &Job,
        codes: Option<&CodesOptions>,
        options: &EncodeOptions,
        progress: Progress,
    ) -> Result<Report, Failure> {
        let start = Instant::now();
        let source = &job.found.source;
        let target = match self.place(job, options) {
            (target, true) => return self.done(job, &target, options),
            (target, false) => target,
        };
        output::check(source, &target, self.force)?;
        if self.rm {
            output::check_kept(&target)?;
        }
        let (bytes, metadata) = source.read(options.limits.max_original_bytes)?;
        let mut options = options.clone();
        options.execution.progress = Some(progress);
        let extension = source.extension().unwrap_or_default();
        // Whatever a file named as a JPEG file holds, it is to come back byte for byte.
        options.exact = JPEG_EXTENSIONS.contains(&extension.as_str());
        if RAW_EXTENSIONS.contains(&extension.as_str()) && sniff::kind(&bytes) != Kind::Jpeg {
            let message = format!("a camera's raw file (.{extension}) is never converted: left as it is");
            return Err(Failure::new(Exit::Malformed, message));
        }
        if let (false, Source::File(path), Some(metadata)) = (self.no_preserve, source, &metadata) {
            options.attributes = preserve::attributes(path, metadata);
            if options.lossy && !options.exact && matches!(sniff::kind(&bytes), Kind::Image(_)) {
                // What comes back is a JPEG file.
                let name = path.with_extension("jpg");
                options.attributes.name = name.file_name().map(|name| name.as_encoded_bytes().to_vec());
            }
        }
        let encoded = match codes {
            Some(codes) => encode_codes(&bytes, codes, &options)?,
            None => encode(&bytes, &options).map_err(|error| codes::hint(error, &bytes))?,
        };
        let may_stay = matches!((source, &target), (Source::File(_), Target::File(_)));
        if encoded.bytes.len() >= bytes.len() && may_stay && !self.store && !self.always_model {
            return Ok(self.report(job, None, bytes.len(), &encoded, start));
        }
        let mut notes = self.write(source, &target, metadata.as_ref(), &encoded.bytes, &options)?;
        let mut report = self.report(job, Some(&target), bytes.len(), &encoded, start);
        report.notes.append(&mut notes);
        if let Target::File(target) = &target {
            self.link(job, target, &mut report)?;
            if self.rm && encoded.summary.converted_from.is_some() {
                report.notes.push("the input is not deleted: its pixels do not come back exactly".into());
            } else if self.rm {
                // What is on the disk is what was verified.
                let written = fs::read(target).map_err(|error| unread(target, &error))?;
                if written != encoded.bytes {
                    let message = format!("{} is not what was written; the input stays", shown(target));
                    return Err(Failure::new(Exit::Mismatch, message));
                }
                self.remove(job, metadata.as_ref(), &mut report)?;
            }
        }
        Ok(report)
    }

    /// Where the result goes, and whether an earlier run has put it there.
    fn place(&self, job: &Job, options: &EncodeOptions) -> (Target, bool) {
        let (Source::File(source), Target::File(short), Some(long)) = (&job.found.source, &job.target, &job.long)
        else {
            return (job.target.clone(), false);
        };
        let Ok(metadata) = fs::metadata(source) else { return (job.target.clone(), false) };
        let mut target = short;
        let mut header = existing::header(short);
        let owner = header.as_ref().and_then(|header| names::os_name(&header.attributes));
        let is_owner = |name: &Path| owner.as_deref().is_none_or(|owner| name.file_name() == Some(owner));
        let as_jpeg = options.lossy && is_owner(&source.with_extension("jpg"));
        if !is_owner(source) && !as_jpeg {
            target = long;
            header = existing::header(long);
        }
        let done = !self.force && header.is_some_and(|header| existing::is_of(&header, source, &metadata));
        (Target::File(target.clone()), done)
    }

    /// An earlier run has encoded this file. What it may have been kept from doing is done now.
    fn done(&self, job: &Job, target: &Target, options: &EncodeOptions) -> Result<Report, Failure> {
        let source = &job.found.source;
        let tally = Tally { outcome: Outcome::Done, input_bytes: job.found.bytes, output_bytes: 0 };
        let mut report = Report { tally: Some(tally), ..Report::default() };
        output::sweep_beside(target.path());
        self.link(job, target.path(), &mut report)?;
        if self.rm {
            let (bytes, metadata) = source.read(options.limits.max_original_bytes)?;
            let coded = Source::File(target.path().into()).read(options.limits.max_coded_bytes())?.0;
            verify(&coded, Some(&bytes), &options.decode_options())?;
            self.remove(job, metadata.as_ref(), &mut report)?;
        }
        report.text = if self.coding.json {
            let mut line = json!({ "mode": "done before" });
            put_path(&mut line, "input", source.path());
            put_path(&mut line, "output", target.path());
            format!("{line}\n")
        } else {
            format!("{source}: done before, {target} holds it\n")
        };
        Ok(report)
    }

    /// Writes the result, with the dates and rights of its source.
    fn write(
        &self,
        source: &Source,
        target: &Target,
        metadata: Option<&Metadata>,
        bytes: &[u8],
        options: &EncodeOptions,
    ) -> Result<Vec<String>, Failure> {
        match (source, metadata) {
            (Source::File(path), Some(metadata)) if !self.no_preserve => {
                let finish = |file: &fs::File| preserve::give(file, &options.attributes, (path, metadata));
                output::write(target, bytes, self.force, Some(&finish))
            }
            _ => output::write(target, bytes, self.force, None),
        }
    }

    /// Gives the result the further names that its source has.
    fn link(&self, job: &Job, target: &Path, report: &mut Report) -> Result<(), Failure> {
        for (short, long) in &job.links {
            let is_free = |path: &Path| path.symlink_metadata().is_err();
            if !existing::is_same(short, target) && !existing::is_same(long, target) {
                output::link(target, if is_free(short) { short } else { long })?;
            }
            report.links += 1;
        }
        Ok(())
    }

    /// Deletes the source, under all its names.
    fn remove(&self, job: &Job, metadata: Option<&Metadata>, report: &mut Report) -> Result<(), Failure> {
        let Some(metadata) = metadata else { return Ok(()) };
        for source in job.found.links.iter().chain([&job.found]) {
            remove::source(source.source.path(), metadata)?;
        }
        report.removed = true;
        Ok(())
    }

    /// `target`: none where the result is not written because it would be no smaller.
    fn report(
        &self,
        job: &Job,
        target: Option<&Target>,
        input_bytes: usize,
        encoded: &Encoded,
        start: Instant,
    ) -> Report {
        let source = &job.found.source;
        let output_bytes = encoded.bytes.len();
        let saved = (saving(input_bytes as u64, output_bytes as u64) * 100.0).round() / 100.0;
        let seconds = start.elapsed().as_secs_f64();
        let summary = &encoded.summary;
        let mut notes = summary.notes.clone();
        // Nothing is lost, but somebody should know.
        let fault = matches!(&summary.mode, Mode::Stored { reason: StoredReason::VerificationFailed(_) });
        if let Some(format) = summary.converted_from {
            notes.insert(0, format!("{format} converted lossily to JPEG at quality {}", self.quality.unwrap_or(90)));
        }
        let (outcome, mode) = match (&summary.mode, target) {
            (_, None) => (Outcome::Kept, "kept"),
            (Mode::Stored { .. }, _) => (Outcome::Stored, "stored"),
            _ => (Outcome::Coded, "modelled"),
        };
        let text = if self.coding.json {
            let mut line = json!({
                "input_bytes": input_bytes,
                "mode": mode,
                "model": summary.model,
                "seconds": (seconds * 1e4).round() / 1e4,
            });
            put_path(&mut line, "input", source.path());
            if let Some(target) = target {
                put_path(&mut line, "output", target.path());
                line["output_bytes"] = json!(output_bytes);
                line["saving_percent"] = json!(saved);
            } else {
                line["coded_bytes"] = json!(output_bytes);
            }
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
        } else if let Some(target) = target {
            if let Mode::Stored { reason } = &summary.mode {
                notes.push(format!("stored, not modelled: {reason}"));
            }
            let worth = codes::worth(summary);
            format!(
                "{source} -> {target}: {input_bytes} -> {output_bytes} bytes, {saved:.2} % saved{worth} ({seconds:.2} s)\n"
            )
        } else {
            format!(
                "{source}: kept as it is; coded it would take {output_bytes} bytes, not {input_bytes} (--store writes it)\n"
            )
        };
        let (input_bytes, output_bytes) = (input_bytes as u64, output_bytes as u64);
        let tally = Some(Tally { outcome, input_bytes, output_bytes });
        Report { text, notes, exit: fault.then_some(Exit::Mismatch), tally, ..Report::default() }
    }
}

fn unread(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Io, format!("{}: {error}", shown(path)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        encode: Encode,
    }

    #[test]
    fn a_failed_verification_is_said_in_every_way() {
        let found = Found { source: Source::Stdin, relative: PathBuf::new(), bytes: 3, links: Vec::new() };
        let job = Job { found, target: Target::Stdout, long: None, links: Vec::new() };
        let mut encoded = lmcodec::store(b"abc", "asked for", &EncodeOptions::new()).expect("stores");
        let report = |arguments: &[&str], encoded: &Encoded| {
            let line = Line::parse_from([&["encode", "-"], arguments].concat());
            line.encode.report(&job, Some(&job.target), 3, encoded, Instant::now())
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
