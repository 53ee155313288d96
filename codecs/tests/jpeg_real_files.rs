//! Byte-exact round trips over real files, below `shared/data`.

mod oracle;
mod synthetic;

use lmcodec_codecs::jpeg::{JpegError, Limits, parse, write};
use lmcodec_needs::{Need, shared, test};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use synthetic::side_bytes;

fn main() -> std::process::ExitCode {
    lmcodec_needs::run([
        test("odd_files", &[Need::Shared("jpegs")], odd_files),
        test("training_photos", &[Need::Shared("train")], training_photos),
        test("pixels_are_those_of_another_decoder", &[Need::Shared("jpegs")], pixels_are_those_of_another_decoder),
    ])
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("jpg") || extension.eq_ignore_ascii_case("jpeg"))
        {
            files.push(path);
        }
    }
}

/// The kind of a reason, without offsets and values.
fn kind(error: &JpegError) -> String {
    match error {
        JpegError::Malformed { .. } => "malformed".into(),
        JpegError::Limit { what, .. } => format!("limit: {what}"),
        JpegError::Unsupported { what, .. } => {
            let words: Vec<&str> = what.split(|c: char| !c.is_alphabetic() && c != ' ').collect();
            format!("unsupported: {}", words.concat().trim())
        }
        other => other.to_string(),
    }
}

/// Parses and rewrites all files of a folder; returns how many were modelled.
fn survey(folder: &Path) -> usize {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let next = AtomicUsize::new(0);
    let modelled = Mutex::new((0usize, 0usize, 0usize));
    let reasons = Mutex::new(BTreeMap::<String, usize>::new());
    let work = || {
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let bytes = std::fs::read(path).unwrap();
            match parse(&bytes, &Limits::default()) {
                Ok(image) => {
                    assert!(write(&image).as_ref() == Ok(&bytes), "{}", path.display());
                    let side = side_bytes(&image);
                    let mut sums = modelled.lock().unwrap();
                    sums.0 += 1;
                    sums.1 += bytes.len();
                    sums.2 += side;
                }
                Err(error) => *reasons.lock().unwrap().entry(kind(&error)).or_default() += 1,
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (count, bytes, side) = *modelled.lock().unwrap();
    println!(
        "{}: {} files, {count} modelled ({bytes} bytes, {side} of them side information)",
        folder.display(),
        files.len()
    );
    for (reason, count) in reasons.lock().unwrap().iter() {
        println!("{count:5} stored: {reason}");
    }
    count
}

fn odd_files() {
    for (name, least) in [("camera", 6), ("exif", 74), ("libjpeg_turbo", 2), ("decoder_tests", 144)] {
        let modelled = survey(&shared("jpegs").join(name));
        assert!(modelled >= least, "{name}: {modelled} modelled");
    }
}

fn training_photos() {
    assert!(survey(&shared("train")) >= 766);
}

/// Whole files of cameras and programs.
fn pixels_are_those_of_another_decoder() {
    let mut files = Vec::new();
    ["camera", "exif"].iter().for_each(|name| collect(&shared("jpegs").join(name), &mut files));
    let mut compared = 0;
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let Ok(image) = parse(&bytes, &Limits::default()) else { continue };
        if [1, 3].contains(&image.components.len()) {
            compared += usize::from(oracle::assert_same_image(&bytes, &image, &path.display().to_string()).is_ok());
        }
    }
    println!("{compared} of {} files compared", files.len());
    assert!(compared >= 70);
}
