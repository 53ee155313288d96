//! Writes the golden files of this version: `cargo run -p lmcodec --example make_conformance [FOLDER]`.
//!
//! One file for every kind of input, from images and codes made in code, and the SHA-256 of the original beside it. Files that are
//! there already are left alone: they were written by an earlier version and must go on decoding.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use lmcodec::{DecodeOptions, Effort, EncodeOptions, decode, default_model, encode, encode_codes, store};
use sha2::{Digest, Sha256};

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

fn main() -> Result<(), Box<dyn Error>> {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance"));
    let folder = std::env::args_os().nth(1).map_or(default, PathBuf::from);
    fs::create_dir_all(&folder)?;
    // Several segments even in small images.
    let options = EncodeOptions::new().segment_rows(8).always_model(true);
    let mut files = Vec::new();
    for (name, effort, original) in synthetic::golden_jpeg_files() {
        let (effort, model) = effort.map_or((Effort::Fast, default_model()), |effort| (effort, effort.model()));
        let options = options.clone().effort(effort).model(model?);
        files.push((name, encode(&original, &options)?.bytes, original));
    }
    let original = synthetic::jpeg_file(24, 16, 3, &Default::default());
    let with_attributes = options.clone().effort(Effort::Fast).attributes(synthetic::attributes());
    files.push(("attributes".to_owned(), encode(&original, &with_attributes)?.bytes, original));
    for (name, original) in [("stored-brotli", vec![b'a'; 300]), ("stored-raw", vec![b'a']), ("stored-empty", vec![])] {
        files.push((name.to_owned(), store(&original, "golden file", &options)?.bytes, original));
    }
    let mut files: Vec<_> = files.into_iter().map(|(name, bytes, original)| (name, "ljpg", bytes, original)).collect();
    for (name, original, codes) in synthetic::code_files().into_iter().chain(synthetic::odd_code_files()) {
        // Several segments here too.
        let codes = codes.segment_codes(700);
        let extension = if name.starts_with("vq") { "lvq" } else { "lrvq" };
        files.push((name.to_owned(), extension, encode_codes(&original, &codes, &options)?.bytes, original));
    }
    for (name, extension, bytes, original) in files {
        let path = folder.join(format!("v{}-{name}.{extension}", lmcodec::container::VERSION));
        if path.exists() {
            println!("{} exists", path.display());
            continue;
        }
        if decode(&bytes, &DecodeOptions::default())? != original {
            return Err(format!("{name} does not decode to its original").into());
        }
        let hash = format!("{:x}", Sha256::digest(&original));
        fs::write(path.with_extension("sha256"), format!("{hash}  {name}\n"))?;
        fs::write(&path, &bytes)?;
        println!("{}: {} -> {} bytes", path.display(), original.len(), bytes.len());
    }
    Ok(())
}
