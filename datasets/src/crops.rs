//! Random crops of photos as quantized DCT coefficients.
//!
//! Photos on disk are JPEG-compressed already. They are scaled down, which removes most of the 8×8 grid, then cropped off the
//! grid, flipped or transposed, and quantized anew with the tables and subsampling of the world's encoders.

use image::imageops::{self, FilterType};
use image::{RgbImage, imageops::crop_imm};
use lmcodec_codecs::jpeg::tables::{CHROMINANCE_QUANTIZATION, LUMINANCE_QUANTIZATION, natural_to_zigzag, scaled_table};
use lmcodec_codecs::jpeg::{EncodeOptions, JpegImage, PixelFormat, Subsampling, encode_planes};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Distribution of crops. Probabilities are in 0..=1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CropConfig {
    /// Rows of blocks of the component that is learned from.
    pub rows: usize,
    /// Columns of blocks.
    pub columns: usize,
    /// Range of the scale applied to a photo.
    pub scale: (f64, f64),
    /// Probability that a photo is used at its own size instead (twice-compressed content).
    pub native_probability: f64,
    /// Probability that the crop was saved as a JPEG file before, on the same grid and with the same subsampling (coarser or
    /// finer: histograms of the coefficients then have gaps and peaks).
    pub resaved_probability: f64,
    /// Probability of a chroma component.
    pub chroma_probability: f64,
    /// Range of libjpeg qualities.
    pub quality: (u8, u8),
    /// Probability of a quality from 85 up instead of the whole range.
    pub high_quality_probability: f64,
    /// Probability of a quantization table that is not libjpeg's.
    pub other_table_probability: f64,
}

impl Default for CropConfig {
    fn default() -> Self {
        Self {
            rows: 8,
            columns: 16,
            scale: (0.4, 0.85),
            native_probability: 0.1,
            resaved_probability: 0.0,
            chroma_probability: 0.3,
            quality: (5, 98),
            high_quality_probability: 0.15,
            other_table_probability: 0.25,
        }
    }
}

/// Why no crop can be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CropError {
    /// No photo to draw from.
    #[error("there is no photo to cut crops from")]
    NoPhotos,
    /// A distribution that is none.
    #[error("crops.{field} = {found}, but must be {allowed}")]
    Config {
        /// The field of [`CropConfig`].
        field: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
}

/// Rows and columns of blocks that fit a JPEG image of 65,535 pixels in both directions, in a component at half its size.
const MOST_BLOCKS: usize = 4095;
/// Crops that were saved before were saved at this quality or a higher one.
const LOWEST_RESAVED: u8 = 30;

/// A crop: an image of exactly the wanted grid in one component, and which component that is.
pub struct Crop {
    /// All components, on their own grids.
    pub image: JpegImage,
    /// Index of the component with `rows` × `columns` blocks.
    pub component: usize,
}

impl CropConfig {
    /// Whether crops can be drawn like this.
    ///
    /// # Errors
    /// [`CropError::Config`] with the field that is wrong.
    pub fn check(&self) -> Result<(), CropError> {
        let wrong = |field, found: String, allowed| Err(CropError::Config { field, found, allowed });
        for (field, blocks) in [("rows", self.rows), ("columns", self.columns)] {
            if !(1..=MOST_BLOCKS).contains(&blocks) {
                return wrong(field, blocks.to_string(), "in 1..=4095");
            }
        }
        for (field, probability) in [
            ("native_probability", self.native_probability),
            ("resaved_probability", self.resaved_probability),
            ("chroma_probability", self.chroma_probability),
            ("high_quality_probability", self.high_quality_probability),
            ("other_table_probability", self.other_table_probability),
        ] {
            if !(0.0..=1.0).contains(&probability) {
                return wrong(field, probability.to_string(), "in 0..=1");
            }
        }
        if !(0.0 < self.scale.0 && self.scale.0 <= self.scale.1 && self.scale.1.is_finite()) {
            return wrong("scale", format!("{:?}", self.scale), "positive and ascending");
        }
        if !(1 <= self.quality.0 && self.quality.0 <= self.quality.1 && self.quality.1 <= 100) {
            return wrong("quality", format!("{:?}", self.quality), "ascending in 1..=100");
        }
        if self.resaved_probability > 0.0 && self.quality.1 < LOWEST_RESAVED {
            return wrong("quality", format!("{:?}", self.quality), "up to 30 at least, with a resaved_probability");
        }
        Ok(())
    }

    /// Draws a crop from one of the photos. Every photo must be at least 16×16 pixels.
    ///
    /// # Errors
    /// [`CropError`] if there is no photo, or as [`Self::check`].
    pub fn draw<R: Rng>(&self, photos: &[&RgbImage], rng: &mut R) -> Result<Crop, CropError> {
        self.check()?;
        if photos.is_empty() {
            return Err(CropError::NoPhotos);
        }
        let component = if rng.random_bool(self.chroma_probability) { rng.random_range(1..=2) } else { 0 };
        let subsampling = match (component, rng.random_range(0..10)) {
            (0, _) => Subsampling::Gray,
            (_, 0..7) => Subsampling::S420,
            (_, 7) => Subsampling::S422,
            _ => Subsampling::S444,
        };
        let (h, v) = match subsampling {
            Subsampling::S420 => (2, 2),
            Subsampling::S422 => (2, 1),
            _ => (1, 1),
        };
        let (width, height) = ((self.columns * 8 * h) as u32, (self.rows * 8 * v) as u32);
        let mut pixels = self.pixels(photos, width, height, rng);
        // No draw at probability 0: seeds of older configurations give the crops that they gave.
        if self.resaved_probability > 0.0 && rng.random_bool(self.resaved_probability) {
            pixels =
                resaved(&pixels, rng.random_range(self.quality.0.max(LOWEST_RESAVED)..=self.quality.1), subsampling);
        }
        let quality = if rng.random_bool(self.high_quality_probability) {
            rng.random_range(85..=self.quality.1.max(85))
        } else {
            rng.random_range(self.quality.0..=self.quality.1)
        };
        let other = rng.random_bool(self.other_table_probability);
        let options =
            EncodeOptions { quality: if other { 100 } else { quality }, subsampling, ..EncodeOptions::default() };
        let mut image = encode_planes(pixels.as_raw(), width, height, PixelFormat::Rgb8, &options)
            .expect("a crop of valid size, quality in 1..=100");
        if other {
            let bases = [other_base(&LUMINANCE_QUANTIZATION, rng), other_base(&CHROMINANCE_QUANTIZATION, rng)];
            // Chroma at its own quality now and then, as photo editors do.
            let chroma_quality = if rng.random_bool(0.3) { (quality + 8).min(98) } else { quality };
            for (i, c) in image.components.iter_mut().enumerate() {
                let base = &bases[i.min(1)];
                let table = scaled_table(base, if i == 0 { quality } else { chroma_quality }, true);
                requantize(&mut c.coefficients, &mut c.quantization, natural_to_zigzag(&table));
            }
        }
        Ok(Crop { image, component })
    }

    fn pixels<R: Rng>(&self, photos: &[&RgbImage], width: u32, height: u32, rng: &mut R) -> RgbImage {
        let transpose = rng.random_bool(0.25);
        let (w, h) = if transpose { (height, width) } else { (width, height) };
        // A photo that is too small at the wanted scale is tried at its own size, then another is drawn.
        let (photo, scale) = loop {
            let photo = photos[rng.random_range(0..photos.len())];
            let fits =
                |s: f64| f64::from(photo.width()) * s >= f64::from(w) && f64::from(photo.height()) * s >= f64::from(h);
            let mut scale = if rng.random_bool(self.native_probability) {
                1.0
            } else {
                rng.random_range(self.scale.0..=self.scale.1)
            };
            if !fits(scale) {
                // Just large enough, if the photo can be.
                scale = (f64::from(w) / f64::from(photo.width())).max(f64::from(h) / f64::from(photo.height()));
                if scale > 1.0 && photos.len() > 1 && rng.random_bool(0.9) {
                    continue;
                }
            }
            break (photo, scale);
        };
        let (sw, sh) = (
            ((f64::from(w) / scale).round() as u32).clamp(1, photo.width()),
            ((f64::from(h) / scale).round() as u32).clamp(1, photo.height()),
        );
        let x = rng.random_range(0..=photo.width() - sw);
        let y = rng.random_range(0..=photo.height() - sh);
        let region = crop_imm(photo, x, y, sw, sh).to_image();
        let mut out = if (sw, sh) == (w, h) {
            region
        } else {
            let filter = match rng.random_range(0..4) {
                0 => FilterType::Triangle,
                1 | 2 => FilterType::CatmullRom,
                _ => FilterType::Lanczos3,
            };
            imageops::resize(&region, w, h, filter)
        };
        if transpose {
            out = imageops::rotate90(&out);
        }
        if rng.random_bool(0.5) {
            imageops::flip_horizontal_in_place(&mut out);
        }
        out
    }
}

/// The pixels of an image that went through a JPEG file.
fn resaved(pixels: &RgbImage, quality: u8, subsampling: Subsampling) -> RgbImage {
    let options = EncodeOptions { quality, subsampling, ..EncodeOptions::default() };
    let image = encode_planes(pixels.as_raw(), pixels.width(), pixels.height(), PixelFormat::Rgb8, &options)
        .expect("a crop of valid size, quality in 1..=100");
    let file = lmcodec_codecs::jpeg::write(&image).expect("an image that was just made");
    image::load_from_memory_with_format(&file, image::ImageFormat::Jpeg)
        .expect("a file that was just written")
        .to_rgb8()
}

/// A table in the manner of other encoders: flatter or steeper than Annex K, sometimes flat, with some noise; natural order.
fn other_base<R: Rng>(annex_k: &[u16; 64], rng: &mut R) -> [u16; 64] {
    let gamma = rng.random_range(0.3..1.3);
    let noise = rng.random_range(0.0..0.2);
    let flat = rng.random_bool(0.1);
    let mean: f64 = annex_k.iter().map(|&q| f64::from(q).ln()).sum::<f64>() / 64.0;
    let mut table = [1u16; 64];
    for (out, &q) in table.iter_mut().zip(annex_k) {
        let log = if flat { 0.0 } else { gamma * (f64::from(q).ln() - mean) };
        let jitter: f64 = rng.random_range(-1.0..=1.0);
        *out = (mean + log + noise * jitter - 0.3).exp().round().clamp(1.0, 400.0) as u16;
    }
    table
}

/// Divides coefficients with steps of 1 by a table (zigzag order), rounding half away from zero.
fn requantize(coefficients: &mut [i16], steps: &mut [u16; 64], table: [u16; 64]) {
    for block in coefficients.chunks_exact_mut(64) {
        for ((c, &from), &to) in block.iter_mut().zip(steps.iter()).zip(&table) {
            let (value, step) = (i32::from(*c) * i32::from(from), i32::from(to));
            *c = if value < 0 { -((-value + step / 2) / step) } else { (value + step / 2) / step } as i16;
        }
    }
    *steps = table;
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn crops_have_the_wanted_grid_and_follow_the_seed() {
        let photo = RgbImage::from_fn(300, 280, |x, y| image::Rgb([(x * 3) as u8, (x * y / 7) as u8, (y * 5) as u8]));
        let config = CropConfig { rows: 3, columns: 5, chroma_probability: 0.5, ..CropConfig::default() };
        let draw = |seed| {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            (0..40).map(|_| config.draw(&[&photo], &mut rng).expect("a crop")).collect::<Vec<_>>()
        };
        let (a, b) = (draw(1), draw(1));
        let mut chroma = 0;
        for (a, b) in a.iter().zip(&b) {
            let c = &a.image.components[a.component];
            assert_eq!((c.blocks_high, c.blocks_wide), (3, 5));
            assert_eq!(c.coefficients, b.image.components[b.component].coefficients);
            assert!(c.quantization.iter().all(|&q| (1..=255).contains(&q)));
            chroma += usize::from(a.component > 0);
        }
        assert!(chroma > 5 && chroma < 35);
    }

    #[test]
    fn distributions_that_are_none_are_refused() {
        let good = CropConfig { resaved_probability: 0.5, ..CropConfig::default() };
        let photo = RgbImage::new(64, 64);
        let field = |config: CropConfig| {
            let error = config.check().expect_err("a wrong field");
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
            assert_eq!(config.draw(&[&photo], &mut rng).err(), Some(error.clone()));
            match error {
                CropError::Config { field, .. } => field,
                CropError::NoPhotos => "photos",
            }
        };
        assert_eq!(good.check(), Ok(()));
        assert_eq!(field(CropConfig { quality: (90, 10), ..good.clone() }), "quality");
        assert_eq!(field(CropConfig { quality: (0, 10), ..good.clone() }), "quality");
        assert_eq!(field(CropConfig { quality: (5, 101), ..good.clone() }), "quality");
        assert_eq!(field(CropConfig { quality: (5, 29), ..good.clone() }), "quality");
        assert_eq!(field(CropConfig { chroma_probability: 1.5, ..good.clone() }), "chroma_probability");
        assert_eq!(field(CropConfig { native_probability: f64::NAN, ..good.clone() }), "native_probability");
        assert_eq!(field(CropConfig { scale: (0.9, 0.4), ..good.clone() }), "scale");
        assert_eq!(field(CropConfig { scale: (0.0, 0.4), ..good.clone() }), "scale");
        assert_eq!(field(CropConfig { rows: 0, ..good.clone() }), "rows");
        assert_eq!(field(CropConfig { columns: 4096, ..good.clone() }), "columns");
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        assert_eq!(good.draw(&[], &mut rng).err(), Some(CropError::NoPhotos));
    }

    #[test]
    fn a_resaved_crop_keeps_the_first_steps() {
        let photo =
            RgbImage::from_fn(160, 160, |x, y| image::Rgb([(x * y / 3) as u8, (x * 5 + y) as u8, (y * 3) as u8]));
        let again = resaved(&photo, 40, Subsampling::Gray);
        let options = EncodeOptions { quality: 100, subsampling: Subsampling::Gray, ..EncodeOptions::default() };
        let image = encode_planes(again.as_raw(), 160, 160, PixelFormat::Rgb8, &options).unwrap();
        // Every DC of the first file was a multiple of its step (up to the rounding of pixels).
        let step = i32::from(scaled_table(&LUMINANCE_QUANTIZATION, 40, true)[0]);
        let dcs: Vec<i32> = image.components[0].coefficients.chunks_exact(64).map(|b| i32::from(b[0])).collect();
        let near = dcs.iter().filter(|&&dc| (dc.rem_euclid(step)).min(step - dc.rem_euclid(step)) <= 1).count();
        assert!(near * 10 > dcs.len() * 9, "{near} of {}", dcs.len());
    }

    #[test]
    fn requantization_rounds_to_nearest() {
        let mut c = vec![0i16; 64];
        c[0] = -25;
        c[1] = 24;
        let mut steps = [1; 64];
        requantize(&mut c, &mut steps, [10; 64]);
        assert_eq!((c[0], c[1], steps[0]), (-3, 2, 10));
    }
}
