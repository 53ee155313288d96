//! `lmcodec eval launch` (hidden): starts one program and says what it used, as a process too small to be mistaken for it.

use std::ffi::OsString;

use clap::Args;
use lmcodec_eval::recompress::process;

use super::outputs;
use crate::commands::exit::Failure;

/// Run a program and print what it used.
#[derive(Debug, Args)]
pub(super) struct LaunchArgs {
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// The words that call it.
pub(super) const WORDS: [&str; 2] = ["eval", "launch"];

impl LaunchArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (program, arguments) = self.command.split_at(1);
        let line = process::launch(&program[0], arguments);
        outputs::write("-".as_ref(), line.as_bytes(), false)
    }
}
