//! A file → an lmcodec file. The one place where what a medium has coded is sealed, compared with the original's size,
//! verified, and given up for the stored form: never larger, never wrong.

use std::ops::Range;

use lmcodec_codecs::codes;
use lmcodec_codecs::jpeg::{self, JpegImage};

use crate::container::{Checksum, Header, Payload};
use crate::decode::{decode, decode_share};
use crate::encoded::{Encoded, Mode, StoredReason};
use crate::error::Error;
use crate::media::codes::order::CodingOrder;
use crate::media::{self, Coded, stored};
use crate::options::{CodesOptions, EncodeOptions};
#[cfg(feature = "images")]
use crate::pixels;
use crate::sniff::{self, Kind};

/// Encodes an image file.
///
/// A JPEG file is recompressed so that [`decode`] gives back its very bytes: with the model, or *stored* where it cannot be
/// modelled or would not become smaller ([`Mode::Stored`] says why). With the feature `images` and `options.lossy`, PNG, WebP,
/// TIFF, BMP and PNM images become the JPEG file that libjpeg would make of them at `options.quality`, and that is recompressed,
/// unless `options.exact` asks for the very bytes of whatever it is.
///
/// # Errors
/// [`Error::Lossy`] for images that are no JPEG files, unless that is asked for, [`Error::NotAnImage`] for anything else
/// ([`store`] keeps even that), [`Error::Limit`], [`Error::Model`], [`Error::Image`], and [`Error::Mismatch`] if not even the
/// stored form decodes to the input.
pub fn encode(bytes: &[u8], options: &EncodeOptions) -> Result<Encoded, Error> {
    Error::limit("bytes of the input", bytes.len() as u64, options.limits.max_original_bytes)?;
    let kind = match sniff::kind(bytes) {
        Kind::Other if begins_late(bytes, options) => Kind::Jpeg,
        kind => kind,
    };
    match kind {
        Kind::Jpeg => match jpeg::parse(bytes, &options.limits.jpeg) {
            Ok(image) => encode_image(&image, bytes, options),
            Err(error) => store_because(bytes, StoredReason::NotModelled(error.to_string()), options),
        },
        _ if options.exact => {
            let found = sniff::describe(bytes);
            store_because(bytes, StoredReason::NotModelled(format!("it is {found}, not a JPEG file")), options)
        }
        #[cfg(feature = "images")]
        Kind::Image(format) if !options.lossy => Err(Error::Lossy { format }),
        #[cfg(feature = "images")]
        Kind::Image(name) => {
            let converted = pixels::convert(bytes, options)?;
            let jpeg = jpeg::write(&converted.image).map_err(|error| Error::Image(error.to_string()))?;
            let mut encoded = encode_image(&converted.image, &jpeg, options)?;
            encoded.summary.notes.extend(converted.notes);
            encoded.summary.converted_from = Some(name);
            Ok(encoded)
        }
        #[cfg(not(feature = "images"))]
        Kind::Image(name) => Err(Error::Image(format!(
            "{name} files are not read by this build, only JPEG; get it with: cargo install lmcodec --features images"
        ))),
        Kind::Other => Err(Error::NotAnImage {
            found: sniff::describe(bytes),
            expected: "an image (JPEG, PNG, WebP, TIFF, BMP or PNM)",
        }),
    }
}

/// Most bytes before a JPEG file that is not called one: a line feed or a byte order mark that some program has put there.
const STRAY_BYTES: usize = 16;

/// Whether a JPEG file begins after some other bytes.
fn begins_late(bytes: &[u8], options: &EncodeOptions) -> bool {
    jpeg::start(bytes).is_some_and(|start| options.exact || start <= STRAY_BYTES)
}

/// Encodes a `.npy`, `.npz` or `.safetensors` file of codebook indices; [`decode`] gives back its very bytes. Arrays that hold no
/// whole numbers are *stored*, and [`Mode::Stored`] says why.
///
/// # Errors
/// [`Error::Codes`] for other and malformed files, and codes that are not of the size stated; [`Error::InvalidOption`] if the
/// shape does not fit the medium or the model; [`Error::Limit`], [`Error::Mismatch`].
pub fn encode_codes(bytes: &[u8], codes: &CodesOptions, options: &EncodeOptions) -> Result<Encoded, Error> {
    Error::limit("bytes of the input", bytes.len() as u64, options.limits.max_original_bytes)?;
    // Of several arrays those that the medium takes; a digit a code is the least.
    let fits = |shape: &[usize]| CodingOrder::new(&codes.medium, shape, 1).is_ok();
    let (side, symbols) = match codes::read_file(bytes, codes.tensor.as_deref(), fits) {
        Err(error) if error.is_well_formed() => {
            return store_because(bytes, StoredReason::NotModelled(error.to_string()), options);
        }
        read => read?,
    };
    let (coding, verifying) = shares(options);
    let encoded = finish(bytes, media::codes::encode(&side, symbols, codes, options, coding)?, options, verifying)?;
    if options.model.is_some() || options.always_model || encoded.summary.mode != Mode::Modelled {
        return Ok(encoded);
    }
    // What repeats at a distance is better off with a general compressor than with a model that looks at neighbours.
    let reason = |stored_bytes| StoredReason::NotSmallest { modelled_bytes: encoded.bytes.len(), stored_bytes };
    let mut stored = store_because(bytes, reason(0), options)?;
    if stored.bytes.len() >= encoded.bytes.len() {
        return Ok(encoded);
    }
    stored.summary.mode = Mode::Stored { reason: reason(stored.bytes.len()) };
    (stored.summary.codes, stored.summary.notes) = (encoded.summary.codes, encoded.summary.notes.clone());
    Ok(stored)
}

/// Stores any bytes through a general compressor; `reason` is what [`Mode::Stored`] will say.
///
/// # Errors
/// [`Error::Limit`] or, if verification is on, [`Error::Mismatch`].
pub fn store(bytes: &[u8], reason: impl Into<String>, options: &EncodeOptions) -> Result<Encoded, Error> {
    Error::limit("bytes of the input", bytes.len() as u64, options.limits.max_original_bytes)?;
    store_because(bytes, StoredReason::Asked(reason.into()), options)
}

/// Codes a parsed JPEG file with the model, or stores it.
fn encode_image(image: &JpegImage, original: &[u8], options: &EncodeOptions) -> Result<Encoded, Error> {
    let (coding, verifying) = shares(options);
    finish(original, media::jpeg::encode(image, options, coding)?, options, verifying)
}

/// The parts of a call that coding and verifying are, for progress.
fn shares(options: &EncodeOptions) -> (Range<f64>, Range<f64>) {
    if options.verify { (0.0..0.5, 0.5..1.0) } else { (0.0..1.0, 1.0..1.0) }
}

/// The modelled form, if it is smaller than the original and decodes to it; else the stored form.
fn finish(original: &[u8], mut coded: Coded, options: &EncodeOptions, verifying: Range<f64>) -> Result<Encoded, Error> {
    let (codes, notes) = (coded.codes.take(), std::mem::take(&mut coded.notes));
    let mut encoded = smaller(original, coded, options, verifying)?;
    (encoded.summary.codes, encoded.summary.notes) = (codes, notes);
    Ok(encoded)
}

fn smaller(original: &[u8], coded: Coded, options: &EncodeOptions, verifying: Range<f64>) -> Result<Encoded, Error> {
    let (model, symbols) = (coded.model.clone(), coded.symbols);
    let file = seal(original, coded, options);
    if file.len() >= original.len() && !options.always_model {
        let reason = StoredReason::NotSmaller { modelled_bytes: file.len(), original_bytes: original.len() };
        return store_because(original, reason, options);
    }
    if options.verify {
        let problem = match decode_share(&file, &options.decode_options(), verifying) {
            Ok(decoded) if decoded == original => None,
            Ok(_) => Some("the decoded bytes differ".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            return store_because(original, StoredReason::VerificationFailed(problem), options);
        }
    }
    let mut encoded = Encoded::new(file, Mode::Modelled, original.len());
    (encoded.summary.model, encoded.summary.symbols) = (Some(model), symbols);
    Ok(encoded)
}

fn store_because(original: &[u8], reason: StoredReason, options: &EncodeOptions) -> Result<Encoded, Error> {
    let file = seal(original, stored::encode(original), options);
    if options.verify && decode(&file, &options.decode_options())? != original {
        return Err(Error::Mismatch { what: "the stored file does not decode to the input".into() });
    }
    Ok(Encoded::new(file, Mode::Stored { reason }, original.len()))
}

/// Header and payloads in a row.
fn seal(original: &[u8], coded: Coded, options: &EncodeOptions) -> Vec<u8> {
    let header = Header {
        original_length: original.len() as u64,
        original_checksum: Checksum::of(original),
        attributes: options.attributes.clone(),
        content: coded.content,
        payloads: coded.payloads.iter().map(|payload| Payload::of(payload)).collect(),
    };
    let mut file = header.to_bytes();
    coded.payloads.iter().for_each(|payload| file.extend_from_slice(payload));
    file
}

#[cfg(test)]
mod tests {
    use lmcodec_codecs::jpeg::{PixelFormat, encode_planes};

    use super::*;

    fn photo() -> (JpegImage, Vec<u8>) {
        let pixels: Vec<u8> = (0..96 * 64u32).map(|i| (i % 96 * 2 + i / 96) as u8).collect();
        let image = encode_planes(&pixels, 96, 64, PixelFormat::Gray8, &jpeg::EncodeOptions::default());
        let image = image.expect("encodes");
        let file = jpeg::write(&image).expect("writes");
        (image, file)
    }

    /// What a fault of the model's code would do: coefficients of another picture under a header of this one.
    #[test]
    fn a_modelled_form_that_does_not_decode_is_given_up_and_said() {
        let (image, original) = photo();
        let options = EncodeOptions { always_model: true, ..EncodeOptions::default() };
        let mut other = image.clone();
        other.components[0].coefficients[64] ^= 1;
        for damage in [true, false] {
            let coded = media::jpeg::encode(if damage { &other } else { &image }, &options, 0.0..0.5);
            let encoded = finish(&original, coded.expect("codes"), &options, 0.5..1.0).expect("encodes");
            match encoded.summary.mode {
                Mode::Modelled => assert!(!damage),
                Mode::Stored { ref reason } => {
                    assert!(damage && matches!(reason, StoredReason::VerificationFailed(_)), "{reason}");
                    assert!(reason.to_string().starts_with("verification of the modelled form failed: "), "{reason}");
                }
            }
            assert_eq!(decode(&encoded.bytes, &options.decode_options()).expect("decodes"), original);
        }
    }

    #[test]
    fn whatever_is_to_come_back_exactly_is_stored() {
        let options = EncodeOptions { exact: true, ..EncodeOptions::default() };
        for (bytes, found) in [(&b"\x89PNG\r\n\x1a\n"[..], "a PNG file"), (b"text", "text"), (b"", "an empty file")] {
            let encoded = encode(bytes, &options).expect("stores");
            let Mode::Stored { reason } = &encoded.summary.mode else { panic!("modelled") };
            assert!(reason.to_string().contains(found), "{reason}");
            assert_eq!(decode(&encoded.bytes, &options.decode_options()).expect("decodes"), bytes);
        }
    }
}
