//! Writes the seed corpus: `cargo run --manifest-path fuzz/Cargo.toml --bin make_seeds`.
//!
//! Small files made in code, those behind the golden files: JPEG of every kind, codes, what they become with the tiny model of
//! the tests, that model, coefficients. Seeds have an extension; what the fuzzer finds has none and is ignored by git.

use std::error::Error;
use std::fs;
use std::path::Path;

use lmcodec::{EncodeOptions, encode, encode_codes, store};

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

/// Bytes without meaning, for the targets that read numbers.
fn noise(count: usize) -> Vec<u8> {
    synthetic::indices(count, usize::MAX, 256, 11).into_iter().map(|code| code as u8).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    let options = synthetic::encode_options();
    for (name, file) in synthetic::jpeg_files() {
        seed("jpeg_parse", &format!("{name}.jpg"), &file)?;
        seed("jpeg_round_trip", &format!("{name}.jpg"), file.strip_prefix(b"\xFF\xD8").expect("begins with SOI"))?;
        seed("container_decode", &format!("{name}.ljpg"), &encode(&file, &options)?.bytes)?;
    }
    seed("container_decode", "stored.ljpg", &store(&[b'a'; 300], "a seed", &options)?.bytes)?;
    let options = EncodeOptions::new().always_model(true);
    for (name, file, codes) in synthetic::code_files() {
        // The arrangement in the target's first byte: VQ as the shape says, RVQ, layers first.
        let kind = if name.starts_with("vq") { 0 } else { 2 + u8::from(name.contains("layers-first")) };
        seed("codes_round_trip", &format!("{name}.npy"), &[&[kind], file.as_slice()].concat())?;
        seed("container_decode", &format!("{name}.lcodes"), &encode_codes(&file, &codes, &options)?.bytes)?;
    }
    seed("model_file", "random.safetensors", &synthetic::model_bytes(1))?;
    seed("range_coder", "noise.bin", &noise(1200))?;
    for (name, sizes) in [("gray", [1, 0o33, 0, 0, 16]), ("color", [3, 0o44, 0o22, 0o22, 5])] {
        seed("segment", &format!("{name}.bin"), &[&sizes[..], &noise(600)].concat())?;
        let small: Vec<u8> = noise(600).iter().map(|byte| byte % 3).flat_map(|byte| [byte, 0]).collect();
        seed("segment", &format!("{name}-small.bin"), &[&sizes[..], &small].concat())?;
    }
    Ok(())
}
