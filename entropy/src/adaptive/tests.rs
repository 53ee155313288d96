use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::coder::{BitCounter, RangeDecoder, RangeEncoder};

fn round_trip(segment: &CodeSegment<'_>, codes: &[u16]) -> Vec<u8> {
    let mut sink = RangeEncoder::new();
    segment.encode(codes, &mut sink);
    let bytes = sink.finish();
    let mut back = vec![0; codes.len()];
    let mut source = RangeDecoder::new(&bytes);
    segment.decode(&mut back, &mut source);
    source.finish().expect("clean end");
    assert_eq!(back, codes);
    bytes
}

fn noise(seed: u64) -> impl FnMut(u32) -> u16 {
    let mut state = seed;
    move |below| {
        state = counts::hash(state);
        ((state >> 20) % u64::from(below)) as u16
    }
}

#[test]
fn noise_costs_little_more_than_its_entropy() {
    let mut random = noise(1);
    for (vocabulary, count) in [(1024, 60_000), (16, 60_000), (65_536, 20_000), (1000, 40_000), (2, 60_000)] {
        let codes: Vec<u16> = (0..count).map(|_| random(vocabulary)).collect();
        let raw = f64::from(vocabulary).log2() * codes.len() as f64;
        for layout in [CodeLayout::Grids { height: 8, width: 16 }, CodeLayout::Stacks { steps: 500, layers: 4 }] {
            let segment = CodeSegment { layout, vocabularies: &[vocabulary], start: 0 };
            let mut counter = BitCounter::new();
            segment.encode(&codes, &mut counter);
            assert!(counter.bits() < 1.03 * raw, "{vocabulary}: {} of {raw}", counter.bits());
        }
    }
}

#[test]
fn repeated_frames_cost_next_to_nothing() {
    let mut random = noise(2);
    let frame: Vec<u16> = (0..128).map(|_| random(1024)).collect();
    let codes: Vec<u16> = frame.iter().copied().cycle().take(128 * 100).collect();
    let layout = CodeLayout::Grids { height: 8, width: 16 };
    let bytes = round_trip(&CodeSegment { layout, vocabularies: &[1024], start: 0 }, &codes);
    // 160 bytes are the first frame.
    assert!(bytes.len() < 400, "{}", bytes.len());
}

#[test]
fn layers_are_predicted_from_one_another() {
    let mut random = noise(3);
    let codes: Vec<u16> = (0..5000).map(|_| random(16)).flat_map(|a| [a, (a * 5 + 3) % 16, 15 - a]).collect();
    let layout = CodeLayout::Stacks { steps: usize::MAX, layers: 3 };
    let bytes = round_trip(&CodeSegment { layout, vocabularies: &[16], start: 0 }, &codes);
    // Four bits a step are new.
    assert!(bytes.len() < 2800, "{}", bytes.len());
}

#[test]
fn a_single_symbol_alphabet_takes_no_bytes() {
    let layout = CodeLayout::Grids { height: 3, width: 3 };
    assert!(round_trip(&CodeSegment { layout, vocabularies: &[1], start: 4 }, &[0; 100]).is_empty());
}

#[test]
fn the_stated_memory_covers_the_tables() {
    let layout = CodeLayout::Grids { height: 8, width: 16 };
    assert!(layout.memory_bytes(&[65_536], usize::MAX) < 100 << 20);
    assert!(layout.memory_bytes(&[1024], 10) < 3 << 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_codes_of_any_layout_come_back(
        grids: bool,
        a in 1usize..9,
        b in 1usize..9,
        start in 0usize..200,
        vocabularies in vec(1u32..=65_536, 8),
        small: bool,
        count in 0usize..400,
        seed: u64,
    ) {
        let layout = if grids {
            CodeLayout::Grids { height: a, width: b }
        } else {
            CodeLayout::Stacks { steps: a * 7, layers: b }
        };
        let vocabularies = if grids { &vocabularies[..1] } else { &vocabularies[..b] };
        let mut random = noise(seed);
        let segment = CodeSegment { layout, vocabularies, start };
        let codes: Vec<u16> = (0..count)
            .map(|i| {
                let v = segment.vocabulary(start + i);
                if small { random(v.min(3)) } else { random(v) }
            })
            .collect();
        round_trip(&segment, &codes);
    }

    #[test]
    fn damaged_bytes_give_valid_codes(bytes in vec(any::<u8>(), 0..60), vocabulary in 1u32..2000) {
        let layout = CodeLayout::Grids { height: 4, width: 5 };
        let segment = CodeSegment { layout, vocabularies: &[vocabulary], start: 0 };
        let mut codes = [0; 90];
        segment.decode(&mut codes, &mut RangeDecoder::new(&bytes));
        prop_assert!(codes.iter().all(|&code| u32::from(code) < vocabulary));
    }
}
