//! Parses JPEG files and reports what was modelled: counts, reasons, sizes, speed.
//!
//! `cargo run --release -p lmcodec-codecs --example jpeg_survey -- FILE_OR_FOLDER...`

use lmcodec_codecs::jpeg::{Limits, SideInformation, parse, write};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if let Ok(entries) = std::fs::read_dir(path) {
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().for_each(|path| collect(path, files));
    } else if path
        .extension()
        .is_some_and(|extension| ["jpg", "jpeg"].contains(&extension.to_string_lossy().to_lowercase().as_str()))
    {
        files.push(path.to_path_buf());
    }
}

fn main() {
    let mut files = Vec::new();
    for argument in std::env::args().skip(1) {
        collect(Path::new(&argument), &mut files);
    }
    let (mut modelled, mut bytes_in) = (0, 0);
    let (mut parsing, mut writing) = (Duration::ZERO, Duration::ZERO);
    let mut pixels = 0u64;
    let mut packing = Duration::ZERO;
    let mut side_sizes = Vec::new();
    let mut reasons: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in &files {
        let Ok(bytes) = std::fs::read(path) else {
            continue;
        };
        let start = Instant::now();
        let parsed = parse(&bytes, &Limits::default());
        match parsed {
            Ok(image) => {
                parsing += start.elapsed();
                let start = Instant::now();
                let written = write(&image);
                writing += start.elapsed();
                assert_eq!(written.as_deref(), Ok(bytes.as_slice()), "{}", path.display());
                let start = Instant::now();
                let side = image.side.to_bytes();
                packing += start.elapsed();
                let back = SideInformation::from_bytes(&side, &Limits::default());
                assert_eq!(back.as_ref(), Ok(&image.side), "{}", path.display());
                side_sizes.push((side.len(), path.clone()));
                modelled += 1;
                bytes_in += bytes.len();
                pixels += u64::from(image.width) * u64::from(image.height);
            }
            Err(error) => reasons.entry(error.to_string()).or_default().push(path.clone()),
        }
    }
    println!("{} files, {modelled} modelled ({bytes_in} bytes, {pixels} pixels)", files.len());
    let rate = |time: Duration| bytes_in as f64 / 1e6 / time.as_secs_f64();
    let pixel_rate = |time: Duration| pixels as f64 / 1e6 / time.as_secs_f64();
    println!(
        "parse with check {:.1} MB/s ({:.1} MP/s), write {:.1} MB/s ({:.1} MP/s)",
        rate(parsing),
        pixel_rate(parsing),
        rate(writing),
        pixel_rate(writing)
    );
    side_sizes.sort();
    let total: usize = side_sizes.iter().map(|(size, _)| size).sum();
    println!("side information: {total} bytes, {:.2} s to pack; by rank:", packing.as_secs_f64());
    for percent in [0, 10, 25, 50, 75, 90, 95, 99, 100] {
        if let Some(last) = side_sizes.len().checked_sub(1) {
            let (size, path) = &side_sizes[last * percent / 100];
            println!("  {percent:3} %: {size} bytes ({})", path.display());
        }
    }
    for (reason, paths) in &reasons {
        println!("{} stored: {reason}", paths.len());
        for path in paths.iter().take(3) {
            println!("    {}", path.display());
        }
    }
}
