//! A command that this build lacks: it stays in the help, and says in one line how to get it.

use std::ffi::OsString;

use clap::Args;

use super::exit::{Exit, Failure};

/// Whatever was asked of the command, `--help` included.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Missing {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<OsString>,
}

impl Missing {
    /// Where the command can be had: in builds with a feature.
    pub(crate) fn run(&self, command: &str, feature: &str) -> Result<Exit, Failure> {
        let message = format!("this build has no `{command}`: cargo install lmcodec --features {feature}");
        Err(Failure::new(Exit::Usage, message))
    }
}
