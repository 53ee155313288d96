//! Writing a file all at once: to a temporary name in the same folder, then renamed. No partial output, no silent
//! overwriting.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

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
        fs::create_dir_all(folder).map_err(fault)?;
    }
    let (temporary, mut file) = Temporary::beside(path).map_err(fault)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault)?;
    drop(file);
    if force {
        fs::rename(&temporary.0, path).map_err(fault)
    } else {
        // A hard link never replaces a file that has appeared since the check.
        match fs::hard_link(&temporary.0, path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(path)),
            // File systems without hard links.
            Err(_) if path.symlink_metadata().is_ok() => Err(exists(path)),
            Err(_) => fs::rename(&temporary.0, path).map_err(fault),
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Io, format!("{} exists; --force overwrites it", path.display()))
}

/// A temporary file that is removed whatever happens.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(path: &Path) -> io::Result<(Self, File)> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let temporary = path.with_file_name(format!(".{name}.{}-{number}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok((Self(temporary), file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Already renamed, or nothing more can be done.
        let _ = fs::remove_file(&self.0);
    }
}
