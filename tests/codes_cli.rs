//! The program on files of codebook indices: what it says of them, and how their names come back.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use synthetic::{code_files, indices, npy, npy_of, odd_code_files};

mod synthetic;

fn lmcodec(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmcodec"));
    command.current_dir(folder).env_remove("LMCODEC_MODELS").args(arguments).output().expect("runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn files_of_three_kinds_get_their_names_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let odd = odd_code_files();
    let file = |name: &str| odd.iter().find(|file| file.0 == name).expect(name).1.clone();
    for (name, bytes) in
        [("a.npy", file("rvq-padded")), ("b.npz", file("rvq-npz")), ("c.safetensors", file("rvq-tensors"))]
    {
        fs::write(path(name), &bytes).expect("writes");
        let run = lmcodec(folder.path(), &["encode", name, "--rvq", "--tensor", "all"]);
        assert!(run.status.success(), "{}", text(&run.stderr));
        let coded = Path::new(name).with_extension("lrvq");
        fs::remove_file(path(name)).expect("removes");
        let run = lmcodec(folder.path(), &["decode", &coded.display().to_string()]);
        assert!(run.status.success(), "{}", text(&run.stderr));
        assert!(fs::read(path(name)).expect(name) == bytes, "{name}");
    }
    let run = lmcodec(folder.path(), &["encode", "-rv", ".", "--rvq", "--tensor", "all", "-f", "--always-model"]);
    assert_eq!(text(&run.stdout).lines().count(), 3, "{}", text(&run.stderr));
    let run = lmcodec(folder.path(), &["inspect", "b.lrvq"]);
    assert!(text(&run.stdout).contains("the first of array 2"), "{}", text(&run.stdout));
}

#[test]
fn what_codes_are_worth_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("x.npy"), &code_files()[0].1).expect("writes");
    let run = lmcodec(folder.path(), &["encode", "x.npy", "--vq", "--codebook", "1024", "--json"]);
    let line: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let number = |key: &str| line[key].as_f64().expect(key);
    assert_eq!((number("codes"), number("codebook_bits")), (3840.0, 10.0));
    let bits = 8.0 * number("output_bytes") / 3840.0;
    assert!((number("bits_per_code") - bits).abs() < 1e-4);
    assert!((number("saving_of_codebook_percent") - 100.0 * (1.0 - bits / 10.0)).abs() < 0.01);
    let run = lmcodec(folder.path(), &["encode", "x.npy", "--vq", "--codebook", "1024", "-f"]);
    let said = text(&run.stdout);
    assert!(said.contains(" bits a code, ") && said.contains("% saved of the codebook's 10.00"), "{said}");
}

#[test]
fn what_is_missing_or_swapped_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("writes");
    let says = |arguments: &[&str], exit: i32, what: &str| {
        let run = lmcodec(folder.path(), &[&["encode", "-f"], arguments].concat());
        let said = text(&run.stderr);
        assert!(said.contains(what) && run.status.code() == Some(exit), "{arguments:?}: {:?} {said}", run.status);
    };
    write("x.npy", &npy(lmcodec::codes::ElementType::U16, false, &[8, 100], indices(800, 8, 900, 1)));
    says(&["x.npy"], 4, "a .npy file: use --vq or --rvq");
    says(&["x.npy", "--rvq"], 0, "--layers-first makes a smaller file");
    write("x.npz", &odd_code_files()[5].1);
    says(&["x.npz"], 4, "a .npz file: use --vq or --rvq");
    let pickled = npy_of(lmcodec::codes::ElementType::U8, &[1], b"\x80\x04 codes chunk_length");
    let at = pickled.windows(3).position(|window| window == b"|u1").expect("a type");
    let pickled = [&pickled[..at], b"|O", &pickled[at + 3..at + 4], b" ", &pickled[at + 4..]].concat();
    write("x.dac", &pickled);
    says(&["x.dac", "--rvq"], 4, "numpy.load(\"FILE.dac\", allow_pickle=True).item()[\"codes\"]");
    write("x.pt", b"\x80\x02\x8a\nl\xfc");
    says(&["x.pt", "--rvq"], 4, "torch.load(\"FILE.pt\"");
    write("x.ecdc", b"ECDC\0");
    says(&["x.ecdc", "--rvq"], 4, "encodec.compress.decompress");
}
