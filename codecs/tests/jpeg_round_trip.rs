//! Round trips of generated files: images × sampling × quality × restarts × scan scripts.

mod synthetic;

use lmcodec_codecs::jpeg::side::{
    Deviations, Element, EobRuns, HuffmanCodes, HuffmanTable, Padding, QuantizationTable, Scan, ScanComponent,
};
use lmcodec_codecs::jpeg::{
    EncodeOptions, FrameComponent, FrameHeader, JpegImage, Limits, PixelFormat, SideInformation, Subsampling,
    encode_planes, parse, write,
};
use proptest::prelude::*;
use synthetic::{Numbers, photo_like, side_bytes};

fn subsampling() -> impl Strategy<Value = Subsampling> {
    prop_oneof![Just(Subsampling::Gray), Just(Subsampling::S444), Just(Subsampling::S422), Just(Subsampling::S420),]
}

/// How the scans of a generated file are laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Script {
    Interleaved,
    /// One sequential scan a component.
    Separate,
    /// DC of all, then AC of each component in two bands, without refinement.
    Spectral,
    /// DC and AC in three steps of precision.
    Successive,
}

fn script(script: Script, components: u8) -> Vec<Scan> {
    let scan = |indices: Vec<u8>, band: (u8, u8), bits: (u8, u8)| Scan {
        components: indices
            .into_iter()
            .map(|index| ScanComponent { index, dc_table: index.min(1), ac_table: index.min(1) })
            .collect(),
        spectral_start: band.0,
        spectral_end: band.1,
        approximation_high: bits.0,
        approximation_low: bits.1,
        deviations: Deviations::default(),
    };
    let all: Vec<u8> = (0..components).collect();
    let each = |band: (u8, u8), bits: (u8, u8)| (0..components).map(move |index| scan(vec![index], band, bits));
    match script {
        Script::Interleaved => vec![scan(all, (0, 63), (0, 0))],
        Script::Separate => each((0, 63), (0, 0)).collect(),
        Script::Spectral => {
            let mut scans = vec![scan(all, (0, 0), (0, 0))];
            scans.extend(each((1, 9), (0, 0)));
            scans.extend(each((10, 63), (0, 0)));
            scans
        }
        Script::Successive => {
            let mut scans = vec![scan(all.clone(), (0, 0), (0, 2))];
            scans.extend(each((1, 63), (0, 2)));
            scans.push(scan(all.clone(), (0, 0), (2, 1)));
            scans.extend(each((1, 63), (2, 1)));
            scans.extend(each((1, 63), (1, 0)));
            scans.push(scan(all, (0, 0), (1, 0)));
            scans
        }
    }
}

/// A file with random sparse coefficients and optimal Huffman tables before every scan.
fn generated(
    (width, height): (u16, u16),
    sampling: &[(u8, u8)],
    restart_interval: u16,
    kind: Script,
    deviations: &Deviations,
    seed: u64,
) -> JpegImage {
    let progressive = matches!(kind, Script::Spectral | Script::Successive);
    let frame = FrameHeader {
        marker: if progressive { 0xC2 } else { 0xC0 },
        width,
        height,
        components: (0u8..)
            .zip(sampling)
            .map(|(index, &(h, v))| FrameComponent { id: index * 7 + 3, h, v, quantization_selector: index.min(1) })
            .collect(),
    };
    let mut elements = vec![
        Element::Quantization(vec![QuantizationTable {
            destination: 0,
            wide: false,
            values: std::array::from_fn(|k| 7 + k as u16),
        }]),
        Element::Frame,
        Element::RestartInterval(restart_interval),
        Element::Segment { marker: 0xE5, payload: b"an unknown application".to_vec() },
    ];
    for mut scan in script(kind, sampling.len() as u8) {
        let (dc, ac) = (scan.spectral_start == 0, scan.spectral_end > 0);
        let mut tables = Vec::new();
        for component in &scan.components {
            for (wanted, is_ac) in [(dc && scan.approximation_high == 0, false), (ac, true)] {
                let table = HuffmanTable {
                    ac: is_ac,
                    destination: if is_ac { component.ac_table } else { component.dc_table },
                    codes: HuffmanCodes::Optimal,
                };
                if wanted && !tables.contains(&table) {
                    tables.push(table);
                }
            }
        }
        if !tables.is_empty() {
            elements.push(Element::Huffman(tables));
        }
        scan.deviations = deviations.clone();
        elements.push(Element::Scan(Box::new(scan)));
    }
    elements.push(Element::Standalone(0xD9));
    elements.push(Element::Bytes(b"after the end".to_vec()));
    let side = SideInformation { frame, elements };
    let mut image = side.skeleton(&Limits::default()).unwrap();
    let mut numbers = Numbers::new(seed);
    let layout = side.layout();
    let single = layout.len() == 1;
    for (component, layout) in image.components.iter_mut().zip(layout) {
        let wide = component.blocks_wide;
        for (index, block) in component.coefficients.chunks_exact_mut(64).enumerate() {
            let outside = index % wide >= layout.scan_wide || index / wide >= layout.scan_high;
            if outside && !single && kind != Script::Interleaved {
                continue;
            }
            let kind = numbers.below(4);
            block[0] = numbers.below(2047) as i16 - 1023;
            for value in &mut block[1..] {
                if numbers.below(64) < [0, 2, 12, 50][kind as usize] {
                    let sizes = if numbers.below(30) == 0 { 10 } else { 3 };
                    let size = numbers.below(sizes) + 1;
                    let magnitude = numbers.below(1 << size) as i16;
                    *value = if numbers.below(2) == 0 { magnitude } else { -magnitude };
                }
            }
        }
    }
    image
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn encoded_images(
        width in 1u32..70,
        height in 1u32..50,
        subsampling in subsampling(),
        quality in 1u8..=100,
        flags in 0u8..8,
        restart_interval in prop_oneof![Just(0u16), 1u16..9],
        seed in any::<u32>(),
    ) {
        let options = EncodeOptions {
            quality,
            subsampling,
            baseline: flags & 1 != 0,
            progressive: flags & 2 != 0,
            optimize: flags & 4 != 0,
            restart_interval,
        };
        let pixels = photo_like(width, height, 3, seed);
        let image = encode_planes(&pixels, width, height, PixelFormat::Rgb8, &options).unwrap();
        let bytes = write(&image).unwrap();
        // Progressive scans of single components do not code the blocks that pad MCUs, whose DC
        // the interleaved DC scan does code: everything comes back.
        prop_assert!(parse(&bytes, &Limits::default()).unwrap() == image);
        let size = side_bytes(&image);
        prop_assert!(size <= 20, "{} bytes of side information", size);
    }

    #[test]
    fn generated_files(
        width in 1u16..100,
        height in 1u16..70,
        sampling in prop::collection::vec((1u8..=4, 1u8..=4), 1..=4),
        restart_interval in prop_oneof![Just(0u16), 1u16..20],
        kind in prop_oneof![
            Just(Script::Interleaved),
            Just(Script::Separate),
            Just(Script::Spectral),
            Just(Script::Successive),
        ],
        zero_padding in any::<bool>(),
        longest in prop_oneof![Just(0x7FFFu16), 1u16..6],
        seed in any::<u64>(),
    ) {
        let deviations = Deviations {
            padding: if zero_padding { Padding::Zeros } else { Padding::Ones },
            eob_runs: EobRuns { longest, ..EobRuns::default() },
            ..Deviations::default()
        };
        let image = generated(
            (width, height), &sampling, restart_interval, kind, &deviations, seed,
        );
        let bytes = write(&image).unwrap();
        let parsed = parse(&bytes, &Limits::default()).unwrap();
        for (ours, theirs) in image.components.iter().zip(&parsed.components) {
            prop_assert!(ours.coefficients == theirs.coefficients);
            prop_assert_eq!(ours.quantization, theirs.quantization);
        }
        prop_assert_eq!(image.side.layout(), parsed.side.layout());
        side_bytes(&parsed);
    }

    #[test]
    fn truncated_files(
        kind in prop_oneof![
            Just(Script::Interleaved),
            Just(Script::Separate),
            Just(Script::Successive),
        ],
        restart_interval in prop_oneof![Just(0u16), 1u16..9],
        keep in 0.3f64..1.0,
        seed in any::<u64>(),
    ) {
        let image = generated(
            (70, 50), &[(2, 2), (1, 1), (1, 1)], restart_interval, kind, &Deviations::default(), seed,
        );
        let mut bytes = write(&image).unwrap();
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        match parse(&bytes, &Limits::default()) {
            Ok(parsed) => {
                prop_assert!(write(&parsed).unwrap() == bytes);
                // Only the last partial MCU and headers may be kept verbatim.
                let side = side_bytes(&parsed);
                prop_assert!(side < 700, "{side} bytes of side information");
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

fn small_files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (subsampling, progressive, restart_interval) in [
        (Subsampling::Gray, false, 0),
        (Subsampling::S420, false, 2),
        (Subsampling::S420, true, 0),
        (Subsampling::S444, true, 3),
        (Subsampling::S422, false, 0),
    ] {
        let options = EncodeOptions { subsampling, progressive, restart_interval, ..EncodeOptions::default() };
        let pixels = photo_like(45, 37, 3, 5);
        let image = encode_planes(&pixels, 45, 37, PixelFormat::Rgb8, &options).unwrap();
        files.push(write(&image).unwrap());
    }
    files
}

fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(3) {
        let length = bytes.len() as u32;
        if length < 2 {
            return;
        }
        let at = numbers.below(length) as usize;
        match numbers.below(8) {
            0..=2 => bytes[at] ^= 1 << numbers.below(8),
            3 => bytes[at] = numbers.next() as u8,
            4 => bytes[at] = 0xFF,
            5 => bytes.insert(at, numbers.next() as u8),
            6 => drop(bytes.remove(at)),
            _ => {
                if numbers.below(4) == 0 {
                    bytes.truncate(at);
                } else {
                    let end = (at + numbers.below(40) as usize).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
        }
    }
}

#[test]
fn damaged_files_never_come_back_wrong() {
    let mut limits = Limits::default();
    limits.max_pixels = 1 << 20;
    let mut numbers = Numbers::new(11);
    let (mut modelled, mut stored) = (0, 0);
    for original in small_files() {
        for _ in 0..1500 {
            let mut bytes = original.clone();
            damage(&mut bytes, &mut numbers);
            match parse(&bytes, &limits) {
                Ok(image) => {
                    assert!(write(&image).unwrap() == bytes);
                    modelled += 1;
                    if modelled % 8 == 0 {
                        let side = SideInformation::from_bytes(&image.side.to_bytes(), &limits);
                        assert!(side.as_ref() == Ok(&image.side));
                    }
                }
                Err(_) => stored += 1,
            }
        }
    }
    println!("damaged files: {modelled} modelled, {stored} stored");
    assert!(modelled > stored);
}

#[test]
fn damaged_side_information_never_panics() {
    let mut limits = Limits::default();
    (limits.max_pixels, limits.max_side_bytes, limits.max_scans) = (1 << 16, 1 << 20, 12);
    let mut numbers = Numbers::new(12);
    let mut sides: Vec<Vec<u8>> = Vec::new();
    for bytes in small_files() {
        sides.push(parse(&bytes, &limits).unwrap().side.to_bytes());
        let mut cut = bytes.clone();
        cut.truncate(bytes.len() * 4 / 5);
        if let Ok(image) = parse(&cut, &limits) {
            sides.push(image.side.to_bytes());
        }
    }
    let mut accepted = 0;
    for original in sides {
        for _ in 0..400 {
            let mut bytes = original.clone();
            damage(&mut bytes, &mut numbers);
            if let Ok(side) = SideInformation::from_bytes(&bytes, &limits)
                && let Ok(image) = side.skeleton(&limits)
            {
                accepted += 1;
                let _ = write(&image);
            }
        }
    }
    println!("{accepted} damaged side informations accepted");
}
