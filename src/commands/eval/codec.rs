//! `lmcodec eval codec` (hidden): one run of a codec of this project, as a process that can be measured.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::OrExit;
use super::lmcodec_codec::codec_by_name;
use super::{outputs, read};
use crate::commands::exit::{Exit, Failure};

/// Run a codec of this project once.
#[derive(Debug, Args)]
pub(super) struct CodecArgs {
    /// Name of the codec.
    name: String,
    /// Direction.
    way: Way,
    /// File to read.
    input: PathBuf,
    /// File to write, which must not exist.
    output: PathBuf,
    /// Model file of lmcodec, instead of the embedded model.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    Encode,
    Decode,
}

impl CodecArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let codec = codec_by_name(&self.name, self.model.as_deref())?;
        let input = read(&self.input)?;
        let output = match self.way {
            Way::Encode => codec.encode(&input),
            Way::Decode => codec.decode(&input),
        };
        outputs::write(&self.output, &output.or_exit(Exit::Failure)?, false)
    }
}
