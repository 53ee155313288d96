//! What `jpeg-decoder`, which shares no line with this crate, says of a file.
#![allow(dead_code)]

use jpeg_decoder::{CodingProcess, ColorTransform, Decoder, Error, ImageInfo, PixelFormat};
use lmcodec_codecs::jpeg::transform::{dequantize, inverse_dct};
use lmcodec_codecs::jpeg::{Component, JpegImage};

/// The inverse DCTs differ in their rounding.
pub const TOLERANCE: u8 = 2;

/// The samples of a component, `blocks_wide * 8` a row.
pub fn samples(component: &Component) -> Vec<u8> {
    let stride = component.blocks_wide * 8;
    let mut samples = vec![0; stride * component.blocks_high * 8];
    for (index, block) in component.coefficients.as_chunks::<64>().0.iter().enumerate() {
        let (row, column) = (index / component.blocks_wide, index % component.blocks_wide);
        let pixels = inverse_dct(&dequantize(block, &component.quantization));
        for (y, line) in pixels.as_chunks::<8>().0.iter().enumerate() {
            let at = (row * 8 + y) * stride + column * 8;
            samples[at..at + 8].copy_from_slice(line);
        }
    }
    samples
}

/// Header and pixels of a file; three components as they are where `transform` is [`ColorTransform::RGB`].
pub fn decoded(file: &[u8], transform: Option<ColorTransform>) -> Result<(ImageInfo, Vec<u8>), Error> {
    let mut decoder = Decoder::new(file);
    if let Some(transform) = transform {
        decoder.set_color_transform(transform);
    }
    let pixels = decoder.decode()?;
    Ok((decoder.info().expect("was just read"), pixels))
}

/// Compares the header of a file of one or three components and all samples with what was parsed from it. Components without
/// subsampling agree within [`TOLERANCE`]; a sample that the decoder has interpolated lies between ours around it.
///
/// # Errors
/// What `jpeg-decoder` says of files that it does not read.
pub fn assert_same_image(file: &[u8], image: &JpegImage, name: &str) -> Result<(), Error> {
    let (info, pixels) = decoded(file, (image.components.len() == 3).then_some(ColorTransform::RGB))?;
    assert_eq!((u32::from(info.width), u32::from(info.height)), (image.width, image.height), "{name}");
    let format = if image.components.len() == 1 { PixelFormat::L8 } else { PixelFormat::RGB24 };
    assert_eq!((info.pixel_format, image.components.len()), (format, format.pixel_bytes()), "{name}");
    let progressive = info.coding_process == CodingProcess::DctProgressive;
    assert_eq!(progressive, image.side.frame.is_progressive(), "{name}");
    assert_same_samples(image, &pixels, name);
    Ok(())
}

fn assert_same_samples(image: &JpegImage, pixels: &[u8], name: &str) {
    let (h_max, v_max) = image.side.frame.max_sampling();
    let (width, height) = (image.width as usize, image.height as usize);
    let channels = image.components.len();
    for (channel, component) in image.components.iter().enumerate() {
        let (h, v) = (h_max / usize::from(component.h), v_max / usize::from(component.v));
        let (wide, high) = (width.div_ceil(h), height.div_ceil(v));
        let ours = samples(component);
        let around = |at: usize, factor: usize, end: usize| {
            let near = at / factor;
            if factor == 1 { near..=near } else { near.saturating_sub(1)..=(near + 1).min(end - 1) }
        };
        for y in 0..height {
            for x in 0..width {
                let theirs = pixels[(y * width + x) * channels + channel];
                let near = around(y, v, high)
                    .flat_map(|row| around(x, h, wide).map(move |column| (row, column)))
                    .map(|(row, column)| ours[row * component.blocks_wide * 8 + column]);
                let (least, most) = near.fold((255, 0), |(least, most), s| (s.min(least), s.max(most)));
                let range = least.saturating_sub(TOLERANCE)..=most.saturating_add(TOLERANCE);
                assert!(range.contains(&theirs), "{name}: component {channel} at ({x}, {y}): {theirs}, not {range:?}");
            }
        }
    }
}
