//! The inputs of `eval/scripts/metric_references.py`, by the same integer formulas.
#![allow(dead_code)] // each test binary uses a part

/// lowbias32 by Chris Wellons.
pub fn mix(x: u64) -> u32 {
    let mut x = x as u32;
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

fn triangle(t: i64, period: i64) -> i64 {
    (t.rem_euclid(2 * period) - period).abs() * 255 / period
}

pub fn image(width: usize, height: usize, seed: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height as i64 {
        for x in 0..width as i64 {
            for c in 0..3 {
                let noise = i64::from(mix(((y * width as i64 + x) * 3 + c + 1_000_003 * seed) as u64) & 63);
                let v = (2 * triangle(3 * x + 2 * y + 40 * c, 97) + triangle(5 * y + 17 * c + seed, 61) + noise) / 3;
                out.push(v.clamp(0, 255) as u8);
            }
        }
    }
    out
}

pub fn degraded(source: &[u8], step: i64, seed: i64) -> Vec<u8> {
    let noise = |i: usize| i64::from(mix((i as i64 + 7_000_003 * seed) as u64) & 15) - 8;
    let sample = |(i, &v): (usize, &u8)| (i64::from(v) / step * step + step / 2 + noise(i)).clamp(0, 255) as u8;
    source.iter().enumerate().map(sample).collect()
}

pub fn signal(n: usize, seed: i64) -> Vec<i64> {
    let mut y = 0i64;
    (0..n as i64)
        .map(|i| {
            let u = i64::from(mix((i + 5_000_011 * seed) as u64) & 0xffff) - 32768;
            y = ((y * 15) >> 4) + (u >> 2);
            ((y * (triangle(i, 1500) + 20)) >> 9).clamp(-32768, 32767)
        })
        .collect()
}

pub fn noisy(s: &[i64], shift: u32, seed: i64) -> Vec<i64> {
    let noise = |i: usize| (i64::from(mix((i as i64 + 9_000_011 * seed) as u64) & 0xffff) - 32768) >> shift;
    s.iter().enumerate().map(|(i, &v)| (((v * 7) >> 3) + noise(i)).clamp(-32768, 32767)).collect()
}

/// Samples in −1 to 1.
pub fn scaled(s: &[i64]) -> Vec<f32> {
    s.iter().map(|&v| v as f32 / 32768.0).collect()
}

pub fn features(n: usize, d: usize, seed: i64, rank: usize) -> Vec<Vec<f64>> {
    let unit = |x: i64| f64::from(mix(x as u64)) / 4294967296.0;
    let entry = |i: usize, j: usize| {
        (0..rank).fold(0.0, |sum, k| {
            let z = unit((i * rank + k) as i64 + 11_000_003 * seed);
            let a = unit((k * d + j) as i64 + 13_000_003 * seed) - 0.5;
            sum + z * a
        })
    };
    (0..n).map(|i| (0..d).map(|j| entry(i, j)).collect()).collect()
}

/// A random weight tensor of the network, by its name.
pub fn random_weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let hash = name.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    let n = shape.iter().product::<usize>() as u64;
    let unit = (0..n).map(|i| f64::from(mix(i + u64::from(hash))) / 4294967296.0);
    if name.ends_with("conv.weight") {
        let bound = (6.0 / (shape[1] * shape[2] * shape[3]) as f64).sqrt();
        unit.map(|u| ((2.0 * u - 1.0) * bound) as f32).collect()
    } else if name.ends_with("bn.weight") || name.ends_with("running_var") {
        unit.map(|u| (u + 0.5) as f32).collect()
    } else {
        unit.map(|u| ((u - 0.5) * 0.2) as f32).collect()
    }
}

pub fn stored() -> serde_json::Value {
    serde_json::from_str(include_str!("../data/metric_references.json")).expect("stored reference values are JSON")
}

pub fn number(case: &serde_json::Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("{key} in {case}"))
}

pub fn integer(case: &serde_json::Value, key: &str) -> usize {
    case[key].as_u64().unwrap_or_else(|| panic!("{key} in {case}")) as usize
}
