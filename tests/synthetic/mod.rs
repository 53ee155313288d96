//! JPEG files and a model made in code, so that tests need nothing but the repository.
#![allow(dead_code)]

use std::sync::{Arc, LazyLock};

use lmcodec::{DecodeOptions, EncodeOptions, Model, ModelRegistry};
use lmcodec_codecs::jpeg::{self, PixelFormat, Subsampling, encode_planes};

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

/// A tiny model with random weights: it codes everything and compresses nothing, but it is fast.
pub fn model_bytes(seed: u64) -> Vec<u8> {
    use lmcodec_entropy::arrangement::{DCT_ARRANGEMENT, features};
    use lmcodec_entropy::llama::testing::{random_model, small_config};
    let mut config = small_config();
    config.features = features::BACKBONE_FEATURES;
    config.depth_features = features::STEP_FEATURES;
    config.dc_features = features::DC_FEATURES;
    config.arrangement = DCT_ARRANGEMENT.into();
    random_model(&config, seed)
}

/// The model of [`model_bytes`], loaded.
pub fn model() -> Arc<Model> {
    static MODEL: LazyLock<Arc<Model>> =
        LazyLock::new(|| Arc::new(Model::from_bytes("random", &model_bytes(1)).expect("a valid model")));
    Arc::clone(&MODEL)
}

/// Encoding with the tiny model, whether it pays or not, in segments of eight rows of blocks.
pub fn encode_options() -> EncodeOptions {
    EncodeOptions {
        model: Some(model()),
        always_model: true,
        segment_rows: 8.try_into().expect("not zero"),
        ..EncodeOptions::default()
    }
}

/// Decoding with the tiny model.
pub fn decode_options() -> DecodeOptions {
    let mut models = ModelRegistry::new();
    models.add(model());
    DecodeOptions { models, ..DecodeOptions::default() }
}
