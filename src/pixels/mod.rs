//! Images that are no JPEG files: their pixels in, quantized coefficients out; and the pixels of a JPEG file in another
//! format.

mod refused;

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use lmcodec_codecs::jpeg::side::Element;
use lmcodec_codecs::jpeg::{self, JpegImage, PixelFormat, encode_planes};

use crate::error::Error;
use crate::options::EncodeOptions;

/// Bytes of an ICC profile that fit an APP2 segment beside its 14 bytes of heading (ICC.1, B.4).
const ICC_CHUNK: usize = 65_533 - 14;

/// A converted image, and what was lost on the way beside the quantization.
pub(crate) struct Converted {
    pub(crate) image: JpegImage,
    pub(crate) notes: Vec<String>,
}

/// Reads an image file and quantizes its DCT coefficients as libjpeg would.
pub(crate) fn convert(bytes: &[u8], options: &EncodeOptions) -> Result<Converted, Error> {
    let fault = |error: image::ImageError| Error::Image(error.to_string());
    if let Some(what) = refused::refusal(bytes) {
        return Err(Error::Image(format!("it {what}, of which a JPEG file would keep a part: left as it is")));
    }
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| Error::Image(e.to_string()))?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(65_535);
    limits.max_image_height = Some(65_535);
    limits.max_alloc = Some(options.limits.jpeg.max_pixels.saturating_mul(4));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(fault)?;
    let (width, height) = decoder.dimensions();
    Error::limit("pixels", u64::from(width) * u64::from(height), options.limits.jpeg.max_pixels)?;
    let profile = decoder.icc_profile().ok().flatten();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let color = decoder.color_type();
    if color.bytes_per_pixel() / color.channel_count() > 1 {
        let bits = color.bits_per_pixel() / u16::from(color.channel_count());
        return Err(Error::Image(format!(
            "it has {bits} bits a sample, of which a JPEG file would keep 8: left as it is"
        )));
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(fault)?;
    image.apply_orientation(orientation);

    let mut notes = Vec::new();
    if color.has_alpha() && blend_onto_white(&mut image) {
        notes.push("transparent pixels were blended onto white".into());
    }
    let (width, height) = (image.width(), image.height());
    let (pixels, format) = if color.has_color() {
        (image.into_rgb8().into_raw(), PixelFormat::Rgb8)
    } else {
        (image.into_luma8().into_raw(), PixelFormat::Gray8)
    };
    let jpeg_options = jpeg::EncodeOptions {
        quality: options.quality,
        subsampling: options.subsampling,
        ..jpeg::EncodeOptions::default()
    };
    let mut image = encode_planes(&pixels, width, height, format, &jpeg_options)
        .map_err(|error| Error::Image(error.to_string()))?;
    if let Some(profile) = profile {
        embed_profile(&mut image, &profile, format);
    }
    Ok(Converted { image, notes })
}

/// Makes every pixel opaque. Returns whether any was not.
fn blend_onto_white(image: &mut DynamicImage) -> bool {
    let mut blended = image.to_rgba8();
    let mut any = false;
    for pixel in blended.pixels_mut() {
        let alpha = u32::from(pixel[3]);
        if alpha < 255 {
            any = true;
            for channel in 0..3 {
                let value = u32::from(pixel[channel]) * alpha + 255 * (255 - alpha);
                pixel[channel] = ((value + 127) / 255) as u8;
            }
            pixel[3] = 255;
        }
    }
    if any {
        *image = match image.color().has_color() {
            true => DynamicImage::ImageRgba8(blended),
            false => DynamicImage::ImageLuma8(DynamicImage::ImageRgba8(blended).into_luma8()),
        };
    }
    any
}

/// Keeps a colour profile, in APP2 segments after the JFIF header, unless it says sRGB, which is what JFIF means anyway.
fn embed_profile(image: &mut JpegImage, profile: &[u8], format: PixelFormat) {
    let space: &[u8] = if format == PixelFormat::Rgb8 { b"RGB " } else { b"GRAY" };
    let chunks = profile.chunks(ICC_CHUNK).len();
    let is_srgb = profile.windows(4).any(|window| window == b"sRGB");
    if profile.get(16..20) != Some(space) || is_srgb || chunks > 255 {
        return;
    }
    let segments = profile.chunks(ICC_CHUNK).enumerate().map(|(index, chunk)| {
        let mut payload = b"ICC_PROFILE\0".to_vec();
        payload.extend_from_slice(&[index as u8 + 1, chunks as u8]);
        payload.extend_from_slice(chunk);
        Element::Segment { marker: 0xE2, payload }
    });
    let after_jfif = usize::from(matches!(image.side.elements.first(), Some(Element::Segment { marker: 0xE0, .. })));
    image.side.elements.splice(after_jfif..after_jfif, segments);
}

/// Formats that pixels can be written in, all without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureFormat {
    /// Portable network graphics.
    Png,
    /// WebP, lossless.
    WebP,
    /// Tagged image file format.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// Portable anymap, binary: PPM or PGM.
    Pnm,
}

impl PictureFormat {
    /// The format that a file name's extension asks for, in either case, if it is one of these.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match ImageFormat::from_extension(extension)? {
            ImageFormat::Png => Some(Self::Png),
            ImageFormat::WebP => Some(Self::WebP),
            ImageFormat::Tiff => Some(Self::Tiff),
            ImageFormat::Bmp => Some(Self::Bmp),
            ImageFormat::Pnm => Some(Self::Pnm),
            _ => None,
        }
    }
}

/// The pixels of a JPEG file, turned as its EXIF orientation says, in a lossless image format.
///
/// # Errors
/// [`Error::Image`] if the JPEG file cannot be decoded to pixels or the format cannot hold them.
pub fn render(jpeg: &[u8], format: PictureFormat) -> Result<Vec<u8>, Error> {
    let fault = |error: image::ImageError| Error::Image(error.to_string());
    let mut decoder = image::codecs::jpeg::JpegDecoder::new(Cursor::new(jpeg)).map_err(fault)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(fault)?;
    image.apply_orientation(orientation);
    let format = match format {
        PictureFormat::Png => ImageFormat::Png,
        PictureFormat::WebP => ImageFormat::WebP,
        PictureFormat::Tiff => ImageFormat::Tiff,
        PictureFormat::Bmp => ImageFormat::Bmp,
        PictureFormat::Pnm => ImageFormat::Pnm,
    };
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).map_err(fault)?;
    Ok(out.into_inner())
}
