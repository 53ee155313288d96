//! The command line as a user meets it.

mod synthetic;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use synthetic::{jpeg_file, jpeg_files, model_bytes};
use tempfile::TempDir;

fn lmcodec(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmcodec"));
    command.current_dir(folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    lmcodec(folder).args(arguments).output().expect("runs")
}

/// Runs and expects an exit code; returns (stdout, stderr).
fn expect(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = run(folder, arguments);
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

fn piped(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = lmcodec(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("piped").write_all(input).expect("writes");
    child.wait_with_output().expect("ends")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn photo() -> Vec<u8> {
    jpeg_file(64, 48, 3, &Default::default())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
    fs::write(&path, bytes).expect("writes");
    path
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The sum of the output bytes that some reports state.
fn coded_and(reports: &[Value]) -> u64 {
    reports.iter().map(|report| report["output_bytes"].as_u64().expect("a number")).sum()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("reads")
        .map(|entry| entry.expect("reads").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_kind_of_jpeg_file_goes_there_and_back() {
    let dir = folder();
    for (name, original) in jpeg_files() {
        write(dir.path(), &format!("{name}.jpg"), &original);
    }
    expect(dir.path(), &["encode", "--recursive", ".", "-o", "coded"], 0);
    expect(dir.path(), &["decode", "--recursive", "coded", "-o", "back"], 0);
    for (name, original) in jpeg_files() {
        assert!(fs::read(dir.path().join(format!("back/{name}.jpg"))).expect("reads") == original, "{name}");
    }
}

#[test]
fn default_names_and_no_overwriting() {
    let dir = folder();
    let original = photo();
    write(dir.path(), "photo.jpg", &original);
    let (stdout, _) = expect(dir.path(), &["encode", "photo.jpg"], 0);
    assert!(stdout.starts_with("photo.jpg -> photo.ljpg: ") && stdout.contains("% saved"), "{stdout}");
    let (stdout, _) = expect(dir.path(), &["encode", "photo.jpg"], 0);
    assert!(stdout.starts_with("photo.jpg: done before"), "{stdout}");
    let (stdout, _) = expect(dir.path(), &["decode", "photo.ljpg"], 0);
    assert!(stdout.starts_with("photo.ljpg: done before"), "{stdout}");
    expect(dir.path(), &["encode", "--force", "photo.jpg"], 0);
    fs::write(dir.path().join("photo.jpg"), b"other").expect("writes");
    for (command, name) in [("encode", "photo.jpg"), ("decode", "photo.ljpg")] {
        let (_, stderr) = expect(dir.path(), &[command, name], 3);
        assert!(stderr.contains("exists; --force overwrites it"), "{stderr}");
    }
    expect(dir.path(), &["decode", "photo.ljpg", "--force"], 0);
    assert!(fs::read(dir.path().join("photo.jpg")).expect("reads") == original);
    let (_, stderr) = expect(dir.path(), &["encode", "photo.jpg", "-o", "photo.jpg", "--force"], 2);
    assert!(stderr.contains("the same file"), "{stderr}");
    assert_eq!(names(dir.path()), ["photo.jpg", "photo.ljpg"], "no temporary file is left");
}

#[test]
fn json_fields() {
    let dir = folder();
    let original = photo();
    write(dir.path(), "a.jpg", &original);
    write(dir.path(), "b.jpeg", &original[..300]);
    let (stdout, _) = expect(dir.path(), &["encode", "--json", "--store", "a.jpg", "b.jpeg"], 0);
    let lines: Vec<Value> = stdout.lines().map(json).collect();
    assert_eq!(lines.len(), 3);
    let sum = coded_and(&lines[..2]);
    assert_eq!(lines[2]["summary"]["output_bytes"], sum);
    assert_eq!((&lines[2]["summary"]["stored"], &lines[2]["summary"]["failed"]), (&json("1"), &json("0")));
    let coded = fs::metadata(dir.path().join("a.ljpg")).expect("written").len();
    assert_eq!(lines[0]["input"], "a.jpg");
    assert_eq!(lines[0]["output"], "a.ljpg");
    assert_eq!(lines[0]["input_bytes"], original.len());
    assert_eq!(lines[0]["output_bytes"], coded);
    assert_eq!(lines[0]["mode"], "modelled");
    assert_eq!(lines[0]["model"], "default");
    let saving = 100.0 * (1.0 - coded as f64 / original.len() as f64);
    assert!((lines[0]["saving_percent"].as_f64().expect("a number") - saving).abs() < 0.01);
    assert!(lines[0]["seconds"].as_f64().is_some() && lines[0]["reason"].is_null());
    assert_eq!(lines[1]["mode"], "stored");
    assert!(lines[1]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));

    let (stdout, _) = expect(dir.path(), &["decode", "--json", "b.ljpg", "missing.ljpg", "-o", "out"], 3);
    let lines: Vec<Value> = stdout.lines().map(json).collect();
    assert_eq!(lines[0]["output_bytes"], 300);
    assert_eq!((lines[1]["input"].as_str(), lines[1]["exit_code"].as_u64()), (Some("missing.ljpg"), Some(3)));
    let (stdout, _) = expect(dir.path(), &["verify", "--json", "a.ljpg", "--against", "a.jpg"], 0);
    assert_eq!((json(&stdout)["verified"].as_bool(), json(&stdout)["compared"].as_bool()), (Some(true), Some(true)));
}

#[test]
fn standard_input_and_output() {
    let dir = folder();
    let original = photo();
    let coded = piped(dir.path(), &["encode", "-"], &original);
    assert!(coded.status.success());
    let decoded = piped(dir.path(), &["decode", "-"], &coded.stdout);
    assert!(decoded.status.success() && decoded.stdout == original);
    assert!(piped(dir.path(), &["verify", "-"], &coded.stdout).status.success());
    assert!(piped(dir.path(), &["encode", "-", "-o", "x.ljpg"], &original).status.success());
    write(dir.path(), "photo.jpg", &original);
    let output = run(dir.path(), &["encode", "photo.jpg", "-c", "--no-preserve", "--json"]);
    assert!(output.stdout == coded.stdout, "standard output holds the file alone");
    let quiet = run(dir.path(), &["encode", "photo.jpg", "-o", "-"]);
    assert!(quiet.stderr.is_empty() && lmcodec::attributes(&quiet.stdout).expect("reads").name.is_some());
    assert_eq!(json(&String::from_utf8_lossy(&output.stderr))["output"], "-");
    assert_eq!(names(dir.path()), ["photo.jpg", "x.ljpg"]);
}

#[test]
fn folders_keep_their_shape() {
    let dir = folder();
    for name in ["in/one.jpg", "in/sub/two.JPG", "in/sub/deep/three.jpeg"] {
        write(dir.path(), name, &photo());
    }
    write(dir.path(), "in/notes.txt", b"no image");
    let (_, stderr) = expect(dir.path(), &["encode", "in"], 2);
    assert!(stderr.contains("--recursive"), "{stderr}");
    expect(dir.path(), &["encode", "-r", "in", "-o", "coded"], 0);
    for name in ["coded/one.ljpg", "coded/sub/two.ljpg", "coded/sub/deep/three.ljpg"] {
        assert!(dir.path().join(name).is_file(), "{name}");
    }
    expect(dir.path(), &["verify", "-r", "coded"], 0);
    expect(dir.path(), &["encode", "-r", "in"], 0);
    assert_eq!(names(&dir.path().join("in")), ["notes.txt", "one.jpg", "one.ljpg", "sub"]);
    expect(dir.path(), &["encode", "-r", "in", "-o", "-"], 2);
    // Two that would get one name.
    write(dir.path(), "in/one.jpeg", &photo());
    expect(dir.path(), &["encode", "-r", "in", "-o", "again"], 0);
    assert_eq!(names(&dir.path().join("again")), ["one.jpg.ljpg", "one.ljpg", "sub"]);
    expect(dir.path(), &["decode", "-r", "again", "-o", "back"], 0);
    assert_eq!(names(&dir.path().join("back")), ["one.jpeg", "one.jpg", "sub"]);
}

#[cfg(feature = "images")]
#[test]
fn other_images_are_converted() {
    let dir = folder();
    let image = image::RgbImage::from_raw(50, 40, synthetic::pixels(50, 40, 3)).expect("an image");
    for name in ["a.png", "b.webp", "c.tiff", "d.bmp", "e.ppm"] {
        image.save(dir.path().join(name)).expect("saves");
        let (_, stderr) = expect(dir.path(), &["encode", name], 2);
        assert!(stderr.contains("--lossy"), "{stderr}");
        let (_, stderr) = expect(dir.path(), &["encode", name, "--quality", "95", "--subsampling", "444"], 0);
        assert!(stderr.contains("converted lossily to JPEG at quality 95"), "{stderr}");
    }
    let gray = image::GrayImage::from_raw(50, 40, synthetic::pixels(50, 40, 1)).expect("an image");
    gray.save(dir.path().join("gray.png")).expect("saves");
    expect(dir.path(), &["encode", "gray.png", "--lossy", "--store"], 0);
    let (stdout, _) = expect(dir.path(), &["inspect", "--json", "a.ljpg", "gray.ljpg"], 0);
    let lines: Vec<Value> = stdout.lines().map(json).collect();
    assert_eq!(lines[0]["jpeg"]["components"][1]["sampling"], "1x1");
    assert_eq!(lines[0]["jpeg"]["components"][0]["quality"], 95);
    assert_eq!(lines[1]["jpeg"]["components"].as_array().map(Vec::len), Some(1));

    expect(dir.path(), &["decode", "a.ljpg"], 0);
    expect(dir.path(), &["decode", "a.ljpg", "-o", "back.png"], 0);
    for name in ["a.jpg", "back.png"] {
        let back = image::open(dir.path().join(name)).expect("an image").into_rgb8();
        let error: u64 = back.as_raw().iter().zip(image.as_raw()).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
        assert!(error / (image.as_raw().len() as u64) < 60, "{name}: mean squared error {error}");
    }

    let clear = image::RgbaImage::from_pixel(9, 9, image::Rgba([0, 0, 0, 0]));
    clear.save(dir.path().join("clear.png")).expect("saves");
    let (_, stderr) = expect(dir.path(), &["encode", "clear.png", "--lossy", "--store"], 0);
    assert!(stderr.contains("blended onto white"), "{stderr}");
    expect(dir.path(), &["decode", "clear.ljpg", "-o", "clear.bmp"], 0);
    let white = image::open(dir.path().join("clear.bmp")).expect("an image").into_rgb8();
    assert!(white.as_raw().iter().all(|&v| v == 255));
}

#[cfg(feature = "images")]
#[test]
fn what_a_jpeg_file_would_keep_a_part_of_is_never_converted() {
    let dir = folder();
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(20, 10, image::Luma([40_000]));
    deep.save(dir.path().join("deep.png")).expect("saves");
    let gray = image::GrayImage::from_raw(50, 40, synthetic::pixels(50, 40, 1)).expect("an image");
    gray.save(dir.path().join("pages.tif")).expect("saves");
    // A second page: the link at the end of the first directory leads back to it.
    let mut pages = fs::read(dir.path().join("pages.tif")).expect("reads");
    let first = u32::from_le_bytes(pages[4..8].try_into().expect("four bytes")) as usize;
    let entries = usize::from(u16::from_le_bytes(pages[first..first + 2].try_into().expect("two bytes")));
    pages[first + 2 + 12 * entries] = 8;
    write(dir.path(), "pages.tif", &pages);
    for (name, what) in [("deep.png", "16 bits a sample"), ("pages.tif", "several pages")] {
        let (_, stderr) = expect(dir.path(), &["encode", name, "--lossy"], 4);
        assert!(stderr.contains(what), "{stderr}");
        assert!(!dir.path().join(name).with_extension("ljpg").exists());
    }
}

#[cfg(not(feature = "images"))]
#[test]
fn pixels_in_and_out_say_how_to_get_them() {
    let dir = folder();
    write(dir.path(), "a.png", b"\x89PNG\r\n\x1a\n");
    let (_, stderr) = expect(dir.path(), &["encode", "a.png"], 4);
    assert!(stderr.contains("PNG") && stderr.contains("--features images"), "{stderr}");
    write(dir.path(), "b.jpg", &photo());
    expect(dir.path(), &["encode", "b.jpg"], 0);
    let (_, stderr) = expect(dir.path(), &["decode", "b.ljpg", "-o", "b.PNG"], 2);
    assert!(stderr.contains(".PNG") && stderr.contains("--features images"), "{stderr}");
    assert!(!dir.path().join("b.PNG").exists() && !dir.path().join("a.ljpg").exists());
}

#[cfg(not(feature = "eval"))]
#[test]
fn a_command_that_is_not_built_in_says_how_to_get_it() {
    let dir = folder();
    for (arguments, feature) in [
        (&["eval", "image", "--set", "kodak=x"][..], "eval"),
        (&["train", "--help"], "finetune"),
        (&["datasets"], "datasets"),
    ] {
        let (stdout, stderr) = expect(dir.path(), arguments, 2);
        assert!(stdout.is_empty() && stderr.lines().count() == 1, "{stdout}{stderr}");
        assert!(stderr.contains(&format!("cargo install lmcodec --features {feature}")), "{stderr}");
    }
    let (stdout, _) = expect(dir.path(), &["--help"], 0);
    let unwrapped = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains("not in this build: feature `finetune`"), "{stdout}");
}

#[test]
fn no_image_is_an_error_but_a_jpeg_name_is_a_promise() {
    let dir = folder();
    for (name, bytes, found) in
        [("empty", &b""[..], "an empty file"), ("notes.txt", b"some text", "text"), ("x.gif", b"GIF89a..", "GIF")]
    {
        write(dir.path(), name, bytes);
        let (_, stderr) = expect(dir.path(), &["encode", name], 4);
        assert!(stderr.contains("not an image") && stderr.contains(found), "{stderr}");
    }
    for (name, bytes) in [("empty.jpg", &b""[..]), ("text.jpeg", b"some text"), ("cut.jpg", &photo()[..200])] {
        write(dir.path(), name, bytes);
        let (stdout, _) = expect(dir.path(), &["encode", name], 0);
        let kept = stdout.contains("kept as it is");
        let written = dir.path().join(name).with_extension("ljpg").exists();
        assert_eq!((kept, written), (name != "cut.jpg", name == "cut.jpg"), "{stdout}");
        let (_, stderr) = expect(dir.path(), &["encode", name, "--store", "--force"], 0);
        assert!(stderr.contains("stored, not modelled: "), "{stderr}");
        let coded = Path::new(name).with_extension("ljpg");
        let coded = coded.to_str().expect("a name");
        expect(dir.path(), &["decode", coded, "-o", "back", "--force"], 0);
        assert!(fs::read(dir.path().join("back")).expect("reads") == bytes, "{name}");
    }
}

#[test]
fn exit_codes() {
    let dir = folder();
    let original = photo();
    write(dir.path(), "photo.jpg", &original);
    write(dir.path(), "other.jpg", b"other");
    write(dir.path(), "model.safetensors", &model_bytes(3));
    expect(dir.path(), &["encode", "photo.jpg"], 0);
    expect(dir.path(), &["encode"], 2);
    expect(dir.path(), &["encode", "photo.jpg", "--quality", "0"], 2);
    expect(dir.path(), &["encode", "-", "photo.jpg"], 2);
    expect(dir.path(), &["encode", "photo.jpg", "--kernel", "abacus"], 2);
    expect(dir.path(), &["encode", "missing.jpg"], 3);
    expect(dir.path(), &["decode", "photo.jpg", "-o", "x"], 4);
    expect(dir.path(), &["encode", "photo.jpg", "--model", "photo.jpg", "-o", "x"], 5);
    expect(dir.path(), &["verify", "photo.ljpg", "--against", "photo.jpg"], 0);
    expect(dir.path(), &["verify", "photo.ljpg", "--against", "other.jpg"], 7);

    let coded = fs::read(dir.path().join("photo.ljpg")).expect("reads");
    let mut damaged = coded.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    write(dir.path(), "damaged.ljpg", &damaged);
    let (_, stderr) = expect(dir.path(), &["decode", "damaged.ljpg"], 4);
    assert!(stderr.contains("segment 0 (lines 0..48)"), "{stderr}");
    assert!(!dir.path().join("damaged.jpg").exists());
    let (stdout, stderr) = expect(dir.path(), &["decode", "--salvage", "--json", "damaged.ljpg"], 4);
    assert!(stderr.contains("1 of 1 segments are lost"), "{stderr}");
    assert_eq!(json(&stdout)["salvaged"], true);
    assert!(dir.path().join("damaged.jpg").is_file());

    let mut future = coded.clone();
    future[3] = 200;
    write(dir.path(), "future.ljpg", &future);
    let (_, stderr) = expect(dir.path(), &["decode", "future.ljpg"], 5);
    assert!(stderr.contains("found 200, this version reads 1"), "{stderr}");

    expect(dir.path(), &["encode", "photo.jpg", "--model", "model.safetensors", "--always-model", "-o", "m.ljpg"], 0);
    let (_, stderr) = expect(dir.path(), &["decode", "m.ljpg"], 5);
    assert!(stderr.contains("needs the model with SHA-256"), "{stderr}");
    expect(dir.path(), &["verify", "m.ljpg", "--model", "model.safetensors", "--against", "photo.jpg"], 0);

    let (_, stderr) = expect(dir.path(), &["decode", "photo.ljpg", "--max-pixels", "100", "-o", "x"], 6);
    assert!(stderr.contains("pixels is 3072, at most 100"), "{stderr}");
    // A limit is no reason to lose a JPEG file.
    expect(dir.path(), &["encode", "photo.jpg", "--max-pixels", "100", "--store", "-o", "stored.ljpg"], 0);
    assert!(!dir.path().join("x").exists());
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let dir = folder();
    write(dir.path(), "a.txt", b"text");
    write(dir.path(), "b.jpg", &photo());
    let (stdout, stderr) = expect(dir.path(), &["encode", "-v", "a.txt", "b.jpg"], 4);
    assert!(stderr.starts_with("lmcodec: a.txt: not an image") && stdout.starts_with("b.jpg -> b.ljpg"));
    assert!(stderr.contains("1 file encoded, ") && stderr.contains(" 1 failed, "), "{stderr}");
}

#[test]
fn threads_change_nothing() {
    let dir = folder();
    write(dir.path(), "photo.jpg", &jpeg_file(40, 300, 3, &Default::default()));
    let mut files = Vec::new();
    // However many are asked for, no more are started than can run.
    for threads in ["1", "2", "20000"] {
        let output = format!("{threads}.ljpg");
        expect(dir.path(), &["encode", "photo.jpg", "--threads", threads, "--segment-rows", "8", "-o", &output], 0);
        expect(dir.path(), &["verify", &output, "--threads", threads, "--against", "photo.jpg"], 0);
        files.push(fs::read(dir.path().join(output)).expect("reads"));
    }
    assert!(files[0] == files[1] && files[0] == files[2]);
}

#[test]
fn inspect_describes() {
    let dir = folder();
    write(dir.path(), "photo.jpg", &photo());
    expect(dir.path(), &["encode", "photo.jpg"], 0);
    let (stdout, _) = expect(dir.path(), &["inspect", "photo.ljpg"], 0);
    for text in
        ["format version    1", "modelled", "64x48, baseline", "sampling 2x2", "quality 75", "lines 0..48", "intact"]
    {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    expect(dir.path(), &["inspect", "photo.jpg"], 4);
}

#[cfg(not(feature = "finetune"))]
#[test]
fn training_says_how_to_rebuild() {
    let dir = folder();
    let (_, stderr) = expect(dir.path(), &["train", "config.toml", "--out", "run"], 2);
    assert!(stderr.contains("--features finetune"), "{stderr}");
}
