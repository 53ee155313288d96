//! Files written by released versions decode for ever: every `conformance/*.ljpg` gives the SHA-256 beside it.

use std::fs;
use std::path::Path;

use lmcodec::{DecodeOptions, Kernel, decode};
use sha2::{Digest, Sha256};

#[test]
fn golden_files_decode_to_their_hashes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("reads").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ljpg"))
        .collect();
    names.sort();
    for path in &names {
        let expected = fs::read_to_string(path.with_extension("sha256")).expect("a hash beside every file");
        let expected = expected.split_whitespace().next().expect("a hash");
        for kernel in Kernel::available() {
            let mut options = DecodeOptions::default();
            options.execution.kernel = Some(kernel);
            let original = decode(&fs::read(path).expect("reads"), &options).expect("decodes");
            let found: String = Sha256::digest(&original).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, expected, "{} with {}", path.display(), kernel.name());
        }
    }
    eprintln!("{} golden files", names.len());
}
