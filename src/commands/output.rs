//! Writing a file all at once (`lmcodec_files`): no partial output, no silent overwriting. What is no regular file (a pipe, a
//! device) is written into and stays what it is.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use lmcodec_files::Staged;

use super::exit::{Exit, Failure};
use super::files::Source;
use super::terminal::shown;

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.path()))
    }
}

impl Target {
    /// The path, `-` for standard output.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Stdout => Path::new("-"),
            Self::File(path) => path,
        }
    }
}

/// Refuses, before any work is done, what [`write()`] would refuse.
pub(crate) fn check(source: &Source, target: &Target, force: bool) -> Result<(), Failure> {
    let Target::File(path) = target else { return stdout_is_open() };
    if let Source::File(source) = source
        && let (Ok(source), Ok(target)) = (fs::canonicalize(source), fs::canonicalize(path))
        && source == target
    {
        return Err(Failure::new(Exit::Usage, "input and output are the same file"));
    }
    if path.is_dir() {
        return Err(Failure::new(Exit::Io, format!("{target} is a folder")));
    }
    if !force && !is_special(path) && path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    Ok(())
}

/// Gives a file that is written what else belongs to it, and returns what there is to tell.
pub(crate) type Finish<'a> = dyn Fn(&File) -> Vec<String> + 'a;

/// Writes the whole output. A regular file is synced before it gets its name; `finish` gives it dates and rights of its own
/// before that (without, it gets those of any new file) and may have something to tell.
pub(crate) fn write(
    target: &Target,
    bytes: &[u8],
    force: bool,
    finish: Option<&Finish<'_>>,
) -> Result<Vec<String>, Failure> {
    let path = match target {
        Target::Stdout => {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
            return written.map(|()| Vec::new()).map_err(|error| {
                Failure::new(Exit::Io, format!("standard output: {error}; what was to go there is lost"))
            });
        }
        Target::File(path) => path,
    };
    let fault = |error: io::Error| Failure::new(Exit::Io, format!("{target}: {error}"));
    if is_special(path) {
        let mut special = OpenOptions::new().write(true).open(path).map_err(fault)?;
        return special.write_all(bytes).map(|()| Vec::new()).map_err(fault);
    }
    // A link stays a link: the file that it leads to is replaced.
    let path = &if path.is_symlink() { fs::canonicalize(path).unwrap_or_else(|_| path.clone()) } else { path.clone() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    lmcodec_files::create_folder(folder).map_err(fault)?;
    sweep_beside(path);
    let staged = if finish.is_some() { Staged::private_beside(path) } else { Staged::beside(path) };
    let mut staged = staged.map_err(fault)?;
    staged.write_all(bytes).map_err(fault)?;
    let notes = finish.map(|finish| finish(staged.file())).unwrap_or_default();
    if force {
        return staged.replace().map(|()| notes).map_err(fault);
    }
    // A file that has appeared since the check is never replaced.
    staged.create().map(|()| notes).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => fault(error),
    })
}

/// Gives a file that was written a further name.
pub(crate) fn link(from: &Path, to: &Path) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::new(Exit::Io, format!("{}: {error}", shown(to)));
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        lmcodec_files::create_folder(folder).map_err(fault)?;
    }
    fs::hard_link(from, to).map_err(fault)
}

/// Removes what a killed run has left in the folder of an output, written now or before: once a run and folder. That it cannot
/// is no reason not to work.
pub(crate) fn sweep_beside(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.into()) {
        let _ = lmcodec_files::sweep(folder);
    }
}

/// Refuses to delete the input of a result that nobody can read again.
pub(crate) fn check_kept(target: &Target) -> Result<(), Failure> {
    match target {
        Target::File(path) if !is_special(path) => Ok(()),
        _ => Err(Failure::new(Exit::Usage, format!("{target} keeps no result; --rm would lose the input"))),
    }
}

/// Whether something is there that is neither a file nor a folder.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Io, format!("{} exists; --force overwrites it", shown(path)))
}

/// Refuses a standard output that was closed before the program started. (Rust puts the null device in its place, open for reading
/// and writing, as no shell opens it.)
fn stdout_is_open() -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    if let (Ok(found), Ok(null), Ok(flags)) =
        (rustix::fs::fstat(io::stdout()), rustix::fs::stat("/dev/null"), rustix::fs::fcntl_getfl(io::stdout()))
        && (found.st_rdev, found.st_mode) == (null.st_rdev, null.st_mode)
        && flags.contains(rustix::fs::OFlags::RDWR)
    {
        return Err(Failure::new(Exit::Io, "standard output is closed"));
    }
    Ok(())
}
