//! One picture file → 8-bit RGB pixels, or a reason why not.

use std::io::Cursor;

use image::{ImageDecoder, ImageReader, RgbImage};

use crate::anomaly::{AnomalyKind, Fault};

/// Pictures of more pixels are refused before they are decoded: 2^28, 768 MiB of RGB.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Decodes a picture. A JPEG file that ends before its EOI marker counts as truncated, although decoders would fill the rest with
/// gray.
///
/// # Errors
/// A [`Fault`] that says what is wrong with the file.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, Fault> {
    if bytes.is_empty() {
        return Err(Fault::new(AnomalyKind::Empty, "the file has no bytes"));
    }
    let undecodable = |e: image::ImageError| {
        let truncated = matches!(&e, image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof);
        let kind = if truncated { AnomalyKind::Truncated } else { AnomalyKind::Undecodable };
        Fault::new(kind, e.to_string())
    };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| Fault::new(AnomalyKind::Unreadable, e.to_string()))?;
    if reader.format().is_none() {
        return Err(Fault::new(AnomalyKind::Undecodable, "no known image format (by its first bytes)"));
    }
    if reader.format() == Some(image::ImageFormat::Jpeg) && !reaches_eoi(bytes) {
        return Err(Fault::new(AnomalyKind::Truncated, "the JPEG file ends before its EOI marker"));
    }
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(8 * MAX_PIXELS);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MAX_PIXELS {
        let message = format!("{width}×{height} pixels; 1 to {MAX_PIXELS} are allowed");
        return Err(Fault::new(AnomalyKind::Size, message));
    }
    Ok(image::DynamicImage::from_decoder(decoder).map_err(undecodable)?.into_rgb8())
}

/// Whether the marker segments and entropy-coded data lead to an EOI marker (T.81 B.1.1).
fn reaches_eoi(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // To the next marker: 0xFF, fill bytes, a code that is neither stuffing, nor RSTm, nor TEM.
        let Some(ff) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xFF)) else { return false };
        at += ff + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xFF) => {}
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(0xD9) => return true,
            Some(_) => {
                let Some(length) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg() -> Vec<u8> {
        let pixels = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, (x * y) as u8]));
        let mut bytes = Vec::new();
        pixels.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Jpeg).expect("written");
        bytes
    }

    #[test]
    fn every_truncated_jpeg_is_a_fault() {
        let bytes = jpeg();
        assert_eq!(decode(&bytes).expect("decodes").dimensions(), (40, 30));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let Err(fault) = decode(&bytes[..bytes.len() - 20]) else { panic!("a truncated file decodes") };
        assert_eq!(fault.kind, AnomalyKind::Truncated);
    }

    #[test]
    fn bytes_after_eoi_are_fine() {
        let mut bytes = jpeg();
        bytes.extend([0; 7]);
        assert!(decode(&bytes).is_ok());
    }

    #[test]
    fn truncated_png_and_other_bytes() {
        let mut bytes = Vec::new();
        RgbImage::new(30, 30).write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).expect("written");
        let Err(fault) = decode(&bytes[..bytes.len() / 2]) else { panic!("a truncated file decodes") };
        assert_eq!(fault.kind, AnomalyKind::Truncated, "{}", fault.message);
        assert_eq!(decode(b"plain text").map(|_| ()).map_err(|f| f.kind), Err(AnomalyKind::Undecodable));
        assert_eq!(decode(b"").map(|_| ()).map_err(|f| f.kind), Err(AnomalyKind::Empty));
    }
}
