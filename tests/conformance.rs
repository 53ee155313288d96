//! Files written by released versions decode for ever: every coded file in `conformance/` gives the SHA-256 beside it.

use std::fs;
use std::path::Path;

use lmcodec::{
    DecodeOptions, Effort, EncodeOptions, Kernel, attributes, decode, default_model, encode, encode_codes, inspect,
};
use sha2::{Digest, Sha256};

mod synthetic;

#[test]
fn golden_files_decode_to_their_hashes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("reads").path())
        .filter(|path| path.extension().is_some_and(|e| ["ljpg", "lvq", "lrvq"].iter().any(|known| e == *known)))
        .collect();
    names.sort();
    for path in &names {
        let expected = fs::read_to_string(path.with_extension("sha256")).expect("a hash beside every file");
        let expected = expected.split_whitespace().next().expect("a hash");
        for kernel in Kernel::available() {
            let mut options = DecodeOptions::default();
            options.execution.kernel = Some(kernel);
            let original = decode(&fs::read(path).expect("reads"), &options).expect("decodes");
            let found = format!("{:x}", Sha256::digest(&original));
            assert_eq!(found, expected, "{} with {}", path.display(), kernel.name());
        }
    }
    assert!(!names.is_empty(), "no golden files");
    eprintln!("{} golden files", names.len());
}

/// The golden files were written by a release build on one machine: whatever build runs this test, on whatever machine, must
/// write the same bytes (for those of the models that are embedded today).
#[test]
fn golden_files_are_written_alike_by_every_build() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let options = EncodeOptions::new().segment_rows(8).always_model(true);
    let mut compared = 0;
    for (name, effort, original) in synthetic::golden_jpeg_files() {
        let golden = fs::read(folder.join(format!("v{}-{name}.ljpg", lmcodec::container::VERSION))).expect("reads");
        let about = inspect(&golden, &DecodeOptions::default()).expect("inspects");
        let about = about.jpeg.expect("a JPEG file");
        // The first golden files are of the default model, unrefined.
        let (effort, model) = effort.map_or((Effort::Fast, default_model()), |effort| (effort, effort.model()));
        let model = model.expect("whole");
        if about.model_sha256_prefix == model.id().to_string() {
            let options = options.clone().effort(effort).model(model);
            assert!(encode(&original, &options).expect("encodes").bytes == golden, "{name} differs");
            assert_eq!(about.refined, effort != Effort::Fast, "{name}");
            compared += 1;
        }
    }
    let golden = fs::read(folder.join("v1-attributes.ljpg")).expect("reads");
    assert_eq!(attributes(&golden).expect("reads"), synthetic::attributes());
    let with_attributes = options.clone().effort(Effort::Fast).attributes(synthetic::attributes());
    let original = synthetic::jpeg_file(24, 16, 3, &Default::default());
    assert!(encode(&original, &with_attributes).expect("encodes").bytes == golden, "attributes differ");
    for (name, original, codes) in synthetic::code_files().into_iter().chain(synthetic::odd_code_files()) {
        let codes = codes.segment_codes(700);
        let extension = if name.starts_with("vq") { "lvq" } else { "lrvq" };
        let golden = folder.join(format!("v{}-{name}.{extension}", lmcodec::container::VERSION));
        let encoded = encode_codes(&original, &codes, &options).expect("encodes").bytes;
        assert!(encoded == fs::read(golden).expect("reads"), "{name} differs");
    }
    assert!(compared >= 15, "too few golden files of today's models: run the example make_conformance");
}
