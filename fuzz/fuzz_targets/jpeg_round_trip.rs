//! Whatever follows an SOI marker comes back byte for byte, modelled or stored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lmcodec::{decode, encode};

#[path = "../../tests/synthetic/mod.rs"]
mod synthetic;

fuzz_target!(|bytes: &[u8]| {
    let original = [&[0xFF, 0xD8], bytes].concat();
    let mut options = synthetic::encode_options().verify(false);
    options.limits.jpeg.max_pixels = 1 << 14;
    let encoded = encode(&original, &options).expect("a JPEG file is never lost");
    assert_eq!(decode(&encoded.bytes, &synthetic::decode_options()).expect("decodes"), original);
});
