//! `lmcodec datasets` as a user meets it.

use std::fs;
use std::path::Path;
use std::process::Command;

use image::RgbImage;
use serde_json::Value;
use tempfile::TempDir;

/// Runs and expects an exit code; returns (stdout, stderr).
fn expect(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmcodec"));
    let output = command.current_dir(folder).arg("datasets").args(arguments).output().expect("runs");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    let s = f64::from(seed);
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        let wave =
            |k: f64| 127.0 + 110.0 * ((s * 12.9 * k).sin() * 9.0 * u + (s * 78.2 * k).cos() * 9.0 * v + s * k).sin();
        image::Rgb([wave(1.0) as u8, wave(1.3) as u8, wave(1.7) as u8])
    })
}

/// Twelve photos in `train/` as ImageNet has them, two in `kodak/`.
fn photos() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir_all(dir.path().join("in/train/n01440764")).expect("creates");
    fs::create_dir_all(dir.path().join("kodak")).expect("creates");
    for seed in 0..12 {
        let path = dir.path().join(format!("in/train/n01440764/n01440764_{seed}.JPEG"));
        picture(80, 70, seed).save_with_format(path, image::ImageFormat::Jpeg).expect("saves");
    }
    for seed in 0..2 {
        picture(120, 80, 50 + seed).save(dir.path().join(format!("kodak/kodim0{}.png", seed + 1))).expect("saves");
    }
    dir
}

#[test]
fn list_shows_what_is_there() {
    let dir = photos();
    let (text, _) = expect(dir.path(), &["list", "in"], 0);
    assert!(text.starts_with("shape imagenet: 12 items, "), "{text}");
    let (text, _) = expect(dir.path(), &["list", "in", "--json", "--items", "--ratios", "50/50/0"], 0);
    let report = json(&text);
    assert_eq!((&report["shape"], &report["totals"]["items"]), (&"imagenet".into(), &12.into()));
    assert_eq!(report["parts"]["train"]["classes"], 1);
    assert_eq!(report["items"].as_array().map(Vec::len), Some(12));
    let of = |split: &str| report["splits"][split]["items"].as_u64().unwrap_or(0);
    assert_eq!(of("train") + of("validation") + of("excluded"), 12);
    assert_eq!(report["anomalies"], Value::Array(Vec::new()));
}

#[test]
fn damaged_files_fail_only_if_asked() {
    let dir = photos();
    let photo = dir.path().join("in/train/n01440764/n01440764_3.JPEG");
    let bytes = fs::read(&photo).expect("reads");
    fs::write(&photo, &bytes[..bytes.len() / 2]).expect("writes");
    let (text, _) = expect(dir.path(), &["list", "in", "--json"], 0);
    let report = json(&text);
    assert_eq!((&report["skipped"], &report["anomalies"][0]["kind"]), (&1.into(), &"truncated".into()));
    let (text, _) = expect(dir.path(), &["list", "in", "--strict"], 4);
    assert!(text.contains("ends before its EOI marker (skipped)"), "{text}");
    let prepare = ["prepare", "in", "--out", "out", "--crops", "5", "--crop-size", "32"];
    let (_, stderr) = expect(dir.path(), &[&prepare[..], &["--strict"]].concat(), 4);
    assert!(stderr.contains("--strict: 1 anomalies, nothing was prepared"), "{stderr}");
    assert!(!dir.path().join("out").exists());
    expect(dir.path(), &prepare, 0);
}

#[test]
fn prepare_resumes_and_verify_checks() {
    let dir = photos();
    let prepare = [
        "prepare",
        "in",
        "--out",
        "out",
        "--crops",
        "20",
        "--crop-size",
        "32",
        "--quality",
        "20,80",
        "--rows-per-shard",
        "6",
        "--split",
        "all",
        "--json",
    ];
    let report = json(&expect(dir.path(), &prepare, 0).0);
    assert_eq!((&report["rows"], &report["shards_kept"]), (&40.into(), &0.into()));
    assert_eq!(report["shards"], report["shards_made"]);
    let index = json(&fs::read_to_string(dir.path().join("out/index.json")).expect("reads"));
    let shard = index["shards"][0]["file"].as_str().expect("a name").to_owned();
    fs::remove_file(dir.path().join("out").join(&shard)).expect("removes");
    let (text, _) = expect(dir.path(), &["verify", "out"], 7);
    assert!(text.contains(&format!("missing: {shard}")), "{text}");
    let report = json(&expect(dir.path(), &prepare, 0).0);
    assert_eq!(report["shards_made"], 1);
    let report = json(&expect(dir.path(), &["verify", "out", "in", "--remake", "9", "--json"], 0).0);
    assert_eq!((&report["verified"], &report["remade"]), (&true.into(), &9.into()));
    let (_, stderr) = expect(dir.path(), &[&prepare[..], &["--seed", "2"]].concat(), 3);
    assert!(stderr.contains("holds a preparation of other files or with other options"), "{stderr}");
}

#[test]
fn evaluation_images_are_excluded_and_manifests_verified() {
    let dir = photos();
    let copy = dir.path().join("in/train/n01440764/n01440764_99.JPEG");
    picture(60, 40, 50).save_with_format(copy, image::ImageFormat::Jpeg).expect("saves");
    expect(dir.path(), &["list", "kodak", "--manifest", "kodak.json", "--licence", "free use"], 0);
    let (_, stderr) = expect(dir.path(), &["list", "kodak", "--manifest", "kodak.json"], 3);
    assert!(stderr.contains("kodak.json exists; --force overwrites it"), "{stderr}");
    let (text, _) = expect(dir.path(), &["list", "in", "--exclude", "kodak.json", "--json", "--items"], 0);
    let report = json(&text);
    let items = report["items"].as_array().expect("items");
    let excluded: Vec<_> = items.iter().filter(|i| i["split"] == "excluded").collect();
    assert!(
        excluded.iter().any(|i| i["path"] == "train/n01440764/n01440764_99.JPEG"
            && i["reason"].as_str().is_some_and(|r| r.contains("kodim01.png of kodak.json"))),
        "{excluded:?}"
    );
    let report = json(&expect(dir.path(), &["verify", "kodak.json", "kodak", "--json"], 0).0);
    assert_eq!((&report["files"], &report["verified"]), (&2.into(), &true.into()));
    fs::remove_file(dir.path().join("kodak/kodim01.png")).expect("removes");
    picture(9, 9, 3).save(dir.path().join("kodak/kodim03.png")).expect("saves");
    let report = json(&expect(dir.path(), &["verify", "kodak.json", "kodak", "--json"], 7).0);
    let kinds: Vec<_> = report["differences"].as_array().expect("a list").iter().map(|d| &d["difference"]).collect();
    assert_eq!(kinds, ["missing", "extra"]);
}

#[test]
fn errors_have_their_codes() {
    let dir = photos();
    fs::create_dir(dir.path().join("empty")).expect("creates");
    expect(dir.path(), &["list", "missing"], 3);
    let (_, stderr) = expect(dir.path(), &["list", "empty"], 4);
    assert!(stderr.contains("none of the known shapes"), "{stderr}");
    expect(dir.path(), &["list", "in", "--shape", "cifar"], 2);
    expect(dir.path(), &["list", "in", "--ratios", "0/0/0"], 2);
    expect(dir.path(), &["list", "in", "--near-bits", "40"], 2);
    expect(dir.path(), &["prepare", "in", "--out", "out", "--quality", "0"], 2);
    expect(dir.path(), &["prepare", "in", "--out", "kodak", "--crop-size", "32"], 2);
    let (_, stderr) = expect(dir.path(), &["prepare", "in", "--out", "out"], 2);
    assert!(stderr.contains("are too small"), "{stderr}");
    fs::write(dir.path().join("bad.json"), "[]").expect("writes");
    expect(dir.path(), &["verify", "bad.json", "in"], 4);
    expect(dir.path(), &["verify", "missing.json", "in"], 3);
    expect(dir.path(), &["list", "kodak", "--manifest", "k.json"], 0);
    expect(dir.path(), &["verify", "k.json"], 2);
    assert!(!dir.path().join("out").exists(), "a recipe that makes no sense creates no folder");
}
