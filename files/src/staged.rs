//! A file under a temporary name, until it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::operation::operation;
use crate::sync_folder_of;

const PREFIX: &str = ".lmcodec-";
const SUFFIX: &str = ".tmp";

/// A file that is being written beside its target. Dropped without [`replace`](Self::replace) or
/// [`create`](Self::create), it is removed.
#[derive(Debug)]
pub struct Staged {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
}

impl Staged {
    /// A new, empty file in the folder of `target`. Its name is short, whatever the target's, and hidden.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn beside(target: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Tells processes apart that write into one folder; `create_new` decides where it does not.
        let process = if cfg!(target_family = "wasm") { 0 } else { std::process::id() };
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let temporary = target.with_file_name(format!("{PREFIX}{process:x}-{number:x}{SUFFIX}"));
            operation()?;
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok(Self { target: target.into(), temporary, file }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The open file, e.g. to set its mode and times.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the file and gives it its name, in place of a file that has it.
    ///
    /// # Errors
    /// Those of the file system; a file of that name is then unchanged, or replaced if only the folder could not be synced.
    pub fn replace(self) -> io::Result<()> {
        self.sync()?;
        operation()?;
        fs::rename(&self.temporary, &self.target)?;
        sync_folder_of(&self.target)
    }

    /// Syncs the file and gives it its name if no file has it.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`], and those of the file system.
    pub fn create(self) -> io::Result<()> {
        self.sync()?;
        operation()?;
        // A hard link never replaces a file that has appeared in the meantime.
        match fs::hard_link(&self.temporary, &self.target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // A file system without hard links: claim the name first, so that a file of another is never replaced.
            Err(_) => {
                OpenOptions::new().write(true).create_new(true).open(&self.target)?;
                fs::rename(&self.temporary, &self.target)?;
            }
            Ok(()) => {}
        }
        sync_folder_of(&self.target)
    }

    fn sync(&self) -> io::Result<()> {
        operation()?;
        self.file.sync_all()
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        operation()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        #[cfg(feature = "testing")]
        if crate::testing::dead() {
            return;
        }
        // Already renamed, or nothing more can be done.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Removes what killed processes left half-written in a folder. For folders that only one process writes into.
///
/// # Errors
/// Those of the file system.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            operation()?;
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
