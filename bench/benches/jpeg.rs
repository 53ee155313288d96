//! Speeds of the JPEG path: parsing, writing, side information, transform; `cargo bench -p lmcodec-bench --bench jpeg`.
//!
//! The picture is made here: 1024×768 pixels of smooth colour, edges and some noise. Elements a second are its pixels.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lmcodec_codecs::jpeg::{
    EncodeOptions, Limits, PixelFormat, SideInformation, Subsampling, encode_planes, parse, write,
};
use std::hint::black_box;

const WIDTH: u32 = 1024;
const HEIGHT: u32 = 768;

/// RGB samples with the decay of frequencies that a photo has.
fn picture() -> Vec<u8> {
    let mut state = 1u32;
    let mut noise = || {
        // Numerical Recipes' generator; the high bits are good enough for grain.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 24) / 32.0 - 4.0
    };
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (u, v) = (f64::from(x) / 97.0, f64::from(y) / 61.0);
            let edge = if (x / 80 + y / 56).is_multiple_of(3) { 36.0 } else { 0.0 };
            let luma = 110.0 + 50.0 * (u + v.sin()).sin() + 24.0 * (5.0 * u - v).cos() + edge + noise();
            pixels.extend([luma + 20.0 * v.sin(), luma, luma - 25.0 * u.cos()].map(|c| c.clamp(0.0, 255.0) as u8));
        }
    }
    pixels
}

/// Files by name.
fn files(pixels: &[u8]) -> Vec<(String, Vec<u8>)> {
    let file = |name: &str, options: EncodeOptions| {
        let image = encode_planes(pixels, WIDTH, HEIGHT, PixelFormat::Rgb8, &options).expect("a valid picture");
        (name.to_string(), write(&image).expect("a valid image"))
    };
    let base = EncodeOptions { quality: 75, ..EncodeOptions::default() };
    vec![
        file("420-q20", EncodeOptions { quality: 20, ..base }),
        file("420-q75", base),
        file("420-q95", EncodeOptions { quality: 95, ..base }),
        file("444-q75", EncodeOptions { subsampling: Subsampling::S444, ..base }),
        file("420-q75-restart", EncodeOptions { restart_interval: 8, ..base }),
        file("420-q75-progressive", EncodeOptions { progressive: true, ..base }),
    ]
}

fn entropy_coding(c: &mut Criterion) {
    let (pixels, limits) = (picture(), Limits::default());
    let files = files(&pixels);
    let elements = Throughput::Elements(u64::from(WIDTH * HEIGHT));
    let mut group = c.benchmark_group("parse");
    group.throughput(elements.clone());
    for (name, file) in &files {
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| parse(black_box(file), &limits)));
    }
    group.finish();
    let mut group = c.benchmark_group("write");
    group.throughput(elements);
    for (name, file) in &files {
        let image = parse(file, &limits).expect("our own file");
        assert!(write(&image).expect("our own image") == *file, "{name} does not come back");
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| write(black_box(&image))));
    }
    group.finish();
    let mut group = c.benchmark_group("side_information");
    for (name, file) in &files {
        let side = parse(file, &limits).expect("our own file").side;
        let bytes = side.to_bytes();
        group.bench_function(BenchmarkId::new("to_bytes", name), |b| b.iter(|| black_box(&side).to_bytes()));
        group.bench_function(BenchmarkId::new("from_bytes", name), |b| {
            b.iter(|| SideInformation::from_bytes(black_box(&bytes), &limits));
        });
    }
}

fn transform(c: &mut Criterion) {
    let pixels = picture();
    let mut group = c.benchmark_group("encode_planes");
    group.throughput(Throughput::Elements(u64::from(WIDTH * HEIGHT)));
    for (name, subsampling) in [("420", Subsampling::S420), ("444", Subsampling::S444), ("gray", Subsampling::Gray)] {
        let options = EncodeOptions { subsampling, ..EncodeOptions::default() };
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| encode_planes(black_box(&pixels), WIDTH, HEIGHT, PixelFormat::Rgb8, &options));
        });
    }
}

criterion_group!(benches, entropy_coding, transform);
criterion_main!(benches);
