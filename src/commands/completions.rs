//! `lmcodec completions` and `lmcodec man`: made from the one definition of all flags.

use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::exit::{Exit, Failure};
use super::output::{self, Target};

/// Print the completions of a shell.
///
/// bash: lmcodec completions bash > ~/.local/share/bash-completion/completions/lmcodec
#[derive(Debug, Args)]
pub(crate) struct Completions {
    shell: Shell,
}

/// Write the man pages, one for each command.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder for them
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Overwrite existing files
    #[arg(short, long)]
    force: bool,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lmcodec", &mut script);
        output::write(&Target::Stdout, &script, false, None).map(|_| Exit::Success)
    }
}

impl Man {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let mut command = Cli::command().name("lmcodec").disable_help_subcommand(true);
        command.build();
        self.page(&command, "lmcodec")?;
        Ok(Exit::Success)
    }

    /// The page of a command, then those of its subcommands.
    fn page(&self, command: &clap::Command, name: &str) -> Result<(), Failure> {
        let mut page = Vec::new();
        let fault = |error: io::Error| Failure::new(Exit::Io, error.to_string());
        clap_mangen::Man::new(command.clone()).title(name).render(&mut page).map_err(fault)?;
        let target = Target::File(self.folder.join(format!("{name}.1")));
        if !self.force && target.path().exists() {
            return Err(Failure::new(Exit::Io, format!("{target} exists; --force overwrites it")));
        }
        output::write(&target, &page, self.force, None)?;
        for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            self.page(subcommand, &format!("{name}-{}", subcommand.get_name()))?;
        }
        Ok(())
    }
}
