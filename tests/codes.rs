//! Files of codebook indices with the adaptive model: there and back, damaged, salvaged, and refused.

use lmcodec::container::{CodeMedium, Content, Header, Payload};
use lmcodec::{
    CodesMedium, CodesOptions, DecodeOptions, EncodeOptions, Error, Mode, Segment, SegmentPlace, decode,
    decode_segment, encode_codes, inspect, salvage, verify,
};
use lmcodec_codecs::codes::{ElementType, parse};
use proptest::prelude::*;
use synthetic::{code_files, indices, npy, npy_of, npz, odd_code_files};

mod synthetic;

fn always() -> EncodeOptions {
    EncodeOptions::new().always_model(true)
}

#[test]
fn every_kind_of_file_comes_back() {
    for (name, original, options) in code_files() {
        let encoded = encode_codes(&original, &options, &EncodeOptions::default()).expect(name);
        assert!(encoded.bytes.len() < original.len() || matches!(encoded.summary.mode, Mode::Stored { .. }), "{name}");
        assert!(decode(&encoded.bytes, &DecodeOptions::default()).expect(name) == original, "{name}");
        verify(&encoded.bytes, Some(&original), &DecodeOptions::default()).expect(name);
        let array = parse(&original, None).expect(name);
        // Headers of code files cost little: 35 bytes, sizes, side information.
        if encoded.summary.mode == Mode::Modelled {
            let about = inspect(&encoded.bytes, &DecodeOptions::default()).expect(name);
            let codes = about.codes.expect("codes");
            assert_eq!((&codes.arrays[0].shape, codes.codes), (&array.side.shape, array.codes.len()), "{name}");
            assert!(about.header_bytes < 60 + codes.side_information_bytes, "{name}: {}", about.header_bytes);
        }
    }
}

#[test]
fn predictable_codes_shrink_and_noise_hardly_grows() {
    let (_, video, options) = &code_files()[0];
    let file = encode_codes(video, options, &EncodeOptions::default()).expect("encodes").bytes;
    // 3840 codes of 10 bits, a quarter of which (and the first frame) are new.
    assert!(file.len() < 2200, "{}", file.len());
    let noise = npy(ElementType::U16, false, &[4, 40, 50], indices(8000, usize::MAX, 1024, 11));
    let options = CodesOptions::new(CodesMedium::Vq { grid: None }).codebooks([1024]);
    let file = encode_codes(&noise, &options, &EncodeOptions::default()).expect("encodes").bytes;
    // The rest is the header, and what the array file says in its own way.
    let side =
        inspect(&file, &DecodeOptions::default()).expect("readable").codes.expect("codes").side_information_bytes;
    assert!(file.len() <= 10_000 + 60 + side, "{} bytes for 10,000 of noise, {side} of side information", file.len());
}

#[test]
fn segments_are_independent_and_threads_change_nothing() {
    let (_, original, options) = &code_files()[0];
    let options = options.clone().segment_codes(1000);
    let mut files = Vec::new();
    for threads in [1, 3] {
        let mut encode_options = always();
        encode_options.execution.threads = std::num::NonZeroUsize::new(threads);
        files.push(encode_codes(original, &options, &encode_options).expect("encodes").bytes);
    }
    assert!(files[0] == files[1]);
    let file = &files[0];
    let (header, start) = Header::read(file).expect("reads");
    assert_eq!(header.payloads.len(), 4);
    let mut damaged = file.clone();
    damaged[start + header.payloads[0].length + 5] ^= 1;
    let error = decode(&damaged, &DecodeOptions::default()).expect_err("damaged").to_string();
    assert!(error.contains("1 of 4 segments damaged: segment 1 (codes 1000..2000)"), "{error}");
    let salvaged = salvage(&damaged, &DecodeOptions::default()).expect("salvages");
    assert_eq!(salvaged.faults.len(), 1);
    assert_eq!(salvaged.faults[0].place, SegmentPlace::Codes(1000..2000));
    let (found, mut expected) = (parse(&salvaged.bytes, None).expect("parses"), parse(original, None).expect("parses"));
    expected.codes[1000..2000].fill(0);
    assert!(found == expected);
}

#[test]
fn flipping_any_byte_is_an_error() {
    for (name, original, options) in code_files()
        .into_iter()
        .filter(|(name, ..)| ["vq-image", "vq-tensor", "vq-empty", "rvq", "rvq-noise"].contains(name))
    {
        let file = encode_codes(&original, &options, &always()).expect(name).bytes;
        for i in 0..file.len() {
            for mask in [1, 0x80] {
                let mut damaged = file.clone();
                damaged[i] ^= mask;
                assert!(decode(&damaged, &DecodeOptions::default()).is_err(), "{name}: byte {i} ^ {mask:#x}");
                let _ = salvage(&damaged, &DecodeOptions::default());
            }
            assert!(decode(&file[..i], &DecodeOptions::default()).is_err(), "{name}: {i} bytes");
        }
    }
}

/// Valid CRCs, but every byte of header and payload changed in turn: an error or the original, never another file.
#[test]
fn damage_under_valid_crcs_is_never_a_wrong_file() {
    let (_, original, options) = &code_files()[6];
    let file = encode_codes(original, options, &always()).expect("encodes").bytes;
    let (header, start) = Header::read(&file).expect("reads");
    for i in start..file.len() {
        let mut payload = file[start..].to_vec();
        payload[i - start] ^= 1 << (i % 8);
        let mut header = header.clone();
        header.payloads[0] = Payload::of(&payload);
        let damaged = [header.to_bytes(), payload].concat();
        assert!(decode(&damaged, &DecodeOptions::default()).is_err(), "payload byte {i}");
    }
    let Content::Codes(content) = &header.content else { panic!("codes") };
    let mut variants = Vec::new();
    for i in 0..content.side.len() {
        for bit in 0..8 {
            let mut content = content.clone();
            content.side[i] ^= 1 << bit;
            variants.push(content);
        }
    }
    variants
        .push(lmcodec::container::CodesContent { medium: CodeMedium::Vq { height: 5, width: 16 }, ..content.clone() });
    variants.push(lmcodec::container::CodesContent {
        medium: CodeMedium::Vq { height: 1 << 62, width: 4 },
        ..content.clone()
    });
    variants
        .push(lmcodec::container::CodesContent { medium: CodeMedium::Rvq { layers_first: true }, ..content.clone() });
    variants.push(lmcodec::container::CodesContent { vocabularies: vec![15], ..content.clone() });
    variants.push(lmcodec::container::CodesContent { vocabularies: vec![16; 3], ..content.clone() });
    variants.push(lmcodec::container::CodesContent { per_segment: 1, ..content.clone() });
    for content in variants {
        let header = Header { content: Content::Codes(content.clone()), ..header.clone() };
        let damaged = [header.to_bytes(), file[start..].to_vec()].concat();
        if let Ok(decoded) = decode(&damaged, &DecodeOptions::default()) {
            assert!(decoded == *original, "{content:?}");
        }
    }
}

#[test]
fn promises_beyond_the_limits_are_refused() {
    let (_, original, options) = &code_files()[0];
    let mut tight = always();
    tight.limits.max_codes = 3839;
    let error = encode_codes(original, options, &tight).expect_err("3840 codes");
    assert!(matches!(error, Error::Limit { found: 3840, allowed: 3839, .. }), "{error}");
    let file = encode_codes(original, options, &always()).expect("encodes").bytes;
    let decode_options = DecodeOptions::new().limits(tight.limits);
    assert!(matches!(decode(&file, &decode_options), Err(Error::Limit { found: 3840, .. })));
}

#[test]
fn what_does_not_fit_is_said() {
    let file = npy(ElementType::U16, false, &[2, 3], vec![0, 1, 2, 3, 4, 5]);
    let vq = CodesOptions::new(CodesMedium::Vq { grid: None });
    let rvq = CodesOptions::new(CodesMedium::Rvq { layers_first: false });
    let says = |options: &CodesOptions, text: &str| {
        let error = encode_codes(&file, options, &EncodeOptions::default()).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    };
    let with = |codebooks: &[u32], options: &CodesOptions| options.clone().codebooks(codebooks);
    says(&with(&[5], &vq), "element [1, 2] is 5, which is not below the codebook size 5");
    says(&with(&[4, 5, 5], &rvq), "element [1, 2] is 5, which is not below the codebook size 5");
    says(&with(&[6, 6], &rvq), "2 codebook sizes for 3 layers");
    says(&with(&[0], &rvq), "a codebook of 0");
    says(&CodesOptions::new(CodesMedium::Vq { grid: Some((2, 2)) }), "grids of 2x2 do not divide 6 codes");
    says(&vq.tensor("x"), "no tensor of integers called `x`");
}

#[test]
fn values_of_any_size_and_files_of_several_arrays_come_back() {
    for (name, original, options) in odd_code_files() {
        for options in [options.clone(), options.segment_codes(100)] {
            let encoded = encode_codes(&original, &options, &always()).expect(name);
            assert_eq!(encoded.summary.mode, Mode::Modelled, "{name}");
            assert!(decode(&encoded.bytes, &DecodeOptions::default()).expect(name) == original, "{name}");
            let encoded = encode_codes(&original, &options, &EncodeOptions::new()).expect(name);
            assert!(encoded.bytes.len() < original.len(), "{name}");
            assert!(decode(&encoded.bytes, &DecodeOptions::default()).expect(name) == original, "{name}");
        }
    }
}

/// Every byte of such files is covered by a checksum; and under valid checksums nothing but the original comes out.
#[test]
fn damaged_files_of_odd_codes_are_errors() {
    for (name, original, options) in odd_code_files() {
        let file = encode_codes(&original, &options, &always().verify(false)).expect(name).bytes;
        for i in (0..file.len()).step_by(3) {
            let mut damaged = file.clone();
            damaged[i] ^= 0x11;
            assert!(decode(&damaged, &DecodeOptions::default()).is_err(), "{name}: byte {i}");
            let _ = salvage(&damaged, &DecodeOptions::default());
        }
        let (header, start) = Header::read(&file).expect(name);
        let Content::Codes(content) = &header.content else { panic!("codes") };
        for i in 0..content.side.len() {
            for bit in [1, 4, 0x40] {
                let mut content = content.clone();
                content.side[i] ^= bit;
                let header = Header { content: Content::Codes(content), ..header.clone() };
                let damaged = [header.to_bytes(), file[start..].to_vec()].concat();
                if let Ok(decoded) = decode(&damaged, &DecodeOptions::default()) {
                    assert!(decoded == original, "{name}: byte {i} of the side information");
                }
            }
        }
    }
}

#[test]
fn arrays_in_one_file_are_told_apart() {
    let about = |name: &str| {
        let (_, original, options) = odd_code_files().into_iter().find(|file| file.0 == name).expect(name);
        let file = encode_codes(&original, &options.segment_codes(200), &always()).expect(name).bytes;
        (inspect(&file, &DecodeOptions::default()).expect(name).codes.expect("codes"), file)
    };
    let (codes, file) = about("rvq-npz");
    let found: Vec<_> = codes.arrays.iter().map(|array| (array.shape.as_slice(), array.layers, array.starts)).collect();
    assert_eq!(found, [(&[90][..], Some(1), None), (&[2, 150], Some(2), Some(2)), (&[8, 150], Some(8), None)]);
    assert_eq!((codes.codes, codes.side_information_bytes < 400), (90 + 300 + 1200, true));
    // One segment of the first, none of the second, six of the third.
    let segment = |index| decode_segment(&file, index, &DecodeOptions::default());
    let Segment::Codes(third) = segment(1).expect("decodes") else { panic!("rows") };
    assert_eq!(
        (third.array, third.codes.len(), third.places[..9].to_vec()),
        (2, 200, vec![0, 150, 300, 450, 600, 750, 900, 1050, 1])
    );
    assert!(segment(6).is_ok() && segment(7).is_err());
    let (header, start) = Header::read(&file).expect("reads");
    let mut damaged = file.clone();
    damaged[start + header.payloads[0].length + 3] ^= 1;
    let salvaged = salvage(&damaged, &DecodeOptions::default()).expect("salvages");
    assert_eq!(salvaged.faults[0].place, SegmentPlace::Codes(90..290), "counted over all that are coded");
    let (codes, _) = about("rvq-tensors");
    assert_eq!(codes.arrays.iter().map(|array| array.element).collect::<Vec<_>>(), ["u16", "f32"]);
    let (codes, _) = about("vq-large");
    assert_eq!((codes.arrays[0].digits, codes.arrays[0].grid), (Some(2), Some((8, 8))));
    assert_eq!(about("rvq-padded").0.arrays[0].runs, Some(2));
}

/// More layers in all than a header lists vocabularies for.
#[test]
fn very_many_layers_share_a_vocabulary() {
    let tensors = 70;
    let entry = |i: usize| {
        format!(r#""t{i:02}":{{"dtype":"U8","shape":[1,1000],"data_offsets":[{},{}]}}"#, i * 1000, (i + 1) * 1000)
    };
    let header = format!("{{{}}}", (0..tensors).map(entry).collect::<Vec<_>>().join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend((0..tensors).flat_map(|i| (0..1000).map(move |j| (j * (i + 1) % 251) as u8)));
    let options = CodesOptions::new(CodesMedium::Rvq { layers_first: false }).tensor("all");
    let encoded = encode_codes(&file, &options, &always()).expect("encodes");
    assert_eq!(encoded.summary.mode, Mode::Modelled);
    let about = inspect(&encoded.bytes, &DecodeOptions::default()).expect("inspects").codes.expect("codes");
    assert_eq!((about.arrays.len(), about.arrays[69].codebooks.as_slice()), (70, &[251][..]));
}

#[test]
fn what_is_no_array_of_whole_numbers_is_stored_and_why() {
    let vq = CodesOptions::new(CodesMedium::Vq { grid: None });
    let halves: Vec<u8> = (0..100u8).flat_map(|i| (f32::from(i) / 2.0).to_le_bytes()).collect();
    let floats = npy_of(ElementType::F32, &[100], &halves);
    let zero = npy_of(ElementType::F64, &[1], &(-0.0f64).to_le_bytes());
    let booleans = npy_of(ElementType::U8, &[3], &[0, 1, 1]);
    let booleans = [&booleans[..21], b"|b1", &booleans[24..]].concat();
    let deflated = npz(&[("x.npy", b"\x93NUMPY would follow", 8)]);
    for (file, reason) in [
        (&floats, "element [1] is not a whole number"),
        (&zero, "element [0] is not a whole number"),
        (&booleans, "elements of type `|b1`"),
        (&deflated, "numpy.savez_compressed deflates them"),
    ] {
        let encoded = encode_codes(file, &vq, &EncodeOptions::default()).expect(reason);
        let Mode::Stored { reason: said } = &encoded.summary.mode else { panic!("modelled") };
        assert!(said.to_string().contains(reason), "{said}");
        assert!(decode(&encoded.bytes, &DecodeOptions::default()).expect(reason) == **file, "{reason}");
    }
    // A block that comes again far away is nothing for a model of neighbours.
    let block = indices(3000, usize::MAX, 65_536, 31);
    let again = npy(ElementType::U16, false, &[6000], [block.clone(), block].concat());
    let encoded = encode_codes(&again, &vq, &EncodeOptions::default()).expect("encodes");
    let Mode::Stored { reason } = &encoded.summary.mode else { panic!("modelled") };
    assert!(reason.to_string().contains("more than the general compressor's"), "{reason}");
    assert!(encoded.bytes.len() < 6200);
    // Files that are something else are errors, not stored.
    for (file, says) in [(&b"ECDC\0"[..], ".ecdc"), (b"\x80\x02.", ".pt"), (&floats[..200], "in 72 bytes")] {
        let error = encode_codes(file, &vq, &EncodeOptions::default()).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn layers_that_come_first_are_noticed() {
    let rvq = |layers_first| CodesOptions::new(CodesMedium::Rvq { layers_first });
    let notes = |shape: &[usize], options: &CodesOptions| {
        let file = npy(ElementType::U16, false, shape, indices(shape.iter().product(), 8, 1000, 1));
        encode_codes(&file, options, &EncodeOptions::default()).expect("encodes").summary.notes
    };
    let said = notes(&[8, 750], &rvq(false));
    assert!(said[0].contains("8 steps of 750 layers") && said[0].contains("--layers-first"), "{said:?}");
    for shape in [&[750, 8][..], &[750], &[1, 300], &[64, 64]] {
        assert!(notes(shape, &rvq(false)).is_empty(), "{shape:?}");
    }
    assert!(notes(&[8, 750], &rvq(true)).is_empty());
    let file = npy(ElementType::U16, false, &[2, 2000], vec![0; 4000]);
    let error = encode_codes(&file, &rvq(false), &EncodeOptions::default()).expect_err("layers").to_string();
    assert!(error.contains("--layers-first"), "{error}");
}

#[test]
fn what_codes_are_worth_is_counted() {
    let (_, original, options) = &code_files()[0];
    let summary = encode_codes(original, options, &EncodeOptions::default()).expect("encodes").summary;
    let codes = summary.codes.expect("codes");
    assert_eq!((codes.codes, codes.codebook_bits), (3840, 10.0));
    let bits = 8.0 * summary.coded_bytes as f64 / 3840.0;
    assert_eq!(codes.bits_per_code(summary.coded_bytes), bits);
    let saving = codes.saving_percent(summary.coded_bytes).expect("worth something");
    assert!((saving - 100.0 * (1.0 - bits / 10.0)).abs() < 1e-9);
    // Two layers of 1024 and 4 codes: 6 bits a code. All codes alike: nothing.
    let worth = |codes: Vec<u16>, codebooks: &[u32]| {
        let file = npy(ElementType::U16, false, &[codes.len() / 2, 2], codes);
        let options = CodesOptions::new(CodesMedium::Rvq { layers_first: false }).codebooks(codebooks);
        encode_codes(&file, &options, &EncodeOptions::default()).expect("encodes").summary.codes.expect("codes")
    };
    assert_eq!(worth(vec![700, 3, 5, 0], &[1024, 4]).codebook_bits, 6.0);
    assert_eq!(worth(vec![255, 3], &[]).codebook_bits, 8.0);
    assert_eq!(worth(vec![0; 2], &[]).saving_percent(9), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_integers_come_back(
        values in proptest::collection::vec(any::<i64>(), 0..200),
        shift in 0u32..64,
        rvq: bool,
        segment in 1usize..90,
    ) {
        let elements: Vec<u8> = values.iter().flat_map(|value| (value >> shift).to_le_bytes()).collect();
        let original = npy_of(ElementType::I64, &[values.len()], &elements);
        let medium = if rvq { CodesMedium::Rvq { layers_first: false } } else { CodesMedium::Vq { grid: None } };
        let options = CodesOptions::new(medium).segment_codes(segment);
        let file = encode_codes(&original, &options, &always().verify(false)).expect("encodes").bytes;
        prop_assert!(decode(&file, &DecodeOptions::default()).expect("decodes") == original);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_array_comes_back(
        shape in proptest::collection::vec(0usize..9, 0..4),
        fortran: bool,
        rvq: bool,
        layers_first: bool,
        vocabulary in 1u32..=256,
        segment in 1usize..200,
        seed: u32,
    ) {
        let codes = indices(shape.iter().product(), 5, vocabulary, seed);
        let original = npy(ElementType::U8, fortran, &shape, codes);
        let medium = if rvq { CodesMedium::Rvq { layers_first } } else { CodesMedium::Vq { grid: None } };
        let options = CodesOptions::new(medium).segment_codes(segment);
        let file = encode_codes(&original, &options, &always().verify(false)).expect("encodes").bytes;
        prop_assert!(decode(&file, &DecodeOptions::default()).expect("decodes") == original);
    }
}
