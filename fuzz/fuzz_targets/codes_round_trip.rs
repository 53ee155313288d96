//! A file of codes that is taken comes back byte for byte, whatever its header says and however its codes are arranged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lmcodec::{CodesMedium, CodesOptions, DecodeOptions, EncodeOptions, decode, encode_codes};

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, file)) = bytes.split_first() else { return };
    let grid = (1 + usize::from(kind >> 2 & 7), 1 + usize::from(kind >> 5));
    let medium = match kind & 3 {
        0 => CodesMedium::Vq { grid: None },
        1 => CodesMedium::Vq { grid: Some(grid) },
        2 => CodesMedium::Rvq { layers_first: false },
        _ => CodesMedium::Rvq { layers_first: true },
    };
    let codes = CodesOptions::new(medium).segment_codes(64);
    let mut options = EncodeOptions::new().verify(false).always_model(true);
    options.limits.max_codes = 1 << 14;
    if let Ok(encoded) = encode_codes(file, &codes, &options) {
        assert_eq!(decode(&encoded.bytes, &DecodeOptions::default()).expect("decodes"), file);
    }
});
