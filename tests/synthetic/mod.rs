//! JPEG files, files of codes and models made in code, so that tests need nothing but the repository.
#![allow(dead_code)]

use std::sync::{Arc, LazyLock};

use lmcodec::{CodesMedium, CodesOptions, DecodeOptions, Effort, EncodeOptions, Model};
use lmcodec_codecs::codes::{self, ByteOrder, CodeArray, CodeSide, ElementType};
use lmcodec_codecs::jpeg::{self, PixelFormat, Subsampling, encode_planes};
use lmcodec_entropy::arrangement::flat::FlatArrangement;

/// Rows of pixels: gradients, edges, flat areas, noise.
pub fn pixels(width: u32, height: u32, channels: u32) -> Vec<u8> {
    let mut state = width.wrapping_mul(31).wrapping_add(height) | 1;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 24) % if (x / 24 + y / 16) % 3 == 0 { 40 } else { 4 };
                let edge = if (x / 13 + y / 17) % 2 == 0 { 70 } else { 0 };
                let gradient = (x * (2 + channel) + y * 3) / 4 % 120;
                let value = if (x / 40 + y / 40) % 3 == 2 { 128 } else { gradient + edge + noise };
                pixels.push(value.min(255) as u8);
            }
        }
    }
    pixels
}

/// The JPEG file that libjpeg would write.
pub fn jpeg_file(width: u32, height: u32, channels: u32, options: &jpeg::EncodeOptions) -> Vec<u8> {
    let format = if channels == 1 { PixelFormat::Gray8 } else { PixelFormat::Rgb8 };
    let image = encode_planes(&pixels(width, height, channels), width, height, format, options).expect("encodes");
    jpeg::write(&image).expect("writes")
}

/// One JPEG file of every kind, with its name.
pub fn jpeg_files() -> Vec<(&'static str, Vec<u8>)> {
    let plain = jpeg::EncodeOptions::default();
    let with = |subsampling| jpeg::EncodeOptions { subsampling, ..plain };
    let low = jpeg::EncodeOptions { quality: 20, ..plain };
    let high = jpeg::EncodeOptions { quality: 98, ..with(Subsampling::S444) };
    let mut appended = jpeg_file(40, 24, 3, &plain);
    appended.extend_from_slice(b"bytes after the end of the image");
    let mut truncated = jpeg_file(64, 48, 3, &plain);
    truncated.truncate(truncated.len() * 2 / 3);
    vec![
        ("gray", jpeg_file(40, 33, 1, &plain)),
        ("gray-1x1", jpeg_file(1, 1, 1, &plain)),
        ("color-420", jpeg_file(50, 41, 3, &plain)),
        ("color-422", jpeg_file(35, 30, 3, &with(Subsampling::S422))),
        ("color-444", jpeg_file(33, 17, 3, &with(Subsampling::S444))),
        ("color-1x1", jpeg_file(1, 1, 3, &plain)),
        ("quality-20", jpeg_file(64, 64, 3, &low)),
        ("quality-98", jpeg_file(31, 40, 3, &high)),
        ("progressive", jpeg_file(49, 37, 3, &jpeg::EncodeOptions { progressive: true, ..plain })),
        ("progressive-gray", jpeg_file(24, 40, 1, &jpeg::EncodeOptions { progressive: true, ..plain })),
        ("restarts", jpeg_file(70, 40, 3, &jpeg::EncodeOptions { restart_interval: 3, ..plain })),
        ("optimized", jpeg_file(48, 32, 3, &jpeg::EncodeOptions { optimize: true, ..plain })),
        ("tall", jpeg_file(9, 300, 3, &plain)),
        ("wide", jpeg_file(300, 9, 1, &plain)),
        ("trailing-bytes", appended),
        ("truncated", truncated),
    ]
}

/// The files behind the golden `.ljpg` files, with their names: all of [`jpeg_files`] as the first version coded them, and the
/// kinds that differ most at every effort.
#[allow(dead_code)]
pub fn golden_jpeg_files() -> Vec<(String, Option<Effort>, Vec<u8>)> {
    let mut files: Vec<_> = jpeg_files().into_iter().map(|(name, file)| (name.to_owned(), None, file)).collect();
    for &effort in Effort::ALL {
        let kinds =
            jpeg_files().into_iter().filter(|(name, _)| ["gray", "color-420", "quality-98", "tall"].contains(name));
        files.extend(kinds.map(|(name, file)| (format!("{effort}-{name}"), Some(effort), file)));
    }
    files
}

/// A tiny model with random weights: it codes everything and compresses nothing, but it is fast.
pub fn model_bytes(seed: u64) -> Vec<u8> {
    use lmcodec_entropy::frame_llama::testing::{random_model, small_dct_config};
    random_model(&small_dct_config(), seed)
}

/// The model of [`model_bytes`], loaded.
pub fn model() -> Arc<Model> {
    static MODEL: LazyLock<Arc<Model>> =
        LazyLock::new(|| Arc::new(Model::from_bytes("random", &model_bytes(1)).expect("a valid model")));
    Arc::clone(&MODEL)
}

/// Encoding with the tiny model, whether it pays or not, in segments of eight rows of blocks.
pub fn encode_options() -> EncodeOptions {
    EncodeOptions::new().model(model()).always_model(true).segment_rows(8)
}

/// Decoding with the tiny model.
pub fn decode_options() -> DecodeOptions {
    DecodeOptions::new().model(model())
}

/// A `.npy` file as numpy writes it.
pub fn npy(element: ElementType, fortran: bool, shape: &[usize], codes: Vec<u16>) -> Vec<u8> {
    let side = CodeSide::numpy(element, ByteOrder::Little, fortran, shape);
    codes::write(&CodeArray { side, codes }).expect("writes")
}

/// Codes below `vocabulary` that a model can predict in part.
pub fn indices(count: usize, period: usize, vocabulary: u32, seed: u32) -> Vec<u16> {
    let mut state = seed | 1;
    let mut codes: Vec<u16> = Vec::with_capacity(count);
    for i in 0..count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let again = i >= period && !(state >> 24).is_multiple_of(4);
        codes.push(if again { codes[i - period] } else { ((state >> 8) % vocabulary) as u16 });
    }
    codes
}

/// Files of codes of several kinds: name, bytes, how to encode them.
pub fn code_files() -> Vec<(&'static str, Vec<u8>, CodesOptions)> {
    let vq = |grid| CodesOptions::new(CodesMedium::Vq { grid });
    let rvq = |layers_first| CodesOptions::new(CodesMedium::Rvq { layers_first });
    let with = |codebooks: &[u32], options: CodesOptions| options.codebooks(codebooks);
    let video = indices(40 * 96, 96, 1024, 1);
    let header = r#"{"codes":{"dtype":"I32","shape":[20,30],"data_offsets":[0,2400]},"__metadata__":{"a":"b"}}"#;
    let mut tensors = (header.len() as u64).to_le_bytes().to_vec();
    tensors.extend_from_slice(header.as_bytes());
    indices(600, 30, 256, 5).iter().for_each(|&code| tensors.extend_from_slice(&i32::from(code).to_le_bytes()));
    vec![
        ("vq-video", npy(ElementType::I64, false, &[40, 8, 12], video.clone()), with(&[1024], vq(None))),
        ("vq-flat", npy(ElementType::U16, false, &[40, 96], video), vq(Some((8, 12)))),
        ("vq-image", npy(ElementType::I32, true, &[20, 30], indices(600, 30, 16_384, 2)), vq(None)),
        ("vq-wide", npy(ElementType::U16, false, &[600], indices(600, 7, 65_536, 3)), vq(None)),
        ("vq-tensor", tensors, vq(None)),
        ("vq-empty", npy(ElementType::U8, false, &[0, 8, 12], Vec::new()), vq(None)),
        ("rvq", npy(ElementType::U8, false, &[150, 8], indices(1200, 8, 16, 4)), with(&[16], rvq(false))),
        ("rvq-layers-first", npy(ElementType::I16, false, &[2, 4, 100], indices(800, 100, 1000, 6)), rvq(true)),
        ("rvq-noise", npy(ElementType::U8, false, &[100, 3], indices(300, usize::MAX, 256, 7)), rvq(false)),
    ]
}

/// A `.npy` file of elements of any type as numpy writes it.
pub fn npy_of(element: ElementType, shape: &[usize], elements: &[u8]) -> Vec<u8> {
    [&CodeSide::numpy(element, ByteOrder::Little, false, shape).before, elements].concat()
}

/// CRC-32 of zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// A ZIP file of members with a compression method each, as `numpy.savez` writes it with 0.
pub fn npz(members: &[(&str, &[u8], u8)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for &(name, bytes, method) in members {
        let length = (bytes.len() as u32).to_le_bytes();
        let start = [&[45, 0, 0, 0, method, 0, 0, 0, 0x21, 0], &crc32(bytes).to_le_bytes()[..]].concat();
        let common = [&start[..], &length, &length, &[name.len() as u8, 0]].concat();
        let offset = (file.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x2D\x03", &common[..], &[0; 12], &offset, name.as_bytes()].concat());
        file.extend([b"PK\x03\x04", &common[..], &[0, 0], name.as_bytes(), bytes].concat());
    }
    let (count, at) = ((members.len() as u16).to_le_bytes(), file.len() as u32);
    file.extend_from_slice(&directory);
    file.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &(directory.len() as u32).to_le_bytes()].concat());
    file.extend([&at.to_le_bytes()[..], &[0, 0]].concat());
    file
}

/// Files whose codes are no plain numbers below 65,536, or of several arrays: name, bytes, how to encode them.
pub fn odd_code_files() -> Vec<(&'static str, Vec<u8>, CodesOptions)> {
    let vq = CodesOptions::new(CodesMedium::Vq { grid: None });
    let rvq = |layers_first| CodesOptions::new(CodesMedium::Rvq { layers_first });
    let le = |values: &[i64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let codes = indices(1200, 8, 1000, 21);
    let padded: Vec<i64> = codes.iter().enumerate().map(|(i, &c)| if i > 1100 { -100 } else { c.into() }).collect();
    let large: Vec<u8> =
        indices(512, 64, 65_536, 22).iter().flat_map(|&c| (u32::from(c) * 4 + 3).to_le_bytes()).collect();
    let sparse: Vec<i64> = codes.iter().map(|&c| i64::from(c % 40) * 3_000_000_000_001 - 9).collect();
    let random: Vec<i64> = (0..300u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17) as i64).collect();
    let floats: Vec<u8> = codes.iter().flat_map(|&code| f32::from(code).to_le_bytes()).collect();
    let fine = npy(ElementType::U16, false, &[8, 150], codes.clone());
    let coarse = npy(ElementType::U16, false, &[2, 150], codes[..300].to_vec());
    let text = npy(ElementType::U16, false, &[90], indices(90, 9, 9000, 23));
    let members: [(&str, &[u8], u8); 4] = [
        ("semantic_prompt.npy", &text, 0),
        ("coarse_prompt.npy", &coarse, 0),
        ("note", b"none", 0),
        ("fine_prompt.npy", &fine, 0),
    ];
    let header = r#"{"a":{"dtype":"U16","shape":[75,8],"data_offsets":[0,1200]},"w":{"dtype":"F32","shape":[1],"data_offsets":[1200,1204]},"b":{"dtype":"F32","shape":[150,8],"data_offsets":[1204,6004]}}"#;
    let mut tensors = (header.len() as u64).to_le_bytes().to_vec();
    tensors.extend_from_slice(header.as_bytes());
    indices(600, 8, 500, 24).iter().for_each(|code| tensors.extend_from_slice(&code.to_le_bytes()));
    tensors.extend_from_slice(&0.5f32.to_le_bytes());
    tensors.extend_from_slice(&floats);
    vec![
        ("rvq-padded", npy_of(ElementType::I64, &[150, 8], &le(&padded)), rvq(false).codebooks([1000])),
        ("vq-large", npy_of(ElementType::U32, &[8, 8, 8], &large), vq.clone()),
        ("vq-sparse", npy_of(ElementType::I64, &[30, 40], &le(&sparse)), vq.clone()),
        ("rvq-random", npy_of(ElementType::I64, &[3, 100], &le(&random)), rvq(true)),
        ("vq-floats", npy_of(ElementType::F32, &[30, 40], &floats), vq),
        ("rvq-npz", npz(&members), rvq(true)),
        ("rvq-tensors", tensors, rvq(false).tensor("all")),
    ]
}

/// A tiny sequence model with random weights for an arrangement: integer backbone, head set.
pub fn sequence_files(arrangement: &FlatArrangement) -> (Vec<u8>, Vec<u8>) {
    use lmcodec_entropy::sequence_llama::testing::{RandomCheckpoint, small_shape};
    RandomCheckpoint::new(small_shape(), 9).export_for(arrangement).expect("exports")
}

/// Attributes of every kind, for the golden file that has some.
pub fn attributes() -> lmcodec::FileAttributes {
    let mut attributes = lmcodec::FileAttributes::default();
    attributes.name = Some(b"IMG \xff.JPG".to_vec());
    attributes.modified = Some((-86_400, 123_456_789));
    attributes.mode = Some(0o640);
    attributes.owner = Some((1000, 100));
    attributes.extended = vec![(b"user.tag".to_vec(), b"holiday".to_vec()), (b"user.empty".to_vec(), Vec::new())];
    attributes
}
