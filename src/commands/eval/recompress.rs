//! `lmcodec eval recompress`: the whole-file recompression table.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec_eval::recompress::codec::Recompressor;
use lmcodec_eval::recompress::document::document;
use lmcodec_eval::recompress::measure::{SourceSet, measure};
use lmcodec_eval::recompress::peers::{installed_recompressors, missing_peers};
use lmcodec_eval::recompress::peers_csv;
use lmcodec_eval::report::html::{PageOptions, page};

use super::lmcodec_codec::Own;
use super::sets::{distinct_names, parse_set};
use super::{OrExit, outputs, progress_bar, read};
use crate::commands::exit::{Exit, Failure};

/// Recompress sets of JPEG files with every codec; sizes, byte-exact round trips, speed.
#[derive(Debug, Args)]
pub(super) struct RecompressArgs {
    /// A set: its name and a folder of .jpg files. May be repeated.
    #[arg(long = "set", value_name = "NAME=DIR", required = true, value_parser = parse_set)]
    sets: Vec<(String, PathBuf)>,
    /// Published sizes: CSV with the columns set,image,codec,source_bytes,coded_bytes.
    #[arg(long, value_name = "FILE")]
    peers_csv: Option<PathBuf>,
    /// Run the peers that are on the PATH as well.
    #[arg(long)]
    peers: bool,
    /// Leave lmcodec itself out.
    #[arg(long)]
    no_lmcodec: bool,
    #[command(flatten)]
    own: Own,
    /// Write the table as JSON (`-`: stdout; the default if no output is named).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table as Markdown (`-`: stdout).
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the table as an HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Files worked on side by side; above 1 the CPU time of lmcodec itself is not reported.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Overwrite outputs.
    #[arg(long)]
    force: bool,
}

impl RecompressArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        distinct_names(self.sets.iter().map(|s| s.0.as_str()))?;
        let named = || self.json.iter().chain(&self.markdown).chain(&self.html);
        outputs::check(named().map(PathBuf::as_path), self.force)?;
        let published = match &self.peers_csv {
            Some(path) => {
                let text = String::from_utf8_lossy(&read(path)?).into_owned();
                peers_csv::parse(&text)
                    .map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", path.display())))?
            }
            None => Vec::new(),
        };
        let sets = self.sets.iter().map(|(name, folder)| SourceSet::from_folder(name, folder));
        let sets = sets.collect::<Result<Vec<_>, _>>().or_exit(Exit::Io)?;
        let own = if self.no_lmcodec { Vec::new() } else { self.own.codecs()? };
        let peers = if self.peers { installed_recompressors() } else { Vec::new() };
        if self.peers {
            for name in missing_peers() {
                eprintln!("lmcodec: {name} is not on the PATH, left out");
            }
        }
        let codecs: Vec<&dyn Recompressor> =
            own.iter().map(|c| c as &dyn Recompressor).chain(peers.iter().map(|p| &**p)).collect();
        if codecs.is_empty() && published.is_empty() {
            return Err(Failure::new(Exit::Usage, "no codec to run: give --peers or --peers-csv"));
        }
        let files: usize = sets.iter().map(|s| s.files.len()).sum();
        let bar = progress_bar((files * codecs.len()) as u64);
        let mut table = measure(&sets, &codecs, self.threads, &|| bar.inc(1)).or_exit(Exit::Io)?;
        bar.finish_and_clear();
        if self.peers_csv.is_some() {
            let merged = peers_csv::merge(&mut table, &published);
            eprintln!(
                "lmcodec: published sizes: {} used, {} of other source files, {} of sets or images not measured",
                merged.used, merged.other_source, merged.not_measured
            );
        }
        if let Some(path) = &self.markdown {
            outputs::write(path, document(&table).to_markdown().as_bytes(), self.force)?;
        }
        if let Some(path) = &self.html {
            outputs::write(path, page(&document(&table), &PageOptions::default()).as_bytes(), self.force)?;
        }
        match &self.json {
            Some(path) => outputs::write(path, &outputs::json(&table)?, self.force),
            None if named().next().is_none() => outputs::write(Path::new("-"), &outputs::json(&table)?, false),
            None => Ok(()),
        }
    }
}
