//! Fréchet distance between two Gaussians fitted to sets of feature vectors; with Inception-v3 features it is the FID
//! (M. Heusel et al., "GANs trained by a two time-scale update rule", 2017, equation 6):
//!
//! d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½
//!
//! The last trace is the sum of the roots of the eigenvalues of Hᵀ Σ₂ H, where H·Hᵀ = Σ₁: the root of Σ₁, or the centred vectors
//! themselves where they are fewer than dimensions. It is symmetric and has no negative eigenvalue but for rounding. So singular covariances (fewer vectors than dimensions) need no special case, whereas
//! a general matrix root of Σ₁ Σ₂ loses half of the digits there.

use nalgebra::{DMatrix, DVector};
use thiserror::Error;

/// Largest dimension accepted: 128 MiB a matrix.
pub const MAX_DIMENSIONS: usize = 4096;

/// Mean and covariance of feature vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureStatistics {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
    /// F with F·Fᵀ = covariance, a column a vector: kept where it has fewer columns than rows.
    factor: Option<DMatrix<f64>>,
    vectors: usize,
}

/// Why there is no distance.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum FrechetError {
    /// The covariance needs at least two vectors.
    #[error("{found} feature vectors; a covariance needs at least 2")]
    TooFewVectors {
        /// Vectors found.
        found: usize,
    },
    /// A vector has another length than the first, or the length is out of range.
    #[error("feature vector {index} has {found} entries, not {expected} (allowed 1 to {MAX_DIMENSIONS})")]
    Dimensions {
        /// Which vector.
        index: usize,
        /// Its entries.
        found: usize,
        /// Entries of the first vector.
        expected: usize,
    },
    /// NaN or infinity in a feature.
    #[error("feature vector {index} has a value that is not finite at entry {entry}")]
    NotFinite {
        /// Which vector.
        index: usize,
        /// Which entry.
        entry: usize,
    },
    /// The two sets have features of different dimension.
    #[error("features of {a} dimensions against {b}")]
    Mixed {
        /// Dimensions of the first.
        a: usize,
        /// Dimensions of the second.
        b: usize,
    },
    /// The eigenvalues did not converge.
    #[error("the eigenvalues of a covariance did not converge")]
    NoConvergence,
}

impl FeatureStatistics {
    /// Mean and unbiased covariance (divided by n − 1) of at least two vectors of one length.
    ///
    /// # Errors
    /// [`FrechetError`]: too few vectors, mixed lengths, a value that is not finite.
    pub fn of_vectors<V: AsRef<[f32]>>(vectors: &[V]) -> Result<Self, FrechetError> {
        let vectors: Vec<Vec<f64>> =
            vectors.iter().map(|v| v.as_ref().iter().map(|&x| f64::from(x)).collect()).collect();
        Self::of_vectors_f64(&vectors)
    }

    /// [`of_vectors`](Self::of_vectors) for double precision.
    ///
    /// # Errors
    /// As there.
    pub fn of_vectors_f64(vectors: &[Vec<f64>]) -> Result<Self, FrechetError> {
        let n = vectors.len();
        if n < 2 {
            return Err(FrechetError::TooFewVectors { found: n });
        }
        let d = vectors[0].len();
        for (index, v) in vectors.iter().enumerate() {
            if v.len() != d || d == 0 || d > MAX_DIMENSIONS {
                return Err(FrechetError::Dimensions { index, found: v.len(), expected: d.clamp(1, MAX_DIMENSIONS) });
            }
            if let Some(entry) = v.iter().position(|x| !x.is_finite()) {
                return Err(FrechetError::NotFinite { index, entry });
            }
        }
        let mut centred = DMatrix::from_fn(n, d, |i, j| vectors[i][j]);
        let mean = centred.row_mean().transpose();
        for mut row in centred.row_iter_mut() {
            row -= mean.transpose();
        }
        let covariance = centred.tr_mul(&centred) / (n - 1) as f64;
        let factor = (n < d).then(|| centred.transpose() / ((n - 1) as f64).sqrt());
        Ok(Self { mean, covariance, factor, vectors: n })
    }

    /// Entries of a feature vector.
    pub fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// How many vectors the statistics are of.
    pub fn vectors(&self) -> usize {
        self.vectors
    }
}

/// The squared Fréchet distance d² between two Gaussians: FID when the features are Inception's. Never below zero.
///
/// # Errors
/// [`FrechetError::Mixed`]; [`FrechetError::NoConvergence`] has not been seen with finite input.
pub fn frechet_distance(a: &FeatureStatistics, b: &FeatureStatistics) -> Result<f64, FrechetError> {
    if a.dimensions() != b.dimensions() {
        return Err(FrechetError::Mixed { a: a.dimensions(), b: b.dimensions() });
    }
    let means = (&a.mean - &b.mean).norm_squared();
    let cross = trace_of_root_of_product(a, b)?;
    Ok((means + a.covariance.trace() + b.covariance.trace() - 2.0 * cross).max(0.0))
}

/// H with H·Hᵀ = covariance and as few columns as may be.
fn half(of: &FeatureStatistics) -> Result<DMatrix<f64>, FrechetError> {
    if let Some(factor) = &of.factor {
        return Ok(factor.clone());
    }
    let covariance = &of.covariance;
    // Converges in about two sweeps an eigenvalue; the bound only stops an endless loop.
    let steps = 100 * covariance.nrows().max(10);
    let eigen = covariance.clone().try_symmetric_eigen(f64::EPSILON, steps).ok_or(FrechetError::NoConvergence)?;
    // Only directions with variance matter: rank(Σ) columns instead of all.
    let floor = eigen.eigenvalues.max() * f64::EPSILON * covariance.nrows() as f64;
    let kept: Vec<usize> = (0..covariance.nrows()).filter(|&i| eigen.eigenvalues[i] > floor).collect();
    Ok(DMatrix::from_fn(covariance.nrows(), kept.len(), |r, c| {
        eigen.eigenvectors[(r, kept[c])] * eigen.eigenvalues[kept[c]].sqrt()
    }))
}

fn trace_of_root_of_product(a: &FeatureStatistics, b: &FeatureStatistics) -> Result<f64, FrechetError> {
    // The trace is symmetric in both: start with the one whose half costs nothing, or the thinner one.
    let columns = |s: &FeatureStatistics| s.factor.as_ref().map_or(usize::MAX, DMatrix::ncols);
    let (a, b) = if columns(b) < columns(a) { (b, a) } else { (a, b) };
    let half = half(a)?;
    if half.ncols() == 0 {
        return Ok(0.0);
    }
    let mut inner = half.tr_mul(&(&b.covariance * &half));
    inner = (&inner + inner.transpose()) * 0.5;
    let steps = 100 * inner.nrows().max(10);
    let values = inner.try_symmetric_eigen(f64::EPSILON, steps).ok_or(FrechetError::NoConvergence)?.eigenvalues;
    Ok(values.iter().map(|v| v.max(0.0).sqrt()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dimension_by_hand() {
        // d² = (μ₁ − μ₂)² + (σ₁ − σ₂)²
        let a = FeatureStatistics::of_vectors(&[[0.0f32], [2.0]]).unwrap();
        let b = FeatureStatistics::of_vectors(&[[10.0f32], [10.0]]).unwrap();
        assert!((frechet_distance(&a, &b).unwrap() - (81.0 + 2.0)).abs() < 1e-12);
        assert!(frechet_distance(&a, &a).unwrap() < 1e-12);
        assert!((frechet_distance(&b, &a).unwrap() - 83.0).abs() < 1e-12);
    }

    #[test]
    fn few_vectors_and_many_agree() {
        // Four vectors of three dimensions against the same with a fourth dimension that is always 0: only there n < d fails.
        let vectors = |scale: f64, d: usize| -> Vec<Vec<f64>> {
            let point =
                |i: usize| (0..d).map(|j| if j < 3 { scale * ((i * 7 + j * 5) % 11) as f64 } else { 0.0 }).collect();
            (0..4).map(point).collect()
        };
        let of = |scale, d| FeatureStatistics::of_vectors_f64(&vectors(scale, d)).unwrap();
        let full = frechet_distance(&of(1.0, 3), &of(1.5, 3)).unwrap();
        let thin = frechet_distance(&of(1.0, 9), &of(1.5, 9)).unwrap();
        assert!(of(1.0, 3).factor.is_none() && of(1.0, 9).factor.is_some());
        assert!(full > 0.1 && (full - thin).abs() < 1e-6, "{full} {thin}");
    }

    #[test]
    fn refuses_bad_features() {
        let of = |v: &[Vec<f32>]| FeatureStatistics::of_vectors(v).unwrap_err();
        assert_eq!(of(&[vec![1.0]]), FrechetError::TooFewVectors { found: 1 });
        assert_eq!(of(&[vec![1.0], vec![1.0, 2.0]]), FrechetError::Dimensions { index: 1, found: 2, expected: 1 });
        assert_eq!(of(&[vec![1.0], vec![f32::NAN]]), FrechetError::NotFinite { index: 1, entry: 0 });
        assert!(matches!(of(&[vec![], vec![]]), FrechetError::Dimensions { .. }));
        let a = FeatureStatistics::of_vectors(&[[0.0f32], [2.0]]).unwrap();
        let b = FeatureStatistics::of_vectors(&[[0.0f32, 1.0], [2.0, 1.0]]).unwrap();
        assert_eq!(frechet_distance(&a, &b), Err(FrechetError::Mixed { a: 1, b: 2 }));
    }
}
