//! Makes the numbers of README, docs and results anew from the records under `results/`, without building the program:
//! `cargo run -p lmcodec-eval --example documents`. Says which documents changed.

use lmcodec_eval::published::documents;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for document in documents(&root)? {
        if let Some(line) = document.first_difference() {
            std::fs::write(root.join(&document.name), &document.made)?;
            println!("{}: changed from line {line} on", document.name);
        }
    }
    Ok(())
}
