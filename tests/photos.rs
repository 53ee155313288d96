//! Real JPEG files of many kinds come back, below `shared/data`.

use std::fs;
use std::path::{Path, PathBuf};

use lmcodec::{DecodeOptions, EncodeOptions, Mode, decode, encode, store};
use lmcodec_needs::{Need, shared, test};

/// Larger files only take longer.
const MOST_BYTES: u64 = 60_000;
/// Every file in this many is coded.
const ONE_IN: usize = 8;

fn main() -> std::process::ExitCode {
    lmcodec_needs::run([test("odd_real_files_come_back", &[Need::Shared("jpegs")], odd_real_files_come_back)])
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if entry.metadata().is_ok_and(|metadata| metadata.len() <= MOST_BYTES) {
            found.push(path);
        }
    }
}

fn odd_real_files_come_back() {
    let mut found = Vec::new();
    files(&shared("jpegs"), &mut found);
    found.sort();
    let options = EncodeOptions::new().verify(false);
    let (mut modelled, mut stored) = (0, 0);
    for path in found.iter().step_by(ONE_IN) {
        let original = fs::read(path).expect("reads");
        let encoded = encode(&original, &options).or_else(|_| store(&original, "no image", &options)).expect("stores");
        match encoded.summary.mode {
            Mode::Stored { .. } => stored += 1,
            _ => modelled += 1,
        }
        let decoded = decode(&encoded.bytes, &DecodeOptions::default()).expect("decodes");
        assert!(decoded == original, "{}", path.display());
    }
    eprintln!("{modelled} modelled, {stored} stored");
    assert!(modelled > 0);
}
