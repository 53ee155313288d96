//! Symbols of any distribution come back, and the decoder ends where the encoder ended.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lmcodec_entropy::coder::{MAX_TOTAL, RangeDecoder, RangeEncoder, SymbolSink, SymbolSource};

fuzz_target!(|bytes: &[u8]| {
    let symbols: Vec<(u32, u32, u32)> = bytes
        .chunks_exact(12)
        .map(|chunk| {
            let number = |i: usize| u32::from_le_bytes([chunk[i], chunk[i + 1], chunk[i + 2], chunk[i + 3]]);
            let total = number(0) % MAX_TOTAL + 1;
            let cum = number(4) % total;
            (cum, number(8) % (total - cum) + 1, total)
        })
        .collect();
    let mut encoder = RangeEncoder::new();
    symbols.iter().for_each(|&(cum, weight, total)| encoder.code(cum, weight, total));
    let coded = encoder.finish();
    let mut decoder = RangeDecoder::new(&coded);
    for &(cum, weight, total) in &symbols {
        let target = decoder.target(total);
        assert!((cum..cum + weight).contains(&target));
        decoder.advance(cum, weight, total);
    }
    decoder.finish().expect("a clean end");
    // Foreign bytes never panic.
    let mut decoder = RangeDecoder::new(bytes);
    for &(_, _, total) in &symbols {
        let target = decoder.target(total);
        decoder.advance(target, 1, total);
    }
    let _ = decoder.finish();
});
