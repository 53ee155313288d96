//! `lmcodec-eval recompress`: the whole-file recompression table.

use super::{CommandResult, check_outputs, json, progress_bar, write_output};
use clap::Args;
use lmcodec_eval::markdown::markdown;
use lmcodec_eval::peers::{installed_peers, missing_peers};
use lmcodec_eval::peers_csv;
use lmcodec_eval::recompression::{Recompressor, SourceSet, measure};
use lmcodec_eval::under_test::codecs_under_test;
use std::path::PathBuf;

/// Recompress sets of JPEG files with every codec; sizes, byte-exact round trips, speed.
#[derive(Debug, Args)]
pub struct RecompressArgs {
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
    /// Model file of lmcodec, instead of the embedded model.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write the table as JSON (`-`: stdout; the default if no output is named).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table as Markdown (`-`: stdout).
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Files worked on side by side; above 1 the CPU time of lmcodec itself is not reported.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Overwrite outputs.
    #[arg(long)]
    force: bool,
}

fn parse_set(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => Ok((name.into(), folder.into())),
        _ => Err("expected NAME=DIR".into()),
    }
}

/// Runs the subcommand.
pub fn run(args: &RecompressArgs) -> CommandResult {
    check_outputs(args.json.iter().chain(&args.markdown).map(|p| p.as_path()), args.force)?;
    let published = match &args.peers_csv {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            peers_csv::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
        None => Vec::new(),
    };
    let sets =
        args.sets.iter().map(|(name, folder)| SourceSet::from_folder(name, folder)).collect::<Result<Vec<_>, _>>()?;
    let own = if args.no_lmcodec { Vec::new() } else { codecs_under_test(args.model.as_deref())? };
    let peers = if args.peers { installed_peers() } else { Vec::new() };
    if args.peers {
        for name in missing_peers() {
            eprintln!("lmcodec-eval: {name} is not on the PATH, left out");
        }
    }
    let codecs: Vec<&dyn Recompressor> =
        own.iter().map(|c| &**c).chain(peers.iter().map(|p| p as &dyn Recompressor)).collect();
    if codecs.is_empty() && published.is_empty() {
        return Err("no codec to run: give --peers or --peers-csv".into());
    }
    let files: usize = sets.iter().map(|s| s.files.len()).sum();
    let bar = progress_bar((files * codecs.len()) as u64);
    let mut table = measure(&sets, &codecs, args.threads, &|| bar.inc(1))?;
    bar.finish_and_clear();
    if args.peers_csv.is_some() {
        let merged = peers_csv::merge(&mut table, &published);
        eprintln!(
            "lmcodec-eval: published sizes: {} used, {} of other source files, {} of sets or images not measured",
            merged.used, merged.other_source, merged.not_measured
        );
    }
    if let Some(path) = &args.markdown {
        write_output(path, markdown(&table).as_bytes(), args.force)?;
    }
    match &args.json {
        Some(path) => write_output(path, &json(&table)?, args.force),
        None if args.markdown.is_none() => write_output("-".as_ref(), &json(&table)?, false),
        None => Ok(()),
    }
}
