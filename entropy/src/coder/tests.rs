//! The coder on random models and symbols, on damaged bytes, and against the ideal length.

use super::*;
use proptest::prelude::*;

/// An interval of a random model.
#[derive(Debug, Clone, Copy)]
enum Step {
    Symbol { cum: u32, weight: u32, total: u32 },
    Bits { value: u32, count: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let total = prop_oneof![1..=MAX_TOTAL, 1..=64u32, Just(MAX_TOTAL), (0..27u32).prop_map(|b| 1 << b)];
    let symbol = (total, any::<u32>(), any::<u32>()).prop_map(|(total, a, b)| {
        let cum = a % total;
        let weight = 1 + if b & 1 == 0 { 0 } else { (b >> 1) % (total - cum) };
        Step::Symbol { cum, weight, total }
    });
    let bits = (0..=32u32, any::<u32>())
        .prop_map(|(count, v)| Step::Bits { value: (u64::from(v) & ((1u64 << count) - 1)) as u32, count });
    prop_oneof![8 => symbol, 1 => bits]
}

fn write(steps: &[Step], sink: &mut impl SymbolSink) {
    for &step in steps {
        match step {
            Step::Symbol { cum, weight, total } => sink.code(cum, weight, total),
            Step::Bits { value, count } => sink.bits(value, count),
        }
    }
}

fn read_back(steps: &[Step], bytes: &[u8]) -> Result<(), String> {
    let mut decoder = RangeDecoder::new(bytes);
    for &step in steps {
        match step {
            Step::Symbol { cum, weight, total } => {
                let target = decoder.target(total);
                if !(cum..cum + weight).contains(&target) {
                    return Err(format!("{target} outside {cum}+{weight}"));
                }
                decoder.advance(cum, weight, total);
            }
            Step::Bits { value, count } => {
                let found = decoder.bits(count);
                if found != value {
                    return Err(format!("raw {found}, expected {value}"));
                }
            }
        }
    }
    decoder.finish().map_err(|e| e.to_string())
}

/// Decodes whatever is there under a fixed model; must not panic.
fn read_anything(bytes: &[u8], symbols: usize) -> (Vec<usize>, Result<(), crate::error::CoderError>) {
    let model = Distribution::from_weights([1, 5, 0, 1 << 20, 300, 70_000]);
    let mut decoder = RangeDecoder::new(bytes);
    let found = (0..symbols).map(|_| model.decode(&mut decoder)).collect();
    (found, decoder.finish())
}

fn symbols_of(bytes: &[u8], symbols: usize) -> Vec<usize> {
    read_anything(bytes, symbols).0
}

fn differs(symbols: &[usize], bytes: &[u8]) -> bool {
    let (found, end) = read_anything(bytes, symbols.len());
    found != symbols || end.is_err()
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(steps in prop::collection::vec(step(), 0..400)) {
        let mut encoder = RangeEncoder::new();
        write(&steps, &mut encoder);
        let bytes = encoder.finish();
        prop_assert_ne!(bytes.last(), Some(&0));
        prop_assert_eq!(read_back(&steps, &bytes), Ok(()));
    }

    #[test]
    fn length_is_the_count(steps in prop::collection::vec(step(), 1..2000)) {
        let (mut encoder, mut counter) = (RangeEncoder::new(), BitCounter::new());
        write(&steps, &mut encoder);
        write(&steps, &mut counter);
        let bits = encoder.finish().len() as f64 * 8.0;
        prop_assert!(bits <= counter.bits() * 1.0001 + 9.0, "{} bits for {}", bits, counter.bits());
    }

    #[test]
    fn damage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), symbols in 0..500usize) {
        let _ = read_anything(&bytes, symbols);
    }

    #[test]
    fn truncation_and_additions_are_seen(symbols in prop::collection::vec(0..4usize, 1..300), extra in 1..=255u8) {
        let names = [0, 1, 3, 5];
        let model = Distribution::from_weights([1, 5, 0, 1 << 20, 300, 70_000]);
        let mut encoder = RangeEncoder::new();
        for &s in &symbols {
            model.encode(names[s], &mut encoder);
        }
        let bytes = encoder.finish();
        let (found, end) = read_anything(&bytes, symbols.len());
        prop_assert_eq!(found, symbols.iter().map(|&s| names[s]).collect::<Vec<_>>());
        prop_assert_eq!(end, Ok(()));
        // Other bytes are another code: they decode to other symbols or the end is wrong.
        let mut longer = bytes.clone();
        longer.push(extra);
        prop_assert!(differs(&symbols_of(&bytes, symbols.len()), &longer));
        longer.push(0);
        prop_assert!(read_anything(&longer, symbols.len()).1.is_err());
        if let Some((_, shorter)) = bytes.split_last() {
            prop_assert!(differs(&symbols_of(&bytes, symbols.len()), shorter));
        }
    }

    #[test]
    fn carries_travel(count in 1..2000usize, last in any::<bool>()) {
        // Almost certain symbols at the top end keep low just under the carry for long.
        let mut encoder = RangeEncoder::new();
        let mut steps = vec![Step::Symbol { cum: 0, weight: 1, total: 3 }];
        steps.extend((0..count).map(|i| Step::Symbol { cum: 1 + (i as u32 % 2), weight: MAX_TOTAL - 3, total: MAX_TOTAL }));
        steps.push(Step::Symbol { cum: u32::from(last) * (MAX_TOTAL - 1), weight: 1, total: MAX_TOTAL });
        write(&steps, &mut encoder);
        prop_assert_eq!(read_back(&steps, &encoder.finish()), Ok(()));
    }
}

#[test]
fn nothing_is_no_bytes() {
    assert!(RangeEncoder::new().finish().is_empty());
    assert_eq!(RangeDecoder::new(&[]).finish(), Ok(()));
    assert!(RangeDecoder::new(&[1]).finish().is_err());
    assert!(RangeDecoder::new(&[0]).finish().is_err());
}

#[test]
fn most_single_byte_damage_is_seen() {
    let model = Distribution::from_weights([1, 5, 0, 1 << 20, 300, 70_000]);
    let mut encoder = RangeEncoder::new();
    for i in 0..5000usize {
        model.encode([3, 3, 5, 3, 3, 3, 4, 3][(i * i / 7) % 8], &mut encoder);
    }
    let bytes = encoder.finish();
    let mut missed = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        missed += usize::from(read_anything(&damaged, 5000).1.is_ok());
    }
    assert!(missed * 100 <= bytes.len(), "{missed} of {} damaged bytes unseen", bytes.len());
}
