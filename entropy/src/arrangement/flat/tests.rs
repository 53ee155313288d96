use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::arrangement::plane::CoefficientPlane;
use crate::coder::{BitCounter, RangeDecoder, RangeEncoder};

fn plane(wide: usize, high: usize, values: &mut impl FnMut() -> i16) -> CoefficientPlane {
    let mut plane = CoefficientPlane::zeroed(wide, high, [1; 64]);
    plane.blocks.iter_mut().flatten().for_each(|v| *v = values());
    plane
}

fn order(scan: Scan, wide: usize, high: usize) -> Vec<(usize, usize)> {
    let mut order = Vec::new();
    scan.for_each(wide, high, |block, k| order.push((block, k)));
    order
}

#[test]
fn the_zigzag_table_is_that_of_the_standard() {
    // ITU-T T.81, figure 5, first two and last two rows.
    assert_eq!(ZIGZAG[..16], [0, 1, 5, 6, 14, 15, 27, 28, 2, 4, 7, 13, 16, 26, 29, 42]);
    assert_eq!(ZIGZAG[48..], [21, 34, 37, 47, 50, 56, 59, 61, 35, 36, 48, 49, 57, 58, 62, 63]);
}

use scan::ZIGZAG_OF_NATURAL as ZIGZAG;

#[test]
fn scans_visit_every_coefficient_once() {
    for scan in Scan::ALL {
        assert_eq!(scan.name().parse::<Scan>(), Ok(scan));
        for (wide, high) in [(1, 1), (3, 2), (1, 4), (5, 1), (0, 3), (2, 0)] {
            let mut order = order(scan, wide, high);
            assert_eq!(order.len(), 64 * wide * high, "{scan:?} {wide}x{high}");
            order.sort_unstable();
            order.dedup();
            assert_eq!(order.len(), 64 * wide * high, "{scan:?} {wide}x{high}");
        }
    }
    assert!("zigzag".parse::<Scan>().is_err());
}

#[test]
fn scans_begin_as_documented() {
    assert_eq!(order(Scan::BlockZigzag, 2, 1)[62..66], [(0, 62), (0, 63), (1, 0), (1, 1)]);
    assert_eq!(order(Scan::BlockRaster, 2, 1)[..9], [0, 1, 5, 6, 14, 15, 27, 28, 2].map(|k| (0, k)));
    assert_eq!(order(Scan::ImageRaster, 2, 1)[6..10], [(0, 27), (0, 28), (1, 0), (1, 1)]);
    // One block is the block's own zigzag; a wider plane goes on into the next block.
    assert_eq!(order(Scan::ImageZigzag, 1, 1), order(Scan::BlockZigzag, 1, 1));
    let wide = order(Scan::ImageZigzag, 2, 1);
    assert_eq!(wide[..36], order(Scan::BlockZigzag, 1, 1)[..36]);
    assert_eq!(wide[36..44].iter().filter(|at| at.0 == 1).collect::<Vec<_>>(), [&(1, 0)]);
    assert_eq!(wide[43], (1, 0), "the ninth anti-diagonal ends in the first row");
}

#[test]
fn the_papers_symbols() {
    let mut next = [-200i16, -128, -127, 0, 127, 128, 129].into_iter().cycle();
    let planes = [plane(1, 1, &mut || next.next().expect("endless")), plane(2, 2, &mut || 5)];
    let mut exact = Streams::new(FlatArrangement::jpeg(Scan::BlockZigzag, Components::Luma, 256)).expect("valid");
    exact.push_planes(&planes).expect("fits");
    assert_eq!(exact.streams()[0].symbols[..7], [255, 255, 0, 127, 254, 255, 255]);
    assert_eq!(exact.streams()[0].escapes[..4], [-200, -128, 128, 129]);
    assert_eq!((exact.streams()[0].symbols.len(), exact.clipped()), (64, 0));

    let clipped = FlatArrangement::jpeg_clipped(Scan::BlockZigzag, Components::Luma, 256);
    assert!(!clipped.is_lossless());
    let mut clipped = Streams::new(clipped).expect("valid");
    clipped.push_planes(&planes).expect("fits");
    assert_eq!(clipped.streams()[0].symbols[..7], [0, 0, 0, 127, 254, 255, 255]);
    // −200, −128 and 129: three of seven values, in 64 of them.
    assert_eq!(clipped.clipped(), 28);
    let mut back = planes.clone();
    clipped.fill_planes(&mut back).expect("fits");
    assert_eq!(back[0].blocks[0][..7], [-127, -127, -127, 0, 127, 128, 128]);
}

#[test]
fn ranges_are_fitted() {
    let mut arrangement = FlatArrangement::jpeg(Scan::ImageRaster, Components::All, 512);
    arrangement.fit_range(-3, 10).expect("fits");
    assert_eq!((arrangement.offset, &arrangement.vocabularies[..]), (3, &[15][..]));
    assert_eq!(arrangement.values(Outside::Escape), (-3, 10));
    assert!(arrangement.fit_range(i16::MIN, i16::MAX).is_err());
    assert!(arrangement.fit_range(1, 0).is_err());
    let mut rvq = FlatArrangement::rvq(vec![1; 3], LayerOrder::Separate, 512);
    rvq.fit_codes(&[1, 2, 3, 4, 0, 9]).expect("fits");
    assert_eq!(rvq.vocabularies, [5, 3, 10]);
    assert!(rvq.fit_range(0, 1).is_err());
}

#[test]
fn fields_out_of_range_are_named() {
    let good = FlatArrangement::vq(1024, 256);
    assert_eq!(good.validate(), Ok(()));
    for (bad, text) in [
        (FlatArrangement::vq(1024, 255), "chunk is 255; allowed: 256..=8192"),
        (FlatArrangement::vq(1024, 8193), "chunk is 8193"),
        (FlatArrangement::vq(0, 256), "vocabulary is 0"),
        (FlatArrangement::vq(65_537, 256), "vocabulary is 65537"),
        (FlatArrangement::rvq(vec![], LayerOrder::Separate, 256), "layers is 0; allowed: 1..=1024"),
        (FlatArrangement { vocabularies: vec![2, 2], ..good.clone() }, "layers is 2; allowed: 1"),
        (FlatArrangement { offset: 1, ..good.clone() }, "offset is 1; allowed: 0"),
    ] {
        let error = bad.validate().expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
        assert!(Streams::new(bad).is_err());
    }
}

#[test]
fn codes_outside_their_layer_are_located() {
    let mut streams = Streams::new(FlatArrangement::rvq(vec![4, 2], LayerOrder::Interleaved, 256)).expect("valid");
    let error = streams.push_codes(&[0, 1, 3, 2]).expect_err("2 of 2");
    assert_eq!(error.to_string(), "position 3, layer 1: symbol 2 in a vocabulary of 2");
    assert!(streams.streams()[0].symbols.is_empty());
    assert!(matches!(streams.push_codes(&[0, 1, 3]), Err(ArrangementError::Count { found: 3, expected: 2, .. })));
    assert!(streams.push_planes(&[]).is_err());
    streams.push_codes(&[3, 1]).expect("fits");
    assert!(streams.fill_planes(&mut []).is_err());
}

#[test]
fn interleaved_chunks_know_their_first_layer() {
    let codes: Vec<u16> = (0..600).map(|i| i % 3).collect();
    let arrangement = FlatArrangement::rvq(vec![3; 3], LayerOrder::Interleaved, 256);
    let mut streams = Streams::new(arrangement).expect("valid");
    streams.push_codes(&codes).expect("fits");
    let chunks = streams.chunks();
    assert_eq!(
        chunks.iter().map(|c| (c.first_layer, c.symbols.len())).collect::<Vec<_>>(),
        [(0, 256), (1, 256), (2, 88)]
    );
    for chunk in &chunks {
        for (i, &symbol) in chunk.symbols.iter().enumerate() {
            assert_eq!(chunk.layer(i), symbol, "this sequence's symbols are their layers");
        }
    }
}

#[test]
fn an_arrangement_in_json() {
    let arrangement = FlatArrangement::jpeg(Scan::BlockZigzag, Components::Luma, 2048);
    let json = serde_json::to_string(&arrangement).expect("serializes");
    let expected = r#"{"medium":{"jpeg":{"scan":"block-zigzag","components":"luma","outside":"escape"}},"#.to_owned()
        + r#""offset":127,"vocabularies":[256],"chunk":2048}"#;
    assert_eq!(json, expected);
    let rvq = r#"{"medium":{"rvq":{"order":"interleaved"}},"offset":0,"vocabularies":[16,16],"chunk":512}"#;
    let parsed: FlatArrangement = serde_json::from_str(rvq).expect("parses");
    assert_eq!(parsed, FlatArrangement::rvq(vec![16; 2], LayerOrder::Interleaved, 512));
    let vq = r#"{"medium":"vq","offset":0,"vocabularies":[1024],"chunk":256}"#;
    assert_eq!(serde_json::from_str::<FlatArrangement>(vq).expect("parses"), FlatArrangement::vq(1024, 256));
    assert!(serde_json::from_str::<FlatArrangement>(&vq.replace("chunk", "chunks")).is_err());
}

#[test]
fn escapes_reach_every_value_and_cost_few_bits() {
    let (low, high) = (-127, 127);
    let outside = |v: &i16| !(low..=high).contains(&i32::from(*v));
    let mut sink = RangeEncoder::new();
    // Symbols between the values, so that the range is no power of two.
    (i16::MIN..=i16::MAX).filter(outside).for_each(|v| {
        crate::coder::SymbolSink::code(&mut sink, 1, 3, 7);
        escape::encode(v, low, high, &mut sink);
    });
    let bytes = sink.finish();
    let mut source = RangeDecoder::new(&bytes);
    for v in (i16::MIN..=i16::MAX).filter(outside) {
        assert!((1..4).contains(&crate::coder::SymbolSource::target(&mut source, 7)));
        crate::coder::SymbolSource::advance(&mut source, 1, 3, 7);
        assert_eq!(escape::decode(low, high, &mut source), Ok(v));
    }
    source.finish().expect("clean end");
    let mut counter = BitCounter::new();
    escape::encode(128, low, high, &mut counter);
    assert_eq!(counter.bits(), 8.0);
    // The farthest value there is, from one end to the other.
    let mut sink = RangeEncoder::new();
    escape::encode(i16::MAX, i32::from(i16::MIN), i32::from(i16::MIN), &mut sink);
    let bytes = sink.finish();
    let lowest = i32::from(i16::MIN);
    assert_eq!(escape::decode(lowest, lowest, &mut RangeDecoder::new(&bytes)), Ok(i16::MAX));
}

#[test]
fn an_escape_beyond_16_bits_is_an_error() {
    for zeros in [9, 10, 11, 40] {
        let mut sink = RangeEncoder::new();
        crate::coder::SymbolSink::bits(&mut sink, 1, 1);
        (0..zeros).for_each(|_| crate::coder::SymbolSink::bits(&mut sink, 0, 1));
        (0..17).for_each(|_| crate::coder::SymbolSink::bits(&mut sink, 1, 1));
        let bytes = sink.finish();
        assert_eq!(escape::decode(-127, 127, &mut RangeDecoder::new(&bytes)), Err(escape::EscapeError), "{zeros}");
    }
}

fn any_scan() -> impl Strategy<Value = Scan> {
    proptest::sample::select(Scan::ALL.as_slice())
}

proptest! {
    #[test]
    fn planes_come_back(
        scan in any_scan(),
        all: bool,
        sizes in vec((0usize..4, 0usize..4), 1..4),
        chunk in MIN_CHUNK..600,
        offset in -40i32..300,
        vocabulary in 1u32..600,
        seed: u32,
    ) {
        let components = if all { Components::All } else { Components::Luma };
        let mut arrangement = FlatArrangement::jpeg(scan, components, chunk);
        (arrangement.offset, arrangement.vocabularies) = (offset, vec![vocabulary]);
        let mut state = seed;
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Mostly small, some of all sizes.
            ((state >> 16) as i16) >> (state >> 5 & 15)
        };
        let planes: Vec<_> = sizes.iter().map(|&(wide, high)| plane(wide, high, &mut value)).collect();
        let mut streams = Streams::new(arrangement.clone()).expect("valid");
        streams.push_planes(&planes).expect("fits");
        let chunks = streams.chunks();
        prop_assert!(chunks.iter().all(|c| c.symbols.iter().all(|&s| u32::from(s) < vocabulary)));
        let lengths = [streams.streams()[0].symbols.len()];
        prop_assert_eq!(chunks.iter().map(Chunk::shape).collect::<Vec<_>>(), arrangement.chunk_shapes(&lengths));
        let back = Streams::from_chunks(arrangement, &lengths, &chunks).expect("fits");
        prop_assert_eq!(&back, &streams);
        let mut filled: Vec<_> =
            planes.iter().map(|p| CoefficientPlane::zeroed(p.blocks_wide, p.blocks_high, p.quantization)).collect();
        back.fill_planes(&mut filled).expect("fits");
        let coded = if all { planes.len() } else { 1 };
        prop_assert_eq!(&filled[..coded], &planes[..coded]);
    }

    #[test]
    fn codes_come_back_concatenated(
        layers in 1usize..6,
        interleaved: bool,
        parts in vec(0usize..700, 1..4),
        chunk in MIN_CHUNK..700,
        seed: u64,
    ) {
        let vocabularies: Vec<u32> = (0..layers).map(|l| 1 + (seed.wrapping_mul(l as u64 + 3) >> 40) as u32 % 65_536).collect();
        let order = if interleaved { LayerOrder::Interleaved } else { LayerOrder::Separate };
        let arrangement = FlatArrangement::rvq(vocabularies.clone(), order, chunk);
        let mut streams = Streams::new(arrangement.clone()).expect("valid");
        let mut all = Vec::new();
        let mut state = seed;
        for steps in parts {
            let codes: Vec<u16> = (0..steps * layers).map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((state >> 33) % u64::from(vocabularies[i % layers])) as u16
            }).collect();
            streams.push_codes(&codes).expect("fits");
            all.extend(codes);
        }
        prop_assert_eq!(streams.codes().expect("fits"), all);
        let lengths: Vec<_> = streams.streams().iter().map(|s| s.symbols.len()).collect();
        let chunks = streams.chunks();
        for c in &chunks {
            prop_assert!(!c.symbols.is_empty() && c.symbols.len() <= chunk as usize);
            for (i, &s) in c.symbols.iter().enumerate() {
                prop_assert!(u32::from(s) < vocabularies[usize::from(c.layer(i))]);
            }
        }
        let back = Streams::from_chunks(arrangement.clone(), &lengths, &chunks).expect("fits");
        prop_assert_eq!(back, streams);
        if let Some((_, fewer)) = chunks.split_last() {
            prop_assert!(Streams::from_chunks(arrangement, &lengths, fewer).is_err());
        }
    }
}
