//! What parses is written back byte for byte, and its side information survives serialization.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lmcodec_codecs::jpeg::{Limits, SideInformation, parse, write};

fuzz_target!(|bytes: &[u8]| {
    let mut limits = Limits::default();
    limits.max_pixels = 1 << 20;
    let Ok(image) = parse(bytes, &limits) else {
        let _ = SideInformation::from_bytes(bytes, &limits);
        return;
    };
    assert_eq!(write(&image).expect("was written before"), bytes);
    let side = SideInformation::from_bytes(&image.side.to_bytes(), &limits).expect("was just serialized");
    assert!(side == image.side);
});
