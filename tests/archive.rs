//! Runs over folders as an archivist meets them: names, dates, rights, what is passed over, what is left after a kill.
#![cfg(unix)]

mod synthetic;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use synthetic::jpeg_file;
use tempfile::TempDir;

fn lmcodec(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmcodec"));
    command.current_dir(folder);
    command
}

/// Runs and expects an exit code; returns (stdout, stderr).
fn expect(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = lmcodec(folder).args(arguments).output().expect("runs");
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn write(path: impl AsRef<Path>, bytes: &[u8], mode: u32, nanoseconds: u64) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
    fs::write(path, bytes).expect("writes");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("sets");
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
    File::options()
        .write(true)
        .open(path)
        .and_then(|f| f.set_times(FileTimes::new().set_modified(time)))
        .expect("sets");
}

/// Everything below a folder: what kind it is, its bytes or target, date and rights.
type Tree = BTreeMap<Vec<u8>, (String, Vec<u8>, SystemTime, u32)>;

fn tree(root: &Path) -> Tree {
    fn walk(root: &Path, folder: &Path, tree: &mut Tree) {
        for entry in fs::read_dir(folder).expect("reads") {
            let path = entry.expect("reads").path();
            let metadata = path.symlink_metadata().expect("is there");
            let name = path.strip_prefix(root).expect("below").as_os_str().as_bytes().to_vec();
            let found = if metadata.is_dir() {
                walk(root, &path, tree);
                ("folder".to_owned(), Vec::new(), SystemTime::UNIX_EPOCH, metadata.mode())
            } else if metadata.is_symlink() {
                let target = fs::read_link(&path).expect("a link").into_os_string().into_vec();
                ("link".to_owned(), target, SystemTime::UNIX_EPOCH, 0)
            } else {
                let bytes = fs::read(&path).expect("reads");
                (format!("file of {}", metadata.nlink()), bytes, metadata.modified().expect("a date"), metadata.mode())
            };
            tree.insert(name, found);
        }
    }
    let mut found = Tree::new();
    walk(root, root, &mut found);
    found
}

/// Says which names differ, and not in which of thousands of bytes.
fn assert_same(found: &Tree, expected: &Tree) {
    let names = found.keys().chain(expected.keys()).filter(|&name| found.get(name) != expected.get(name));
    let about = |tree: &Tree, name: &Vec<u8>| {
        tree.get(name).map(|f| format!("{}, {} bytes, {:?}, {:o}", f.0, f.1.len(), f.2, f.3))
    };
    let differences: Vec<_> = names
        .map(|name| {
            format!("{}: {:?}, not {:?}", String::from_utf8_lossy(name), about(found, name), about(expected, name))
        })
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Photos of every kind of name, clutter of a NAS, links, duplicates.
fn archive(root: &Path) {
    let photo = |seed: u32| jpeg_file(40 + seed, 32, 3, &Default::default());
    let names: [&[u8]; 9] = [
        b"IMG_0001.JPG",
        b"IMG_0001.jpg",
        b"IMG_0001.jpeg",
        b"2013/Urlaub \xc3\xa9/ein Bild.JPG",
        b"2013/bad\xff.jpg",
        b"2013/a.tar.Jpg",
        b"2013/-rf.jpg",
        b"2013/two\nlines.jpg",
        b"private/secret.jpe",
    ];
    for (index, name) in names.iter().enumerate() {
        let mode = [0o644, 0o600, 0o640, 0o444][index % 4];
        let date = 1_383_300_000_123_456_789 + index as u64 * 1_000_000_007;
        write(root.join(OsStr::from_bytes(name)), &photo(index as u32), mode, date);
    }
    write(root.join("copy.jpg"), &photo(0), 0o644, 1);
    write(root.join("tiny.jpg"), b"x", 0o644, 2);
    write(root.join("notes.txt"), b"no photo", 0o644, 3);
    for clutter in
        [".hidden.jpg", "._IMG_0001.JPG", "@eaDir/IMG_0001.JPG/SYNO.jpg", ".thumbnails/t.jpg", "left/out.jpg"]
    {
        write(root.join(clutter), &photo(20), 0o644, 4);
    }
    fs::hard_link(root.join("IMG_0001.JPG"), root.join("2013/hard.JPG")).expect("links");
    symlink("../IMG_0001.JPG", root.join("2013/soft.jpg")).expect("links");
    symlink("2013", root.join("soft")).expect("links");
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let dir = folder();
    let root = dir.path().join("photos");
    archive(&root);
    let before = tree(&root);
    let arguments = ["encode", "-r", "-e", "fast", "photos", "--exclude", "left", "--json"];
    let (stdout, _) = expect(dir.path(), &arguments, 0);
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let summary = &lines.last().expect("lines")["summary"];
    let count = |key: &str| summary[key].as_u64().expect("a number");
    assert_eq!((count("modelled") + count("stored"), count("kept"), count("failed")), (10, 1, 0), "{summary}");
    assert_eq!(count("hard_links"), 1);
    assert_eq!(summary["passed_over"].to_string(), r#"{"excluded":1,"hidden":4,"links":1}"#);
    let hex = "70686f746f732f323031332f626164ff2e6a7067";
    assert_eq!(lines.iter().filter(|line| line["input_hex"] == hex).count(), 1, "{stdout}");
    // Nothing is done twice, and a finished run is a success.
    let (_, stderr) = expect(dir.path(), &["encode", "-r", "-e", "fast", "photos", "--exclude", "left"], 0);
    assert!(stderr.contains("0 files encoded") && stderr.contains("10 done before"), "{stderr}");
    let (_, stderr) = expect(dir.path(), &["encode", "-r", "photos", "--exclude", "left", "--rm"], 0);
    assert!(stderr.contains("10 sources deleted"), "{stderr}");
    let private = root.join("private/secret.ljpg").metadata().expect("written");
    assert_eq!(private.mode() & 0o777, before[&b"private/secret.jpe"[..]].3 & 0o777);
    assert_eq!(private.modified().ok(), Some(before[&b"private/secret.jpe"[..]].2));
    assert_eq!(tree(&root).values().filter(|found| found.1.starts_with(&[0xff, 0xd8])).count(), 5, "clutter alone");
    expect(dir.path(), &["verify", "-r", "photos"], 0);
    expect(dir.path(), &["decode", "-r", "photos", "--rm"], 0);
    assert_same(&tree(&root), &before);
}

#[test]
fn kills_lose_nothing_and_leave_nothing() {
    let dir = folder();
    let root = dir.path().join("photos");
    archive(&root);
    for index in 0..12 {
        write(root.join(format!("more/{index}.jpg")), &jpeg_file(300, 200 + index, 3, &Default::default()), 0o644, 5);
    }
    let before = tree(&root);
    for (command, arguments) in [("encode", &["-e", "fast", "--rm"][..]), ("decode", &["--rm"])] {
        for wait in [20, 30, 45, 60, 90, 120, 180, 240, 320, 400] {
            let mut child = lmcodec(dir.path())
                .args([command, "-r", "photos"])
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("starts");
            std::thread::sleep(Duration::from_millis(wait));
            let _ = child.kill();
            child.wait().expect("ends");
        }
        expect(dir.path(), &[&[command, "-r", "photos"], arguments].concat(), 0);
    }
    assert_same(&tree(&root), &before);
}

#[test]
fn renamed_files_keep_the_extension_or_get_their_own_name() {
    let dir = folder();
    write(dir.path().join("IMG_1.JPEG"), &jpeg_file(40, 40, 3, &Default::default()), 0o644, 9);
    expect(dir.path(), &["encode", "IMG_1.JPEG", "-o", "holiday.ljpg"], 0);
    expect(dir.path(), &["decode", "holiday.ljpg"], 0);
    assert!(dir.path().join("holiday.JPEG").is_file());
    expect(dir.path(), &["decode", "holiday.ljpg", "-o", "out/", "--original-name"], 0);
    assert!(dir.path().join("out/IMG_1.JPEG").is_file());
    // Two of one name: one comes back, the other is named.
    expect(dir.path(), &["encode", "IMG_1.JPEG", "-o", "again.ljpg"], 0);
    let (_, stderr) =
        expect(dir.path(), &["decode", "holiday.ljpg", "again.ljpg", "-o", "x/", "--original-name", "-f"], 3);
    assert!(stderr.contains("another input of this run"), "{stderr}");
    // Without all that.
    expect(dir.path(), &["encode", "IMG_1.JPEG", "--no-preserve", "-o", "plain.ljpg"], 0);
    expect(dir.path(), &["decode", "plain.ljpg"], 0);
    assert!(dir.path().join("plain.jpg").is_file());
}

#[test]
fn what_is_no_regular_file_is_written_into() {
    let dir = folder();
    let photo = jpeg_file(40, 40, 3, &Default::default());
    write(dir.path().join("a.jpg"), &photo, 0o644, 9);
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().expect("runs").success());
    let reader = std::thread::spawn({
        let path = dir.path().join("pipe");
        move || fs::read(path).expect("reads")
    });
    expect(dir.path(), &["encode", "a.jpg", "-o", "pipe", "--force", "--no-preserve"], 0);
    let coded = reader.join().expect("ends");
    assert_eq!(lmcodec::decode(&coded, &Default::default()).expect("decodes"), photo);
    expect(dir.path(), &["encode", "a.jpg", "-o", "/dev/null"], 0);
    assert!(!fs::metadata("/dev/null").expect("is there").is_file());
    // Who deletes the input must be able to read the result.
    expect(dir.path(), &["encode", "a.jpg", "-o", "/dev/null", "--rm"], 2);
    expect(dir.path(), &["encode", "a.jpg", "-o", "-", "--rm"], 2);
    write(dir.path().join("b.ljpg"), &coded, 0o644, 9);
    expect(dir.path(), &["decode", "b.ljpg", "-o", "/dev/null", "--rm"], 2);
    assert!(dir.path().join("a.jpg").is_file() && dir.path().join("b.ljpg").is_file());
    // What is read from a pipe is read once.
    let line = format!("cat b.ljpg | {} decode /dev/stdin -o piped.jpg", env!("CARGO_BIN_EXE_lmcodec"));
    assert!(Command::new("sh").arg("-c").arg(line).current_dir(dir.path()).status().expect("runs").success());
    assert!(fs::read(dir.path().join("piped.jpg")).expect("reads") == photo);
    // A link stays one.
    write(dir.path().join("real.ljpg"), b"old", 0o644, 9);
    symlink("real.ljpg", dir.path().join("link.ljpg")).expect("links");
    expect(dir.path(), &["encode", "a.jpg", "-o", "link.ljpg", "--force", "--no-preserve"], 0);
    assert!(
        dir.path().join("link.ljpg").is_symlink() && fs::read(dir.path().join("real.ljpg")).expect("reads") == coded
    );
}

#[test]
fn reports_that_nobody_reads_end_no_batch() {
    let dir = folder();
    for index in 0..6 {
        write(dir.path().join(format!("{index}.jpg")), &jpeg_file(40, 40 + index, 3, &Default::default()), 0o644, 9);
    }
    let all_are_there = || (0..6).all(|index| dir.path().join(format!("{index}.ljpg")).is_file());
    let mut child =
        lmcodec(dir.path()).args(["encode", "-r", ".", "--json"]).stdout(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("ends").code(), Some(3));
    assert!(all_are_there());
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("opens");
    let status = |arguments: &[&str]| {
        lmcodec(dir.path()).args(arguments).stderr(full()).stdout(full()).status().expect("runs").code()
    };
    assert_eq!(status(&["encode", "-rfv", "."]), Some(3));
    assert_eq!(status(&["encode", "-rfq", "."]), Some(0));
    assert_eq!(status(&["encode", "0.jpg", "-c"]), Some(3));
    // Whoever has read enough of a list has read it.
    let mut child = lmcodec(dir.path()).args(["list", "-r", "."]).stdout(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let line = format!("{} encode -c 0.jpg >&-", env!("CARGO_BIN_EXE_lmcodec"));
    let closed = Command::new("sh").arg("-c").arg(line).current_dir(dir.path()).status().expect("runs");
    assert_eq!(closed.code(), Some(3), "standard output was closed");
}

#[test]
fn one_bad_folder_or_file_stops_nothing() {
    let dir = folder();
    let photo = jpeg_file(40, 40, 3, &Default::default());
    write(dir.path().join("in/a.jpg"), &photo, 0o644, 9);
    write(dir.path().join("in/b.jpg"), &photo, 0o644, 9);
    write(dir.path().join("in/b.ljpg"), b"something else", 0o644, 9);
    // Root may read everything.
    let is_root = dir.path().metadata().expect("is there").uid() == 0;
    fs::create_dir(dir.path().join("in/closed")).expect("creates");
    fs::set_permissions(dir.path().join("in/closed"), Permissions::from_mode(0o0)).expect("sets");
    let (_, stderr) = expect(dir.path(), &["encode", "-r", "in"], 3);
    assert!(stderr.contains("b.ljpg exists; --force overwrites it"), "{stderr}");
    assert!(is_root || stderr.contains("in/closed: "), "{stderr}");
    assert!(stderr.contains(if is_root { "1 failed" } else { "2 failed" }), "{stderr}");
    assert!(dir.path().join("in/a.ljpg").is_file());
    fs::set_permissions(dir.path().join("in/closed"), Permissions::from_mode(0o755)).expect("sets");
    let (_, stderr) = expect(dir.path(), &["encode", "-r", "in/closed"], 0);
    assert!(stderr.contains("0 files encoded, 0 failed"), "{stderr}");
}

/// A program whose weights are not what they were writes files that no other program could read.
#[test]
fn one_flipped_bit_in_the_weights_is_found() {
    let dir = folder();
    write(dir.path().join("a.jpg"), &jpeg_file(64, 64, 3, &Default::default()), 0o644, 9);
    let mut program = fs::read(env!("CARGO_BIN_EXE_lmcodec")).expect("reads");
    let model = lmcodec_entropy::weights::fast_model().bytes;
    let key = &model[model.len() - 4096..];
    let at: Vec<usize> =
        program.windows(key.len()).enumerate().filter(|(_, part)| *part == key).map(|(at, _)| at).collect();
    assert!(!at.is_empty(), "the weights are part of the program");
    at.iter().for_each(|at| program[at + 100] ^= 1);
    // Written by another process: what this one has open for writing, its other children may hold for a moment, and then nobody
    // can run it.
    let damaged = dir.path().join("damaged");
    write(dir.path().join("bytes"), &program, 0o755, 9);
    assert!(Command::new("cp").arg(dir.path().join("bytes")).arg(&damaged).status().expect("runs").success());
    for arguments in [&["encode", "-e", "fast", "a.jpg"][..], &["encode", "-e", "fast", "a.jpg", "--no-verify"]] {
        let output = Command::new(&damaged).current_dir(dir.path()).args(arguments).output().expect("runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(5) && stderr.contains("the model in this program is damaged"), "{stderr}");
        assert!(!dir.path().join("a.ljpg").exists());
    }
}

#[test]
fn against_a_folder_every_file_has_its_counterpart() {
    let dir = folder();
    let root = dir.path().join("photos");
    archive(&root);
    expect(dir.path(), &["encode", "-r", "-e", "fast", "photos", "-o", "coded"], 0);
    expect(dir.path(), &["verify", "-r", "coded", "--against", "photos"], 0);
    expect(dir.path(), &["-t", "-r", "coded", "--against", "photos", "-q"], 0);
    fs::set_permissions(root.join("private/secret.jpe"), Permissions::from_mode(0o644)).expect("sets");
    write(root.join("private/secret.jpe"), &jpeg_file(40, 40, 3, &Default::default()), 0o644, 9);
    let (_, stderr) = expect(dir.path(), &["verify", "-r", "coded", "--against", "photos"], 7);
    assert!(stderr.contains("coded/private/secret.ljpg: "), "{stderr}");
}

#[test]
fn extended_attributes_come_back() {
    let dir = folder();
    let path = dir.path().join("a.jpg");
    write(&path, &jpeg_file(64, 64, 3, &Default::default()), 0o644, 9);
    if xattr::set(&path, "user.tag", b"holiday \xff").is_err() {
        return eprintln!("this file system keeps no extended attributes");
    }
    expect(dir.path(), &["encode", "a.jpg", "--rm"], 0);
    // Also over a system that knows none.
    let coded = fs::read(dir.path().join("a.ljpg")).expect("reads");
    write(dir.path().join("b.ljpg"), &coded, 0o644, 9);
    expect(dir.path(), &["decode", "a.ljpg", "b.ljpg"], 0);
    for name in ["a.jpg", "b.jpg"] {
        let tag = xattr::get(dir.path().join(name), "user.tag").expect("reads");
        assert_eq!(tag.as_deref(), Some(&b"holiday \xff"[..]), "{name}");
    }
}

/// Whoever wrote a file decides neither where its original goes nor what the system makes of it.
#[test]
fn a_header_from_elsewhere_gets_no_power() {
    let dir = folder();
    let mut attributes = lmcodec::FileAttributes::default();
    attributes.name = Some(b"../outside.jpg".to_vec());
    attributes.mode = Some(0o6777);
    attributes.extended = vec![(b"security.capability".to_vec(), vec![1; 20]), (b"trusted.x".to_vec(), b"y".to_vec())];
    let options = lmcodec::EncodeOptions::new().attributes(attributes);
    let coded = lmcodec::encode(&jpeg_file(64, 64, 3, &Default::default()), &options).expect("encodes").bytes;
    write(dir.path().join("in/a.ljpg"), &coded, 0o600, 9);
    expect(dir.path(), &["decode", "in/a.ljpg", "--original-name"], 0);
    let decoded = dir.path().join("in/a.jpg");
    assert_eq!(decoded.metadata().expect("written").mode() & 0o7777, 0o600);
    assert!(!dir.path().join("outside.jpg").exists());
    assert_eq!(xattr::list(&decoded).expect("reads").filter(|name| name != "security.selinux").count(), 0);
}

#[test]
fn headers_alone_tell_what_there_is() {
    let dir = folder();
    let mut image =
        lmcodec::jpeg::parse(&jpeg_file(64, 64, 3, &Default::default()), &Default::default()).expect("parses");
    let comment = lmcodec::jpeg::side::Element::Segment { marker: 0xFE, payload: b"a comment".to_vec() };
    let exif = [
        &b"Exif\0\0MM\0*\0\0\0\x08\0\x02"[..],
        b"\x01\x0f\0\x02\0\0\0\x04Cam\0",
        b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0",
        &[0; 4],
    ];
    let exif = lmcodec::jpeg::side::Element::Segment { marker: 0xE1, payload: exif.concat() };
    image.side.elements.splice(1..1, [exif, comment]);
    write(dir.path().join("a.JPG"), &lmcodec::jpeg::write(&image).expect("writes"), 0o644, 9);
    expect(dir.path(), &["encode", "a.JPG"], 0);
    // The payloads are not looked at.
    let coded = fs::read(dir.path().join("a.ljpg")).expect("reads");
    let cut = coded.len() - 20;
    write(dir.path().join("a.ljpg"), &coded[..cut], 0o644, 9);
    let (stdout, _) = expect(dir.path(), &["metadata", "a.ljpg"], 0);
    assert!(stdout.contains("Make") && stdout.contains("Cam") && stdout.contains("a comment"), "{stdout}");
    let (stdout, _) = expect(dir.path(), &["metadata", "--json", "a.ljpg"], 0);
    let line: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((line["exif"]["Make"].as_str(), line["pixels"].as_u64()), (Some("Cam"), Some(4096)));
    let (stdout, _) = expect(dir.path(), &["metadata", "--raw", "comments", "a.ljpg"], 0);
    assert_eq!(stdout, "a comment");
    expect(dir.path(), &["metadata", "--raw", "icc", "a.ljpg"], 1);
    expect(dir.path(), &["thumbnail", "a.ljpg"], 1);
    let (stdout, _) = expect(dir.path(), &["-l", "a.ljpg"], 0);
    assert!(stdout.contains(" default ") && stdout.contains("a.ljpg (a.JPG)"), "{stdout}");
}

#[test]
fn manuals_and_completions_know_every_flag() {
    let dir = folder();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let (stdout, _) = expect(dir.path(), &["completions", shell], 0);
        assert!(stdout.contains("no-preserve"), "{shell}");
    }
    expect(dir.path(), &["man", "man1"], 0);
    let page = fs::read_to_string(dir.path().join("man1/lmcodec-encode.1")).expect("written");
    assert!(page.contains(r"\-\-no\-preserve") && page.contains("hidden files"), "{page}");
    assert!(dir.path().join("man1/lmcodec.1").is_file());
}

#[test]
fn raw_files_are_refused_by_name() {
    let dir = folder();
    for (name, bytes) in
        [("a.nef", &b"II*\0\x08\0\0\0\0\0\0\0\0\0"[..]), ("b.CR2", b"II*\0"), ("c.raf", b"FUJIFILMCCD-RAW")]
    {
        write(dir.path().join(name), bytes, 0o644, 9);
        let (_, stderr) = expect(dir.path(), &["encode", name, "--lossy"], 4);
        assert!(stderr.contains("raw file") && !dir.path().join("a.ljpg").exists(), "{stderr}");
    }
    let path: PathBuf = dir.path().join("really.nef");
    write(&path, &jpeg_file(40, 40, 3, &Default::default()), 0o644, 9);
    expect(dir.path(), &["encode", "really.nef", "--rm"], 0);
    expect(dir.path(), &["decode", "really.ljpg"], 0);
    assert!(path.is_file());
}
