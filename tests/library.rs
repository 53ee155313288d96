//! The library as another program uses it: readers and writers, one segment, metadata, threads of one's own.

mod synthetic;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lmcodec::{
    DecodeOptions, EncodeOptions, Error, Executor, Limits, Segment, decode, decode_from, decode_segment, encode,
    encode_codes, encode_codes_from, encode_from, inspect, jpeg, metadata, salvage, store,
};
use synthetic::{code_files, decode_options, encode_options, jpeg_file};

/// A reader that never ends.
struct Endless;

impl io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(0xFF);
        Ok(buffer.len())
    }
}

/// A reader and writer that fails.
struct Broken;

impl io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn readers_and_writers_give_what_slices_give() {
    let original = jpeg_file(90, 70, 3, &Default::default());
    let expected = encode(&original, &encode_options()).expect("encodes");
    let mut coded = Vec::new();
    let summary = encode_from(original.as_slice(), &mut coded, &encode_options()).expect("encodes");
    assert!(coded == expected.bytes);
    assert_eq!(summary, expected.summary);
    assert_eq!((summary.coded_bytes, summary.original_bytes), (coded.len() as u64, original.len() as u64));
    let mut decoded = Vec::new();
    let bytes = decode_from(coded.as_slice(), &mut decoded, &decode_options()).expect("decodes");
    assert!(decoded == original && bytes == original.len() as u64);

    let (_, original, codes) = &code_files()[0];
    let mut coded = Vec::new();
    encode_codes_from(original.as_slice(), &mut coded, codes, &EncodeOptions::new()).expect("encodes");
    assert!(coded == encode_codes(original, codes, &EncodeOptions::new()).expect("encodes").bytes);
}

#[test]
fn streams_are_read_up_to_the_limit_and_written_when_all_is_checked() {
    let limits = Limits::default().max_original_bytes(10_000);
    let error = encode_from(Endless, io::sink(), &EncodeOptions::new().limits(limits)).expect_err("endless");
    assert!(matches!(error, Error::Limit { found: 10_001, allowed: 10_000, .. }), "{error}");
    let error = decode_from(Endless, io::sink(), &DecodeOptions::new().limits(limits)).expect_err("endless");
    assert!(matches!(error, Error::Limit { allowed: 20_000, .. }), "{error}");
    let error = encode_from(Broken, io::sink(), &EncodeOptions::new()).expect_err("broken");
    assert_eq!(error.to_string(), "reading: unplugged");
    let original = jpeg_file(16, 16, 1, &Default::default());
    let error = encode_from(original.as_slice(), Broken, &encode_options()).expect_err("broken");
    assert_eq!(error.to_string(), "writing: unplugged");
    // A broken writer is never asked to write what is damaged.
    let mut coded = encode(&original, &encode_options()).expect("encodes").bytes;
    *coded.last_mut().expect("bytes") ^= 1;
    let error = decode_from(coded.as_slice(), Broken, &decode_options()).expect_err("damaged");
    assert!(matches!(error, Error::DamagedSegments { .. }), "{error}");
}

#[test]
fn segments_decoded_alone_are_those_of_the_whole() {
    for channels in [1, 3] {
        let original = jpeg_file(70, 250, channels, &Default::default());
        let image = jpeg::parse(&original, &jpeg::Limits::default()).expect("a JPEG file");
        let coded = encode(&original, &encode_options()).expect("encodes").bytes;
        let segments = inspect(&coded, &decode_options()).expect("inspects").segments;
        assert!(segments.len() > 2);
        let mut found: Vec<Vec<i16>> = vec![Vec::new(); image.components.len()];
        for (index, segment) in segments.iter().enumerate() {
            let Segment::Rows(rows) = decode_segment(&coded, index, &decode_options()).expect("decodes") else {
                panic!("codes")
            };
            assert_eq!(Some((rows.lines.start, rows.lines.end)), segment.lines);
            for ((rows, component), found) in rows.components.iter().zip(&image.components).zip(&mut found) {
                assert_eq!(rows.block_rows.start * component.blocks_wide * 64, found.len());
                assert_eq!(rows.coefficients.len(), rows.block_rows.len() * rows.blocks_wide);
                assert_eq!((rows.id, rows.quantization), (component.id, component.quantization));
                found.extend_from_slice(rows.coefficients.as_flattened());
            }
        }
        for (found, component) in found.iter().zip(&image.components) {
            assert!(*found == component.coefficients);
        }
    }
}

#[test]
fn codes_of_one_segment_say_where_they_belong() {
    for (name, original, codes) in code_files() {
        let options = EncodeOptions::new().always_model(true);
        let coded = encode_codes(&original, &codes.segment_codes(300), &options).expect(name).bytes;
        let array = lmcodec::codes::parse(&original, None).expect(name);
        let mut found = vec![None; array.codes.len()];
        for index in 0..inspect(&coded, &DecodeOptions::new()).expect(name).segments.len() {
            let Segment::Codes(segment) = decode_segment(&coded, index, &DecodeOptions::new()).expect(name) else {
                panic!("rows")
            };
            assert_eq!(segment.shape, array.side.shape, "{name}");
            assert_eq!(segment.codes.len(), segment.places.len(), "{name}");
            for (&place, code) in segment.places.iter().zip(segment.codes) {
                assert_eq!(found[place].replace(code), None, "{name}: once");
            }
        }
        assert!(found.into_iter().eq(array.codes.into_iter().map(|code| Some(code.into()))), "{name}");
    }
}

#[test]
fn what_has_no_such_segment_is_said() {
    let original = jpeg_file(20, 20, 1, &Default::default());
    let mut coded = encode(&original, &encode_options()).expect("encodes").bytes;
    let says = |coded: &[u8], index, text: &str| {
        let error = decode_segment(coded, index, &decode_options()).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    };
    says(&coded, 1, "segment 1 is not there: the file has 1");
    says(&store(&original, "a test", &EncodeOptions::new()).expect("stores").bytes, 0, "stored, not modelled");
    says(&original, 0, "not an lmcodec file: found a JPEG file");
    *coded.last_mut().expect("bytes") ^= 1;
    says(&coded, 0, "1 of 1 segments damaged: segment 0 (lines 0..20)");
    // Damage elsewhere is no matter.
    let original = jpeg_file(20, 200, 1, &Default::default());
    let mut coded = encode(&original, &encode_options()).expect("encodes").bytes;
    *coded.last_mut().expect("bytes") ^= 1;
    assert_eq!(salvage(&coded, &decode_options()).expect("salvages").faults.len(), 1);
    decode_segment(&coded, 0, &decode_options()).expect("whole");
    coded.truncate(coded.len() - 1);
    decode_segment(&coded, 0, &decode_options()).expect("whole");
}

#[test]
fn metadata_comes_from_the_header_alone() {
    let mut photo = jpeg_file(64, 64, 3, &Default::default());
    let profile = [b"ICC_PROFILE\0\x01\x01".as_slice(), &[7; 300]].concat();
    let mut segments = Vec::new();
    for (marker, payload) in [(0xE2, profile.as_slice()), (0xFE, b"a comment"), (0xE1, b"Exif\0\0II*\0")] {
        segments.extend([0xFF, marker]);
        segments.extend((payload.len() as u16 + 2).to_be_bytes());
        segments.extend_from_slice(payload);
    }
    photo.splice(2..2, segments);
    let modelled = encode(&photo, &encode_options()).expect("encodes").bytes;
    let header = inspect(&modelled, &decode_options()).expect("inspects").header_bytes;
    let stored = store(&photo, "a test", &EncodeOptions::new()).expect("stores").bytes;
    // The model is not at hand, the payloads are not there.
    for coded in [&modelled[..header], &stored] {
        let found = metadata(coded, &Limits::default()).expect("reads");
        assert_eq!(found.icc, Some(vec![7; 300]));
        assert_eq!(found.comments, [b"a comment"]);
        assert_eq!(found.exif.as_deref(), Some(&b"II*\0"[..]));
        assert_eq!((found.xmp.is_none(), found.thumbnail()), (true, None));
    }
    let (_, original, codes) = &code_files()[0];
    let codes = encode_codes(original, codes, &EncodeOptions::new()).expect("encodes").bytes;
    assert_eq!(metadata(&codes, &Limits::default()).expect("reads"), jpeg::Metadata::default());
    assert!(metadata(&modelled[..header - 1], &Limits::default()).is_err());
    let error = metadata(&stored, &Limits::default().max_original_bytes(100)).expect_err("too large");
    assert!(matches!(error, Error::Limit { allowed: 100, .. }), "{error}");
}

/// Counts what it runs, on scoped threads.
struct Counting {
    threads: usize,
    tasks: AtomicUsize,
}

impl Executor for Counting {
    fn threads(&self) -> usize {
        self.threads
    }

    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        assert!(count <= self.threads);
        self.tasks.fetch_add(count, Ordering::Relaxed);
        std::thread::scope(|scope| (0..count).for_each(|index| drop(scope.spawn(move || task(index)))));
    }
}

#[test]
fn the_callers_threads_are_used_and_change_nothing() {
    let original = jpeg_file(40, 333, 3, &Default::default());
    let expected = encode(&original, &encode_options().threads(1)).expect("encodes").bytes;
    for threads in [1, 2, 5] {
        let executor = Arc::new(Counting { threads, tasks: AtomicUsize::new(0) });
        let options = encode_options().executor(Arc::clone(&executor) as Arc<dyn Executor>);
        assert!(encode(&original, &options).expect("encodes").bytes == expected);
        let options = decode_options().executor(Arc::clone(&executor) as Arc<dyn Executor>).threads(20_000);
        assert!(decode(&expected, &options).expect("decodes") == original);
        // Coding, verifying, decoding; one thread needs nobody else's.
        assert_eq!(executor.tasks.load(Ordering::Relaxed), if threads == 1 { 0 } else { 3 * threads });
    }
}
