//! `lmcodec eval fid` as a user runs it, with random weights.
#![cfg(feature = "fid")]

use std::path::Path;
use std::process::Command;

use lmcodec_eval::metrics::inception::Inception;
use safetensors::tensor::{Dtype, TensorView};

/// Runs and expects an exit code; returns (stdout, stderr).
fn fid(arguments: &[&str], code: i32) -> (String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_lmcodec")).args(["eval", "fid"]).args(arguments).output().expect("runs");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

/// All weights that the network asks for, from a seed: convolutions that keep the variance, batch norms near 1.
fn random_weights(path: &Path) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut uniform = move || {
        // xorshift64*, the upper 24 bits as −1 to 1.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    Inception::from_weights(&mut |name, shape| {
        let inputs: usize = shape[1..].iter().product();
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| match name {
                n if n.ends_with("running_var") || n.ends_with("bn.weight") => 1.0 + 0.1 * uniform(),
                n if n.contains(".bn.") => 0.1 * uniform(),
                _ => uniform() * (6.0 / inputs as f32).sqrt(),
            })
            .collect();
        tensors.push((name.into(), shape.to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect()));
        Ok(values)
    })
    .unwrap();
    let views = tensors.iter().map(|(n, s, b)| (n, TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// Three pictures; `coarse` keeps only so many levels.
fn pictures(folder: &Path, coarse: u8, format: &str) {
    std::fs::create_dir(folder).unwrap();
    for i in 0..3u32 {
        let image = image::RgbImage::from_fn(64 + 8 * i, 56, |x, y| {
            let level = |v: u32| (v % 256) as u8 / coarse * coarse;
            image::Rgb([level(x * (3 + i) + y), level(y * 4 + x * x / 9), level((x ^ y) * 3)])
        });
        image.save(folder.join(format!("{i}.{format}"))).unwrap();
    }
}

#[test]
fn distances_between_folders() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let weights = path("inception.safetensors");
    random_weights(Path::new(&weights));
    pictures(&dir.path().join("a"), 1, "png");
    pictures(&dir.path().join("b"), 64, "png");
    let (a, b) = (path("a"), path("b"));
    let json = |arguments: &[&str]| -> serde_json::Value {
        let (stdout, stderr) = fid(&[arguments, &["--weights", &weights, "--json"]].concat(), 0);
        assert!(stderr.contains("biased upwards"), "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    };
    let same = json(&[&a, &a]);
    let other = json(&[&a, &b, "--threads", "2"]);
    let (zero, distance) = (same["fid"].as_f64().unwrap(), other["fid"].as_f64().unwrap());
    assert!(zero < 1e-6 * distance && distance > 0.0, "{zero} {distance}");
    assert_eq!(
        (&other["reference_images"], &other["test_images"], &other["features"]),
        (&3.into(), &3.into(), &2048.into())
    );
    assert_eq!(
        (other["preprocessing"].as_str(), other["weights_sha256"].as_str().map(str::len)),
        (Some("pytorch-fid"), Some(64))
    );
    let swapped = json(&[&b, &a])["fid"].as_f64().unwrap();
    assert!((swapped / distance - 1.0).abs() < 1e-6, "{swapped} {distance}");
    let torch = json(&[&a, &b, "--preprocessing", "torch-fidelity"])["fid"].as_f64().unwrap();
    assert!((torch / distance - 1.0).abs() > 1e-6, "another way of resizing gives another distance");

    // What cannot be used is named.
    assert!(fid(&[&a, &path("none"), "--weights", &weights], 3).1.contains("none"));
    assert!(fid(&[&a, &b, "--weights", &path("none")], 3).1.contains("none"));
    assert!(fid(&[&a, &b, "--weights", &format!("{a}/0.png")], 4).1.contains("not a safetensors file"));
    assert!(fid(&[&a, &b, "--weights", &weights, "--limit", "1"], 4).1.contains("one image"));
    std::fs::write(dir.path().join("b/3.jpg"), "no image").unwrap();
    assert!(fid(&[&a, &b, "--weights", &weights], 4).1.contains("3.jpg"));
}
