//! Pixels to quantized coefficients and back, in integers only.
//!
//! The arithmetic is that of libjpeg ("islow" DCT of Loeffler, Ligtenberg and Moschytz, 16-bit
//! fixed-point colour conversion, box subsampling), so that [`encode_planes`] gives the
//! coefficients of `cjpeg -dct int` and every machine gives the same ones.

use super::error::JpegError;
use super::frame::{FrameComponent, FrameHeader};
use super::image::JpegImage;
use super::tables::{INVERSE_ZIGZAG, ZIGZAG};
use super::template::{Application, Template};

/// Fraction bits of the DCT constants.
const CONST_BITS: u32 = 13;
/// Fraction bits that the first pass keeps.
const PASS1_BITS: u32 = 2;

const FIX_0_298631336: i32 = 2446;
const FIX_0_390180644: i32 = 3196;
const FIX_0_541196100: i32 = 4433;
const FIX_0_765366865: i32 = 6270;
const FIX_0_899976223: i32 = 7373;
const FIX_1_175875602: i32 = 9633;
const FIX_1_501321110: i32 = 12299;
const FIX_1_847759065: i32 = 15137;
const FIX_1_961570560: i32 = 16069;
const FIX_2_053119869: i32 = 16819;
const FIX_2_562915447: i32 = 20995;
const FIX_3_072711026: i32 = 25172;

/// One 8-point forward pass; `first` keeps `PASS1_BITS` fraction bits, the second removes them.
///
/// Bounds: samples are at most 2^8 in magnitude, so inputs of pass 2 stay below 2^13, sums of
/// four below 2^15, and products with 25172 < 2^15 in sums of four below 2^32 / 2.
fn forward_pass(d: [i32; 8], first: bool) -> [i32; 8] {
    let round = |value: i32, bits: u32| (value + (1 << (bits - 1))) >> bits;
    let bits = if first { CONST_BITS - PASS1_BITS } else { CONST_BITS + PASS1_BITS };
    let even = |value: i32| {
        if first { value << PASS1_BITS } else { round(value, PASS1_BITS) }
    };
    let (tmp0, tmp7) = (d[0] + d[7], d[0] - d[7]);
    let (tmp1, tmp6) = (d[1] + d[6], d[1] - d[6]);
    let (tmp2, tmp5) = (d[2] + d[5], d[2] - d[5]);
    let (tmp3, tmp4) = (d[3] + d[4], d[3] - d[4]);
    let (tmp10, tmp13) = (tmp0 + tmp3, tmp0 - tmp3);
    let (tmp11, tmp12) = (tmp1 + tmp2, tmp1 - tmp2);
    let z = (tmp12 + tmp13) * FIX_0_541196100;

    let z1 = (tmp4 + tmp7) * -FIX_0_899976223;
    let z2 = (tmp5 + tmp6) * -FIX_2_562915447;
    let z5 = (tmp4 + tmp6 + tmp5 + tmp7) * FIX_1_175875602;
    let z3 = (tmp4 + tmp6) * -FIX_1_961570560 + z5;
    let z4 = (tmp5 + tmp7) * -FIX_0_390180644 + z5;
    [
        even(tmp10 + tmp11),
        round(tmp7 * FIX_1_501321110 + z1 + z4, bits),
        round(z + tmp13 * FIX_0_765366865, bits),
        round(tmp6 * FIX_3_072711026 + z2 + z3, bits),
        even(tmp10 - tmp11),
        round(tmp5 * FIX_2_053119869 + z2 + z4, bits),
        round(z - tmp12 * FIX_1_847759065, bits),
        round(tmp4 * FIX_0_298631336 + z1 + z3, bits),
    ]
}

/// Forward DCT of 8×8 samples, libjpeg's `jpeg_fdct_islow`.
///
/// `samples`: 64 samples in natural order, level-shifted to -128..=127. Returns 64 coefficients
/// in natural order, scaled by 8 with respect to the DCT of T.81 A.3.3.
#[must_use]
pub fn forward_dct(samples: &[i16; 64]) -> [i32; 64] {
    let mut work = [0i32; 64];
    for (row, line) in work.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *line = forward_pass(std::array::from_fn(|x| i32::from(samples[row * 8 + x])), true);
    }
    for x in 0..8 {
        let column = forward_pass(std::array::from_fn(|y| work[y * 8 + x]), false);
        for (y, value) in column.into_iter().enumerate() {
            work[y * 8 + x] = value;
        }
    }
    work
}

/// One 8-point inverse pass with `bits` of final rounding; 64-bit sums cannot overflow for any
/// input below 2^40.
fn inverse_pass(d: [i64; 8], bits: u32) -> [i64; 8] {
    let fix = i64::from;
    let z1 = (d[2] + d[6]) * fix(FIX_0_541196100);
    let tmp2 = z1 - d[6] * fix(FIX_1_847759065);
    let tmp3 = z1 + d[2] * fix(FIX_0_765366865);
    let tmp0 = (d[0] + d[4]) << CONST_BITS;
    let tmp1 = (d[0] - d[4]) << CONST_BITS;
    let even = [tmp0 + tmp3, tmp1 + tmp2, tmp1 - tmp2, tmp0 - tmp3];

    let z5 = (d[7] + d[3] + d[5] + d[1]) * fix(FIX_1_175875602);
    let z1 = (d[7] + d[1]) * fix(-FIX_0_899976223);
    let z2 = (d[5] + d[3]) * fix(-FIX_2_562915447);
    let z3 = (d[7] + d[3]) * fix(-FIX_1_961570560) + z5;
    let z4 = (d[5] + d[1]) * fix(-FIX_0_390180644) + z5;
    let odd = [
        d[1] * fix(FIX_1_501321110) + z1 + z4,
        d[3] * fix(FIX_3_072711026) + z2 + z3,
        d[5] * fix(FIX_2_053119869) + z2 + z4,
        d[7] * fix(FIX_0_298631336) + z1 + z3,
    ];
    std::array::from_fn(|n| {
        let value = if n < 4 { even[n] + odd[n] } else { even[7 - n] - odd[7 - n] };
        (value + (1 << (bits - 1))) >> bits
    })
}

/// Inverse DCT, libjpeg's `jpeg_idct_islow`.
///
/// `coefficients`: 64 dequantized coefficients in natural order, T.81 scale; any value. Returns
/// samples 0..=255 in natural order (level shift undone, clamped).
#[must_use]
pub fn inverse_dct(coefficients: &[i32; 64]) -> [u8; 64] {
    let mut work = [0i64; 64];
    for x in 0..8 {
        let column = std::array::from_fn(|y| i64::from(coefficients[y * 8 + x]));
        let column = inverse_pass(column, CONST_BITS - PASS1_BITS);
        for (y, value) in column.into_iter().enumerate() {
            work[y * 8 + x] = value;
        }
    }
    let mut samples = [0; 64];
    for y in 0..8 {
        let row = std::array::from_fn(|x| work[y * 8 + x]);
        let row = inverse_pass(row, CONST_BITS + PASS1_BITS + 3);
        for (x, value) in row.into_iter().enumerate() {
            samples[y * 8 + x] = (value + 128).clamp(0, 255) as u8;
        }
    }
    samples
}

/// Quantizes the output of [`forward_dct`] with libjpeg's rounding (half away from zero).
///
/// `scaled`: natural order, scaled by 8. `quantization`: zigzag order; an entry of 0 counts as 1.
/// Returns zigzag order.
#[must_use]
pub fn quantize(scaled: &[i32; 64], quantization: &[u16; 64]) -> [i16; 64] {
    std::array::from_fn(|k| {
        let step = i32::from(quantization[k].max(1)) * 8;
        let value = scaled[usize::from(ZIGZAG[k])];
        let magnitude = (value.abs() + step / 2) / step;
        (if value < 0 { -magnitude } else { magnitude }) as i16
    })
}

/// Multiplies by the quantization table: zigzag order in, natural order out, for
/// [`inverse_dct`].
#[must_use]
pub fn dequantize(quantized: &[i16; 64], quantization: &[u16; 64]) -> [i32; 64] {
    std::array::from_fn(|n| {
        let k = usize::from(INVERSE_ZIGZAG[n]);
        i32::from(quantized[k]) * i32::from(quantization[k])
    })
}

/// JFIF colour conversion of one pixel, libjpeg's `rgb_ycc_convert`: (Y, Cb, Cr).
#[must_use]
pub fn rgb_to_ycbcr(rgb: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = rgb.map(i32::from);
    // round(x * 65536) for the coefficients of JFIF 1.02.
    let y = 19595 * r + 38470 * g + 7471 * b + 32768;
    let cb = -11059 * r - 21709 * g + 32768 * b + (128 << 16) + 32767;
    let cr = 32768 * r - 27439 * g - 5329 * b + (128 << 16) + 32767;
    [y, cb, cr].map(|value| (value >> 16) as u8)
}

/// JFIF colour conversion of one pixel back, libjpeg's `ycc_rgb_convert`.
#[must_use]
pub fn ycbcr_to_rgb(ycc: [u8; 3]) -> [u8; 3] {
    let y = i32::from(ycc[0]);
    let (cb, cr) = (i32::from(ycc[1]) - 128, i32::from(ycc[2]) - 128);
    let r = y + ((91881 * cr + 32768) >> 16);
    let g = y + ((-22554 * cb - 46802 * cr + 32768) >> 16);
    let b = y + ((116130 * cb + 32768) >> 16);
    [r, g, b].map(|value| value.clamp(0, 255) as u8)
}

/// How a pixel buffer is laid out: rows from the top, no padding between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// One byte a pixel.
    Gray8,
    /// Three bytes a pixel: R, G, B.
    Rgb8,
}

/// Chroma subsampling of the coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsampling {
    /// Luma only; an RGB image loses its chroma.
    Gray,
    /// 4:4:4.
    S444,
    /// 4:2:2: chroma at half the width.
    S422,
    /// 4:2:0: chroma at half the width and height.
    S420,
}

/// How [`encode_planes`] quantizes and what kind of JPEG file the result describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// libjpeg quality 1..=100, which scales the Annex K tables.
    pub quality: u8,
    /// Chroma subsampling. [`PixelFormat::Gray8`] input is always coded as
    /// [`Subsampling::Gray`].
    pub subsampling: Subsampling,
    /// Limit the quantization entries to 255 (cjpeg's `-baseline`); matters below quality 25.
    pub baseline: bool,
    /// Describe a progressive file with libjpeg's default scan script.
    pub progressive: bool,
    /// Optimal Huffman tables rather than those of Annex K (always so when progressive).
    pub optimize: bool,
    /// MCUs between restart markers, 0 for none.
    pub restart_interval: u16,
}

impl Default for EncodeOptions {
    /// Quality 75, 4:2:0, baseline, Annex K Huffman tables: what cjpeg does by default.
    fn default() -> Self {
        Self {
            quality: 75,
            subsampling: Subsampling::S420,
            baseline: true,
            progressive: false,
            optimize: false,
            restart_interval: 0,
        }
    }
}

/// A plane of samples whose dimensions are whole blocks.
struct Plane {
    samples: Vec<u8>,
    stride: usize,
    rows: usize,
}

/// Transforms and quantizes an image; the result is what [`super::parse`] would give for the
/// file that cjpeg writes for it, and `write` makes that file.
///
/// `pixels`: `height` rows of `width` pixels in `format`; `width` and `height` in 1..=65535.
///
/// # Errors
/// [`JpegError::Uncodable`] when a dimension is out of range, the buffer has the wrong size or
/// the quality is not in 1..=100.
pub fn encode_planes(
    pixels: &[u8],
    width: u32,
    height: u32,
    format: PixelFormat,
    options: &EncodeOptions,
) -> Result<JpegImage, JpegError> {
    let (Ok(frame_width), Ok(frame_height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(JpegError::uncodable(format!("{width}x{height} pixels, at most 65535x65535")));
    };
    let channels: usize = if format == PixelFormat::Rgb8 { 3 } else { 1 };
    let expected = width as u64 * u64::from(height) * channels as u64;
    if expected == 0 || pixels.len() as u64 != expected {
        return Err(JpegError::uncodable(format!(
            "{} bytes of pixels for {width}x{height}, expected {expected}",
            pixels.len()
        )));
    }
    if !(1..=100).contains(&options.quality) {
        return Err(JpegError::uncodable(format!("quality {}, expected 1..=100", options.quality)));
    }
    let subsampling = match format {
        PixelFormat::Gray8 => Subsampling::Gray,
        PixelFormat::Rgb8 => options.subsampling,
    };
    let (h, v) = match subsampling {
        Subsampling::Gray | Subsampling::S444 => (1, 1),
        Subsampling::S422 => (2, 1),
        Subsampling::S420 => (2, 2),
    };
    let side = libjpeg_template(options).side(libjpeg_frame(
        (frame_width, frame_height),
        (h, v),
        if subsampling == Subsampling::Gray { 1 } else { 3 },
        options,
    ));
    let mut image = side.zeroed();
    let layout = side.layout();
    let (width, height) = (width as usize, height as usize);
    for (index, component) in image.components.iter_mut().enumerate() {
        let (h_factor, v_factor) = if index == 0 { (1, 1) } else { (h.into(), v.into()) };
        let sample = |x: usize, y: usize| -> u8 {
            let at = (y * width + x) * channels;
            match format {
                PixelFormat::Gray8 => pixels[at],
                PixelFormat::Rgb8 => rgb_to_ycbcr([pixels[at], pixels[at + 1], pixels[at + 2]])[index],
            }
        };
        let stride = layout[index].scan_wide * 8;
        let plane = subsampled(sample, (width, height), (h_factor, v_factor), (stride, layout[index].scan_high * 8));
        transform_plane(&plane, &component.quantization, component.blocks_wide, &mut component.coefficients);
        let mcu = if layout.len() == 1 { (1, 1) } else { (usize::from(component.h), usize::from(component.v)) };
        fill_dummy_blocks(
            &mut component.coefficients,
            (component.blocks_wide, component.blocks_high),
            (layout[index].scan_wide, layout[index].scan_high),
            mcu,
        );
    }
    Ok(image)
}

fn libjpeg_template(options: &EncodeOptions) -> Template {
    Template {
        application: Application::JfifAspect,
        quality: options.quality,
        merged_quantization: false,
        merged_huffman: false,
        optimal: options.optimize || options.progressive,
        restart_interval: options.restart_interval,
    }
}

fn libjpeg_frame(
    (width, height): (u16, u16),
    (h, v): (u8, u8),
    components: u8,
    options: &EncodeOptions,
) -> FrameHeader {
    let wide = !options.baseline
        && (0..components.min(2))
            .any(|table| super::template::annex_k(table == 1, options.quality, false).iter().any(|&entry| entry > 255));
    FrameHeader {
        marker: match (options.progressive, wide) {
            (true, _) => 0xC2,
            (false, true) => 0xC1,
            (false, false) => 0xC0,
        },
        width,
        height,
        components: (0..components)
            .map(|index| FrameComponent {
                id: index + 1,
                h: if index == 0 { h } else { 1 },
                v: if index == 0 { v } else { 1 },
                quantization_selector: index.min(1),
            })
            .collect(),
    }
}

/// Box subsampling with edge replication as in libjpeg's jcsample.c: columns are replicated
/// before the average, rows of the last group before it and whole output rows after it.
fn subsampled(
    sample: impl Fn(usize, usize) -> u8,
    (width, height): (usize, usize),
    (h, v): (usize, usize),
    (stride, rows): (usize, usize),
) -> Plane {
    let mut samples = vec![0; stride * rows];
    let coded_rows = height.div_ceil(v);
    for y in 0..rows {
        if y >= coded_rows {
            samples.copy_within((coded_rows - 1) * stride..coded_rows * stride, y * stride);
            continue;
        }
        let at = |x: usize, dy: usize| u32::from(sample(x.min(width - 1), (y * v + dy).min(height - 1)));
        for x in 0..stride {
            let odd = (x & 1) as u32;
            let value = match (h, v) {
                (1, 1) => at(x, 0),
                (2, 1) => (at(2 * x, 0) + at(2 * x + 1, 0) + odd) >> 1,
                _ => {
                    let sum = at(2 * x, 0) + at(2 * x + 1, 0) + at(2 * x, 1) + at(2 * x + 1, 1);
                    (sum + 1 + odd) >> 2
                }
            };
            samples[y * stride + x] = value as u8;
        }
    }
    Plane { samples, stride, rows }
}

fn transform_plane(plane: &Plane, quantization: &[u16; 64], blocks_wide: usize, out: &mut [i16]) {
    for row in 0..plane.rows / 8 {
        for column in 0..plane.stride / 8 {
            let samples = std::array::from_fn(|n| {
                let at = (row * 8 + n / 8) * plane.stride + column * 8 + n % 8;
                i16::from(plane.samples[at]) - 128
            });
            let block = quantize(&forward_dct(&samples), quantization);
            let at = (row * blocks_wide + column) * 64;
            out[at..at + 64].copy_from_slice(&block);
        }
    }
}

/// Fills the blocks that only pad MCUs: they repeat the DC of the block coded before them, which
/// costs the fewest bits (libjpeg's jccoefct.c).
fn fill_dummy_blocks(
    coefficients: &mut [i16],
    (blocks_wide, blocks_high): (usize, usize),
    (scan_wide, scan_high): (usize, usize),
    (h, v): (usize, usize),
) {
    for row in 0..scan_high {
        for column in scan_wide..blocks_wide {
            let at = (row * blocks_wide + column) * 64;
            coefficients[at] = coefficients[at - 64];
        }
    }
    for row in scan_high..blocks_high {
        debug_assert!(row % v != 0);
        for column in 0..blocks_wide {
            let last_of_mcu = column / h * h + h - 1;
            coefficients[(row * blocks_wide + column) * 64] =
                coefficients[((row - 1) * blocks_wide + last_of_mcu) * 64];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_block_has_only_dc() {
        let scaled = forward_dct(&[50; 64]);
        assert_eq!(scaled[0], 50 * 64);
        assert!(scaled[1..].iter().all(|&v| v == 0));
        assert_eq!(inverse_dct(&dequantize(&quantize(&scaled, &[1; 64]), &[1; 64])), [178; 64]);
    }

    #[test]
    fn dct_inverts_within_one() {
        let mut state = 1u32;
        for _ in 0..200 {
            let samples: [i16; 64] = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as i16 - 128
            });
            let quantized = quantize(&forward_dct(&samples), &[1; 64]);
            let back = inverse_dct(&dequantize(&quantized, &[1; 64]));
            for (a, b) in samples.iter().zip(back) {
                assert!((i32::from(*a) + 128 - i32::from(b)).abs() <= 1);
            }
        }
    }

    #[test]
    fn inverse_takes_any_coefficients() {
        let _ = inverse_dct(&[i32::MAX; 64]);
        let _ = inverse_dct(&[i32::MIN; 64]);
    }

    #[test]
    fn colour_conversion_keeps_grays_and_inverts() {
        for level in 0..=255 {
            assert_eq!(rgb_to_ycbcr([level; 3]), [level, 128, 128]);
            assert_eq!(ycbcr_to_rgb([level, 128, 128]), [level; 3]);
        }
        let back = ycbcr_to_rgb(rgb_to_ycbcr([200, 30, 90]));
        assert!(back.iter().zip([200, 30, 90]).all(|(&a, b)| a.abs_diff(b) <= 1));
    }

    #[test]
    fn odd_sizes_are_padded_with_the_last_dc() {
        let pixels: Vec<u8> = (0..17 * 9 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let image = encode_planes(&pixels, 17, 9, PixelFormat::Rgb8, &EncodeOptions::default()).unwrap();
        let luma = &image.components[0];
        assert_eq!((luma.blocks_wide, luma.blocks_high), (4, 2));
        assert_eq!(luma.coefficients[3 * 64], luma.coefficients[2 * 64]);
        assert!(luma.coefficients[3 * 64 + 1..4 * 64].iter().all(|&c| c == 0));
        assert_eq!(image.components[1].blocks_wide, 2);
    }
}
