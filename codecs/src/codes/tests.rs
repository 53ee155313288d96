use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NO_LIMIT: u64 = 1 << 40;

/// What numpy 2.5 writes for `numpy.array([[1, 2, 3], [4, 5, 65535]], dtype=…)`: header text and its length.
fn npy(descr: &str, fortran: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(&(text.len() as u16).to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    file.extend_from_slice(elements);
    file
}

fn round_trip(file: &[u8], tensor: Option<&str>) -> (CodeArray, usize) {
    let array = parse(file, tensor).expect("parses");
    assert_eq!(write(&array).expect("writes"), file);
    let (side, symbols, bytes) = file_round_trip(file, tensor);
    assert_eq!((&side.arrays[0].shape, &side.arrays[0].values), (&array.side.shape, &ValueMap::Same));
    assert_eq!(symbols, [array.codes.as_slice()]);
    (array, bytes.len())
}

/// Side information, symbols, and the former in bytes.
fn file_round_trip(file: &[u8], tensor: Option<&str>) -> (FileSide, Vec<Vec<u16>>, Vec<u8>) {
    let (side, symbols) = read_file(file, tensor, |_| true).expect("parses");
    assert!(side.write(&symbols).expect("writes") == file);
    assert_eq!(side.file_length(), file.len() as u64);
    let bytes = side.to_bytes();
    assert!(FileSide::from_bytes(&bytes, file.len() as u64).expect("reads") == side);
    (side, symbols, bytes)
}

#[test]
fn orders_and_types() {
    let (array, bytes) = round_trip(&npy("<u2", "False", "(2, 3)", &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 255, 255]), None);
    assert_eq!((array.side.shape.as_slice(), array.codes.as_slice()), (&[2, 3][..], &[1, 2, 3, 4, 5, 65_535][..]));
    assert_eq!(bytes, 5, "flags, rank, two dimensions, nothing after");
    let (array, _) = round_trip(&npy(">i4", "False", "(2,)", &[0, 0, 1, 2, 0, 0, 0, 9]), None);
    assert_eq!(array.codes, [258, 9]);
    let (array, _) = round_trip(&npy("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]), None);
    assert_eq!(array.codes, [1, 2, 3, 4, 5, 6]);
    let (array, _) = round_trip(&npy("|i1", "True", "(2, 2, 2)", &[0, 4, 2, 6, 1, 5, 3, 7]), None);
    assert_eq!(array.codes, [0, 1, 2, 3, 4, 5, 6, 7]);
    let (array, _) = round_trip(&npy("<i8", "False", "()", &[7, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!((array.side.shape.len(), array.codes.as_slice()), (0, &[7][..]));
    let (array, _) = round_trip(&npy("<u8", "True", "(3, 0, 5)", &[]), None);
    assert!(array.codes.is_empty());
}

#[test]
fn both_of_numpys_headers_are_free() {
    // 118 bytes of dictionary: numpy 1.23 and later leave room for 21 digits of the growing axis.
    for (growth, length) in [(true, 128), (false, 128)] {
        let header = npy::canonical(ElementType::I64, ByteOrder::Little, false, &[1200, 128], growth);
        assert_eq!(header.len(), length);
    }
    let long = [123_456_789, 10];
    let [new, old] =
        [true, false].map(|growth| npy::canonical(ElementType::U16, ByteOrder::Little, false, &long, growth).len());
    assert!(new >= old && old % 64 == 0 && new % 64 == 0);
    for growth in [true, false] {
        let shape = [3, 1, 1, 1, 1, 1, 1];
        let mut file = npy::canonical(ElementType::U8, ByteOrder::Little, false, &shape, growth);
        file.extend_from_slice(&[1, 2, 3]);
        assert_eq!(round_trip(&file, None).1, 2 + 7 + 1);
    }
}

#[test]
fn unusual_headers_and_trailing_bytes_are_kept() {
    let mut file = b"\x93NUMPY\x02\x00".to_vec();
    let text = b"{ \"shape\":(2L,),\"fortran_order\" : False,'descr':\"<u2\"}\n";
    file.extend_from_slice(&(text.len() as u32).to_le_bytes());
    file.extend_from_slice(text);
    file.extend_from_slice(&[1, 0, 2, 0, 9, 9, 9]);
    let (array, _) = round_trip(&file, None);
    assert_eq!((array.codes.as_slice(), array.side.after.as_slice()), (&[1, 2][..], &[9, 9, 9][..]));
}

fn safetensors(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(elements);
    file
}

#[test]
fn tensors_by_name() {
    let one = r#"{"codes":{"dtype":"I16","shape":[2,1],"data_offsets":[0,4]},"x":{"dtype":"F16","shape":[1],"data_offsets":[4,6]}}"#;
    let file = safetensors(one, &[1, 0, 2, 0, 9, 9]);
    assert_eq!(round_trip(&file, None).0.codes, [1, 2]);
    assert_eq!(round_trip(&file, Some("codes")).0.side.shape, [2, 1]);
    let text = |error: CodesError| error.to_string();
    assert!(text(parse(&file, Some("x")).expect_err("floats")).contains("F16"));
    assert!(text(parse(&file, Some("y")).expect_err("no such tensor")).contains("codes (I16 [2, 1]), x (F16 [1])"));
    let two =
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    let file = safetensors(two, &[3, 4]);
    assert!(text(parse(&file, None).expect_err("two")).contains("which tensor is not said"));
    assert_eq!(round_trip(&file, Some("b")).0.codes, [4]);
}

#[test]
fn what_is_no_code_is_located() {
    let error = parse(&npy("<i2", "True", "(2, 2)", &[1, 0, 2, 0, 255, 255, 3, 0]), None).expect_err("negative");
    assert_eq!(error, CodesError::Value { index: vec![0, 1], found: -1, end: 65_536 });
    assert!(error.to_string().starts_with("element [0, 1] is -1;"), "{error}");
    let error = parse(&npy("<u4", "False", "(1, 2)", &[0, 0, 0, 0, 0, 0, 1, 0]), None).expect_err("65536");
    assert_eq!(error, CodesError::Value { index: vec![0, 1], found: 65_536, end: 65_536 });
    assert!(matches!(
        parse(&npy("<u8", "False", "(1,)", &[255; 8]), None),
        Err(CodesError::Value { found: 0xFFFF_FFFF_FFFF_FFFF, .. })
    ));
}

#[test]
fn wide_codes_reach_to_32_bits() {
    let wide = |file: &[u8]| wide_codes(file, &header(file, None).expect("a header"));
    assert_eq!(wide(&npy("<i4", "True", "(1, 2)", &[1, 0, 1, 0, 2, 0, 0, 0])), Ok(vec![65_537, 2]));
    assert_eq!(wide(&npy(">u4", "False", "(1,)", &[255; 4])), Ok(vec![u32::MAX]));
    let error = wide(&npy("<u8", "False", "(1,)", &[0, 0, 0, 0, 1, 0, 0, 0])).expect_err("33 bits");
    assert_eq!(error, CodesError::Value { index: vec![0], found: 1 << 32, end: 1 << 32 });
    // A header is found though the elements are not there.
    let short = npy("<u4", "False", "(3,)", &[0; 11]);
    assert_eq!(header(&short, None).expect("a header").shape, [3]);
    assert!(matches!(wide(&short), Err(CodesError::Malformed { .. })));
}

#[test]
fn what_numpy_writes_is_made_here_too() {
    for (descr, element, order) in
        [("|i1", ElementType::I8, ByteOrder::Little), (">u4", ElementType::U32, ByteOrder::Big)]
    {
        let side = CodeSide::numpy(element, order, true, &[2]);
        let file = write(&CodeArray { side, codes: vec![1, 2] }).expect("writes");
        assert!(file.starts_with(b"\x93NUMPY\x01\x00") && file.windows(3).any(|w| w == descr.as_bytes()));
        assert_eq!(round_trip(&file, None).0.codes, [1, 2]);
    }
}

#[test]
fn malformed_files_are_typed_errors() {
    let good = npy("<u2", "False", "(2, 3)", &[0; 12]);
    for length in 0..good.len() {
        assert!(parse(&good[..length], None).is_err(), "{length}");
    }
    for (descr, fortran, shape) in [
        ("<f4", "False", "(2,)"),
        ("|b1", "False", "(2,)"),
        ("<u3", "False", "(2,)"),
        ("=u2", "False", "(2,)"),
        ("", "False", "(2,)"),
        ("ü", "False", "(2,)"),
        ("<u2", "false", "(2,)"),
        ("<u2", "False", "(-2,)"),
        ("<u2", "False", "(99999999999999999999,)"),
        ("<u2", "False", "(9999999999, 9999999999, 9)"),
        ("<u2", "False", "(1,1,1,1,1,1,1,1,1)"),
        ("<u2", "False", "(2"),
        ("<u2", "False", "(2,), 'x': 1"),
    ] {
        assert!(parse(&npy(descr, fortran, shape, &[0; 64]), None).is_err(), "{descr} {fortran} {shape}");
    }
    assert_eq!(parse(b"text", None), Err(CodesError::Unknown));
    assert!(parse(&good, Some("name")).is_err());
    let mut deep = b"\x93NUMPY\x01\x00\xff\xff".to_vec();
    deep.resize(10 + 65_535, b'(');
    assert!(parse(&deep, None).is_err());
}

#[test]
fn values_beyond_a_codebook_and_whole_floats_come_back() {
    let padded: Vec<u8> = [-1i64, 5, 1023, -100].iter().flat_map(|value| value.to_le_bytes()).collect();
    let (side, symbols, _) = file_round_trip(&npy("<i8", "True", "(2, 2)", &padded), None);
    assert_eq!((side.arrays[0].values.digits(), side.arrays[0].count()), (1, 4));
    assert_eq!(symbols[0], [1123, 1023, 5, 1024]);
    let large: Vec<u8> = (0..400u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 14).to_be_bytes()).collect();
    let (side, symbols, _) = file_round_trip(&npy(">u4", "False", "(20, 20)", &large), None);
    assert_eq!((side.arrays[0].symbols(), symbols[0].len()), (800, 800));
    let extremes: Vec<u8> = [i64::MIN, i64::MAX, 0, -1, 7].iter().flat_map(|value| value.to_le_bytes()).collect();
    file_round_trip(&npy("<i8", "False", "(5,)", &extremes), None);
    let floats: Vec<u8> = [3f32, 0.0, -1.0, 70_000.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let file = npy("<f4", "False", "(4,)", &floats);
    assert_eq!(file_round_trip(&file, None).1[0].len(), 4);
    assert!(matches!(parse(&file, None), Err(CodesError::Element { .. })), "only for files that are coded");
    for fraction in [0.5f32, -0.0, f32::NAN] {
        let file = npy("<f4", "False", "(2,)", &[3f32.to_le_bytes(), fraction.to_le_bytes()].concat());
        let error = read_file(&file, None, |_| true).expect_err("no whole number");
        assert_eq!(error, CodesError::Fraction { index: vec![1] });
        assert!(error.is_well_formed());
    }
    assert!(read_file(&npy("|b1", "False", "(2,)", &[0, 1]), None, |_| true).expect_err("booleans").is_well_formed());
}

#[test]
fn several_tensors_are_one_file() {
    let header = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"w":{"dtype":"F32","shape":[1],"data_offsets":[2,6]},"b":{"dtype":"F16","shape":[1,3],"data_offsets":[6,12]}}"#;
    let elements = [&[3, 4][..], &0.5f32.to_le_bytes(), &[0, 0x3C, 0, 0, 0, 0xBC]].concat();
    let file = safetensors(header, &elements);
    let (side, symbols, _) = file_round_trip(&file, Some("all"));
    let shapes: Vec<_> = side.arrays.iter().map(|array| array.shape.as_slice()).collect();
    assert_eq!(shapes, [&[2][..], &[1, 3]]);
    assert_eq!(symbols, [vec![3, 4], vec![1, 0, 2]]);
    let (side, ..) = file_round_trip(&file, None);
    assert_eq!((side.arrays.len(), &side.arrays[0].shape), (1, &vec![2]), "the only one of integers");
    let (side, _) = read_file(&file, Some("all"), |shape| shape.len() == 2).expect("one fits");
    assert_eq!(side.arrays.len(), 1);
}

/// A ZIP file of uncompressed members, as Python's `zipfile` writes it (checksums of zero).
fn zip_file(members: &[(&str, &[u8], u8)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for &(name, bytes, method) in members {
        let sizes = [(bytes.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        let common = [&[20, 0, 0, 0, method, 0, 0, 0, 0, 0, 0, 0, 0, 0], &sizes[..], &[name.len() as u8, 0]].concat();
        let offset = (file.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\x03", &common[..], &[0; 12], &offset, name.as_bytes()].concat());
        file.extend([b"PK\x03\x04", &common[..], &[0, 0], name.as_bytes(), bytes].concat());
    }
    let (count, at) = (members.len() as u16, file.len() as u32);
    file.extend_from_slice(&directory);
    file.extend([&b"PK\x05\x06\0\0\0\0"[..], &count.to_le_bytes(), &count.to_le_bytes()].concat());
    file.extend([&(directory.len() as u32).to_le_bytes()[..], &at.to_le_bytes(), &[0, 0]].concat());
    file
}

#[test]
fn members_of_npz_files_are_arrays() {
    let (a, b) = (npy("<u2", "False", "(2,)", &[1, 0, 2, 0]), npy("|u1", "False", "(1, 3)", &[7, 8, 9]));
    let file = zip_file(&[("a.npy", &a, 0), ("text", b"no array", 0), ("b.npy", &b, 0), ("c.npy", &a, 8)]);
    let (side, symbols, bytes) = file_round_trip(&file, None);
    assert_eq!(symbols, [vec![1, 2], vec![7, 8, 9]]);
    assert!(bytes.len() < 270, "{} bytes: headers of arrays are free", bytes.len());
    assert_eq!((side.arrays.len(), file_round_trip(&file, Some("all")).0 == side), (2, true));
    assert_eq!(file_round_trip(&file, Some("b")).1, [vec![7, 8, 9]]);
    assert_eq!(file_round_trip(&file, Some("b.npy")).1, [vec![7, 8, 9]]);
    let error = |file: &[u8], tensor| read_file(file, tensor, |_| true).expect_err("none");
    assert!(error(&file, Some("d")).to_string().contains("a.npy, text, b.npy, c.npy"));
    assert_eq!(error(&file, Some("c")), CodesError::Deflated { members: 1 });
    for length in 0..file.len() {
        let _ = read_file(&file[..length], None, |_| true);
    }
    for i in 0..file.len() {
        let mut damaged = file.clone();
        damaged[i] ^= 0xFF;
        if let Ok((side, symbols)) = read_file(&damaged, None, |_| true) {
            assert!(side.write(&symbols).expect("writes") == damaged, "byte {i}");
        }
    }
}

#[test]
fn containers_of_other_programs_are_named() {
    let error = |file: &[u8]| read_file(file, None, |_| true).expect_err("foreign");
    let says = |file: &[u8], what: &str, export: &str| {
        let text = error(file).to_string();
        assert!(text.contains(what) && text.contains(export) && text.lines().count() == 3, "{text}");
        assert!(!error(file).is_well_formed());
    };
    says(b"ECDC\0\0\0\0\x10", ".ecdc", "encodec.compress.decompress");
    says(&zip_file(&[("archive/data.pkl", b"\x80\x02", 0)]), ".pt", "torch.load");
    says(b"\x80\x02\x8a\x0al\xfc", ".pt", "torch.load");
    says(&npy("|O", "False", "()", b"\x80\x04 codes chunk_length"), ".dac", ".item()[\"codes\"]");
    says(&npy("|O", "False", "(3,)", b"\x80\x04."), "`|O`", "numpy.stack");
    assert_eq!(error(b"text"), CodesError::Unknown);
    let kinds = [b"ECDC".as_slice(), b"\x93NUMPY", b"PK\x03\x04", b"text"].map(kind_of_file);
    assert_eq!(kinds, [Some(".ecdc"), Some(".npy"), Some(".npz"), None]);
}

#[test]
fn sides_that_promise_too_much_are_refused() {
    let (side, _, bytes) = file_round_trip(&npy("<u2", "False", "(2, 3)", &[0; 12]), None);
    assert!(FileSide::from_bytes(&bytes, side.file_length() - 129).is_err());
    for i in 0..bytes.len() {
        assert!(FileSide::from_bytes(&bytes[..i], NO_LIMIT).is_err());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(FileSide::from_bytes(&longer, NO_LIMIT).is_err());
    // u64, explicit header, 2^62 elements.
    let huge = [6, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0, 0];
    assert!(FileSide::from_bytes(&huge, NO_LIMIT).is_err());
}

proptest! {
    #[test]
    fn any_array_round_trips(
        element in proptest::sample::select(ElementType::integers()),
        big: bool,
        fortran: bool,
        growth: bool,
        shape in vec(0usize..5, 0..5),
        after in vec(any::<u8>(), 0..20),
        seed: u32,
    ) {
        let order = if big && element.bytes() > 1 { ByteOrder::Big } else { ByteOrder::Little };
        let before = npy::canonical(element, order, fortran, &shape, growth);
        let side = CodeSide { element, order, fortran, before, after, shape };
        let most = if element.bytes() == 1 { 127 } else { 32_767 };
        let codes = (0..side.count() as u32).map(|i| (seed.wrapping_mul(i + 1) >> 8) as u16 & most).collect();
        let array = CodeArray { side, codes };
        let file = write(&array).expect("writes");
        prop_assert_eq!(round_trip(&file, None).0, array);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = FileSide::from_bytes(&bytes, 1 << 20);
        let _ = parse(&bytes, None);
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        header.extend_from_slice(&bytes);
        let _ = parse(&header, None);
        let mut header = (bytes.len() as u64).to_le_bytes().to_vec();
        header.extend_from_slice(&bytes);
        let _ = parse(&header, None);
    }

    #[test]
    fn any_elements_come_back_or_are_named(
        element in proptest::sample::select(ElementType::ALL.as_slice()),
        big: bool,
        fortran: bool,
        bytes in vec(any::<u8>(), 0..400),
        plain: bool,
    ) {
        let count = bytes.len() / element.bytes() / 2;
        let order = if big && element.bytes() > 1 { ByteOrder::Big } else { ByteOrder::Little };
        let side = CodeSide::numpy(element, order, fortran, &[count, 2]);
        let mut elements = bytes[..count * 2 * element.bytes()].to_vec();
        if plain {
            elements.chunks_mut(element.bytes()).for_each(|element| element[1..].fill(0));
        }
        let file = [side.before, elements].concat();
        match read_file(&file, None, |_| true) {
            Ok(_) => { file_round_trip(&file, None); }
            Err(error) => prop_assert!(element.is_float() && error.is_well_formed(), "{}", error),
        }
    }
}
