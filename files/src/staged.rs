//! A file under a temporary name, until it is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::operation::operation;
use crate::sync_folder_of;

const PREFIX: &str = ".lmcodec-";
const SUFFIX: &str = ".tmp";
/// Where files cannot be locked, one that was not written to for so long belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// A file that is being written beside its target. Dropped without [`replace`](Self::replace) or
/// [`create`](Self::create), it is removed.
#[derive(Debug)]
pub struct Staged {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
}

impl Staged {
    /// A new, empty file in the folder of `target`. Its name is short, whatever the target's, and hidden. While it is being
    /// written it is locked, which tells [`sweep`] that it is in use.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn beside(target: &Path) -> io::Result<Self> {
        Self::with(target, OpenOptions::new().write(true).create_new(true))
    }

    /// As [`beside`](Self::beside), for a file that nobody but its owner may open until it gets a mode of its own (on Unix).
    ///
    /// # Errors
    /// Those of the file system.
    pub fn private_beside(target: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::with(target, &options)
    }

    fn with(target: &Path, options: &OpenOptions) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Tells processes apart that write into one folder; `create_new` decides where it does not.
        let process = if cfg!(target_family = "wasm") { 0 } else { std::process::id() };
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let temporary = target.with_file_name(format!("{PREFIX}{process:x}-{number:x}{SUFFIX}"));
            operation()?;
            match options.open(&temporary) {
                // A sweep between creation and lock has taken the name away: once more.
                Ok(file) if file.lock().is_ok() && !temporary.exists() => {}
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

/// Removes what killed processes left half-written in a folder, and nothing that is being written. Returns how many files that
/// were.
///
/// # Errors
/// Those of the file system.
pub fn sweep(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && entry.file_type()?.is_file() {
            // The lock is held until the file is gone.
            let Ok(file) = File::open(entry.path()) else { continue };
            let free = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(_)) => is_abandoned(&file),
            };
            if free {
                operation()?;
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn is_abandoned(file: &File) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > ABANDONED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_what_the_dead_left_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("target");
        let mut living = Staged::private_beside(&target).expect("creates");
        living.write_all(b"whole").expect("writes");
        for name in [".lmcodec-1-0.tmp", ".lmcodec-photo.jpg", "a.tmp"] {
            fs::write(folder.path().join(name), b"left").expect("writes");
        }
        assert_eq!(sweep(folder.path()).expect("sweeps"), 1);
        assert!(!folder.path().join(".lmcodec-1-0.tmp").exists());
        living.create().expect("is there still");
        assert_eq!(fs::read(&target).expect("reads"), b"whole");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(target.metadata().expect("is there").permissions().mode() & 0o7777, 0o600);
        }
        assert_eq!(sweep(folder.path()).expect("sweeps"), 0);
        assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 3);
    }
}
