//! Damaged, hostile and foreign files: always an error, never a wrong file, never a panic.

mod synthetic;

use std::sync::Arc;

use lmcodec::container::{Checksum, Content, Header, JpegContent, Payload};
use lmcodec::{
    DecodeOptions, EncodeOptions, Error, Estimation, Model, SegmentPlace, decode, encode, inspect, salvage, verify,
};
use lmcodec_codecs::jpeg::{self, Limits, PixelFormat, encode_planes};
use synthetic::{decode_options, encode_options, jpeg_file, model, model_bytes, pixels};

/// Anything but the original or an error is a wrong file.
fn never_wrong(bytes: &[u8], original: &[u8], what: &str) {
    if let Ok(decoded) = decode(bytes, &decode_options()) {
        assert!(decoded == original, "{what}: a wrong file");
    }
    let _ = salvage(bytes, &decode_options());
    let _ = inspect(bytes, &decode_options());
}

#[test]
fn flipping_any_byte_of_a_modelled_file_is_an_error() {
    let original = jpeg_file(24, 80, 3, &Default::default());
    let file = encode(&original, &encode_options()).expect("encodes").bytes;
    for i in 0..file.len() {
        for mask in [1, 0x80, 0xFF] {
            let mut damaged = file.clone();
            damaged[i] ^= mask;
            assert!(decode(&damaged, &decode_options()).is_err(), "byte {i} ^ {mask:#x}");
        }
    }
}

#[test]
fn flipping_any_byte_of_a_stored_file_is_an_error() {
    let mut options = EncodeOptions::default();
    for original in [vec![9; 500], jpeg_file(8, 8, 1, &Default::default())[..100].to_vec()] {
        options.verify = false;
        let file = lmcodec::store(&original, "a test", &options).expect("stores").bytes;
        for i in 0..file.len() {
            let mut damaged = file.clone();
            damaged[i] ^= 0x10;
            assert!(decode(&damaged, &DecodeOptions::default()).is_err(), "byte {i}");
        }
    }
}

#[test]
fn truncation_and_trailing_bytes_are_errors() {
    let original = jpeg_file(24, 80, 1, &Default::default());
    let mut file = encode(&original, &encode_options()).expect("encodes").bytes;
    for length in 0..file.len() {
        assert!(decode(&file[..length], &decode_options()).is_err(), "{length} bytes");
    }
    file.push(0);
    let error = decode(&file, &decode_options()).expect_err("a trailing byte");
    assert!(error.to_string().contains("1 bytes after"), "{error}");
}

/// With valid CRCs only the coder's final state and the original's checksum stand between damage and a wrong file.
#[test]
fn damage_under_valid_crcs_is_an_error() {
    let original = jpeg_file(24, 40, 3, &Default::default());
    let file = encode(&original, &encode_options()).expect("encodes").bytes;
    let (header, start) = Header::read(&file).expect("reads");
    assert_eq!(header.payloads.len(), 1);
    for i in (start..file.len()).step_by(3) {
        let mut payload = file[start..].to_vec();
        payload[i - start] ^= 1 << (i % 8);
        let mut header = header.clone();
        header.payloads[0] = Payload::of(&payload);
        let mut damaged = header.to_bytes();
        damaged.extend_from_slice(&payload);
        assert!(decode(&damaged, &decode_options()).is_err(), "byte {i}");
    }
    let Content::Jpeg(content) = &header.content else { panic!("a modelled file") };
    for i in 0..content.side.len() {
        for mask in 1..=255 {
            let mut content = content.clone();
            content.side[i] ^= mask;
            let header = Header { content: Content::Jpeg(content), ..header.clone() };
            let mut damaged = header.to_bytes();
            damaged.extend_from_slice(&file[start..]);
            never_wrong(&damaged, &original, &format!("side byte {i} ^ {mask}"));
        }
    }
}

fn damaged_file() -> (Vec<u8>, Vec<u8>) {
    let original = jpeg_file(40, 256, 3, &Default::default());
    let mut file = encode(&original, &encode_options()).expect("encodes").bytes;
    let (header, start) = Header::read(&file).expect("reads");
    assert_eq!(header.payloads.len(), 4);
    // The second of four segments.
    file[start + header.payloads[0].length + 5] ^= 4;
    (original, file)
}

#[test]
fn damage_names_the_segment_and_its_lines() {
    let (_, file) = damaged_file();
    let error = decode(&file, &decode_options()).expect_err("damaged");
    let Error::DamagedSegments { segments: 4, faults } = &error else { panic!("{error}") };
    assert_eq!((faults.len(), faults[0].segment, faults[0].place.clone()), (1, 1, SegmentPlace::Lines(64..128)));
    assert!(error.to_string().starts_with("1 of 4 segments damaged: segment 1 (lines 64..128): "), "{error}");
    let inspection = inspect(&file, &decode_options()).expect("the header is whole");
    assert_eq!(inspection.segments.iter().map(|s| s.intact).collect::<Vec<_>>(), [true, false, true, true]);
}

#[test]
fn salvage_keeps_what_is_whole() {
    let (original, file) = damaged_file();
    let salvaged = salvage(&file, &decode_options()).expect("salvages");
    assert_eq!((salvaged.segments, salvaged.faults.len()), (4, 1));
    let [original, salvaged] =
        [&original, &salvaged.bytes].map(|bytes| jpeg::parse(bytes, &Limits::default()).expect("a JPEG file"));
    for (a, b) in original.components.iter().zip(&salvaged.components) {
        let rows_of_segment = a.blocks_high / 4;
        let size = rows_of_segment * a.blocks_wide * 64;
        for (segment, (a, b)) in a.coefficients.chunks(size).zip(b.coefficients.chunks(size)).enumerate() {
            if segment == 1 {
                assert!(b.iter().all(|&v| v == 0));
            } else {
                assert!(a == b, "segment {segment}");
            }
        }
    }
}

#[test]
fn salvage_of_a_truncated_progressive_file_and_of_a_whole_file() {
    let options = jpeg::EncodeOptions { progressive: true, ..Default::default() };
    let original = jpeg_file(40, 256, 3, &options);
    let file = encode(&original, &encode_options()).expect("encodes").bytes;
    let whole = salvage(&file, &decode_options()).expect("salvages");
    assert!(whole.faults.is_empty() && whole.bytes == original);
    let cut = salvage(&file[..file.len() - 9], &decode_options()).expect("salvages");
    assert_eq!(cut.faults.len(), 1);
    jpeg::parse(&cut.bytes, &Limits::default()).expect("a JPEG file");
}

/// A header with valid checksums around the side information of an image of the given size.
fn promising(width: u16, height: u16, original_length: u64, payloads: usize) -> Vec<u8> {
    let mut image = encode_planes(&pixels(8, 8, 3), 8, 8, PixelFormat::Rgb8, &Default::default()).expect("encodes");
    (image.side.frame.width, image.side.frame.height) = (width, height);
    let content = JpegContent {
        model: model().id(),
        estimation: Estimation::Secondary,
        side: image.side.to_bytes(),
        rows_per_segment: 4,
    };
    let header = Header {
        original_length,
        original_checksum: Checksum([0; 8]),
        attributes: lmcodec::FileAttributes::default(),
        content: Content::Jpeg(content),
        payloads: vec![Payload::of(&[]); payloads],
    };
    header.to_bytes()
}

#[test]
fn promises_beyond_the_limits_are_refused_before_allocation() {
    for (file, what) in [
        (promising(65_500, 65_500, 1 << 20, 1), "pixels"),
        (promising(20_000, 20_000, 100, 1), "coefficient bytes for an original of this size"),
        (promising(8, 8, u64::MAX / 2, 1), "bytes of the original"),
    ] {
        let error = decode(&file, &decode_options()).expect_err("too large");
        assert!(matches!(&error, Error::Limit { what: found, .. } if *found == what), "{error}");
    }
    let error = decode(&promising(64, 64, 1000, 3), &decode_options()).expect_err("segments");
    assert!(error.to_string().contains("3 segments where the image needs 1"), "{error}");
}

#[test]
fn an_unknown_model_is_named_with_where_it_was_looked_for() {
    let other = Arc::new(Model::from_bytes("other", &model_bytes(2)).expect("a valid model"));
    let options = EncodeOptions::new().model(Arc::clone(&other)).always_model(true);
    let original = jpeg_file(16, 16, 1, &Default::default());
    let file = encode(&original, &options).expect("encodes").bytes;
    let error = decode(&file, &decode_options()).expect_err("unknown");
    let Error::UnknownModel { id, looked_in, .. } = &error else { panic!("{error}") };
    assert_eq!(*id, other.id());
    assert!(looked_in[0].starts_with("random (") && looked_in[1].starts_with("default ("), "{error}");
    assert!(inspect(&file, &decode_options()).expect("needs no model").jpeg.is_some_and(|jpeg| jpeg.model.is_none()));
    let mut with = decode_options();
    with.models.add(other);
    assert_eq!(decode(&file, &with).expect("decodes"), original);
}

#[test]
fn another_version_and_other_files_are_named() {
    let original = jpeg_file(8, 8, 1, &Default::default());
    let mut file = encode(&original, &encode_options()).expect("encodes").bytes;
    file[3] = 2;
    let error = decode(&file, &decode_options()).expect_err("a future version");
    assert!(matches!(&error, Error::Unsupported { what: "format version", .. }), "{error}");
    let error = decode(&original, &decode_options()).expect_err("a JPEG file");
    assert_eq!(error.to_string(), "not an lmcodec file: found a JPEG file");
}

#[test]
fn verification_finds_the_first_difference() {
    let original = jpeg_file(16, 16, 1, &Default::default());
    let file = encode(&original, &encode_options()).expect("encodes").bytes;
    let mut other = original.clone();
    other[30] ^= 1;
    let error = verify(&file, Some(&other), &decode_options()).expect_err("differs");
    assert!(matches!(&error, Error::Mismatch { what } if what.contains("from byte 30")), "{error}");
}
