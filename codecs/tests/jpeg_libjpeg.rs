//! Differential tests against libjpeg's cjpeg and jpegtran (package libjpeg-turbo-progs).

mod synthetic;

use lmcodec_codecs::jpeg::{EncodeOptions, Limits, PixelFormat, Subsampling, encode_planes, parse, write};
use lmcodec_needs::{Need, test};
use std::io::Write as _;
use std::process::{Command, Stdio};
use synthetic::{photo_like, side_bytes};

fn main() -> std::process::ExitCode {
    lmcodec_needs::run([
        test("our_files_are_those_of_cjpeg", &[Need::Program("cjpeg")], our_files_are_those_of_cjpeg),
        test("jpegtran_transcodes_round_trip", &[Need::Program("jpegtran")], jpegtran_transcodes_round_trip),
    ])
}

/// Runs a tool with `input` on its standard input.
fn run(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let child =
        Command::new(tool).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {message}");
    output.stdout
}

fn pnm(pixels: &[u8], width: u32, height: u32, format: PixelFormat) -> Vec<u8> {
    let kind = if format == PixelFormat::Rgb8 { 6 } else { 5 };
    let header = format!("P{kind}\n{width} {height}\n255\n");
    [header.as_bytes(), pixels].concat()
}

fn our_files_are_those_of_cjpeg() {
    let sizes = [(1, 1), (8, 8), (17, 9), (64, 48), (131, 77), (16, 33)];
    let samplings = [
        (Subsampling::S444, "1x1"),
        (Subsampling::S422, "2x1"),
        (Subsampling::S420, "2x2"),
        (Subsampling::Gray, "1x1"),
    ];
    for (seed, (width, height)) in sizes.into_iter().enumerate() {
        for (subsampling, sample) in samplings {
            for quality in [5, 20, 50, 75, 95, 100] {
                for mode in ["-baseline", "-optimize", "-progressive", "-restart", ""] {
                    let pixels = photo_like(width, height, 3, seed as u32);
                    let options = EncodeOptions {
                        quality,
                        subsampling,
                        baseline: mode == "-baseline",
                        progressive: mode == "-progressive",
                        optimize: mode == "-optimize",
                        restart_interval: if mode == "-restart" { 3 } else { 0 },
                    };
                    let format = PixelFormat::Rgb8;
                    let image = encode_planes(&pixels, width, height, format, &options).unwrap();
                    let ours = write(&image).unwrap();
                    let quality = quality.to_string();
                    let mut arguments = vec!["-dct", "int", "-quality", &quality];
                    arguments.extend(["-sample", sample]);
                    match mode {
                        "-restart" => arguments.extend(["-restart", "3B"]),
                        "" => {}
                        mode => arguments.push(mode),
                    }
                    if subsampling == Subsampling::Gray {
                        arguments.push("-grayscale");
                    }
                    let input = pnm(&pixels, width, height, format);
                    let theirs = run("cjpeg", &arguments, &input);
                    assert_eq!(ours, theirs, "{width}x{height} {arguments:?}");
                    let parsed = parse(&theirs, &Limits::default()).unwrap();
                    assert!(parsed == image, "{width}x{height} {arguments:?}");
                    let size = side_bytes(&parsed);
                    assert!(size <= 12, "{size} bytes of side information: {arguments:?}");
                }
            }
        }
    }
}

fn jpegtran_transcodes_round_trip() {
    for (width, height) in [(67, 45), (200, 130)] {
        for subsampling in [Subsampling::S444, Subsampling::S420] {
            let pixels = photo_like(width, height, 3, 99);
            let options = EncodeOptions { subsampling, ..EncodeOptions::default() };
            let image = encode_planes(&pixels, width, height, PixelFormat::Rgb8, &options).unwrap();
            let source = write(&image).unwrap();
            for arguments in [
                &["-optimize"][..],
                &["-progressive"],
                &["-progressive", "-restart", "2B"],
                &["-restart", "1"],
                &["-flip", "horizontal"],
                &["-rotate", "90", "-progressive"],
                &["-grayscale"],
            ] {
                let theirs = run("jpegtran", arguments, &source);
                let parsed = parse(&theirs, &Limits::default()).unwrap();
                assert_eq!(write(&parsed).unwrap(), theirs, "{arguments:?}");
                let size = side_bytes(&parsed);
                assert!(size <= 24, "{size} bytes of side information: {arguments:?}");
            }
        }
    }
}
