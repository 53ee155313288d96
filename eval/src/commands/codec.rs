//! `lmcodec-eval codec` (hidden): one run of a codec of this project, as a process that can be measured.

use super::{CommandResult, write_output};
use clap::{Args, ValueEnum};
use lmcodec_eval::under_test::codec_by_name;
use std::path::PathBuf;

/// Run a codec of this project once.
#[derive(Debug, Args)]
pub struct CodecArgs {
    /// Name of the codec.
    name: String,
    /// Direction.
    way: Way,
    /// File to read.
    input: PathBuf,
    /// Model file of lmcodec, instead of the embedded model.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// File to write, which must not exist.
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    Encode,
    Decode,
}

/// Runs the subcommand.
pub fn run(args: &CodecArgs) -> CommandResult {
    let codec =
        codec_by_name(&args.name, args.model.as_deref())?.ok_or_else(|| format!("no codec is called {}", args.name))?;
    let input = std::fs::read(&args.input).map_err(|e| format!("{}: {e}", args.input.display()))?;
    let output = match args.way {
        Way::Encode => codec.encode(&input),
        Way::Decode => codec.decode(&input),
    };
    write_output(&args.output, &output?, false)
}
