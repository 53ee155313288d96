//! Real JPEG files, where they are at hand: `LMCODEC_SHARED`, or the folder `shared/data` beside the repository.

use std::fs;
use std::path::{Path, PathBuf};

use lmcodec::{DecodeOptions, EncodeOptions, Mode, decode, encode, store};

/// Larger files only take longer.
const MOST_BYTES: u64 = 60_000;
/// Every file in this many is coded.
const ONE_IN: usize = 8;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if entry.metadata().is_ok_and(|metadata| metadata.len() <= MOST_BYTES) {
            found.push(path);
        }
    }
}

#[test]
fn odd_real_files_come_back() {
    let shared = std::env::var_os("LMCODEC_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let mut found = Vec::new();
    files(&shared.join("jpegs"), &mut found);
    found.sort();
    if found.is_empty() {
        eprintln!("no photos at hand: nothing tested");
        return;
    }
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
