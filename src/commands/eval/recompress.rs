//! `lmcodec eval recompress`: the whole-file recompression table.

use std::path::{Path, PathBuf};

use clap::Args;
use lmcodec::Kernel;
use lmcodec_eval::recompress::codec::Recompressor;
use lmcodec_eval::recompress::document::document;
use lmcodec_eval::recompress::measure::{SourceSet, measure};
use lmcodec_eval::recompress::peers::{installed_recompressors, missing_peers};
use lmcodec_eval::recompress::peers_csv;
use lmcodec_eval::recompress::table::RecompressionTable;
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
    /// Codecs to take from there [default: all].
    #[arg(long = "peers-csv-codec", value_name = "NAME,..", value_delimiter = ',', requires = "peers_csv")]
    peers_csv_codecs: Vec<String>,
    /// Where the published sizes come from, in words.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "peers_csv",
        default_value = "published sizes of the same source files"
    )]
    peers_csv_source: String,
    /// A table of an earlier run on the same source files whose rows are taken over. May be repeated.
    #[arg(long = "add", value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Codecs to take from those tables [default: all].
    #[arg(long = "add-codec", value_name = "NAME,..", value_delimiter = ',', requires = "add")]
    add_codecs: Vec<String>,
    /// Where sizes that were measured on another machine come from, in words.
    #[arg(long, value_name = "TEXT", requires = "add", default_value = "measured earlier on the same source files")]
    add_source: String,
    /// Run the peers that are on the PATH as well.
    #[arg(long)]
    peers: bool,
    /// Leave lmcodec itself out.
    #[arg(long)]
    no_lmcodec: bool,
    #[command(flatten)]
    own: Own,
    /// Measure this build of lmcodec, as a process, instead of this program itself; its embedded models must be the same.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
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
                let mut sizes = peers_csv::parse(&text)
                    .map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", path.display())))?;
                let wanted = &self.peers_csv_codecs;
                sizes.retain(|size| wanted.is_empty() || wanted.contains(&size.codec));
                sizes
            }
            None => Vec::new(),
        };
        let earlier = self.add.iter().map(|path| {
            let table = serde_json::from_slice::<RecompressionTable>(&read(path)?);
            let mut table = table.map_err(|e| Failure::new(Exit::Malformed, format!("{}: {e}", path.display())))?;
            for set in &mut table.sets {
                set.codecs.retain(|c| self.add_codecs.is_empty() || self.add_codecs.contains(&c.codec));
            }
            Ok(table)
        });
        let earlier = earlier.collect::<Result<Vec<_>, Failure>>()?;
        let sets = self.sets.iter().map(|(name, folder)| SourceSet::from_folder(name, folder));
        let sets = sets.collect::<Result<Vec<_>, _>>().or_exit(Exit::Io)?;
        let mut own: Vec<Box<dyn Recompressor>> = Vec::new();
        match &self.program {
            _ if self.no_lmcodec => {}
            Some(program) => {
                let processes = self.own.processes(&[Kernel::detect()], Some(program))?;
                own.extend(processes.into_iter().map(|codec| Box::new(codec) as Box<dyn Recompressor>));
            }
            None => {
                let codecs = self.own.codecs()?;
                own.extend(codecs.into_iter().map(|codec| Box::new(codec) as Box<dyn Recompressor>));
            }
        }
        let peers = if self.peers { installed_recompressors() } else { Vec::new() };
        if self.peers {
            for name in missing_peers() {
                eprintln!("lmcodec: {name} is not on the PATH, left out");
            }
        }
        let codecs: Vec<&dyn Recompressor> = own.iter().chain(&peers).map(|codec| &**codec).collect();
        if codecs.is_empty() && published.is_empty() && earlier.is_empty() {
            return Err(Failure::new(Exit::Usage, "no codec to run: give --peers, --peers-csv or --add"));
        }
        let files: usize = sets.iter().map(|s| s.files.len()).sum();
        let bar = progress_bar((files * codecs.len()) as u64);
        let mut table = measure(&sets, &codecs, self.threads, &|| bar.inc(1)).or_exit(Exit::Io)?;
        bar.finish_and_clear();
        for other in &earlier {
            table.join(other, &self.add_source).or_exit(Exit::Malformed)?;
        }
        if self.peers_csv.is_some() {
            let merged = peers_csv::merge(&mut table, &published, &self.peers_csv_source);
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
