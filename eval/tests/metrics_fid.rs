//! Inception-v3 features on random weights against pytorch-fid and torch-fidelity, through a safetensors file.
#![cfg(feature = "fid")]

mod metrics_inputs;

use lmcodec_eval::metrics::inception::{FEATURES, Inception, InceptionError, Preprocessing};
use lmcodec_eval::metrics::psnr::{Image8, Layout};
use metrics_inputs::*;
use safetensors::tensor::{Dtype, TensorView};

#[test]
fn features_of_random_weights() {
    // What the network asks for is written to a file, and read again: the way of real weights.
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    Inception::from_weights(&mut |name, shape| {
        let values = random_weight(name, shape);
        tensors.push((name.into(), shape.to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect()));
        Ok(values)
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inception.safetensors");
    let views = tensors.iter().map(|(n, s, b)| (n, TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
    safetensors::serialize_to_file(views, None, &path).unwrap();
    let inception = Inception::from_safetensors(&path).unwrap();

    let stored = stored();
    let mut largest: f64 = 0.0;
    for case in stored["inception"].as_array().expect("made with the FID") {
        let (w, h) = (integer(case, "width"), integer(case, "height"));
        let samples = image(w, h, integer(case, "seed") as i64);
        let preprocessing: Preprocessing = serde_json::from_value(case["preprocessing"].clone()).unwrap();
        let view = Image8::new(w, h, Layout::Rgb, &samples).unwrap();
        let features = inception.features(&view, preprocessing).unwrap();
        assert_eq!(features.len(), FEATURES);
        let norm = features.iter().map(|&f| f64::from(f).powi(2)).sum::<f64>().sqrt();
        assert!((norm / number(case, "norm") - 1.0).abs() < 1e-4, "{norm} {case}");
        for (i, expected) in case["every_16th"].as_array().unwrap().iter().enumerate() {
            let difference = (f64::from(features[16 * i]) - expected.as_f64().unwrap()).abs();
            largest = largest.max(difference);
            assert!(difference < 1e-3, "feature {}: {} against {expected}", 16 * i, features[16 * i]);
        }
    }
    println!("Inception features: largest difference {largest:.2e} (features up to 15)");
}

#[test]
fn bad_weights_are_named() {
    let short = Inception::from_weights(&mut |_, _| Ok(vec![0.0])).err().unwrap();
    assert!(matches!(short, InceptionError::Weight { ref name, .. } if name == "Conv2d_1a_3x3.conv.weight"), "{short}");
    let nan = Inception::from_weights(&mut |_, shape| Ok(vec![f32::NAN; shape.iter().product()])).err().unwrap();
    assert!(nan.to_string().contains("NaN"), "{nan}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    assert!(matches!(Inception::from_safetensors(&path), Err(InceptionError::Io { .. })));
    std::fs::write(&path, b"no weights").unwrap();
    assert!(matches!(Inception::from_safetensors(&path), Err(InceptionError::NotSafetensors { .. })));
}
