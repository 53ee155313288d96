//! Single features of JPEG files, on small files made in code.

mod synthetic;

use lmcodec_codecs::jpeg::side::{Element, Padding};
use lmcodec_codecs::jpeg::{
    EncodeOptions, JpegError, JpegImage, Limits, PixelFormat, Subsampling, encode_planes, parse, write,
};
use synthetic::{photo_like, side_bytes};

fn encode(options: &EncodeOptions) -> Vec<u8> {
    let pixels = photo_like(61, 43, 3, 3);
    let image = encode_planes(&pixels, 61, 43, PixelFormat::Rgb8, options).unwrap();
    write(&image).unwrap()
}

fn round_trip(bytes: &[u8]) -> JpegImage {
    let image = parse(bytes, &Limits::default()).unwrap();
    assert!(write(&image).unwrap() == bytes);
    side_bytes(&image);
    image
}

/// Inserts bytes before the first `marker`.
fn insert_before(bytes: &[u8], marker: u8, inserted: &[u8]) -> Vec<u8> {
    let at = bytes.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
    [&bytes[..at], inserted, &bytes[at..]].concat()
}

/// The 8×8 gray image of one level, as cjpeg writes it: a golden file.
#[test]
fn golden_gray_block() {
    let options = EncodeOptions { quality: 50, ..EncodeOptions::default() };
    let image = encode_planes(&[200; 64], 8, 8, PixelFormat::Gray8, &options).unwrap();
    // DC: (200 - 128) * 8 / 16 = 36.
    assert_eq!(image.components[0].coefficients[0], 36);
    let bytes = write(&image).unwrap();
    assert_eq!(bytes[..4], [0xFF, 0xD8, 0xFF, 0xE0]);
    // Size 6 is 1110, magnitude 100100, EOB is 1010, then ones; EOI.
    assert_eq!(bytes[bytes.len() - 4..], [0b1110_1001, 0b0010_1011, 0xFF, 0xD9]);
    let image = round_trip(&bytes);
    assert!(side_bytes(&image) <= 8);
}

#[test]
fn libjpeg_files_have_little_side_information() {
    for subsampling in [Subsampling::Gray, Subsampling::S444, Subsampling::S422, Subsampling::S420] {
        for (progressive, optimize) in [(false, false), (false, true), (true, true)] {
            let options = EncodeOptions { subsampling, progressive, optimize, ..EncodeOptions::default() };
            let size = side_bytes(&round_trip(&encode(&options)));
            assert!(size <= 8, "{size} bytes: {options:?}");
        }
    }
}

#[test]
fn jfif_densities_cost_little() {
    let mut bytes = encode(&EncodeOptions::default());
    for (dots, most) in [(72u16, 8), (100, 9), (300, 10)] {
        bytes[13] = 1;
        bytes[14..16].copy_from_slice(&dots.to_be_bytes());
        bytes[16..18].copy_from_slice(&dots.to_be_bytes());
        let size = side_bytes(&round_trip(&bytes));
        assert!(size <= most, "{size} bytes for {dots} dpi");
    }
}

#[test]
fn application_segments_and_comments() {
    let bytes = encode(&EncodeOptions::default());
    let text = b"a comment that repeats, that repeats, that repeats, that repeats";
    let mut segment = vec![0xFF, 0xFE, 0, text.len() as u8 + 2];
    segment.extend_from_slice(text);
    let bytes = insert_before(&bytes, 0xDB, &segment);
    let size = side_bytes(&round_trip(&bytes));
    assert!(size < 60, "{size} bytes");
    let long = [&[0xFF, 0xE7, 0xFF, 0xFF][..], &[9; 65533]].concat();
    let bytes = insert_before(&bytes, 0xC0, &long);
    assert!(side_bytes(&round_trip(&bytes)) < 90);
}

#[test]
fn fill_bytes_garbage_and_trailers() {
    let bytes = encode(&EncodeOptions::default());
    round_trip(&insert_before(&bytes, 0xDB, &[0xFF, 0xFF, 0xFF]));
    round_trip(&insert_before(&bytes, 0xC0, b"garbage between segments"));
    round_trip(&insert_before(&bytes, 0xD9, &[0xFF, 0xFF]));
    round_trip(&insert_before(&bytes, 0xD9, b"more data than the MCUs need"));
    round_trip(&[bytes.as_slice(), b"trailer \xFF\xD8\xFF\xDA\0"].concat());
    let restarts = encode(&EncodeOptions { restart_interval: 2, ..EncodeOptions::default() });
    round_trip(&insert_before(&restarts, 0xD1, &[0xFF]));
    round_trip(&insert_before(&restarts, 0xD1, b"surplus"));
}

#[test]
fn missing_eoi_and_every_truncation() {
    for options in [
        EncodeOptions { restart_interval: 3, ..EncodeOptions::default() },
        EncodeOptions { progressive: true, ..EncodeOptions::default() },
    ] {
        let bytes = encode(&options);
        let headers = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 20;
        for length in headers..bytes.len() {
            let image = parse(&bytes[..length], &Limits::default()).unwrap();
            assert!(write(&image).unwrap() == bytes[..length]);
        }
    }
}

#[test]
fn wrong_missing_and_surplus_restart_markers() {
    let bytes = encode(&EncodeOptions { restart_interval: 2, ..EncodeOptions::default() });
    let markers: Vec<usize> =
        (0..bytes.len() - 1).filter(|&at| bytes[at] == 0xFF && (0xD0..=0xD7).contains(&bytes[at + 1])).collect();
    assert!(markers.len() > 3);
    let mut wrong = bytes.clone();
    wrong[markers[1] + 1] = 0xD6;
    let image = round_trip(&wrong);
    let scan = image.side.elements.iter().find_map(|element| match element {
        Element::Scan(scan) => Some(scan),
        _ => None,
    });
    assert_eq!(scan.unwrap().deviations.wrong_restarts, [(1, 0xD6)]);
    let mut missing = bytes.clone();
    missing.drain(markers[2]..markers[2] + 2);
    round_trip(&missing);
    let surplus = insert_before(&bytes, 0xD9, &[0xFF, 0xD3]);
    round_trip(&surplus);
}

#[test]
fn overwritten_data_resumes_at_the_next_restart_marker() {
    let mut bytes =
        encode(&EncodeOptions { restart_interval: 1, subsampling: Subsampling::S444, ..EncodeOptions::default() });
    let middle = bytes.len() * 4 / 5;
    bytes[middle..middle + 6].copy_from_slice(&[0xFF, 0x9F, 0x12, 0x34, 0xFF, 0x60]);
    let image = round_trip(&bytes);
    let size = side_bytes(&image);
    assert!(size < 120, "{size} bytes");
    let last = &image.components[0].coefficients;
    assert!(last[last.len() * 9 / 10..].iter().any(|&c| c != 0));
}

#[test]
fn padding_bits_are_kept() {
    let options = EncodeOptions { restart_interval: 1, ..EncodeOptions::default() };
    let pixels = photo_like(61, 43, 3, 3);
    let mut image = encode_planes(&pixels, 61, 43, PixelFormat::Rgb8, &options).unwrap();
    for padding in [Padding::Zeros, Padding::Bits(vec![0b0110_1001; 40])] {
        for element in &mut image.side.elements {
            if let Element::Scan(scan) = element {
                scan.deviations.padding = padding.clone();
            }
        }
        round_trip(&write(&image).unwrap());
    }
}

#[test]
fn zero_runs_before_eob_are_kept() {
    let options = EncodeOptions { quality: 60, ..EncodeOptions::default() };
    let mut image = encode_planes(&[90; 64], 8, 8, PixelFormat::Gray8, &options).unwrap();
    for entry in [(0, 1, true), (0, 3, true), (0, 2, true)] {
        for element in &mut image.side.elements {
            if let Element::Scan(scan) = element {
                scan.deviations.zero_runs = vec![entry];
            }
        }
        let parsed = round_trip(&write(&image).unwrap());
        assert!(parsed == image);
    }
    // Position 16 after a coefficient at 15: three ZRL symbols fill the block without EOB.
    image.components[0].coefficients[15] = 1;
    for element in &mut image.side.elements {
        if let Element::Scan(scan) = element {
            scan.deviations.zero_runs = vec![(0, 3, false)];
        }
    }
    assert!(round_trip(&write(&image).unwrap()) == image);
}

#[test]
fn motion_jpeg_frames_without_huffman_tables() {
    let mut bytes = encode(&EncodeOptions::default());
    while let Some(at) = bytes.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
        let length = usize::from(bytes[at + 2]) << 8 | usize::from(bytes[at + 3]);
        bytes.drain(at..at + 2 + length);
    }
    let image = round_trip(&bytes);
    assert!(side_bytes(&image) <= 20);
}

#[test]
fn huge_promises_are_refused_before_allocation() {
    let mut bytes = encode(&EncodeOptions::default());
    let at = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    bytes[at + 5..at + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let mut limits = Limits::default();
    (limits.max_pixels, limits.max_coefficient_bytes) = (u64::MAX, u64::MAX);
    for limits in [Limits::default(), limits] {
        assert!(matches!(parse(&bytes, &limits), Err(JpegError::Limit { .. })));
    }
}

#[test]
fn bytes_before_the_file_are_kept() {
    let plain = encode(&EncodeOptions::default());
    let http = format!("HTTP/1.1 200 OK\r\nX-Padding: {}\r\n\r\n", "x".repeat(900));
    for lead in [&b"\n"[..], b"\xEF\xBB\xBF", b"\xFF", b"\xFF\xD8", http.as_bytes(), &[0; 1024]] {
        let bytes = [lead, &plain].concat();
        let image = round_trip(&bytes);
        if !lead.starts_with(&[0xFF, 0xD8]) {
            assert!(matches!(&image.side.elements[0], Element::Lead(found) if found == lead));
        }
        assert!(image.components[0].coefficients == round_trip(&plain).components[0].coefficients, "{}", lead.len());
        let mut moved = image.clone();
        moved.side.elements.swap(0, 1);
        assert!(lead.starts_with(&[0xFF, 0xD8]) || write(&moved).is_err());
    }
    let far = [&[0; 1025], plain.as_slice()].concat();
    assert!(matches!(parse(&far, &Limits::default()), Err(JpegError::Malformed { offset: 0, .. })));
}

#[test]
fn a_line_count_beside_that_of_the_frame_header_changes_nothing() {
    let plain = encode(&EncodeOptions::default());
    let dnl = [0xFF, 0xDC, 0, 4, 0, 43];
    for marker in [0xC0, 0xDA, 0xD9] {
        let image = round_trip(&insert_before(&plain, marker, &dnl));
        assert!(image.components[0].coefficients == round_trip(&plain).components[0].coefficients, "{marker:x}");
    }
}

#[test]
fn components_of_one_identifier_are_taken_in_their_order() {
    for options in [
        EncodeOptions { subsampling: Subsampling::S444, ..EncodeOptions::default() },
        EncodeOptions { subsampling: Subsampling::S444, progressive: true, optimize: true, ..EncodeOptions::default() },
    ] {
        let plain = encode(&options);
        let expected = round_trip(&plain);
        let frame = plain.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xC0 | 0xC2)).unwrap();
        let first_scan = plain.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        for ids in [[1, 1, 1], [1, 2, 1], [7, 3, 3]] {
            let mut bytes = plain.clone();
            for (component, id) in ids.into_iter().enumerate() {
                bytes[frame + 10 + 3 * component] = id;
                bytes[first_scan + 5 + 2 * component] = id;
            }
            let image = if options.progressive {
                // Later scans name 1, 2 or 3 and one component each.
                match parse(&bytes, &Limits::default()) {
                    Ok(image) => image,
                    Err(_) => continue,
                }
            } else {
                round_trip(&bytes)
            };
            assert!(write(&image).unwrap() == bytes, "{ids:?}");
            if !options.progressive {
                for (found, expected) in image.components.iter().zip(&expected.components) {
                    assert!(found.coefficients == expected.coefficients, "{ids:?}");
                }
            }
        }
    }
}

#[test]
fn unsupported_processes_are_named() {
    let bytes = encode(&EncodeOptions::default());
    let at = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let with = |offset: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at + offset] = value;
        match parse(&bytes, &Limits::default()) {
            Err(JpegError::Unsupported { what, offset }) => {
                assert_eq!(offset, at);
                what
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(with(1, 0xC9).contains("arithmetic"));
    assert!(with(1, 0xC3).contains("lossless"));
    assert!(with(1, 0xC5).contains("hierarchical"));
    assert!(with(4, 12).contains("12 bits"));
    assert!(matches!(parse(b"GIF89a", &Limits::default()), Err(JpegError::Malformed { offset: 0, .. })));
}
