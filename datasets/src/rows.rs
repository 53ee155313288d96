//! Makes rows: opens a file, checks that it is the one of the manifest, and turns it into latents.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType, crop_imm};
use lmcodec_codecs::jpeg::{EncodeOptions, PixelFormat, encode_planes};

use crate::anomaly::Fault;
use crate::digest::{codes_sha256, pixels_sha256, sha256};
use crate::error::DatasetError;
use crate::manifest::Manifest;
use crate::plan::{Pieces, Region, Row, RowContent, SampleFormat, Sampling};
use crate::shards::{CoefficientPlane, Latents};
use crate::survey::read;
use crate::{audio, codes, picture};

/// Makes the latents of rows of one file: each is `(position, row)`, and comes back with its position. The file is read and
/// decoded once, every region is cut and scaled once.
///
/// # Errors
/// [`DatasetError::Changed`] if the file is not the one that the manifest describes; [`DatasetError::InvalidOption`] if the rows are
/// of several files, or of none in the manifest.
pub fn make(
    folder: &Path,
    manifest: &Manifest,
    content: &RowContent,
    rows: &[(usize, &Row)],
) -> Result<Vec<(usize, Latents)>, DatasetError> {
    let entry_of = |row: &Row| {
        let entry = manifest.files.get(row.entry).filter(|e| e.path == row.path);
        entry.ok_or_else(|| DatasetError::InvalidOption(format!("row {} is of no file in the manifest", row.row)))
    };
    let Some((_, first)) = rows.first() else { return Ok(Vec::new()) };
    let entry = entry_of(first)?;
    if let Some((_, other)) = rows.iter().find(|(_, row)| row.path != first.path) {
        return Err(DatasetError::InvalidOption(format!(
            "rows {} and {} are of different files",
            first.row, other.row
        )));
    }
    let path = entry.below(folder);
    let fault = |fault: Fault| DatasetError::Changed { path: path.clone(), message: fault.message };
    let changed = |message: String| DatasetError::Changed { path: path.clone(), message };
    let bytes = read(&path).map_err(fault)?;
    let found = sha256(&bytes);
    if found != entry.sha256 {
        return Err(changed(format!("SHA-256 {found}, {} in the manifest", entry.sha256)));
    }
    match content {
        RowContent::Coefficients { pieces, sampling, .. } => {
            let pixels = picture::decode(&bytes).map_err(fault)?;
            // Another version of a decoder may give other pixels, and so another split.
            let decoded = pixels_sha256(&pixels);
            if entry.content_sha256.as_ref().is_some_and(|c| *c != decoded) {
                return Err(changed(format!("decodes to other pixels (SHA-256 {decoded})")));
            }
            let size = if let Pieces::Crops { size, .. } = *pieces { Some(size) } else { None };
            let mut made = Vec::with_capacity(rows.len());
            let mut order: Vec<&(usize, &Row)> = rows.iter().collect();
            order.sort_by_key(|(_, row)| row.region.map(|r| (r.y, r.x, r.width, r.height)));
            let mut cut: Option<(Region, RgbImage)> = None;
            for (position, row) in order {
                let region = row.region.ok_or_else(|| changed(format!("row {} has no region", row.row)))?;
                let piece = match cut.take() {
                    Some((r, piece)) if r == region => piece,
                    _ => cut_region(&pixels, region, size).map_err(changed)?,
                };
                let quality = row.quality.ok_or_else(|| changed(format!("row {} has no quality", row.row)))?;
                made.push((*position, coefficients(&piece, quality, *sampling).map_err(changed)?));
                cut = Some((region, piece));
            }
            Ok(made)
        }
        RowContent::Speech { sample_rate, format } => {
            let samples = audio::decode(bytes).and_then(|a| a.mono(*sample_rate)).map_err(fault)?;
            let latents = match format {
                SampleFormat::I16 => Latents::I16(audio::to_i16(&samples)),
                SampleFormat::F32 => Latents::F32(samples),
            };
            Ok(rows.iter().map(|(position, _)| (*position, latents.clone())).collect())
        }
        RowContent::Codes => {
            let array = codes::read_npy(&bytes).map_err(fault)?;
            let mut made = Vec::with_capacity(rows.len());
            for (position, row) in rows {
                let entry = entry_of(row)?;
                let (first, count) = entry.frames.unwrap_or((0, u64::from(array.dimensions[0])));
                let steps = array.steps(first, count);
                let steps = steps.ok_or_else(|| changed(format!("has no {count} steps from {first} on")))?;
                let codes::NpyCodes { dimensions, codes } = steps;
                let found = codes_sha256(&dimensions, &codes);
                if entry.content_sha256.as_ref().is_some_and(|c| *c != found) {
                    return Err(changed(format!("holds other codes (SHA-256 {found})")));
                }
                made.push((*position, Latents::Codes { dimensions, codes }));
            }
            Ok(made)
        }
    }
}

/// Cuts a region, and scales it to `size` × `size` if that is asked for and it is larger.
fn cut_region(pixels: &RgbImage, region: Region, size: Option<u32>) -> Result<RgbImage, String> {
    let Region { x, y, width, height } = region;
    let inside =
        |from: u32, length: u32, all: u32| length > 0 && from.checked_add(length).is_some_and(|end| end <= all);
    if !inside(x, width, pixels.width()) || !inside(y, height, pixels.height()) {
        return Err(format!("{region:?} does not lie in {}×{} pixels", pixels.width(), pixels.height()));
    }
    let piece = crop_imm(pixels, x, y, width, height).to_image();
    Ok(match size {
        Some(size) if (size, size) != (width, height) => imageops::resize(&piece, size, size, FilterType::Lanczos3),
        _ => piece,
    })
}

/// The quantized DCT coefficients that libjpeg's defaults give for pixels.
///
/// # Errors
/// A message, if the pixels or the quality cannot be coded as JPEG.
pub fn coefficients(pixels: &RgbImage, quality: u8, sampling: Sampling) -> Result<Latents, String> {
    let options = EncodeOptions { quality, subsampling: sampling.into(), ..EncodeOptions::default() };
    let image = encode_planes(pixels.as_raw(), pixels.width(), pixels.height(), PixelFormat::Rgb8, &options)
        .map_err(|e| e.to_string())?;
    let plane = |c: lmcodec_codecs::jpeg::Component| CoefficientPlane {
        blocks_high: c.blocks_high,
        blocks_wide: c.blocks_wide,
        quantization: c.quantization,
        coefficients: c.coefficients,
    };
    Ok(Latents::Coefficients(image.components.into_iter().map(plane).collect()))
}
