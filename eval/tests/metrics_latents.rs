//! Every anchor for latent codes gives back what it was given, costs what it must, and refuses damage.

mod metrics_inputs;

use lmcodec_eval::latents::{LatentCodes, LatentError, anchors, evaluate_latents};
use metrics_inputs::mix;
use proptest::prelude::*;

fn codes() -> impl Strategy<Value = LatentCodes> {
    (1usize..5, prop_oneof![1u32..20, 200u32..300, 1000u32..1100, Just(65536)])
        .prop_flat_map(|(layers, codebook)| {
            let codes = prop::collection::vec(0..codebook, 0..300);
            codes.prop_map(move |c| (c, layers, codebook))
        })
        .prop_map(|(c, layers, codebook)| {
            let whole = c.len() / layers * layers;
            LatentCodes::new(c[..whole].iter().map(|&c| c as u16).collect(), layers, codebook).unwrap()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn round_trips(codes in codes()) {
        let evaluation = evaluate_latents(&codes, &anchors()).unwrap();
        let packed = evaluation.results[0].bytes.unwrap();
        let bits = codes.codes().len() as u64 * u64::from(codes.width());
        prop_assert!(packed >= bits.div_ceil(8) + 3 && packed <= bits.div_ceil(8) + 6);
        for result in &evaluation.results {
            // Only order 1 has a limit that such arrays meet.
            prop_assert!(result.bytes.is_some() || result.name.contains("order1"), "{:?}", result);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_decoded(bytes in prop::collection::vec(any::<u8>(), 0..60), small in 0u8..20) {
        let head = [16, 2, small];
        for coder in anchors() {
            for stream in [bytes.clone(), [&head[..], &bytes].concat()] {
                if stream.len() > 2 && stream[..3].iter().any(|b| *b > 127) {
                    continue; // large dimensions are allowed and slow
                }
                if let Ok(codes) = coder.decode(&stream) {
                    let again = coder.encode(&codes).unwrap();
                    prop_assert_eq!(coder.decode(&again).unwrap(), codes);
                }
            }
        }
    }
}

#[test]
fn orders_find_what_they_look_for() {
    // Layer 0 mostly repeats the frame before; layer 1 is uniform.
    let mut layer0 = 0u16;
    let mut all = Vec::new();
    for i in 0..8000u64 {
        if mix(3 * i).is_multiple_of(10) {
            layer0 = (mix(3 * i + 1) % 16) as u16;
        }
        all.extend([layer0, (mix(3 * i + 2) % 16) as u16]);
    }
    let codes = LatentCodes::new(all, 2, 16).unwrap();
    let evaluation = evaluate_latents(&codes, &anchors()).unwrap();
    let bits = |name: &str| evaluation.results.iter().find(|r| r.name == name).unwrap().bits_per_code.unwrap();
    assert_eq!(evaluation.raw_bits, 64000.0);
    for order0 in ["huffman", "huffman-per-layer", "adaptive-order0", "adaptive-order0-per-layer"] {
        assert!((3.99..4.05).contains(&bits(order0)), "{order0} {}", bits(order0));
    }
    // Layer 0 given the frame before has 0.815 bits, layer 1 four: 2.408 a code. Learning 15 frequencies in each of
    // 32 contexts of 500 codes costs at most 15/2 log2(500) bits a context (Krichevsky–Trofimov): 0.135 a code.
    let frame = bits("adaptive-order1-frame");
    assert!((2.39..2.408 + 0.135).contains(&frame), "{frame}");
    assert!(bits("adaptive-order1-code") > 3.9);
}

#[test]
fn skewed_codes_approach_their_entropy() {
    let codes: Vec<u16> =
        (0..20000u64).map(|i| if mix(i).is_multiple_of(8) { (mix(i + 77777) % 4) as u16 } else { 4 }).collect();
    let mut counts = [0.0f64; 5];
    codes.iter().for_each(|&c| counts[c as usize] += 1.0);
    let entropy: f64 = counts.iter().map(|c| -c / 20000.0 * (c / 20000.0).log2()).sum();
    let evaluation = evaluate_latents(&LatentCodes::new(codes, 1, 5).unwrap(), &anchors()).unwrap();
    let of = |name: &str| evaluation.results.iter().find(|r| r.name == name).unwrap().bits_per_code.unwrap();
    assert!(of("adaptive-order0") > entropy && of("adaptive-order0") < entropy + 0.01);
    // One bit for the frequent code, three for each of the four others; the rest is the table.
    let expected = (counts[4] + 3.0 * (20000.0 - counts[4])) / 20000.0;
    assert!((0.0..0.01).contains(&(of("huffman") - expected)), "{} {expected}", of("huffman"));
    assert!((of("packed") - 3.0).abs() < 0.01);
}

#[test]
fn dimensions_are_checked() {
    assert!(matches!(LatentCodes::new(vec![0, 1, 2], 2, 4), Err(LatentError::Dimension { .. })));
    assert!(matches!(LatentCodes::new(vec![0, 4], 2, 4), Err(LatentError::Code { index: 1, code: 4, codebook: 4 })));
    assert!(matches!(LatentCodes::new(vec![], 0, 4), Err(LatentError::Dimension { .. })));
    assert!(matches!(LatentCodes::new(vec![], 1, 0), Err(LatentError::Dimension { .. })));
    assert!(matches!(LatentCodes::new(vec![], 1, 65537), Err(LatentError::Dimension { .. })));
    let cut = anchors().into_iter().map(|c| c.decode(&[16, 2]).unwrap_err());
    cut.for_each(|e| assert!(matches!(e, LatentError::Damaged { .. }), "{e}"));
}
