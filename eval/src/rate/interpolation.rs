//! Interpolation of a rate–quality curve and its exact integral.
//!
//! In: the knots of one curve, sorted by `x`. Out: ∫ f(x) dx over an interval inside the knots. Three rules, each as the
//! PyPI package `bjontegaard` 1.3.0 (numpy/scipy) computes it:
//!
//! - one cubic polynomial through (or, with more than four knots, in the least-squares sense near) all knots, as in
//!   VCEG-M33 (G. Bjøntegaard, 2001);
//! - PCHIP, piecewise cubic Hermite with the monotone slopes of Fritsch and Butland (1984) and the three-point end rule of
//!   Moler, as in the JCT-VC spreadsheet (VCEG-AE07 and later);
//! - Akima (J. ACM 17(4), 1970), as C. Herglotz et al. recommend for BD calculations (arXiv:2401.04039).
//!
//! All three integrals are closed forms; nothing is sampled.

/// A curve that can be integrated.
#[derive(Debug, Clone)]
pub(crate) enum Interpolant {
    /// `sum c[k] · ((x − centre) / half_width)^k`.
    Polynomial { centre: f64, half_width: f64, coefficients: [f64; 4] },
    /// Cubic Hermite pieces: knots, values and slopes of one length.
    Hermite { x: Vec<f64>, y: Vec<f64>, slope: Vec<f64> },
}

impl Interpolant {
    /// The least-squares cubic polynomial. `x` holds at least four different values.
    pub(crate) fn cubic(x: &[f64], y: &[f64]) -> Self {
        let (low, high) = (x[0], x[x.len() - 1]);
        let (centre, half_width) = ((low + high) / 2.0, (high - low) / 2.0);
        // Normal equations in t ∈ [−1, 1], where the powers are well conditioned.
        let mut system = [[0.0f64; 5]; 4];
        for (&x, &y) in x.iter().zip(y) {
            let t = (x - centre) / half_width;
            let powers = [1.0, t, t * t, t * t * t];
            for (row, &p) in system.iter_mut().zip(&powers) {
                for (cell, &q) in row.iter_mut().zip(&powers) {
                    *cell += p * q;
                }
                row[4] += p * y;
            }
        }
        Interpolant::Polynomial { centre, half_width, coefficients: solve(system) }
    }

    /// PCHIP. `x` is strictly increasing and holds at least two values.
    pub(crate) fn pchip(x: &[f64], y: &[f64]) -> Self {
        let (h, m) = secants(x, y);
        let n = x.len();
        let mut slope = vec![m[0]; n];
        if n > 2 {
            for k in 1..n - 1 {
                let (before, after) = (m[k - 1], m[k]);
                slope[k] = if before * after <= 0.0 {
                    0.0
                } else {
                    let (w1, w2) = (2.0 * h[k] + h[k - 1], h[k] + 2.0 * h[k - 1]);
                    (w1 + w2) / (w1 / before + w2 / after)
                };
            }
            slope[0] = pchip_end(h[0], h[1], m[0], m[1]);
            slope[n - 1] = pchip_end(h[n - 2], h[n - 3], m[n - 2], m[n - 3]);
        }
        Interpolant::Hermite { x: x.to_vec(), y: y.to_vec(), slope }
    }

    /// Akima's interpolation. `x` is strictly increasing and holds at least two values (two: a straight line).
    pub(crate) fn akima(x: &[f64], y: &[f64]) -> Self {
        let (_, inner) = secants(x, y);
        let n = x.len();
        if n == 2 {
            return Interpolant::Hermite { x: x.to_vec(), y: y.to_vec(), slope: vec![inner[0]; 2] };
        }
        // Two secants are extrapolated on either side.
        let mut m = vec![0.0; n + 3];
        m[2..n + 1].copy_from_slice(&inner);
        m[1] = 2.0 * m[2] - m[3];
        m[0] = 2.0 * m[1] - m[2];
        m[n + 1] = 2.0 * m[n] - m[n - 1];
        m[n + 2] = 2.0 * m[n + 1] - m[n];
        let weights: Vec<(f64, f64)> = (0..n).map(|i| ((m[i + 3] - m[i + 2]).abs(), (m[i + 1] - m[i]).abs())).collect();
        let threshold = 1e-9 * weights.iter().map(|(a, b)| a + b).fold(0.0, f64::max);
        let slope = weights
            .iter()
            .enumerate()
            .map(|(i, &(right, left))| {
                if right + left > threshold {
                    m[i + 1] + left / (right + left) * (m[i + 2] - m[i + 1])
                } else {
                    // The slope is not defined where the secants agree in pairs: scipy's fill value.
                    0.5 * (m[i + 3] + m[i])
                }
            })
            .collect();
        Interpolant::Hermite { x: x.to_vec(), y: y.to_vec(), slope }
    }

    /// Whether a polynomial falls anywhere from `low` to `high`; the piecewise rules are not asked.
    pub(crate) fn falls(&self, low: f64, high: f64) -> bool {
        let Self::Polynomial { centre, half_width, coefficients: [_, b, c, d] } = *self else { return false };
        let slope = |x: f64| {
            let t = (x - centre) / half_width;
            b + t * (2.0 * c + t * 3.0 * d)
        };
        // A parabola is least at an end or at its vertex.
        let vertex = centre - half_width * c / (3.0 * d);
        let inside = (low..=high).contains(&vertex).then_some(vertex);
        [Some(low), Some(high), inside].into_iter().flatten().any(|x| slope(x) < 0.0)
    }

    /// ∫ f(x) dx from `low` to `high`, both inside the knots.
    pub(crate) fn integral(&self, low: f64, high: f64) -> f64 {
        match self {
            Interpolant::Polynomial { centre, half_width, coefficients } => {
                let primitive = |x: f64| {
                    let t = (x - centre) / half_width;
                    coefficients.iter().enumerate().rev().fold(0.0, |sum, (k, c)| sum * t + c / (k + 1) as f64) * t
                };
                half_width * (primitive(high) - primitive(low))
            }
            Interpolant::Hermite { x, y, slope } => (0..x.len() - 1)
                .map(|k| {
                    let (left, right) = (low.max(x[k]), high.min(x[k + 1]));
                    if left >= right {
                        return 0.0;
                    }
                    let h = x[k + 1] - x[k];
                    let secant = (y[k + 1] - y[k]) / h;
                    // f = y + d·s + c·s² + b·s³, with s = x − x[k]
                    let c = (3.0 * secant - 2.0 * slope[k] - slope[k + 1]) / h;
                    let b = (slope[k] + slope[k + 1] - 2.0 * secant) / (h * h);
                    let primitive = |s: f64| s * (y[k] + s * (slope[k] / 2.0 + s * (c / 3.0 + s * b / 4.0)));
                    primitive(right - x[k]) - primitive(left - x[k])
                })
                .sum(),
        }
    }
}

/// Lengths of the intervals and slopes of the secants.
fn secants(x: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let h: Vec<f64> = x.windows(2).map(|w| w[1] - w[0]).collect();
    let m = y.windows(2).zip(&h).map(|(w, h)| (w[1] - w[0]) / h).collect();
    (h, m)
}

/// The shape-preserving three-point slope at an end of a PCHIP curve (Moler, *Numerical Computing with MATLAB*, 3.6).
fn pchip_end(h0: f64, h1: f64, m0: f64, m1: f64) -> f64 {
    let slope = ((2.0 * h0 + h1) * m0 - h0 * m1) / (h0 + h1);
    if slope * m0 <= 0.0 {
        0.0
    } else if m0 * m1 <= 0.0 && slope.abs() > 3.0 * m0.abs() {
        3.0 * m0
    } else {
        slope
    }
}

/// Gaussian elimination with partial pivoting of a 4×4 system (last column: right-hand side).
fn solve(mut a: [[f64; 5]; 4]) -> [f64; 4] {
    for column in 0..4 {
        let pivot = (column..4).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs())).unwrap_or(column);
        a.swap(column, pivot);
        for row in column + 1..4 {
            let factor = a[row][column] / a[column][column];
            let pivot_row = a[column];
            for (cell, p) in a[row].iter_mut().zip(pivot_row).skip(column) {
                *cell -= factor * p;
            }
        }
    }
    let mut solution = [0.0; 4];
    for row in (0..4).rev() {
        let known: f64 = (row + 1..4).map(|k| a[row][k] * solution[k]).sum();
        solution[row] = (a[row][4] - known) / a[row][row];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x³ − 2x + 1 on unequal knots: the polynomial rule is exact, its integral is x⁴/4 − x² + x.
    #[test]
    fn cubic_reproduces_a_cubic() {
        let x = [-1.0, 0.5, 1.0, 2.5, 4.0];
        let y = x.map(|x: f64| x.powi(3) - 2.0 * x + 1.0);
        let primitive = |x: f64| x.powi(4) / 4.0 - x * x + x;
        let integral = Interpolant::cubic(&x, &y).integral(-0.5, 3.5);
        assert!((integral - (primitive(3.5) - primitive(-0.5))).abs() < 1e-10, "{integral}");
    }

    #[test]
    fn a_cubic_that_falls_is_found_between_its_ends() {
        let x = [-2.0, -1.0, 0.0, 1.0, 2.0];
        let cubic = Interpolant::cubic(&x, &x.map(|x: f64| x.powi(3) - x));
        assert!(cubic.falls(-2.0, 2.0) && cubic.falls(-0.1, 2.0) && !cubic.falls(0.6, 2.0));
        assert!(!Interpolant::cubic(&x, &x.map(|x| 2.0 * x)).falls(-2.0, 2.0));
        assert!(!Interpolant::pchip(&x, &x.map(|x| -x)).falls(-2.0, 2.0));
    }

    #[test]
    fn piecewise_rules_reproduce_a_line() {
        let x = [0.0, 1.0, 3.0, 4.5];
        let y = x.map(|x| 2.0 * x - 1.0);
        for curve in [Interpolant::pchip(&x, &y), Interpolant::akima(&x, &y)] {
            assert!((curve.integral(0.5, 4.0) - (16.0 - 4.0 - 0.25 + 0.5)).abs() < 1e-12);
        }
    }
}
