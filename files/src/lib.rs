//! Files that appear whole or not at all.
//!
//! [`Staged`] is a file under a temporary name in the folder of its target. Its bytes are synced before it gets its name,
//! and the folder after, so that after a crash or a power cut the name is absent, old or new, and never cut short:
//!
//! ```
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("state.json");
//! lmcodec_files::write(&path, b"{}")?; // replaces what is there
//! assert_eq!(std::fs::read(&path)?, b"{}");
//! # std::io::Result::Ok(())
//! ```
//!
//! Every operation that changes the disk goes through one counter, so that tests can let the process "die" at each of
//! them in turn (feature `testing`).

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod operation;
mod staged;
#[cfg(feature = "testing")]
pub mod testing;

use std::fs;
use std::io;
use std::path::Path;

use operation::operation;
pub use staged::{Staged, sweep};

/// Writes a whole file, replacing one that is there.
///
/// # Errors
/// Those of the file system. A file that was there is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = Staged::beside(path)?;
    io::Write::write_all(&mut staged, bytes)?;
    staged.replace()
}

/// Creates a folder and those above it, as far as they are not there.
///
/// # Errors
/// Those of the file system.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    operation()?;
    fs::create_dir_all(path)
}

/// Gives a file or folder another name in the same file system, replacing a file of that name, and syncs the folder.
///
/// # Errors
/// Those of the file system; nothing has changed then.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    operation()?;
    fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Removes a folder with all that is in it; one that is not there is no error.
///
/// # Errors
/// Those of the file system; some files may be gone then.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    for entry in match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    } {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_folder(&entry.path())?;
        } else {
            operation()?;
            fs::remove_file(entry.path())?;
        }
    }
    operation()?;
    fs::remove_dir(path)
}

/// Lets the names in the folder of `path` survive a power cut. Systems that cannot sync a folder need not.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    operation()?;
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match fs::File::open(folder).and_then(|folder| folder.sync_all()) {
            // Network and FUSE file systems that know no such thing, and folders that may be written but not read.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
                ) => {}
            synced => synced?,
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
