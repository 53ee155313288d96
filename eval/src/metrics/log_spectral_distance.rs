//! Log-spectral distance: the root mean square over frequency of the difference of two log power spectra, averaged over
//! frames (A. Gray, J. Markel, "Distance measures for speech processing", 1976).
//!
//! In dB; divide by 10 for the papers that leave the factor of the decibel out. Frames lie inside the signal (no padding), under a periodic
//! Hann window, unnormalised; a power below the floor counts as the floor.

use super::si_sdr::{SignalError, check};
use realfft::RealFftPlanner;

/// How spectra are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LsdSettings {
    /// Samples of a frame, 2 to 65536, even.
    pub window: usize,
    /// Samples from frame to frame, 1 to `window`.
    pub hop: usize,
    /// Smallest power, of samples in −1 to 1.
    pub floor: f64,
}

impl Default for LsdSettings {
    /// Frames of 2048 samples every 512, floor 1e-10, as bandwidth-extension papers do.
    fn default() -> Self {
        Self { window: 2048, hop: 512, floor: 1e-10 }
    }
}

/// Log-spectral distance in dB, 0 for equal signals. Samples in −1 to 1.
///
/// # Errors
/// [`SignalError`]: lengths differ, fewer samples than a frame, a sample that is not finite, or settings out of range.
pub fn log_spectral_distance(reference: &[f32], degraded: &[f32], settings: &LsdSettings) -> Result<f64, SignalError> {
    let LsdSettings { window, hop, floor } = *settings;
    if !(2..=65536).contains(&window) || window % 2 != 0 {
        return Err(SignalError::Setting { what: "window", found: window, allowed: "even, 2 to 65536" });
    }
    if hop == 0 || hop > window {
        return Err(SignalError::Setting { what: "hop", found: hop, allowed: "1 to the window" });
    }
    if !(floor > 0.0 && floor.is_finite()) {
        return Err(SignalError::Setting { what: "floor", found: 0, allowed: "positive and finite" });
    }
    check(reference, degraded, window)?;
    let transform = RealFftPlanner::<f64>::new().plan_fft_forward(window);
    let hann: Vec<f64> =
        (0..window).map(|i| 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / window as f64).cos()).collect();
    let (mut frame, mut spectrum) = (transform.make_input_vec(), transform.make_output_vec());
    let mut scratch = transform.make_scratch_vec();
    let mut log_powers = |samples: &[f32], out: &mut Vec<f64>| {
        frame.iter_mut().zip(samples.iter().zip(&hann)).for_each(|(f, (&s, w))| *f = f64::from(s) * w);
        transform.process_with_scratch(&mut frame, &mut spectrum, &mut scratch).expect("buffers made by the plan");
        out.clear();
        out.extend(spectrum.iter().map(|c| 10.0 * c.norm_sqr().max(floor).log10()));
    };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let frames = (reference.len() - window) / hop + 1;
    let mut sum = 0.0;
    for start in (0..frames).map(|i| i * hop) {
        log_powers(&reference[start..start + window], &mut a);
        log_powers(&degraded[start..start + window], &mut b);
        let squares: f64 = a.iter().zip(&b).map(|(p, q)| (p - q) * (p - q)).sum();
        sum += (squares / a.len() as f64).sqrt();
    }
    Ok(sum / frames as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_its_decibels_and_silence_is_finite() {
        let s: Vec<f32> = (0..4096).map(|i| ((i * i % 257) as f32 - 128.0) / 256.0).collect();
        let half: Vec<f32> = s.iter().map(|x| x / 2.0).collect();
        let settings = LsdSettings { window: 512, hop: 100, floor: 1e-30 };
        let gain = log_spectral_distance(&s, &half, &settings).unwrap();
        assert!((gain - 20.0 * 2f64.log10()).abs() < 1e-9, "{gain}");
        assert_eq!(log_spectral_distance(&s, &s, &settings).unwrap(), 0.0);
        assert_eq!(log_spectral_distance(&[0.0; 2048], &[0.0; 2048], &LsdSettings::default()).unwrap(), 0.0);
        assert!(log_spectral_distance(&s, &[0.0; 4096], &LsdSettings::default()).unwrap().is_finite());
    }

    #[test]
    fn refuses_bad_input() {
        let s = [0.0f32; 600];
        let lsd = |window, hop, floor| log_spectral_distance(&s, &s, &LsdSettings { window, hop, floor });
        assert!(matches!(lsd(511, 100, 1e-10), Err(SignalError::Setting { what: "window", .. })));
        assert!(matches!(lsd(512, 0, 1e-10), Err(SignalError::Setting { what: "hop", .. })));
        assert!(matches!(lsd(512, 513, 1e-10), Err(SignalError::Setting { what: "hop", .. })));
        assert!(matches!(lsd(512, 128, f64::NAN), Err(SignalError::Setting { what: "floor", .. })));
        assert_eq!(lsd(602, 128, 1e-10), Err(SignalError::TooShort { found: 600, needed: 602 }));
    }
}
