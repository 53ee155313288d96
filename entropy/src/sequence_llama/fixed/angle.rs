//! Cosines and sines of fractions of a turn, by integers.

/// π/2 in Q62.
const HALF_PI: i128 = 7_244_019_458_077_122_842;

/// Cosine and sine (Q30, −2^30..=2^30) of an angle in units of 2^−64 turns.
///
/// The angle is reduced to ±1/8 turn around a quarter; there the Taylor series to degree 15 is exact to 2^-50, evaluated
/// in Q62, so that the results are the nearest integers except where the exact value is within 2^-19 of a tie.
pub fn cos_sin(turns: u64) -> (i32, i32) {
    // The nearest quarter, and the signed distance to it in units of 2^-62 quarters.
    let quarter = turns.wrapping_add(1 << 61) >> 62;
    let distance = turns.wrapping_sub(quarter << 62) as i64;
    let x = (i128::from(distance) * HALF_PI) >> 62;
    let square = (x * x) >> 62;
    let one = 1i128 << 62;
    // sin x = x(1 − x²/(2·3)(1 − x²/(4·5)(…))), cos x = 1 − x²/(1·2)(1 − x²/(3·4)(…)).
    let series = |first: i128| {
        let mut sum = one;
        for n in (0..7).rev().map(|i| first + 2 * i) {
            sum = one - ((square * sum) >> 62) / (n * (n + 1));
        }
        sum
    };
    let round = |v: i128| ((v + (1 << 31)) >> 32) as i32;
    let (cos, sin) = (round(series(1)), round((x * series(2)) >> 62));
    match quarter & 3 {
        0 => (cos, sin),
        1 => (-sin, cos),
        2 => (-cos, -sin),
        _ => (sin, -cos),
    }
}

/// The turns (units of 2^-64) that a pair advances a position, from its angular frequency in radians a position
/// (0..=2π). For exporters: the result goes into the model file, so that its rounding decides no bit.
pub fn turns_per_position(frequency: f64) -> u64 {
    // Saturates: a whole turn is none.
    (frequency / std::f64::consts::TAU * 2f64.powi(64)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_are_exact() {
        assert_eq!(cos_sin(0), (1 << 30, 0));
        assert_eq!(cos_sin(1 << 62), (0, 1 << 30));
        assert_eq!(cos_sin(2 << 62), (-1 << 30, 0));
        assert_eq!(cos_sin(3 << 62), (0, -1 << 30));
    }

    #[test]
    fn close_to_the_floating_point_functions() {
        let mut turns = 0u64;
        for i in 0..20_000u64 {
            turns = turns.wrapping_add(0x9e37_79b9_7f4a_7c15 ^ i);
            let angle = turns as f64 / 2f64.powi(64) * std::f64::consts::TAU;
            let (cos, sin) = cos_sin(turns);
            let scale = f64::from(1 << 30);
            assert!((f64::from(cos) - angle.cos() * scale).abs() <= 0.5001, "{turns}");
            assert!((f64::from(sin) - angle.sin() * scale).abs() <= 0.5001, "{turns}");
        }
    }

    #[test]
    fn a_position_is_its_frequency() {
        for frequency in [1.0, 0.1, 1e-3, 1e-7, std::f64::consts::TAU] {
            let turns = turns_per_position(frequency);
            for position in [1u64, 17, 8191, 131_071] {
                let (cos, _) = cos_sin(turns.wrapping_mul(position));
                let exact = (frequency * position as f64).cos();
                assert!((f64::from(cos) / f64::from(1 << 30) - exact).abs() < 1e-8, "{frequency} {position}");
            }
        }
    }
}
