//! Any bytes as a model file: refused, or a model that codes without loss.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use lmcodec::{Model, decode, encode};
use lmcodec_codecs::jpeg;

#[path = "../../tests/synthetic/mod.rs"]
mod synthetic;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = Model::from_bytes("fuzzed", bytes) else { return };
    let original = synthetic::jpeg_file(16, 16, 3, &jpeg::EncodeOptions::default());
    let options = synthetic::encode_options().model(Arc::new(model)).verify(false);
    // A head set without its backbone, say.
    let Ok(encoded) = encode(&original, &options) else { return };
    assert_eq!(decode(&encoded.bytes, &options.decode_options()).expect("decodes"), original);
});
