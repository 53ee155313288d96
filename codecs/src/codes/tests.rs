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
    assert_eq!(array.side.file_length(), file.len() as u64);
    let bytes = array.side.to_bytes();
    let side = CodeSide::from_bytes(&bytes, file.len() as u64).expect("reads");
    assert_eq!(side, array.side);
    (array, bytes.len())
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
fn sides_that_promise_too_much_are_refused() {
    let (array, _) = round_trip(&npy("<u2", "False", "(2, 3)", &[0; 12]), None);
    let bytes = array.side.to_bytes();
    assert!(CodeSide::from_bytes(&bytes, array.side.file_length() - 129).is_err());
    for i in 0..bytes.len() {
        assert!(CodeSide::from_bytes(&bytes[..i], NO_LIMIT).is_err());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(CodeSide::from_bytes(&longer, NO_LIMIT).is_err());
    // u64, explicit header, 2^62 elements.
    let huge = [6, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0, 0];
    assert!(CodeSide::from_bytes(&huge, NO_LIMIT).is_err());
}

proptest! {
    #[test]
    fn any_array_round_trips(
        element in proptest::sample::select(ElementType::ALL.as_slice()),
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
        let _ = CodeSide::from_bytes(&bytes, 1 << 20);
        let _ = parse(&bytes, None);
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        header.extend_from_slice(&bytes);
        let _ = parse(&header, None);
        let mut header = (bytes.len() as u64).to_le_bytes().to_vec();
        header.extend_from_slice(&bytes);
        let _ = parse(&header, None);
    }
}
