//! The choice of a kernel is obeyed by all code: nothing but `isa.rs` asks what the processor can do.

use std::path::Path;

#[test]
fn only_the_choice_of_a_kernel_asks_the_processor() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut asking) = (vec![sources], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).expect("a file").windows(13).any(|w| w == b"feature_detec") {
                asking.push(path.file_name().expect("a name").to_owned());
            }
        }
    }
    assert_eq!(asking, ["isa.rs"]);
}
