//! The command `lmcodec-eval` as a user runs it.

use lmcodec_eval::recompression::Store;
use lmcodec_eval::speed::{SpeedError, measure_speed};
use lmcodec_eval::under_test::external;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lmcodec-eval");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_string_lossy().into_owned()
}

/// SOI, SOF0 of 200×100, EOI: enough for a size.
const TINY: &[u8] = &[0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 100, 0, 200, 1, 1, 0x11, 0, 0xff, 0xd9];

#[test]
fn ppm_is_what_cjpeg_reads_and_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (png, ppm) = (path(&dir, "x.png"), path(&dir, "x.ppm"));
    image::RgbImage::from_raw(2, 1, vec![1, 2, 3, 250, 251, 252]).unwrap().save(&png).unwrap();
    assert!(run(&["ppm", &png, &ppm]).status.success());
    assert_eq!(std::fs::read(&ppm).unwrap(), b"P6\n2 1\n255\n\x01\x02\x03\xfa\xfb\xfc");
    let again = run(&["ppm", &png, &ppm]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("--force"));
    assert!(run(&["ppm", &png, &ppm, "--force"]).status.success());
    assert_eq!(run(&["ppm", &png, "-"]).stdout, std::fs::read(&ppm).unwrap());
}

#[test]
fn bd_rate_of_half_the_rate() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (path(&dir, "a.json"), path(&dir, "b.json"));
    std::fs::write(&a, r#"{"name":"A","results":{"bpp":[0.2,0.4,0.8,1.6],"psnr-rgb":[28,31,34,37]}}"#).unwrap();
    std::fs::write(&b, r#"{"name":"B","results":{"bpp":[0.1,0.2,0.4,0.8],"psnr-rgb":[28,31,34,37]}}"#).unwrap();
    for method in ["cubic", "pchip", "akima"] {
        let out = run(&["bd-rate", &a, &b, "--method", method, "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert!((json["bd_rate"]["value"].as_f64().unwrap() + 50.0).abs() < 1e-9, "{json}");
        assert!((json["bd_quality"]["value"].as_f64().unwrap() - 3.0).abs() < 1e-9, "{json}");
        assert_eq!(json["bd_rate"]["low_overlap"], false);
    }
    let text = String::from_utf8(run(&["bd-rate", &a, &b]).stdout).unwrap();
    assert!(text.contains("BD-rate    -50.0000 % (overlap 100.0 %)"), "{text}");
    assert!(!run(&["bd-rate", &a, &b, "--metric", "ms-ssim"]).status.success());
}

#[test]
fn recompress_merges_published_sizes_and_keeps_outputs() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.jpg"), TINY).unwrap();
    let (csv, json, md) = (path(&dir, "peers.csv"), path(&dir, "out.json"), path(&dir, "out.md"));
    std::fs::write(&csv, format!("set,image,codec,source_bytes,coded_bytes\ns,x,best,{},10\n", TINY.len())).unwrap();
    let set = format!("s={}", dir.path().display());
    let arguments =
        ["recompress", "--set", &set, "--no-lmcodec", "--peers-csv", &csv, "--json", &json, "--markdown", &md];
    let out = run(&arguments);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let table: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(table["sets"][0]["codecs"][0]["mean_bpp"], 8.0 * 10.0 / 20000.0);
    assert!(std::fs::read_to_string(&md).unwrap().contains("| best † | 0.004 (41.2) |"));
    assert!(!run(&arguments).status.success());
    assert!(!run(&["recompress", "--set", &set, "--no-lmcodec"]).status.success());
    assert!(!run(&["recompress", "--set", "nothing"]).status.success());
}

#[test]
fn speed_pairs_processes_of_this_command() {
    let codecs = [external(Path::new(PROGRAM), &Store, None)];
    let files = [("x".to_string(), TINY.to_vec())];
    let report = measure_speed(&codecs, &files, 3, "none of this name", &|| ()).unwrap();
    let store = &report.codecs[0];
    assert_eq!((report.anchor.as_str(), report.pixels, store.byte_exact), ("store", 20000, 1));
    assert_eq!(store.coded_bytes, TINY.len() as u64);
    assert!((store.encode.cpu_ratio - 1.0).abs() < 1e-12 && store.encode.peak_bytes >= 500_000, "{store:?}");
    assert!(matches!(measure_speed(&codecs, &files, 0, "", &|| ()), Err(SpeedError::Nothing { runs: 0, .. })));
    assert!(matches!(measure_speed(&[], &files, 1, "", &|| ()), Err(SpeedError::NoCodec)));
    let text = [("t".to_string(), b"text".to_vec())];
    assert!(matches!(measure_speed(&codecs, &text, 1, "", &|| ()), Err(SpeedError::NoSize { .. })));
}
