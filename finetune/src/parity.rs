//! What the integer model costs: coded bits against the cross-entropy of the float model, on the same coefficients.

use burn::tensor::Device;
use lmcodec_codecs::jpeg::{EncodeOptions, JpegImage, PixelFormat, Subsampling, encode_planes};
use lmcodec_datasets::photos::{Photo, Split};
use lmcodec_entropy::coder::RangeEncoder;
use lmcodec_entropy::error::ModelError;
use lmcodec_entropy::frame_llama::FrameLlama as IntegerLlama;
use lmcodec_entropy::isa::Isa;
use lmcodec_entropy::segment::{Estimation, SegmentCoder};
use serde::Serialize;

use crate::batch::{Batch, Sample, component_plane};
use crate::loss::{Bits, PositionCache, batch_loss};
use crate::model::FrameLlama;

/// Float and integer model side by side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Parity {
    /// libjpeg quality of the images.
    pub quality: u8,
    /// Images.
    pub images: usize,
    /// Pixels of all images (luma samples).
    pub pixels: u64,
    /// Cross-entropy of the float model, bits.
    pub float_bits: f64,
    /// Cross-entropy of the float model by kind of symbol.
    pub float: Bits,
    /// Ideal code length of the integer model, bits.
    pub integer_bits: f64,
    /// Bytes that the range coder wrote.
    pub coded_bytes: u64,
}

impl Parity {
    /// Coded bits over float cross-entropy, in percent.
    pub fn cost_percent(&self) -> f64 {
        100.0 * (8.0 * self.coded_bytes as f64 / self.float_bits - 1.0)
    }
}

/// Half-size versions of up to `count` held-out photos at one quality, 4:2:0.
pub fn held_out_images(photos: &[Photo], one_in: u32, count: usize, quality: u8) -> Vec<JpegImage> {
    photos
        .iter()
        .filter(|p| p.split(one_in) == Split::Validation)
        .take(count)
        .filter_map(|p| {
            let (w, h) = (p.pixels.width() / 2, p.pixels.height() / 2);
            let small =
                image::imageops::resize(&p.pixels, w.max(16), h.max(16), image::imageops::FilterType::CatmullRom);
            let options = EncodeOptions { quality, subsampling: Subsampling::S420, ..EncodeOptions::default() };
            encode_planes(small.as_raw(), small.width(), small.height(), PixelFormat::Rgb8, &options).ok()
        })
        .collect()
}

/// Measures both models on the images.
///
/// # Errors
/// [`ModelError`] if the exported bytes do not load.
pub fn parity(
    float: &FrameLlama,
    exported: &[u8],
    images: &[JpegImage],
    quality: u8,
    device: &Device,
) -> Result<Parity, ModelError> {
    let integer = IntegerLlama::from_bytes(exported)?;
    let mut coder = SegmentCoder::new(&integer, Isa::detect(), Estimation::Model)?;
    let mut cache = PositionCache::default();
    let mut result = Parity { quality, images: images.len(), ..Parity::default() };
    for image in images {
        result.pixels += u64::from(image.width) * u64::from(image.height);
        for index in 0..image.components.len() {
            let batch = Batch::new(&[Sample::from_image(image, index)]);
            result.float += batch_loss(float, &batch, &mut cache, device).bits();
        }
        let mut planes: Vec<_> = (0..image.components.len()).map(|i| component_plane(image, i)).collect();
        result.integer_bits += coder.count(&mut planes).total();
        let mut sink = RangeEncoder::new();
        coder.encode(&mut planes, &mut sink);
        result.coded_bytes += sink.finish().len() as u64;
    }
    result.float_bits = result.float.total();
    Ok(result)
}
