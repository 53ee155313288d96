//! The log of a run: `log.jsonl`, one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::RunError;

/// The open log.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Opens the log of a run whose state knows `length` bytes of it; lines after them tell of steps that will be taken again,
    /// and are cut off.
    pub(crate) fn open(folder: &Path, length: u64) -> Result<Self, RunError> {
        let path = folder.join("log.jsonl");
        let open = || -> std::io::Result<(File, u64)> {
            let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path)?;
            // A log that somebody has shortened is not filled up with zeros.
            let length = length.min(file.metadata()?.len());
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(RunError::io(&path))?;
        Ok(Self { file, length, path })
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, fields: Map<String, Value>) -> Result<(), RunError> {
        let line = Value::Object(fields).to_string() + "\n";
        self.file.write_all(line.as_bytes()).map_err(RunError::io(&self.path))?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Sees to it that the lines are on the disk; their length.
    pub(crate) fn sync(&mut self) -> Result<u64, RunError> {
        self.file.sync_all().map_err(RunError::io(&self.path))?;
        Ok(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_the_state_does_not_know_are_cut_off() {
        let dir = tempfile::tempdir().expect("a folder");
        let line = |step: usize| Map::from_iter([("step".to_owned(), Value::from(step))]);
        let mut log = Log::open(dir.path(), 0).expect("a log");
        log.line(line(1)).expect("written");
        let known = log.sync().expect("synced");
        log.line(line(2)).expect("written");
        let mut log = Log::open(dir.path(), known).expect("a log");
        log.line(line(3)).expect("written");
        let text = || std::fs::read_to_string(dir.path().join("log.jsonl")).expect("a log");
        assert_eq!(text(), "{\"step\":1}\n{\"step\":3}\n");
        Log::open(dir.path(), 1000).expect("a log");
        assert_eq!(text(), "{\"step\":1}\n{\"step\":3}\n");
    }
}
