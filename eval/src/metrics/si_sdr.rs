//! Scale-invariant signal-to-distortion ratio: J. Le Roux et al., "SDR – half-baked or well done?" (2019), equation 5.
//!
//! With α = ⟨estimate, reference⟩ / |reference|²: SI-SDR = 10 log10(|α reference|² / |α reference − estimate|²) dB.

use thiserror::Error;

/// What is done with a constant offset of the signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// It counts as signal (torchmetrics' default).
    Keep,
    /// The mean of each signal is subtracted first (`zero_mean=True` in torchmetrics).
    Remove,
}

/// Why two signals have no ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignalError {
    /// The signals differ in length.
    #[error("a reference of {reference} samples against {degraded}")]
    Mixed {
        /// Samples of the reference.
        reference: usize,
        /// Samples of the other.
        degraded: usize,
    },
    /// There are not enough samples.
    #[error("{found} samples; at least {needed} are needed")]
    TooShort {
        /// Samples found.
        found: usize,
        /// Samples needed.
        needed: usize,
    },
    /// NaN or infinity.
    #[error("sample {index} of the {signal} is not finite")]
    NotFinite {
        /// Which signal.
        signal: &'static str,
        /// Which sample.
        index: usize,
    },
    /// A signal without energy has no SI-SDR.
    #[error("the {0} is silent: SI-SDR is undefined")]
    Silent(&'static str),
    /// A setting out of its range.
    #[error("{what} is {found}; allowed: {allowed}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: usize,
        /// The allowed values.
        allowed: &'static str,
    },
}

/// Refuses signals of different length, with fewer than `needed` samples, or with NaN or infinity.
pub(super) fn check(reference: &[f32], degraded: &[f32], needed: usize) -> Result<(), SignalError> {
    if reference.len() != degraded.len() {
        return Err(SignalError::Mixed { reference: reference.len(), degraded: degraded.len() });
    }
    if reference.len() < needed {
        return Err(SignalError::TooShort { found: reference.len(), needed });
    }
    for (signal, samples) in [("reference", reference), ("degraded signal", degraded)] {
        if let Some(index) = samples.iter().position(|s| !s.is_finite()) {
            return Err(SignalError::NotFinite { signal, index });
        }
    }
    Ok(())
}

/// SI-SDR in dB of `estimate` against `reference`; +∞ if one is a multiple of the other, −∞ if they are orthogonal.
///
/// # Errors
/// [`SignalError`]: lengths differ, no samples, a sample that is not finite, or a silent signal.
pub fn si_sdr(reference: &[f32], estimate: &[f32], offset: Offset) -> Result<f64, SignalError> {
    check(reference, estimate, 1)?;
    let centred = |samples: &[f32]| -> Vec<f64> {
        let mean = match offset {
            Offset::Keep => 0.0,
            Offset::Remove => samples.iter().map(|&s| f64::from(s)).sum::<f64>() / samples.len() as f64,
        };
        samples.iter().map(|&s| f64::from(s) - mean).collect()
    };
    let (reference, estimate) = (centred(reference), centred(estimate));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let energy = dot(&reference, &reference);
    if energy == 0.0 {
        return Err(SignalError::Silent("reference"));
    }
    if dot(&estimate, &estimate) == 0.0 {
        return Err(SignalError::Silent("degraded signal"));
    }
    let alpha = dot(&estimate, &reference) / energy;
    let distortion: f64 = reference.iter().zip(&estimate).map(|(r, e)| (alpha * r - e).powi(2)).sum();
    Ok(10.0 * (alpha * alpha * energy / distortion).log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_at_the_edges() {
        let r = [1.0, 1.0, 1.0, 1.0];
        // α = 1, distortion 4 · 0.25
        assert!((si_sdr(&r, &[1.5, 0.5, 1.5, 0.5], Offset::Keep).unwrap() - 10.0 * 4f64.log10()).abs() < 1e-12);
        assert_eq!(si_sdr(&r, &[2.0; 4], Offset::Keep).unwrap(), f64::INFINITY);
        assert_eq!(si_sdr(&r, &[1.0, -1.0, 1.0, -1.0], Offset::Keep).unwrap(), f64::NEG_INFINITY);
        assert_eq!(si_sdr(&r, &r, Offset::Remove), Err(SignalError::Silent("reference")));
        assert_eq!(si_sdr(&[0.0; 4], &r, Offset::Keep), Err(SignalError::Silent("reference")));
        assert_eq!(si_sdr(&r, &[0.0; 4], Offset::Keep), Err(SignalError::Silent("degraded signal")));
        assert_eq!(si_sdr(&r, &r[1..], Offset::Keep), Err(SignalError::Mixed { reference: 4, degraded: 3 }));
        assert_eq!(si_sdr(&[], &[], Offset::Keep), Err(SignalError::TooShort { found: 0, needed: 1 }));
        assert!(matches!(
            si_sdr(&r, &[1.0, f32::NAN, 0.0, 0.0], Offset::Keep),
            Err(SignalError::NotFinite { index: 1, .. })
        ));
    }
}
