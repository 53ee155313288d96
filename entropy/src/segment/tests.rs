//! Round trips, damage, and values that have no symbol.

use super::*;
use crate::coder::{RangeDecoder, RangeEncoder};
use crate::frame_llama::testing::{random_model, small_dct_config};
use crate::testing::Random;

fn model() -> FrameLlama {
    FrameLlama::from_bytes(&random_model(&small_dct_config(), 7)).expect("a valid random model")
}

fn planes(seed: u64, sizes: &[(usize, usize)], extreme: bool) -> Vec<CoefficientPlane> {
    let mut random = Random::new(seed);
    sizes
        .iter()
        .map(|&(wide, high)| {
            let mut p = CoefficientPlane::zeroed(wide, high, [3; 64]);
            for block in &mut p.blocks {
                let last = random.below(64) as usize;
                for v in &mut block[..=last] {
                    *v = if extreme && random.below(9) == 0 {
                        [i16::MAX, -i16::MAX, 15, -15, 16][random.below(5) as usize]
                    } else {
                        random.below(9) as i16 - 4
                    };
                }
            }
            p
        })
        .collect()
}

fn round_trip(model: &FrameLlama, truth: &[CoefficientPlane]) -> Vec<u8> {
    coded(model, truth, Estimation::Model);
    coded(model, truth, Estimation::Secondary)
}

fn coded(model: &FrameLlama, truth: &[CoefficientPlane], estimation: Estimation) -> Vec<u8> {
    let mut coder = SegmentCoder::new(model, Isa::detect(), estimation).expect("a fitting model");
    let mut sink = RangeEncoder::new();
    coder.encode(truth, &mut sink).expect("every value has a symbol");
    let bytes = sink.finish();
    let bits = coder.count(truth).expect("every value has a symbol");
    let last = bits.by_component.iter().map(|kinds| kinds[SymbolKind::Last as usize]).sum::<f64>();
    let sorted = last + bits.by_position.iter().flatten().sum::<f64>();
    assert!((bits.total() - sorted).abs() < 1e-6 * (1.0 + sorted), "{} against {sorted}", bits.total());
    for (plane, positions) in truth.iter().zip(&bits.by_position) {
        let highest = plane.blocks.iter().filter_map(|b| b.iter().rposition(|&v| v != 0)).max().unwrap_or(0);
        assert!(positions[highest + 1..].iter().all(|&b| b == 0.0));
    }
    let counted = bits.total() / 8.0;
    assert!((bytes.len() as f64 - counted).abs() <= 4.0 + counted * 1e-4, "{} against {counted}", bytes.len());
    let mut planes: Vec<_> =
        truth.iter().map(|p| CoefficientPlane::zeroed(p.blocks_wide, p.blocks_high, p.quantization)).collect();
    let mut source = RangeDecoder::new(&bytes);
    coder.decode(&mut planes, &mut source).expect("decodes");
    source.finish().expect("clean end");
    assert_eq!(planes, truth);
    bytes
}

#[test]
fn every_shape_round_trips() {
    let model = model();
    for (seed, sizes) in [
        (1, vec![(1, 1)]),
        (2, vec![(5, 4), (3, 2), (3, 2)]),
        (3, vec![(2, 70)]),
        (4, vec![(9, 1), (9, 1), (9, 1), (9, 1)]),
        (5, vec![(3, 3), (6, 6)]),
        (6, vec![(0, 0), (1, 2)]),
    ] {
        round_trip(&model, &planes(seed, &sizes, false));
    }
}

#[test]
fn extreme_values_round_trip() {
    round_trip(&model(), &planes(11, &[(4, 3), (2, 2)], true));
    let mut p = CoefficientPlane::zeroed(2, 2, [u16::MAX; 64]);
    for (b, dc) in p.blocks.iter_mut().zip([i16::MAX, i16::MIN, i16::MAX, i16::MIN]) {
        *b = [i16::MAX; 64];
        b[0] = dc;
    }
    round_trip(&model(), &[p]);
}

#[test]
fn damage_is_an_error_or_a_different_end_but_never_a_panic() {
    let model = model();
    let truth = planes(21, &[(4, 4)], true);
    let bytes = round_trip(&model, &truth);
    let mut coder = SegmentCoder::new(&model, Isa::detect(), Estimation::Secondary).expect("a fitting model");
    for i in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[i] ^= 1 << (i % 8);
        let mut planes = vec![CoefficientPlane::zeroed(4, 4, [3; 64])];
        let mut source = RangeDecoder::new(&damaged);
        let _ = coder.decode(&mut planes, &mut source).map(|()| source.finish());
    }
}

#[test]
fn a_value_without_a_symbol_is_an_error_and_nothing_is_written() {
    let model = model();
    let mut planes = planes(31, &[(3, 2), (2, 2)], false);
    planes[1].blocks[3][5] = i16::MIN;
    let expected = SegmentError::Value { component: 1, row: 1, column: 1, value: -32_768 };
    for estimation in [Estimation::Model, Estimation::Secondary] {
        let mut coder = SegmentCoder::new(&model, Isa::detect(), estimation).expect("a fitting model");
        let mut sink = RangeEncoder::new();
        assert_eq!(coder.encode(&planes, &mut sink), Err(expected.clone()));
        assert_eq!(sink.finish(), RangeEncoder::new().finish());
        assert_eq!(coder.count(&planes).err(), Some(expected.clone()));
    }
}
