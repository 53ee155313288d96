//! Deleting a file whose content is safe elsewhere.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use super::exit::{Exit, Failure};
use super::terminal::shown;

/// Deletes a file, if it is the one that was read: no link, nothing that has changed since (`seen`).
pub(super) fn source(path: &Path, seen: &Metadata) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::new(Exit::Io, format!("{}: {error}; it is not deleted", shown(path)));
    let now = fs::symlink_metadata(path).map_err(fault)?;
    let refuse = |why: &str| Err(Failure::new(Exit::Io, format!("{}: {why}; it is not deleted", shown(path))));
    if !now.is_file() {
        return refuse("is no regular file");
    }
    #[cfg(unix)]
    let is_same_inode = {
        use std::os::unix::fs::MetadataExt;
        (now.dev(), now.ino()) == (seen.dev(), seen.ino())
    };
    #[cfg(not(unix))]
    let is_same_inode = true;
    if !is_same_inode || now.len() != seen.len() || now.modified().ok() != seen.modified().ok() {
        return refuse("has changed since it was read");
    }
    fs::remove_file(path).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_is_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("photo.jpg");
        fs::write(&path, b"one").expect("writes");
        let seen = fs::metadata(&path).expect("is there");
        fs::write(&path, b"another").expect("writes");
        assert!(source(&path, &seen).is_err_and(|failure| failure.message.contains("changed")) && path.exists());
        source(&path, &fs::metadata(&path).expect("is there")).expect("deletes");
        assert!(!path.exists());
        assert!(source(&path, &seen).is_err());
    }
}
