//! Every kernel against the portable code, and the portable code against the definitions, with proptest.

use super::super::fixed::{RESIDUAL_LIMIT, RopeTable, exp2neg, silu_mul};
use super::super::kv::{KvTiles, Slot};
use super::*;
use crate::testing::{Random, isas};
use proptest::prelude::*;

/// Random integers of a magnitude that itself varies, with the extremes now and then.
fn draw(random: &mut Random, limit: i32) -> i32 {
    match random.below(8) {
        0 => limit,
        1 => -limit,
        2 => 0,
        _ => (random.next_u64() as i64 % (1 + i64::from(limit >> random.below(20)))) as i32,
    }
}

fn draw_i16(random: &mut Random, limit: i32) -> i16 {
    draw(random, limit) as i16
}

/// A layer with raw weights, to compute it by its definition.
struct Raw {
    inputs: usize,
    weights: Vec<i8>,
    layer: Linear,
}

fn raw_layer(random: &mut Random, inputs: usize, panels: usize, shift: u32, limit: i32) -> Raw {
    let outputs = 16 * panels;
    let magnitude = (65535 / inputs).min(127) as i32;
    let weights: Vec<i8> = (0..inputs * outputs).map(|_| draw(random, magnitude) as i8).collect();
    let mult = (0..outputs).map(|_| draw(random, i32::MAX).saturating_abs()).collect();
    let layer = Linear::new(&weights, inputs, mult, shift, vec![limit; outputs]);
    Raw { inputs, weights, layer }
}

impl Raw {
    /// The definition of `docs/MODEL.md`, in i128.
    fn expected(&self, a: &[i16]) -> Vec<i32> {
        let stride = self.layer.stride();
        let mut out = Vec::new();
        for a in a.chunks(stride) {
            for (n, w) in self.weights.chunks(self.inputs).enumerate() {
                let acc: i128 = w.iter().zip(a).map(|(&w, &a)| i128::from(w) * i128::from(a)).sum();
                let scaled = (acc * i128::from(self.layer.mult[n]) + (1 << (self.layer.shift - 1))) >> self.layer.shift;
                let limit = i128::from(self.layer.limit[n]);
                out.push(scaled.clamp(-limit, limit) as i32);
            }
        }
        out
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn linear_is_its_definition(
        seed in any::<u64>(),
        inputs in prop_oneof![1..=70usize, 250..=270usize, Just(520)],
        panels in 1..=9usize,
        m in prop_oneof![1..=9usize, 30..=35usize],
        shift in 1..=62u32,
    ) {
        let mut random = Random::new(seed);
        let raw = raw_layer(&mut random, inputs, panels, shift, 32767);
        let mut a: Vec<i16> = (0..m * raw.layer.stride()).map(|_| draw_i16(&mut random, 32768)).collect();
        if inputs % 2 == 1 {
            a.chunks_mut(raw.layer.stride()).for_each(|a| a[inputs] = 0);
        }
        let expected = raw.expected(&a);
        let adds = raw_layer(&mut random, inputs, panels, shift, RESIDUAL_LIMIT);
        let before: Vec<i32> = (0..m * 16 * panels).map(|_| draw(&mut random, 1 << 25)).collect();
        let sums: Vec<i32> = before.iter().zip(adds.expected(&a))
            .map(|(x, y)| (x + y).clamp(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)).collect();
        for isa in isas() {
            let mut out = vec![0; expected.len()];
            isa.linear_i16(&raw.layer, &a, &mut out);
            prop_assert!(out.iter().map(|&x| i32::from(x)).eq(expected.iter().copied()), "{isa:?}");
            let mut out = before.clone();
            isa.linear_add(&adds.layer, &a, &mut out);
            prop_assert!(out == sums, "{isa:?} adding");
        }
    }

    #[test]
    fn rmsnorm_is_the_same(seed in any::<u64>(), heads in 1..=32usize, m in 1..=20usize, limit in 0..=23u32) {
        let (mut random, width) = (Random::new(seed), 16 * heads);
        let x: Vec<i32> = (0..m * width).map(|_| draw(&mut random, 1 << limit)).collect();
        let mut expected = vec![0; x.len()];
        portable::rmsnorm(&x, width, &mut expected);
        for isa in isas() {
            let mut y = vec![0; x.len()];
            isa.rmsnorm(&x, width, &mut y);
            prop_assert!(y == expected, "{isa:?}");
        }
    }

    #[test]
    fn attention_is_the_same(seed in any::<u64>(), heads in 1..=9usize, half in prop_oneof![Just(8usize), Just(16)], count in 1..=6usize) {
        let (mut random, d) = (Random::new(seed), heads * 2 * half);
        let mut kv = KvTiles::new(8, d);
        let table = RopeTable::new();
        let mut q = vec![0; d / 2];
        let (mut q_all, mut stored) = (Vec::new(), Vec::new());
        for frame in 0..8 * LANES {
            let qkv: Vec<i16> = (0..3 * d)
                .map(|i| draw_i16(&mut random, if i < 2 * d { 8191 } else { 16383 })).collect();
            let angles = table.at_2d(random.below(200) as usize, random.below(200) as usize, half);
            let mut expected = kv.clone();
            let mut expected_q = q.clone();
            portable::rotate_store(half, &qkv, &angles, &mut expected_q, expected.slot(frame / LANES, frame % LANES));
            for isa in isas() {
                let mut found = kv.clone();
                isa.rotate_store(half, &qkv, &angles, &mut q, found.slot(frame / LANES, frame % LANES));
                prop_assert!(q == expected_q && found.k == expected.k && found.v == expected.v, "{isa:?}");
            }
            kv = expected;
            q_all.extend_from_slice(&q);
            stored.push(qkv);
        }
        let mut tiles: Vec<(usize, u16)> = (0..count).map(|i| ((i * 5) % 8, random.next_u64() as u16)).collect();
        tiles[0].1 |= 1 << random.below(16);
        let q = &q_all[random.below(100) as usize * d / 2..][..d / 2];
        let mut expected = vec![0; d];
        portable::attend(half, q, &kv.k, &kv.v, &tiles, &mut expected);
        for isa in isas() {
            let mut out = vec![0; d];
            isa.attend(half, q, &kv.k, &kv.v, &tiles, &mut out);
            prop_assert!(out == expected, "{isa:?}");
        }
        // A single marked lane gives its values back, but for the share of 32767 / 32768.
        let lane = random.below(16) as usize;
        portable::attend(half, q, &kv.k, &kv.v, &[(3, 1 << lane)], &mut expected);
        for (out, v) in expected.iter().zip(&stored[3 * LANES + lane][2 * d..]) {
            prop_assert!((i32::from(*out) - i32::from(*v)).abs() <= 1);
        }
    }

    #[test]
    fn symbol_weights_are_the_same(seed in any::<u64>(), n in 1..=64usize, excluded in any::<u64>()) {
        let mut random = Random::new(seed);
        let logits: Vec<i32> = (0..n).map(|_| draw(&mut random, 1 << 21)).collect();
        let mut expected = vec![0; n];
        let total = portable::symbol_weights(&logits, excluded, &mut expected);
        prop_assert_eq!(total, expected.iter().sum::<u32>());
        for (i, &w) in expected.iter().enumerate() {
            prop_assert_eq!(w == 0, excluded >> i & 1 == 1);
        }
        for isa in isas() {
            let mut weights = vec![7; n];
            prop_assert_eq!(isa.symbol_weights(&logits, excluded, &mut weights), total, "{:?}", isa);
            prop_assert!(weights == expected, "{isa:?}");
        }
    }
}

#[test]
fn silu_mul_is_the_same_everywhere() {
    let ups = [-32767, -20000, -2048, -1, 0, 1, 777, 32767i16];
    for isa in isas() {
        for up in ups {
            for first in (-32767..32767i32).step_by(48) {
                let gates: Vec<i16> = (first..first + 48).map(|g| g.min(32767) as i16).collect();
                let gate_up: Vec<i16> = gates.iter().copied().chain(std::iter::repeat_n(up, 48)).collect();
                let mut out = vec![0; 48];
                isa.silu_mul(&gate_up, 48, &mut out);
                for (out, g) in out.into_iter().zip(gates) {
                    assert_eq!(out, silu_mul(g, up), "{isa:?} {g} {up}");
                }
            }
        }
    }
}

#[test]
fn softmax_shares_are_close() {
    let scores = [std::array::from_fn(|i| (i as i32 * 7919 % 31 - 15) * 30_000)];
    let mut shares = [[0; LANES]];
    portable::softmax(&scores, &[(0, 0xfff7)], &mut shares);
    let exact = scores[0].map(|s| (f64::from(s) / f64::from(1 << 18)).exp2());
    let sum: f64 = exact.iter().enumerate().filter(|(i, _)| *i != 3).map(|(_, e)| e).sum();
    assert!(shares[0].iter().sum::<u32>() <= 1 << 15 && shares[0][3] == 0);
    for (i, (&share, exact)) in shares[0].iter().zip(exact).enumerate().filter(|(i, _)| *i != 3) {
        assert!((f64::from(share) - 32768.0 * exact / sum).abs() < 3.0, "{i}: {share}");
    }
    assert_eq!(exp2neg(1 << 16), 1 << 14);
}

#[test]
fn slots_of_a_tile_do_not_touch_each_other() {
    let mut kv = KvTiles::new(1, 32);
    let angles = *RopeTable::new().at(0);
    for lane in 0..LANES {
        let qkv = vec![lane as i16 + 1; 96];
        let Slot { lane: stored, .. } = kv.slot(0, lane);
        assert_eq!(stored, lane);
        portable::rotate_store(16, &qkv, &angles, &mut [0; 16], kv.slot(0, lane));
    }
    for lane in 0..LANES {
        let pair = (lane as u32 + 1) * 0x1_0001;
        assert!((0..16).all(|j| kv.k[j * LANES + lane] == pair));
        let halves = (0..32).map(|d| kv.v[lane / 2 * 32 + d] >> (lane % 2 * 16) & 0xffff);
        assert!(halves.into_iter().all(|v| v == lane as u32 + 1));
    }
}
