//! `lmcodec datasets list|prepare|verify`: what is in a folder of media, latents in shards, and whether both are still the same
//! (`docs/DATASETS.md`).

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lmcodec_datasets::DatasetError;
use lmcodec_datasets::assignment::{Exclusions, NEAR_BITS};
use lmcodec_datasets::manifest::Manifest;
use lmcodec_datasets::plan::{PAPER_CROP_SIZE, PAPER_CROPS, Pieces, Recipe, RowContent, SampleFormat, Sampling};
use lmcodec_datasets::prepare::prepare;
use lmcodec_datasets::shape::{ItemKind, Shape};
use lmcodec_datasets::splits::{Split, SplitRatios};
use lmcodec_datasets::survey::{Survey, SurveyOptions, Totals, survey, totals, totals_by_split};
use lmcodec_datasets::verify::{Verified, verify_manifest, verify_prepared};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::stdout_failure;

/// List, check and prepare folders of images, speech or codes as training data.
#[derive(Debug, Args)]
pub(crate) struct Datasets {
    #[command(subcommand)]
    command: DatasetsCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetsCommand {
    List(List),
    Prepare(Prepare),
    Verify(Verify),
}

/// Which files, and how they are split.
#[derive(Debug, Args)]
struct Source {
    /// The data set's folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// imagenet, kodak, clic, div2k, images, librispeech (LibriTTS too), ljspeech, codes [default: what it looks like]
    #[arg(long, value_name = "SHAPE")]
    shape: Option<Shape>,
    /// Take only this published part (train, valid, test-other, …); may be repeated
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<String>,
    /// Weights of train/validation/test
    #[arg(long, value_name = "T/V/T", default_value_t)]
    ratios: SplitRatios,
    /// Bits of 128 in which the difference hashes of near-duplicate images differ at most, 0..=32
    #[arg(long, value_name = "N", default_value_t = NEAR_BITS)]
    near_bits: u32,
    /// Exclude whatever is, or is near, a file of this manifest, and its speakers; may be repeated
    #[arg(long = "exclude", value_name = "MANIFEST")]
    exclude: Vec<PathBuf>,
    /// Where the files come from, for the manifest
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    source: String,
    /// Their licence, for the manifest
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    licence: String,
    /// Fail with exit code 4 if any file is skipped or odd
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Output {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Threads [default: one a core]; they change no bit of any result
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Show what is in a folder: items, sizes, speakers, durations, splits, anomalies.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    source: Source,
    /// Write the manifest (hashes, sizes, splits of all files) to this file
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Overwrite the manifest if it exists
    #[arg(long)]
    force: bool,
    /// Show every item
    #[arg(long)]
    items: bool,
}

/// Make latents of a folder's files and write them into shards; run again after a kill, it goes on.
#[derive(Debug, Args)]
struct Prepare {
    #[command(flatten)]
    source: Source,
    /// Folder for the shards: a new one, or that of a run that was interrupted
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Splits to prepare, separated by commas, or all
    #[arg(long, value_name = "SPLITS", default_value = "train", value_parser = splits)]
    split: Splits,
    /// Seed of crops and orders
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Rows of a shard at most [default: 512 crops, 256 utterances, 1024 arrays]
    #[arg(long, value_name = "N")]
    rows_per_shard: Option<usize>,
    /// Images: number of random crops
    #[arg(long, value_name = "N", default_value_t = PAPER_CROPS)]
    crops: usize,
    /// Images: side of a crop in pixels
    #[arg(long, value_name = "N", default_value_t = PAPER_CROP_SIZE)]
    crop_size: u32,
    /// Images: range of the scale before cropping; 1 keeps the pixels
    #[arg(long, value_name = "FROM[,TO]", default_value = "0.5,0.85", value_parser = scale)]
    scale: (f64, f64),
    /// Images: take every image whole
    #[arg(long, conflicts_with_all = ["crops", "crop_size", "scale"])]
    whole: bool,
    /// Images: libjpeg qualities
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [20, 50, 80])]
    quality: Vec<u8>,
    /// Images: components and chroma subsampling
    #[arg(long, value_name = "luma|444|422|420", default_value = "luma")]
    sampling: SamplingName,
    /// Speech: sample rate in Hz
    #[arg(long, value_name = "HZ", default_value_t = 16_000)]
    sample_rate: u32,
    /// Speech: type of the samples
    #[arg(long, value_name = "i16|f32", default_value = "i16")]
    sample_format: SampleFormatName,
}

/// Compare files with a manifest, or a prepared folder with its index.
#[derive(Debug, Args)]
struct Verify {
    /// A manifest, or a prepared folder
    #[arg(value_name = "MANIFEST|PREPARED")]
    subject: PathBuf,
    /// The data set's folder: needed with a manifest; with a prepared folder, rows are made again from it
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Rows of a prepared folder to make again
    #[arg(long, value_name = "N", default_value_t = 100)]
    remake: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SamplingName {
    Luma,
    #[value(name = "444")]
    S444,
    #[value(name = "422")]
    S422,
    #[value(name = "420")]
    S420,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SampleFormatName {
    I16,
    F32,
}

#[derive(Debug, Clone)]
struct Splits(Vec<Split>);

fn splits(text: &str) -> Result<Splits, String> {
    let usable = [Split::Train, Split::Validation, Split::Test];
    if text == "all" {
        return Ok(Splits(usable.to_vec()));
    }
    let mut list = Vec::new();
    for name in text.split(',') {
        let split = usable.into_iter().find(|s| s.to_string() == name);
        let split = split.ok_or_else(|| format!("{name:?}: expected train, validation, test or all"))?;
        if !list.contains(&split) {
            list.push(split);
        }
    }
    Ok(Splits(list))
}

fn scale(text: &str) -> Result<(f64, f64), String> {
    let number = |t: &str| t.trim().parse::<f64>().map_err(|e| format!("{t:?}: {e}"));
    match text.split_once(',') {
        Some((from, to)) => Ok((number(from)?, number(to)?)),
        None => number(text).map(|s| (s, s)),
    }
}

impl Datasets {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match &self.command {
            DatasetsCommand::List(list) => list.run(),
            DatasetsCommand::Prepare(prepare) => prepare.run(),
            DatasetsCommand::Verify(verify) => verify.run(),
        }
    }
}

impl List {
    fn run(&self) -> Result<Exit, Failure> {
        if let Some(path) = self.manifest.as_ref().filter(|p| !self.force && p.symlink_metadata().is_ok()) {
            return Err(Failure::new(Exit::Io, format!("{} exists; --force overwrites it", path.display())));
        }
        let (survey, manifest) = self.source.survey()?;
        if let Some(path) = &self.manifest {
            manifest.save(path).map_err(failure)?;
        }
        if self.source.output.json {
            let mut report = report(&survey, &manifest);
            if self.items {
                report["items"] = json!(manifest.files);
            }
            print(&format!("{report}\n"))?;
        } else {
            print(&describe(&survey, &manifest, self.items))?;
        }
        Ok(self.source.exit(&survey))
    }
}

impl Source {
    fn survey(&self) -> Result<(Survey, Manifest), Failure> {
        self.output.start();
        let mut exclusions = Exclusions::default();
        for path in &self.exclude {
            exclusions.add(&Manifest::load(path).map_err(failure)?, &path.display().to_string());
        }
        let options = SurveyOptions { shape: self.shape, parts: self.parts.clone() };
        let bar = Bar::new("reading");
        let survey = survey(&self.folder, &options, &|done, total| bar.set(done, total)).map_err(failure)?;
        bar.line.finish_and_clear();
        let manifest =
            survey.manifest(&self.source, &self.licence, self.ratios, self.near_bits, &exclusions).map_err(failure)?;
        Ok((survey, manifest))
    }

    fn exit(&self, survey: &Survey) -> Exit {
        if self.strict && !survey.anomalies.is_empty() { Exit::Malformed } else { Exit::Success }
    }
}

impl Prepare {
    fn recipe(&self, shape: Shape) -> Recipe {
        let usual = Recipe::default_for(shape);
        let content = match shape.medium() {
            ItemKind::Image => RowContent::Coefficients {
                pieces: if self.whole {
                    Pieces::Whole
                } else {
                    Pieces::Crops { count: self.crops, size: self.crop_size, scale: self.scale }
                },
                qualities: self.quality.clone(),
                sampling: match self.sampling {
                    SamplingName::Luma => Sampling::Luma,
                    SamplingName::S444 => Sampling::S444,
                    SamplingName::S422 => Sampling::S422,
                    SamplingName::S420 => Sampling::S420,
                },
            },
            ItemKind::Speech => RowContent::Speech {
                sample_rate: self.sample_rate,
                format: match self.sample_format {
                    SampleFormatName::I16 => SampleFormat::I16,
                    SampleFormatName::F32 => SampleFormat::F32,
                },
            },
            ItemKind::Codes => RowContent::Codes,
        };
        Recipe {
            content,
            splits: self.split.0.clone(),
            seed: self.seed,
            rows_per_shard: self.rows_per_shard.unwrap_or(usual.rows_per_shard),
        }
    }

    fn run(&self) -> Result<Exit, Failure> {
        let start = Instant::now();
        let (survey, manifest) = self.source.survey()?;
        if !self.source.output.json {
            eprint!("{}", describe(&survey, &manifest, false));
        }
        if self.source.exit(&survey) != Exit::Success {
            let message = format!("--strict: {} anomalies, nothing was prepared", survey.anomalies.len());
            return Err(Failure::new(Exit::Malformed, message));
        }
        let bar = Bar::new("preparing");
        let recipe = self.recipe(survey.shape);
        let done = prepare(&self.source.folder, &manifest, &recipe, &self.out, &|done, total| bar.set(done, total))
            .map_err(failure)?;
        bar.line.finish_and_clear();
        let bytes: u64 = done.index.shards.iter().map(|s| s.bytes).sum();
        let seconds = start.elapsed().as_secs_f64();
        if self.source.output.json {
            let mut report = report(&survey, &manifest);
            report["out"] = self.out.display().to_string().into();
            report["plan_sha256"] = done.index.plan_sha256.clone().into();
            report["rows"] = done.index.rows.into();
            report["shards"] = done.index.shards.len().into();
            report["shards_kept"] = done.kept.into();
            report["shards_made"] = done.made.into();
            report["shard_bytes"] = bytes.into();
            report["too_small"] = json!(done.too_small);
            report["seconds"] = seconds.into();
            print(&format!("{report}\n"))?;
        } else {
            if !done.too_small.is_empty() {
                let example = &done.too_small[0];
                eprintln!("lmcodec: {} files are too small for a crop, such as {example}", done.too_small.len());
            }
            print(&format!(
                "{}: {} rows in {} shards, {} ({} shards made, {} kept), {seconds:.1} s\n",
                self.out.display(),
                done.index.rows,
                done.index.shards.len(),
                size(bytes),
                done.made,
                done.kept,
            ))?;
        }
        Ok(Exit::Success)
    }
}

impl Verify {
    fn run(&self) -> Result<Exit, Failure> {
        self.output.start();
        let bar = Bar::new("hashing");
        let progress = |done, total| bar.set(done, total);
        let verified = if self.subject.is_dir() {
            verify_prepared(&self.subject, self.folder.as_deref(), self.remake, &progress)
        } else {
            let manifest = Manifest::load(&self.subject).map_err(failure)?;
            let Some(folder) = &self.folder else {
                return Err(Failure::new(Exit::Usage, "a manifest is compared with a folder: name the folder too"));
            };
            verify_manifest(&manifest, folder, &progress)
        };
        let verified = verified.map_err(failure)?;
        bar.line.finish_and_clear();
        let Verified { files, bytes, remade, differences } = &verified;
        let same = differences.is_empty();
        if self.output.json {
            let mut report = json!(verified);
            report["verified"] = same.into();
            print(&format!("{report}\n"))?;
        } else {
            let mut text: String = differences.iter().map(|d| format!("{d}\n")).collect();
            let made = if *remade > 0 { format!(", {remade} rows made again") } else { String::new() };
            let verdict =
                if same { "all as written down".into() } else { format!("{} differences", differences.len()) };
            text += &format!("{}: {files} files, {}{made}: {verdict}\n", self.subject.display(), size(*bytes));
            print(&text)?;
        }
        Ok(if same { Exit::Success } else { Exit::Mismatch })
    }
}

impl Output {
    fn start(&self) {
        if let Some(threads) = self.threads {
            // Fails only if the pool exists already, and then it serves as well.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
        }
    }
}

fn report(survey: &Survey, manifest: &Manifest) -> Value {
    let splits: serde_json::Map<_, _> =
        totals_by_split(&manifest.files).into_iter().map(|(split, t)| (split.to_string(), json!(t))).collect();
    let parts: serde_json::Map<_, _> =
        parts(manifest).into_iter().map(|part| (part.clone(), json!(of_part(manifest, &part)))).collect();
    json!({
        "shape": survey.shape,
        "totals": totals(&manifest.files),
        "splits": splits,
        "parts": parts,
        "skipped": survey.skipped(),
        "anomalies": survey.anomalies,
        "other_files": survey.other_files,
    })
}

fn parts(manifest: &Manifest) -> Vec<String> {
    let mut parts: Vec<String> = manifest.files.iter().filter_map(|f| f.part.clone()).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

fn of_part(manifest: &Manifest, part: &str) -> Totals {
    totals(manifest.files.iter().filter(|f| f.part.as_deref() == Some(part)))
}

fn describe(survey: &Survey, manifest: &Manifest, items: bool) -> String {
    let mut text = format!("shape {}: {}\n", survey.shape, sums(&totals(&manifest.files)));
    for part in parts(manifest) {
        text += &format!("  published part {part}: {}\n", sums(&of_part(manifest, &part)));
    }
    for (split, totals) in totals_by_split(&manifest.files) {
        text += &format!("  split {split}: {}\n", sums(&totals));
    }
    if survey.other_files > 0 {
        text += &format!("  {} other files\n", survey.other_files);
    }
    let skipped = survey.skipped();
    if !survey.anomalies.is_empty() {
        text += &format!("  {} anomalies, {skipped} files skipped:\n", survey.anomalies.len());
    }
    for anomaly in &survey.anomalies {
        let skipped = if anomaly.skipped { " (skipped)" } else { "" };
        text += &format!("    {}: {}{skipped}\n", anomaly.path, anomaly.message);
    }
    for file in manifest.files.iter().filter(|f| items || f.reason.is_some()) {
        let mut facts = vec![file.split.to_string()];
        facts.extend(file.reason.clone());
        facts.extend(file.size.map(|(w, h)| format!("{w}×{h}")));
        facts.extend(file.seconds.map(|s| format!("{s:.2} s")));
        facts.extend(file.dimensions.as_ref().map(|d| format!("{d:?}")));
        facts.extend(file.speaker.as_ref().map(|s| format!("speaker {s}")));
        let utterance = file.utterance.as_ref().filter(|_| file.frames.is_some());
        let name = utterance.map_or_else(|| file.path.clone(), |u| format!("{} {u}", file.path));
        text += &format!("    {name}: {}\n", facts.join(", "));
    }
    text
}

fn sums(totals: &Totals) -> String {
    let mut facts = vec![format!("{} items, {}", totals.items, size(totals.bytes))];
    if let Some([least, most]) = totals.sizes {
        facts.push(format!("{}–{} × {}–{} pixels", least.0, most.0, least.1, most.1));
    }
    facts.extend(totals.seconds.map(|s| format!("{:.1} min", s / 60.0)));
    facts.extend(totals.codes.map(|n| format!("{n} codes")));
    facts.extend(totals.speakers.map(|n| format!("{n} speakers")));
    facts.extend(totals.classes.map(|n| format!("{n} classes")));
    facts.join(", ")
}

fn size(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| stdout_failure(&error))
}

fn failure(error: DatasetError) -> Failure {
    let exit = match &error {
        DatasetError::Io { .. } | DatasetError::OtherPreparation { .. } => Exit::Io,
        DatasetError::InvalidOption(_) => Exit::Usage,
        DatasetError::Limit { .. } => Exit::Limit,
        DatasetError::Changed { .. } => Exit::Mismatch,
        DatasetError::Empty(_)
        | DatasetError::Manifest { .. }
        | DatasetError::Shape { .. }
        | DatasetError::Shard { .. } => Exit::Malformed,
    };
    Failure::new(exit, error.to_string())
}

/// A bar on standard error: hidden in the first second, and always where that is no terminal.
struct Bar {
    line: ProgressBar,
    start: Instant,
}

impl Bar {
    fn new(verb: &'static str) -> Self {
        let line = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{msg} {bar:40} {pos}/{len} [{elapsed} < {eta}]";
        line.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        line.set_message(verb);
        Self { line, start: Instant::now() }
    }

    fn set(&self, done: u64, total: u64) {
        if self.start.elapsed() > Duration::from_secs(1) {
            self.line.set_length(total);
            self.line.set_position(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_values() {
        assert_eq!(splits("train,test").expect("splits").0, [Split::Train, Split::Test]);
        assert_eq!(splits("all").expect("splits").0.len(), 3);
        assert!(splits("excluded").is_err() && splits("").is_err());
        assert_eq!(scale("0.5,0.85"), Ok((0.5, 0.85)));
        assert_eq!(scale("1"), Ok((1.0, 1.0)));
        assert!(scale("a").is_err());
    }
}
