//! Every kind of file comes back byte for byte, and files depend on neither threads nor kernels.

mod synthetic;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lmcodec::{
    DecodeOptions, Effort, EncodeOptions, Error, Kernel, Mode, Progress, decode, encode, inspect, store, verify,
};
use synthetic::{decode_options, encode_options, jpeg_file, jpeg_files, model};

#[test]
fn every_kind_of_jpeg_file_round_trips_modelled() {
    for (name, original) in jpeg_files() {
        let encoded = encode(&original, &encode_options()).expect(name);
        assert_eq!(encoded.summary.mode, Mode::Modelled, "{name}");
        assert_eq!(encoded.summary.original_bytes, original.len() as u64);
        assert_eq!(decode(&encoded.bytes, &decode_options()).expect(name), original, "{name}");
        verify(&encoded.bytes, Some(&original), &decode_options()).expect(name);
    }
}

#[test]
fn the_embedded_model_makes_files_smaller() {
    let original = jpeg_file(160, 120, 3, &Default::default());
    let encoded = encode(&original, &EncodeOptions::default()).expect("encodes");
    assert_eq!(encoded.summary.mode, Mode::Modelled);
    assert_eq!(encoded.summary.model.as_deref(), Some("default"));
    assert!(encoded.bytes.len() < original.len(), "{} of {}", encoded.bytes.len(), original.len());
    assert_eq!(decode(&encoded.bytes, &DecodeOptions::default()).expect("decodes"), original);
}

#[test]
fn every_effort_round_trips_and_the_file_says_which_it_was() {
    let original = jpeg_file(160, 120, 3, &Default::default());
    let mut sizes = Vec::new();
    for &effort in Effort::ALL {
        let options = EncodeOptions::new().effort(effort).always_model(true);
        let encoded = encode(&original, &options).expect("encodes").bytes;
        assert!(decode(&encoded, &DecodeOptions::default()).expect("decodes") == original, "{effort}");
        let about = inspect(&encoded, &DecodeOptions::default()).expect("inspects").jpeg.expect("a JPEG file");
        assert_eq!((about.model.as_deref(), about.refined), (Some(effort.name()), effort != Effort::Fast));
        assert_eq!(effort.name().parse::<Effort>().expect("a level"), effort);
        sizes.push(encoded.len());
    }
    assert!(sizes.iter().all(|&size| size < original.len()), "{sizes:?} of {}", original.len());
    assert!("turbo".parse::<Effort>().is_err());
}

#[test]
fn threads_and_kernels_change_nothing() {
    let original = jpeg_file(90, 333, 3, &Default::default());
    let mut reference = None;
    for kernel in Kernel::available() {
        for threads in [1, 2, 3] {
            let mut options = encode_options();
            options.execution.kernel = Some(kernel);
            options.execution.threads = NonZeroUsize::new(threads);
            let bytes = encode(&original, &options).expect("encodes").bytes;
            assert!(inspect(&bytes, &decode_options()).expect("reads").segments.len() > 3);
            let reference = reference.get_or_insert_with(|| bytes.clone());
            assert!(bytes == *reference, "{} with {threads} threads", kernel.name());
            let mut options = decode_options();
            options.execution.kernel = Some(kernel);
            options.execution.threads = NonZeroUsize::new(threads);
            assert_eq!(decode(reference, &options).expect("decodes"), original);
        }
    }
}

#[test]
fn segments_follow_the_rows_of_mcus() {
    for (channels, lines) in [(1, 8), (3, 16)] {
        let original = jpeg_file(20, 200, channels, &Default::default());
        for rows in [1, 2, 3, 7, 64] {
            let mut options = encode_options();
            options.segment_rows = NonZeroUsize::new(rows);
            let bytes = encode(&original, &options).expect("encodes").bytes;
            let segments = inspect(&bytes, &decode_options()).expect("reads").segments;
            let mut next = 0;
            for segment in &segments {
                let (start, end) = segment.lines.expect("a modelled file");
                assert!(start == next && end > start && start % lines == 0, "{start}..{end}");
                next = end;
            }
            assert_eq!(next, 200);
            assert_eq!(decode(&bytes, &decode_options()).expect("decodes"), original);
        }
    }
}

#[test]
fn what_cannot_be_modelled_is_stored() {
    let plain = jpeg_file(16, 16, 1, &Default::default());
    let mut arithmetic = plain.clone();
    let frame = arithmetic.windows(2).position(|w| w == [0xFF, 0xC0]).expect("a frame header");
    arithmetic[frame + 1] = 0xC9;
    for original in [vec![0xFF, 0xD8], vec![0xFF, 0xD8, 0xFF], plain[..40].to_vec(), arithmetic] {
        let encoded = encode(&original, &EncodeOptions::default()).expect("stores");
        assert!(matches!(&encoded.summary.mode, Mode::Stored { reason } if !reason.to_string().is_empty()));
        assert!(encoded.bytes.len() <= original.len() + 32);
        assert_eq!(decode(&encoded.bytes, &DecodeOptions::default()).expect("decodes"), original);
    }
}

#[test]
fn a_file_that_would_grow_is_stored() {
    let original = jpeg_file(256, 256, 3, &Default::default());
    // A random model compresses nothing, unless it is refined.
    let options = EncodeOptions::new().effort(Effort::Fast).model(model());
    let encoded = encode(&original, &options).expect("stores");
    assert!(
        matches!(&encoded.summary.mode, Mode::Stored { reason } if reason.to_string().contains("no fewer")),
        "{:?}",
        encoded.summary.mode
    );
    assert_eq!(decode(&encoded.bytes, &DecodeOptions::default()).expect("decodes"), original);
}

#[test]
fn anything_can_be_stored_but_only_images_encoded() {
    for bytes in [&b""[..], b"text", &[0; 5000]] {
        let error = encode(bytes, &EncodeOptions::default()).expect_err("no image");
        assert!(matches!(error, Error::NotAnImage { .. }), "{error}");
        let stored = store(bytes, "asked for", &EncodeOptions::default()).expect("stores");
        assert_eq!(decode(&stored.bytes, &DecodeOptions::default()).expect("decodes"), bytes);
    }
}

#[test]
fn progress_rises_to_the_end() {
    let original = jpeg_file(200, 200, 3, &Default::default());
    let highest = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&highest);
    let mut options = encode_options();
    options.execution.progress = Some(Progress::new(move |fraction| {
        assert!((0.0..=1.0).contains(&fraction));
        heard.fetch_max((fraction * 1000.0) as u64, Ordering::Relaxed);
    }));
    encode(&original, &options).expect("encodes");
    assert!(highest.load(Ordering::Relaxed) > 500, "verification counts as the second half");
}
