//! Differential tests against `jpeg-decoder`: what we parse from a file, dequantized and transformed, are the samples that it
//! decodes from the file's bytes.

mod oracle;
mod synthetic;

use lmcodec_codecs::jpeg::transform::ycbcr_to_rgb;
use lmcodec_codecs::jpeg::{EncodeOptions, Limits, PixelFormat, Subsampling, encode_planes, parse, write};
use oracle::{TOLERANCE, assert_same_image, decoded, samples};
use synthetic::photo_like;

#[test]
fn our_files_are_read_alike() {
    let sizes = [(1, 1), (8, 8), (17, 9), (64, 48), (131, 77), (16, 33)];
    let samplings = [Subsampling::S444, Subsampling::S422, Subsampling::S420, Subsampling::Gray];
    for (seed, (width, height)) in sizes.into_iter().enumerate() {
        let pixels = photo_like(width, height, 3, seed as u32);
        for subsampling in samplings {
            for quality in [5, 20, 50, 75, 95, 100] {
                for (baseline, progressive, optimize, restart_interval) in [
                    (true, false, false, 0),
                    (true, false, true, 0),
                    (true, true, false, 0),
                    (true, false, false, 3),
                    (false, false, false, 0),
                ] {
                    let options =
                        EncodeOptions { quality, subsampling, baseline, progressive, optimize, restart_interval };
                    let image = encode_planes(&pixels, width, height, PixelFormat::Rgb8, &options).expect("encodes");
                    let file = write(&image).expect("writes");
                    let parsed = parse(&file, &Limits::default()).expect("parses");
                    assert_same_image(&file, &parsed, &format!("{width}x{height} {options:?}")).expect("is read");
                }
            }
        }
    }
}

/// The whole way from RGB and back.
#[test]
fn colours_are_read_alike() {
    let options = EncodeOptions { quality: 90, subsampling: Subsampling::S444, ..EncodeOptions::default() };
    let (width, height) = (131, 77);
    let pixels = photo_like(width, height, 3, 8);
    let image = encode_planes(&pixels, width, height, PixelFormat::Rgb8, &options).expect("encodes");
    let (_, theirs) = decoded(&write(&image).expect("writes"), None).expect("is read");
    let planes: Vec<Vec<u8>> = image.components.iter().map(samples).collect();
    let stride = image.components[0].blocks_wide * 8;
    let mut original_error = 0u64;
    for (index, (theirs, original)) in theirs.as_chunks::<3>().0.iter().zip(pixels.as_chunks::<3>().0).enumerate() {
        let at = index / width as usize * stride + index % width as usize;
        let ours = ycbcr_to_rgb([planes[0][at], planes[1][at], planes[2][at]]);
        for ((ours, theirs), original) in ours.iter().zip(theirs).zip(original) {
            // A level of luma and 1.77 levels of chroma for each level that the transforms differ.
            assert!(ours.abs_diff(*theirs) <= 3 * TOLERANCE, "pixel {index}: {ours} and {theirs}");
            original_error += u64::from(original.abs_diff(*theirs)).pow(2);
        }
    }
    let mean_squared_error = original_error as f64 / pixels.len() as f64;
    assert!(mean_squared_error < 20.0, "{mean_squared_error}");
}
