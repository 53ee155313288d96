//! Coefficients of any size come back through the model; foreign payloads never panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use lmcodec_entropy::arrangement::plane::CoefficientPlane;
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder};
use lmcodec_entropy::frame_llama::FrameLlama;
use lmcodec_entropy::isa::Isa;
use lmcodec_entropy::segment::{Estimation, SegmentCoder};

#[path = "../../tests/synthetic/mod.rs"]
mod synthetic;

static MODEL: LazyLock<FrameLlama> =
    LazyLock::new(|| FrameLlama::from_bytes(&synthetic::model_bytes(1)).expect("a valid model"));

fuzz_target!(|bytes: &[u8]| {
    let Some((sizes, rest)) = bytes.split_at_checked(5) else { return };
    let zeroed = || -> Vec<CoefficientPlane> {
        let plane = |size: u8| {
            let step = u16::from(sizes[4]).max(1);
            CoefficientPlane::zeroed(usize::from(size & 7), usize::from(size >> 3 & 7), [step; 64])
        };
        sizes[1..=usize::from(sizes[0] % 4)].iter().map(|&size| plane(size)).collect()
    };
    let mut truth = zeroed();
    let mut values = rest.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    for value in truth.iter_mut().flat_map(|plane| plane.blocks.as_flattened_mut()) {
        *value = values.next().unwrap_or(0);
    }
    let mut coder = SegmentCoder::new(&MODEL, Isa::detect(), Estimation::Secondary).expect("a fitting model");
    let mut sink = RangeEncoder::new();
    let has_symbols = truth.iter().flat_map(|plane| &plane.blocks).all(|block| !block[1..].contains(&i16::MIN));
    assert_eq!(coder.encode(&truth, &mut sink).is_ok(), has_symbols);
    if !has_symbols {
        return;
    }
    let coded = sink.finish();
    let mut planes = zeroed();
    let mut source = RangeDecoder::new(&coded);
    coder.decode(&mut planes, &mut source).expect("decodes");
    source.finish().expect("a clean end");
    assert!(planes == truth);
    let mut source = RangeDecoder::new(rest);
    let _ = coder.decode(&mut zeroed(), &mut source).map(|()| source.finish());
});
