//! Writing a file all at once (`lmcodec_files`): no partial output, no silent overwriting.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use lmcodec_files::Staged;

use super::exit::{Exit, Failure};
use super::files::{Job, Source, Target};
use super::stdout_failure;

/// Refuses, before any work is done, what [`write()`] would refuse.
pub(crate) fn check(job: &Job, force: bool) -> Result<(), Failure> {
    let Target::File(target) = &job.target else { return Ok(()) };
    if let Source::File(source) = &job.source
        && let (Ok(source), Ok(target)) = (fs::canonicalize(source), fs::canonicalize(target))
        && source == target
    {
        return Err(Failure::new(Exit::Usage, "input and output are the same file"));
    }
    if target.is_dir() {
        return Err(Failure::new(Exit::Io, format!("{} is a folder", target.display())));
    }
    if !force && target.symlink_metadata().is_ok() {
        return Err(exists(target));
    }
    Ok(())
}

/// Writes the whole output.
pub(crate) fn write(target: &Target, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let path = match target {
        Target::Stdout => {
            let mut stdout = io::stdout().lock();
            return stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| stdout_failure(&error));
        }
        Target::File(path) => path,
    };
    let fault = |error: io::Error| Failure::new(Exit::Io, format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        lmcodec_files::create_folder(folder).map_err(fault)?;
    }
    let mut staged = Staged::beside(path).map_err(fault)?;
    staged.write_all(bytes).map_err(fault)?;
    if force {
        return staged.replace().map_err(fault);
    }
    // A file that has appeared since the check is never replaced.
    staged.create().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => fault(error),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Io, format!("{} exists; --force overwrites it", path.display()))
}
