//! Names that are absent, old or new, wherever a process dies.

use std::fs;
use std::io::{ErrorKind, Write};

use lmcodec_files::testing::{kill_after, revive};
use lmcodec_files::{Staged, remove_folder, sweep, write};

#[test]
fn a_killed_write_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut seen = Vec::new();
    for operations in 0.. {
        write(&path, b"old").unwrap();
        kill_after(operations);
        let written = write(&path, b"new and longer");
        revive();
        let found = fs::read(&path).unwrap();
        assert!(found == b"old" || found == b"new and longer", "{operations}: {found:?}");
        seen.push(found);
        sweep(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{operations}");
        if written.is_ok() {
            break;
        }
    }
    // Create, write, sync, rename, sync the folder: killed at each, then not at all.
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().any(|found| found == b"old") && seen.iter().any(|found| found == b"new and longer"));
}

#[test]
fn create_never_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo");
    let mut first = Staged::beside(&path).unwrap();
    let mut second = Staged::beside(&path).unwrap();
    first.write_all(b"first").unwrap();
    second.write_all(b"second").unwrap();
    first.create().unwrap();
    assert_eq!(second.create().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_longest_name_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n".repeat(255));
    write(&path, b"x").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"x");
}

#[test]
fn folders_are_removed_whole_and_absent_ones_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a");
    fs::create_dir_all(inner.join("b")).unwrap();
    fs::write(inner.join("b").join("c"), b"x").unwrap();
    remove_folder(&inner).unwrap();
    assert!(!inner.exists());
    remove_folder(&inner).unwrap();
}
