//! The subcommands, one file each.

pub mod bd_rate;
pub mod codec;
pub mod ppm;
pub mod recompress;
pub mod speed;

use std::error::Error;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

/// Any failure, for `main` to print.
pub type CommandResult = Result<(), Box<dyn Error>>;

/// Writes `bytes` to `path`, or to stdout for `-`. An existing file is kept unless `force`.
pub fn write_output(path: &Path, bytes: &[u8], force: bool) -> CommandResult {
    if path == Path::new("-") {
        return match std::io::stdout().write_all(bytes) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        };
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => format!("{} exists; --force overwrites it", path.display()),
        _ => format!("{}: {e}", path.display()),
    })?;
    Ok(file.write_all(bytes)?)
}

/// Refuses outputs that exist before any work is done.
pub fn check_outputs<'a>(paths: impl IntoIterator<Item = &'a Path>, force: bool) -> CommandResult {
    for path in paths {
        if !force && path != Path::new("-") && path.exists() {
            return Err(format!("{} exists; --force overwrites it", path.display()).into());
        }
    }
    Ok(())
}

/// A bar on stderr; nothing where stderr is no terminal.
pub fn progress_bar(length: u64) -> indicatif::ProgressBar {
    if std::io::stderr().is_terminal() { indicatif::ProgressBar::new(length) } else { indicatif::ProgressBar::hidden() }
}

/// JSON with a line end.
pub fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
