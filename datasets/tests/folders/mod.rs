//! Tiny folders in the shape of public data sets.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use lmcodec_codecs::codes::{ByteOrder, CodeSide, ElementType};

/// A smooth picture that differs a lot from those of other seeds.
pub fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    let s = f64::from(seed);
    let wave = |u: f64, v: f64, k: f64| {
        let (a, b) = ((s * 12.9898 * k).sin() * 9.0, (s * 78.233 * k).cos() * 9.0);
        127.0 + 60.0 * (a * u + b * v + s * k).sin() + 50.0 * (b * u * 1.7 - a * v + k).cos()
    };
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        image::Rgb([wave(u, v, 1.0) as u8, wave(u, v, 2.0) as u8, wave(u, v, 3.0) as u8])
    })
}

pub fn save_picture(folder: &Path, name: &str, pixels: &RgbImage) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    let format = if name.to_lowercase().ends_with("png") { image::ImageFormat::Png } else { image::ImageFormat::Jpeg };
    pixels.save_with_format(&path, format).expect("saved");
    path
}

/// A tone of its own for each seed, 16 bits, one channel.
pub fn save_wav(folder: &Path, name: &str, rate: u32, samples: usize, seed: u32) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    let format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: format };
    let mut writer = hound::WavWriter::create(&path, spec).expect("created");
    for i in 0..samples {
        let phase = i as f64 / f64::from(rate) * f64::from(200 + 37 * seed) * std::f64::consts::TAU;
        writer.write_sample((9000.0 * phase.sin()) as i16).expect("written");
    }
    writer.finalize().expect("written");
    path
}

pub fn save_npy_u8(folder: &Path, name: &str, shape: &[usize], data: &[u8]) -> PathBuf {
    let path = folder.join(name);
    let side = CodeSide::numpy(ElementType::U8, ByteOrder::Little, false, shape);
    fs::write(&path, [&side.before, data].concat()).expect("written");
    path
}

pub fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    fs::write(path, text).expect("written");
}

/// `train/<wnid>/*.JPEG`, four classes of five pictures.
pub fn imagenet(folder: &Path) {
    for class in 0..4u32 {
        for i in 0..5 {
            let name = format!("train/n0144076{class}/n0144076{class}_{i}.JPEG");
            save_picture(folder, &name, &picture(90 + 7 * i, 80, class * 5 + i));
        }
    }
}

/// `split/speaker/chapter/*.wav` with `.trans.txt`, four speakers of three utterances.
pub fn librispeech(folder: &Path) {
    for speaker in [84u32, 174, 251, 422] {
        let chapter = format!("dev-clean/{speaker}/1");
        let mut lines = String::new();
        for i in 0..3 {
            let id = format!("{speaker}-1-000{i}");
            save_wav(folder, &format!("{chapter}/{id}.wav"), 16000, 1600 + 100 * i as usize, speaker + i);
            lines += &format!("{id} WORDS OF {speaker} {i}\n");
        }
        write(folder, &format!("{chapter}/{speaker}-1.trans.txt"), &lines);
    }
}
