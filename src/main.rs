//! The command line: `lmcodec encode|decode|verify|inspect|train|datasets` (`docs/CLI.md`).

mod commands;

use clap::Parser;

fn main() -> std::process::ExitCode {
    commands::run(commands::Cli::parse()).into()
}
