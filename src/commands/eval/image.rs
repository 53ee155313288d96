//! `lmcodec eval image`: rate and distortion of lmcodec and its anchors, in one run.

use std::path::PathBuf;

use clap::Args;
use lmcodec_eval::image::anchors::{AnchorOptions, anchors};
use lmcodec_eval::image::csv::to_csv;
use lmcodec_eval::image::document::document;
use lmcodec_eval::image::measure::{RunError, RunOptions, run};
use lmcodec_eval::image::source::{ImageSet, SourceError};
use lmcodec_eval::recompress::codec::Recompressor;
use lmcodec_eval::recompress::peers::{installed_recompressors, missing_peers};

use super::lmcodec_codec::Own;
use super::outputs::{ReportFolder, json};
use super::progress_bar;
use super::published::{add_published, read_published};
use super::sets::{distinct_names, parse_set};
use crate::commands::exit::{Exit, Failure};

/// Rate-distortion report on folders of images: lmcodec, JPEG in its variants, and the codecs on the PATH, in one run.
#[derive(Debug, Args)]
pub(super) struct ImageArgs {
    /// A set: its name and a folder of images (png, ppm, …). May be repeated
    #[arg(long = "set", value_name = "NAME=DIR", required = true, value_parser = parse_set)]
    sets: Vec<(String, PathBuf)>,
    /// Folder for report.json, report.csv, report.md, report.html and curves/*.json
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Qualities of JPEG, rising
    #[arg(long, value_delimiter = ',', default_value = "20,35,50,65,80,90", value_parser = clap::value_parser!(u8).range(1..=100))]
    qualities: Vec<u8>,
    /// Images of every set, at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// JPEG at 4:2:0 only, not at 4:4:4 as well
    #[arg(long)]
    only_420: bool,
    /// Run no other programs: JPEG by the built-in encoder, and lmcodec
    #[arg(long)]
    no_programs: bool,
    /// Thumbnails in the table of images
    #[arg(long)]
    thumbnails: bool,
    /// Curve in CompressAI's shape to draw in a set beside what is measured. May be repeated
    #[arg(long, value_name = "SET=FILE.json", value_parser = parse_set)]
    published: Vec<(String, PathBuf)>,
    /// Title of the report
    #[arg(long, default_value = "Rate and distortion of image codecs")]
    title: String,
    #[command(flatten)]
    own: Own,
    /// Images worked on side by side
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Overwrite outputs
    #[arg(long)]
    force: bool,
}

/// Longest side of a thumbnail in pixels.
const THUMBNAIL: u32 = 96;

impl ImageArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        distinct_names(self.sets.iter().map(|s| s.0.as_str()))?;
        if !self.qualities.is_sorted_by(|a, b| a < b) {
            return Err(Failure::new(Exit::Usage, "--qualities must rise strictly, such as 20,50,80"));
        }
        let folder = ReportFolder::new(&self.out, self.force)?;
        let published = read_published(&self.published)?;
        let known = |name: &String| self.sets.iter().any(|set| set.0 == *name);
        if let Some((name, _)) = self.published.iter().find(|(name, _)| !known(name)) {
            return Err(Failure::new(Exit::Usage, format!("--published: no set called {name}")));
        }
        let sets = self.sets.iter().map(|(name, dir)| ImageSet::from_folder(name, dir, self.limit));
        let sets = sets.collect::<Result<Vec<_>, _>>().map_err(source_fault)?;
        let anchors = anchors(&AnchorOptions {
            qualities: self.qualities.clone(),
            programs: !self.no_programs,
            only_420: self.only_420,
        });
        let own = self.own.codecs()?;
        let processes = self.own.processes(&[lmcodec::Kernel::detect()], None)?;
        let mut recompressors: Vec<Box<dyn Recompressor>> =
            processes.into_iter().map(|codec| Box::new(codec) as Box<dyn Recompressor>).collect();
        if !self.no_programs {
            recompressors.extend(installed_recompressors());
            let missing = anchors.missing.iter().cloned().chain(missing_peers().into_iter().map(str::to_string));
            missing.for_each(|name| eprintln!("lmcodec: not on the PATH, left out: {name}"));
        }
        let options = RunOptions {
            title: self.title.clone(),
            threads: self.threads,
            thumbnails: self.thumbnails.then_some(THUMBNAIL),
        };
        let bar = progress_bar(sets.iter().map(|s| s.files.len() as u64).sum());
        let mut report =
            run(&sets, &anchors, &recompressors, own.first().map(|own| own as &dyn Recompressor), &options, &|| {
                bar.inc(1)
            })
            .map_err(fault)?;
        bar.finish_and_clear();
        for failure in report.sets.iter().flat_map(|s| &s.failures) {
            eprintln!("lmcodec: {failure}");
        }
        add_published(&mut report, &published)?;
        for set in &report.sets {
            for curve in set.curves.iter().filter(|c| !c.results.is_empty() && !c.is_published()) {
                let file = serde_json::json!({
                    "name": curve.name, "description": curve.description, "results": curve.results,
                });
                folder.extra(&format!("curves/{}-{}.json", set.name, curve.name), &json(&file)?)?;
            }
        }
        folder.write(&report, &to_csv(&report), &document(&report))
    }
}

fn fault(error: RunError) -> Failure {
    match error {
        RunError::Source(error) => source_fault(error),
        RunError::Threads(_) => Failure::new(Exit::Failure, error.to_string()),
    }
}

/// An image that cannot be used, with its exit code.
pub(super) fn source_fault(error: SourceError) -> Failure {
    let exit = match &error {
        SourceError::Image { .. } | SourceError::Transparent { .. } => Exit::Malformed,
        SourceError::TooLarge { .. } => Exit::Limit,
        _ => Exit::Io,
    };
    Failure::new(exit, error.to_string())
}
