//! Every kernel function against the portable one, and those against plain formulas.

use super::super::linear::{LinearSource, WideLinear, pre_shift};
use super::*;
use crate::testing::{Random, isas};

fn scalar() -> Isa {
    Isa::new(Kernel::Scalar).expect("always there")
}

/// Integers of any magnitude up to 2^bits, some of them the greatest.
fn any(random: &mut Random, bits: u32) -> i64 {
    let sign = if random.below(2) == 0 { 1 } else { -1 };
    match random.below(8) {
        0 => sign << bits,
        _ => sign * (random.next_u64() >> (63 - random.below(bits + 1))) as i64,
    }
}

fn layer(random: &mut Random, inputs: usize, outputs: usize, greatest: bool) -> (Vec<i8>, WideLinear) {
    let weight = |random: &mut Random| match greatest {
        true => [-127, 127][random.below(2) as usize],
        false => random.normal(30.0) as i8,
    };
    let weights: Vec<i8> = (0..inputs * outputs).map(|_| weight(random)).collect();
    let bytes: Vec<u8> = weights.iter().map(|&w| w as u8).collect();
    let mult = (0..outputs).map(|_| [i32::MAX, (random.next_u64() >> 33) as i32][random.below(2) as usize]).collect();
    let source = LinearSource { name: String::new(), weights: &bytes, inputs, mult, exponent: 0, first_row: 0 };
    (weights, source.pack().expect("valid"))
}

#[test]
fn linear_is_the_formula_for_every_kernel() {
    let mut random = Random::new(1);
    let cases = [(1, 1), (2, 17), (63, 64), (515, 130), (516, 33), (577, 40), (2000, 48), (5001, 70)];
    for (inputs, outputs) in cases {
        for greatest in [false, true] {
            let (weights, layer) = layer(&mut random, inputs, outputs, greatest);
            for m in [1, 2, 3, 5, 16, 21] {
                let mut a = vec![0i16; m * layer.stride()];
                for row in a.chunks_exact_mut(layer.stride()) {
                    row[..inputs].fill_with(|| [32767, -32767, random.normal(9000.0) as i16][random.below(3) as usize]);
                }
                if greatest {
                    // The greatest sum that there is.
                    a[..inputs].iter_mut().zip(&weights).for_each(|(a, &w)| *a = 32767 * i16::from(w).signum());
                }
                let pre = pre_shift(inputs);
                let mut expected = vec![0i32; m * layer.output_stride()];
                for (out, a) in expected.chunks_exact_mut(layer.output_stride()).zip(a.chunks_exact(layer.stride())) {
                    for (n, row) in weights.chunks_exact(inputs).enumerate() {
                        let sum: i128 = row.iter().zip(a).map(|(&w, &a)| i128::from(w) * i128::from(a)).sum();
                        let sum = (sum + ((1 << pre) >> 1)) >> pre;
                        let value = (sum * i128::from(layer.mult[n]) + (1 << 31)) >> 32;
                        assert!(value.abs() <= 1 << 30);
                        out[n] = value as i32;
                    }
                }
                for isa in isas() {
                    let mut out = vec![7; expected.len()];
                    linear(isa, &layer, &a, &mut out);
                    assert!(out == expected, "{isa:?}, {inputs} to {outputs}, {m} rows");
                }
            }
        }
    }
}

#[test]
fn elementwise_functions_agree() {
    let mut random = Random::new(2);
    for round in 0..400 {
        let n = 1 + random.below(200) as usize;
        let bits = random.below(48);
        let x: Vec<i64> = (0..n).map(|_| any(&mut random, bits)).collect();
        let weight = (0..n).map(|_| any(&mut random, 30) as i32).collect();
        let norm = Norm { weight, exponent: -30 };
        let eps = random.next_u64() >> (16 + random.below(40));
        let head = 2 * (n / 2).max(1);
        let values: Vec<i32> = (0..2 * head).map(|_| any(&mut random, 30) as i32).collect();
        let exponent = random.below(80) as i32 - 60;
        let exponents = [exponent, random.below(80) as i32 - 60];
        let run = |isa| {
            let (mut y, mut scratch) = (vec![0; n], vec![0; n]);
            let normed = rms_norm(isa, &x, &norm, eps, &mut scratch, &mut y);
            let mut sum = x.clone();
            add(isa, &mut sum, &values[..1].repeat(n), exponent);
            let mut packed = vec![0; 2 * head];
            let packed_exponent = pack_heads(isa, &values, &exponents, &mut packed);
            let mut found = vec![0; 2 * head];
            logits(isa, &values, exponent, &mut found);
            let (mut c, mut products, mut h) = (vec![0; head], vec![0; head], vec![0; head]);
            let gated = swiglu(isa, &values, exponent, &mut c, &mut products, &mut h);
            ((y, normed, sum), (packed, packed_exponent, found), (c, h, gated))
        };
        let expected = run(scalar());
        for isa in isas() {
            assert_eq!(run(isa), expected, "{isa:?}, round {round}");
        }
    }
}

#[test]
fn norm_and_gate_are_close_to_floating_point() {
    let mut random = Random::new(3);
    for scale in [1e-5, 1e-2, 1.0, 300.0, 1e5] {
        let n = 300;
        let real: Vec<f64> = (0..n).map(|i| random.normal(scale) * if i == 5 { 1000.0 } else { 1.0 }).collect();
        let x: Vec<i64> = real.iter().map(|x| (x * 2f64.powi(24)).round() as i64).collect();
        let w: Vec<f64> = (0..n).map(|i| if i == 5 { 0.001 } else { 1.0 + random.normal(0.3) }).collect();
        let weight = w.iter().map(|w| (w * 2f64.powi(28)).round() as i32).collect();
        let eps = 1e-6f64;
        let (mut y, mut scratch) = (vec![0; n], vec![0; n]);
        let norm = Norm { weight, exponent: -28 };
        let e = rms_norm(scalar(), &x, &norm, (eps * 2f64.powi(48)).round() as u64, &mut scratch, &mut y);
        let rms = (real.iter().map(|x| x * x).sum::<f64>() / n as f64 + eps).sqrt();
        let greatest = real.iter().zip(&w).map(|(x, w)| (x * w / rms).abs()).fold(0.0, f64::max);
        // Half a unit of a 15-bit mantissa, and half a unit of the stream's Q24.
        let bound = greatest * 2f64.powi(-15) * 1.01 + 2f64.powi(-24) / rms;
        for ((x, w), y) in real.iter().zip(&w).zip(&y) {
            let found = f64::from(*y) * f64::from(e).exp2();
            assert!((found - x * w / rms).abs() <= bound, "{scale}: {found} for {}", x * w / rms);
        }
        let gate: Vec<f64> = (0..n).map(|_| random.normal(scale.min(100.0))).collect();
        let values = |v: &[f64]| -> Vec<i32> { v.iter().map(|v| (v * 2f64.powi(20)).round() as i32).collect() };
        let gate_up = [values(&gate), values(&w)].concat();
        let (mut c, mut products, mut h) = (vec![0; n], vec![0; n], vec![0; n]);
        let e = swiglu(scalar(), &gate_up, -20, &mut c, &mut products, &mut h);
        let exact: Vec<f64> = gate.iter().zip(&w).map(|(g, w)| g / (1.0 + (-g).exp()) * w).collect();
        let greatest = exact.iter().fold(0f64, |m, v| m.max(v.abs()));
        for ((g, w), (h, exact)) in gate.iter().zip(&w).zip(h.iter().zip(&exact)) {
            let found = f64::from(*h) * f64::from(e).exp2();
            // The logistic function's 4.3e-5 and the rounding of gates to Q11, the mantissa's half unit.
            let bound = (g * w).abs() * 1.1e-4 + greatest * 2f64.powi(-15) + 2f64.powi(-19);
            assert!((found - exact).abs() <= bound, "{scale}: {found} for {exact}");
        }
    }
}

/// A head's keys and values from mantissas and exponents, and the same as reals.
struct Head {
    k: Vec<u32>,
    v: Vec<u32>,
    k_exponents: Vec<i32>,
    v_exponents: Vec<i32>,
    keys: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
    columns: usize,
}

impl Head {
    fn random(random: &mut Random, half: usize, len: usize, exponents: impl Fn(&mut Random) -> i32, peak: u32) -> Self {
        let columns = (2 * half).next_multiple_of(LANES);
        let tiles = len.div_ceil(32) * 2;
        let mut head = Self {
            k: vec![0xdead_beef; tiles * half * LANES],
            v: vec![0x0fff_0fff; tiles * columns * LANES / 2],
            k_exponents: vec![77; tiles * LANES],
            v_exponents: vec![77; tiles * LANES],
            keys: Vec::new(),
            values: Vec::new(),
            columns,
        };
        for position in 0..len {
            let draw = |random: &mut Random| -> Vec<i32> {
                (0..2 * half).map(|_| random.below(2 * peak + 1) as i32 - peak as i32).collect()
            };
            let (mut key, mut value) = (draw(random), draw(random));
            let tile = position / LANES;
            let (k_exponent, v_exponent) = (exponents(random), exponents(random));
            let real = |v: &[i32], e: i32| v.iter().map(|&v| f64::from(v) * f64::from(e).exp2()).collect();
            head.keys.push(real(&key, k_exponent));
            head.values.push(real(&value, v_exponent));
            let (mut k_found, mut v_found) = (0, 0);
            let slot = Slot {
                lane: position % LANES,
                k: &mut head.k[tile * half * LANES..][..half * LANES],
                v: &mut head.v[tile * columns * LANES / 2..][..columns * LANES / 2],
                k_exponent: &mut k_found,
                v_exponent: &mut v_found,
            };
            let (cos, sin) = (vec![1 << 30; half], vec![0; half]);
            place_key_value(scalar(), &mut key, &mut value, 0, Angles { cos: &cos, sin: &sin }, slot);
            // Mantissas of 12 bits at most stay as they are.
            assert_eq!((k_found, v_found), (0, 0));
            (head.k_exponents[position], head.v_exponents[position]) = (k_exponent, v_exponent);
        }
        head
    }

    fn view(&self) -> KeysValues<'_> {
        KeysValues {
            columns: self.columns,
            k: &self.k,
            v: &self.v,
            k_exponents: &self.k_exponents,
            v_exponents: &self.v_exponents,
        }
    }
}

#[test]
fn attention_agrees_and_is_close_to_floating_point() {
    let mut random = Random::new(4);
    // (half, heads, exponents of queries, whether the result is compared with f64).
    let wild = |random: &mut Random| [-4000, -60, -31, -20, -13, -9, 0, 9, 40, 4000][random.below(10) as usize];
    let tame = |random: &mut Random| -12 - random.below(3) as i32;
    let sharp = |random: &mut Random| -9 - random.below(3) as i32;
    for round in 0..60 {
        let half = [3, 8, 16, 24, 32, 64][random.below(6) as usize];
        let heads = 1 + random.below(9) as usize;
        let len = 1 + random.below(if round < 50 { 100 } else { 3000 }) as usize;
        let (head, kind) = match round % 3 {
            0 => (Head::random(&mut random, half, len, wild, 4095), "wild"),
            1 => (Head::random(&mut random, half, len, tame, 2000), "tame"),
            _ => (Head::random(&mut random, half, len, sharp, 4095), "sharp"),
        };
        let mut q = vec![0; heads * half];
        let mut q_exponents = vec![0; heads];
        let mut queries = Vec::new();
        for (q, e) in q.chunks_exact_mut(half).zip(&mut q_exponents) {
            let mut values: Vec<i32> = (0..2 * half).map(|_| random.below(8191) as i32 - 4095).collect();
            queries.push(values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
            let (cos, sin) = (vec![1 << 30; half], vec![0; half]);
            place_query(scalar(), &mut values, 0, Angles { cos: &cos, sin: &sin }, q);
            *e = if kind == "wild" { wild(&mut random) } else { tame(&mut random) };
        }
        let run = |isa| {
            let mut scratch = AttendScratch::new(heads, len, head.columns);
            let (mut out, mut exponents) = (vec![0; heads * 2 * half], vec![0; heads]);
            attend(isa, &q, &q_exponents, head.view(), len, &mut scratch, &mut out, &mut exponents);
            (out, exponents)
        };
        let expected = run(scalar());
        for isa in isas() {
            assert!(run(isa) == expected, "{isa:?}, round {round}, {kind}, {heads} heads of {}, {len}", 2 * half);
        }
        if kind == "wild" {
            continue;
        }
        for (h, query) in queries.iter().enumerate() {
            let scale = f64::from(q_exponents[h]).exp2();
            let dot = |k: &Vec<f64>| k.iter().zip(query).map(|(k, q)| k * q * scale).sum::<f64>();
            let scores: Vec<f64> = head.keys.iter().map(dot).collect();
            let max = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp2()).collect();
            let sum: f64 = weights.iter().sum();
            let greatest = head.values.iter().flatten().fold(0f64, |m, v| m.max(v.abs()));
            for c in 0..2 * half {
                let exact: f64 = weights.iter().zip(&head.values).map(|(w, v)| w / sum * v[c]).sum();
                let size: f64 = weights.iter().zip(&head.values).map(|(w, v)| w / sum * v[c].abs()).sum();
                let found = f64::from(expected.0[h * 2 * half + c]) * f64::from(expected.1[h]).exp2();
                // 2^-14.5 of the exponential, 2^-16 bits of a score; 32 shares a block rounded at 2^-15 of the greatest.
                let bound = size * 2e-4 + greatest * 3e-4;
                assert!((found - exact).abs() <= bound, "{round}: {found} for {exact} ± {bound}");
            }
        }
    }
}
