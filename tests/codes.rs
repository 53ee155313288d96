//! Files of codebook indices with the adaptive model: there and back, damaged, salvaged, and refused.

use lmcodec::container::{CodeMedium, Content, Header, Payload};
use lmcodec::{
    CodesMedium, CodesOptions, DecodeOptions, EncodeOptions, Error, Mode, SegmentPlace, decode, encode_codes, inspect,
    salvage, verify,
};
use lmcodec_codecs::codes::{ElementType, parse};
use proptest::prelude::*;
use synthetic::{code_files, indices, npy};

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
            assert_eq!((codes.shape, codes.codes), (array.side.shape, array.codes.len()), "{name}");
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
