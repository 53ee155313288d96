//! Every metric against the stored values of its reference implementation. The tolerances are those of `docs/METRICS.md`.

mod metrics_inputs;

use lmcodec_eval::metrics::frechet::{FeatureStatistics, frechet_distance};
use lmcodec_eval::metrics::log_spectral_distance::{LsdSettings, log_spectral_distance};
use lmcodec_eval::metrics::ms_ssim::{ms_ssim, ms_ssim_luma};
use lmcodec_eval::metrics::psnr::{Image8, Layout, psnr_luma, psnr_rgb};
use lmcodec_eval::metrics::si_sdr::{Offset, si_sdr};
use lmcodec_eval::metrics::ssimulacra2::{Ssimulacra2Error, ssimulacra2};
use lmcodec_eval::metrics::word_error_rate::WordErrors;
use metrics_inputs::*;
use serde_json::Value;

/// Largest differences seen; printed with `--nocapture`, held to the tolerance.
struct Agreement(&'static str, f64, f64);

impl Agreement {
    fn new(what: &'static str, tolerance: f64) -> Self {
        Self(what, tolerance, 0.0)
    }
    fn add(&mut self, found: f64, expected: f64) {
        let difference = (found - expected).abs();
        assert!(difference <= self.1, "{}: {found} against {expected}, tolerance {}", self.0, self.1);
        self.2 = self.2.max(difference);
    }
}

impl Drop for Agreement {
    fn drop(&mut self) {
        println!("{}: largest difference {:.2e} (tolerance {:.0e})", self.0, self.2, self.1);
    }
}

fn cases<'a>(stored: &'a Value, key: &str) -> &'a Vec<Value> {
    stored[key].as_array().unwrap_or_else(|| panic!("{key}"))
}

fn pair(case: &Value) -> (usize, usize, Vec<u8>, Vec<u8>) {
    let (w, h, seed) = (integer(case, "width"), integer(case, "height"), integer(case, "seed") as i64);
    let a = image(w, h, seed);
    let b = degraded(&a, integer(case, "step") as i64, seed);
    (w, h, a, b)
}

#[test]
fn inputs_equal_those_of_the_script() {
    let stored = stored();
    let of = |key: &str| -> Vec<i64> {
        stored["checks"][key].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
    };
    let a = image(7, 5, 1);
    let row = |v: &[u8]| -> Vec<i64> { v[(2 * 7 + 3) * 3..(2 * 7 + 6) * 3].iter().map(|&s| i64::from(s)).collect() };
    assert_eq!(row(&a), of("image"));
    assert_eq!(row(&degraded(&a, 8, 1)), of("degraded"));
    let s = signal(3000, 1);
    assert_eq!(s[1000..1005], of("signal"));
    assert_eq!(noisy(&s, 6, 1)[1000..1005], of("noisy"));
}

#[test]
fn psnr_and_ms_ssim() {
    let mut rgb = Agreement::new("PSNR RGB, scikit-image", 1e-10);
    let mut rgb32 = Agreement::new("PSNR RGB, torchmetrics (f32)", 1e-4);
    let mut luma = Agreement::new("PSNR Y, scikit-image", 1e-10);
    let mut ms = Agreement::new("MS-SSIM RGB, pytorch-msssim (f64)", 1e-10);
    let mut ms32 = Agreement::new("MS-SSIM RGB, pytorch-msssim (f32)", 2e-6);
    let mut ms_gray = Agreement::new("MS-SSIM of one channel, pytorch-msssim (f64)", 1e-10);
    let mut ms_luma = Agreement::new("MS-SSIM Y, pytorch-msssim (f64)", 1e-10);
    for case in cases(&stored(), "images") {
        let (w, h, a, b) = pair(case);
        let view = |samples| Image8::new(w, h, Layout::Rgb, samples).unwrap();
        let (x, y) = (view(&a), view(&b));
        rgb.add(psnr_rgb(&x, &y).unwrap(), number(case, "psnr_rgb"));
        rgb32.add(psnr_rgb(&x, &y).unwrap(), number(case, "psnr_rgb_torchmetrics"));
        luma.add(psnr_luma(&x, &y).unwrap(), number(case, "psnr_luma"));
        ms.add(ms_ssim(&x, &y).unwrap(), number(case, "ms_ssim_rgb"));
        ms32.add(ms_ssim(&x, &y).unwrap(), number(case, "ms_ssim_rgb_float32"));
        ms_luma.add(ms_ssim_luma(&x, &y).unwrap(), number(case, "ms_ssim_luma"));
        let red = |v: &[u8]| -> Vec<u8> { v.iter().step_by(3).copied().collect() };
        let (a, b) = (red(&a), red(&b));
        let gray = |samples| Image8::new(w, h, Layout::Gray, samples).unwrap();
        ms_gray.add(ms_ssim(&gray(&a), &gray(&b)).unwrap(), number(case, "ms_ssim_first_channel"));
    }
}

/// Scores of the C++ tool for images by formula, as the crate fast-ssim2 publishes them (its `reference_data.rs`).
#[test]
fn ssimulacra2_against_the_cpp_tool() {
    const SIDE: usize = 64;
    let pixels = |f: &dyn Fn(usize, usize) -> u8| -> Vec<u8> {
        (0..SIDE * SIDE).flat_map(|i| [f(i % SIDE, i / SIDE); 3]).collect()
    };
    let noise = |seed: u64| -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u8
        };
        (0..SIDE * SIDE * 3).map(|_| next()).collect()
    };
    let blurred = |v: &[u8]| {
        let at = |x: usize, y: usize| {
            let near = |c: usize| (0..8).map(move |k| (c + k).saturating_sub(4).min(SIDE - 1));
            let sum: u32 =
                near(y).flat_map(|y| near(x).map(move |x| (x, y))).map(|(x, y)| u32::from(v[(y * SIDE + x) * 3])).sum();
            (sum / 64) as u8
        };
        pixels(&at)
    };
    let gradient = pixels(&|x, _| (x * 255 / (SIDE - 1)) as u8);
    let edge = pixels(&|x, _| if x < SIDE / 2 { 0 } else { 255 });
    let uniform = pixels(&|_, _| 128);
    let cases = [
        (&gradient, &blurred(&gradient), 94.34090315),
        (&edge, &blurred(&edge), 24.27333552),
        (&noise(42), &uniform, -47.33572558),
        (&noise(42), &noise(42), 100.0),
    ];
    let mut agreement = Agreement::new("SSIMULACRA2, C++ tool", 1e-6);
    for (a, b, expected) in cases {
        let view = |v| Image8::new(SIDE, SIDE, Layout::Rgb, v).unwrap();
        agreement.add(ssimulacra2(&view(a), &view(b)).unwrap(), expected);
    }
    let small = Image8::new(7, 64, Layout::Rgb, &uniform[..7 * 64 * 3]).unwrap();
    assert_eq!(ssimulacra2(&small, &small), Err(Ssimulacra2Error::TooSmall { width: 7, height: 64 }));
    let gray = Image8::new(8, 8, Layout::Gray, &uniform[..64]).unwrap();
    assert!(matches!(ssimulacra2(&gray, &gray), Err(Ssimulacra2Error::Images(_))));
}

#[test]
fn frechet() {
    let mut exact = Agreement::new("Fréchet distance, scipy eigh", 1e-6);
    let mut general = Agreement::new("Fréchet distance, scipy sqrtm", 1e-5);
    let mut torch = Agreement::new("Fréchet distance, torchmetrics", 1e-5);
    for case in cases(&stored(), "frechet") {
        let (d, rank) = (integer(case, "dimensions"), integer(case, "rank"));
        let x = features(integer(case, "n"), d, 1, rank);
        let mut y = features(integer(case, "m"), d, 2, rank);
        y.iter_mut().flatten().for_each(|v| *v = *v * 1.25 + 0.05);
        let of = |v: &[Vec<f64>]| FeatureStatistics::of_vectors_f64(v).unwrap();
        let (x, y) = (of(&x), of(&y));
        let found = frechet_distance(&x, &y).unwrap();
        exact.add(found, number(case, "scipy_eigh"));
        general.add(found, number(case, "scipy_sqrtm"));
        torch.add(found, number(case, "torchmetrics"));
        exact.add(frechet_distance(&y, &x).unwrap(), number(case, "scipy_eigh"));
        assert!(frechet_distance(&x, &x).unwrap() < 1e-6);
    }
}

#[test]
fn speech() {
    let mut sdr = Agreement::new("SI-SDR, torchmetrics", 1e-9);
    let mut lsd = Agreement::new("LSD, torch.stft", 1e-9);
    for case in cases(&stored(), "speech") {
        let s = signal(integer(case, "samples"), integer(case, "seed") as i64);
        let d = noisy(&s, integer(case, "shift") as u32, integer(case, "seed") as i64);
        let (s, d) = (scaled(&s), scaled(&d));
        sdr.add(si_sdr(&s, &d, Offset::Keep).unwrap(), number(case, "si_sdr"));
        sdr.add(si_sdr(&s, &d, Offset::Remove).unwrap(), number(case, "si_sdr_zero_mean"));
        for (window, hop) in [(2048, 512), (512, 128)] {
            let settings = LsdSettings { window, hop, ..LsdSettings::default() };
            let found = log_spectral_distance(&s, &d, &settings).unwrap();
            lsd.add(found, number(case, &format!("lsd_{window}_{hop}")));
        }
    }
}

#[test]
fn word_error_rate() {
    let mut agreement = Agreement::new("WER, jiwer", 1e-15);
    for case in cases(&stored(), "word_errors") {
        let pairs = case["pairs"].as_array().unwrap();
        let total: WordErrors =
            pairs.iter().map(|p| WordErrors::of(p[0].as_str().unwrap(), p[1].as_str().unwrap()).unwrap()).sum();
        assert_eq!(total.errors as usize, integer(case, "errors"), "{case}");
        assert_eq!(total.reference_words as usize, integer(case, "reference_words"), "{case}");
        agreement.add(total.rate().unwrap(), number(case, "wer"));
    }
}
