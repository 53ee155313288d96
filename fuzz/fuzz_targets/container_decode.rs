//! Any bytes, as they are and with all CRCs made right: no panic, and no result that is not the stated original.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lmcodec::container::{Checksum, Content, Header, Payload};
use lmcodec::{DecodeOptions, decode, inspect, salvage};

#[path = "../../tests/synthetic/mod.rs"]
mod synthetic;

fn check(bytes: &[u8], options: &DecodeOptions) {
    let _ = inspect(bytes, options);
    let _ = salvage(bytes, options);
    if let Ok(original) = decode(bytes, options) {
        let (header, _) = Header::read(bytes).expect("was just read");
        assert_eq!(header.original_length, original.len() as u64);
        assert_eq!(header.original_checksum, Checksum::of(&original));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut options = synthetic::decode_options();
    options.limits.jpeg.max_pixels = 1 << 14;
    options.limits.max_original_bytes = 1 << 20;
    check(bytes, &options);
    // The same bytes as side information and payload of a file whose CRCs hold.
    let Some((&cut, rest)) = bytes.split_first() else { return };
    let (side, payload) = rest.split_at(usize::from(cut).min(rest.len()));
    let header = Header {
        original_length: 1000,
        original_checksum: Checksum([0; 8]),
        attributes: lmcodec::FileAttributes::default(),
        content: Content::Jpeg(lmcodec::container::JpegContent {
            model: synthetic::model().id(),
            estimation: lmcodec::Estimation::Secondary,
            side: side.to_vec(),
            rows_per_segment: 1 << 16,
        }),
        payloads: vec![Payload::of(payload)],
    };
    let mut file = header.to_bytes();
    file.extend_from_slice(payload);
    check(&file, &options);
});
