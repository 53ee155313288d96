//! Subcommands that this build leaves out: they stay in the help, and say in one line how to get them.

use std::ffi::OsString;

use clap::Args;

use super::exit::{Exit, Failure};

/// Whatever stands after the subcommand's name.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Missing {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

impl Missing {
    /// The failure of `lmcodec COMMAND`, which needs the feature `feature`.
    pub(crate) fn run(&self, command: &str, feature: &str) -> Result<Exit, Failure> {
        let asked = self.arguments.first().map(|first| format!(" {}", first.to_string_lossy())).unwrap_or_default();
        Err(Failure::new(
            Exit::Usage,
            format!("{command}{asked} is not in this build; get it with: cargo install lmcodec --features {feature}"),
        ))
    }
}
