//! Image file → lmcodec file.

use std::sync::Arc;

use lmcodec_codecs::jpeg::{self, JpegImage};

use crate::container::{Checksum, Content, Header, JpegContent, Payload};
use crate::decode::{self, decode};
use crate::error::Error;
use crate::options::{EncodeOptions, Encoded, Mode};
#[cfg(feature = "images")]
use crate::pixels;
use crate::segments::{self, Bands, Meter};
use crate::sniff::{Kind, kind};
use crate::{sequence, stored};

/// Encodes an image file.
///
/// A JPEG file is recompressed so that [`decode`] gives back its very bytes: with the model, or *stored* where it cannot be
/// modelled or would not become smaller ([`Mode::Stored`] says why). With the feature `images`, PNG, WebP, TIFF, BMP and PNM
/// images become the JPEG file that libjpeg would make of them at `options.quality`, and that is recompressed.
///
/// # Errors
/// [`Error::NotAnImage`] for anything else ([`store`] keeps even that), [`Error::Limit`], [`Error::Model`],
/// [`Error::Image`], and [`Error::Mismatch`] if not even the stored form decodes to the input.
pub fn encode(bytes: &[u8], options: &EncodeOptions) -> Result<Encoded, Error> {
    Error::limit("bytes of the input", bytes.len() as u64, options.limits.max_original_bytes)?;
    match kind(bytes) {
        Kind::Jpeg => match jpeg::parse(bytes, &options.limits.jpeg) {
            Ok(image) => encode_image(&image, bytes, options),
            Err(error) => store(bytes, error.to_string(), options),
        },
        #[cfg(feature = "images")]
        Kind::Image(name) => {
            let converted = pixels::convert(bytes, options)?;
            let jpeg = jpeg::write(&converted.image).map_err(|error| Error::Image(error.to_string()))?;
            let mut encoded = encode_image(&converted.image, &jpeg, options)?;
            encoded.notes.extend(converted.notes);
            encoded.converted_from = Some(name);
            Ok(encoded)
        }
        #[cfg(not(feature = "images"))]
        Kind::Image(name) => Err(Error::Image(format!(
            "{name} files are not read by this build, only JPEG; get it with: cargo install lmcodec --features images"
        ))),
        Kind::Other => Err(Error::NotAnImage {
            found: crate::sniff::describe(bytes),
            expected: "an image (JPEG, PNG, WebP, TIFF, BMP or PNM)",
        }),
    }
}

/// Stores any bytes through a general compressor; `reason` is what [`Mode::Stored`] will say.
///
/// # Errors
/// [`Error::Limit`] or, if verification is on, [`Error::Mismatch`].
pub fn store(bytes: &[u8], reason: impl Into<String>, options: &EncodeOptions) -> Result<Encoded, Error> {
    Error::limit("bytes of the input", bytes.len() as u64, options.limits.max_original_bytes)?;
    let file = stored::pack(bytes);
    if options.verify && decode(&file, &options.decode_options())? != bytes {
        return Err(Error::Mismatch { what: "the stored file does not decode to the input".into() });
    }
    Ok(Encoded {
        bytes: file,
        mode: Mode::Stored { reason: reason.into() },
        model: None,
        notes: Vec::new(),
        converted_from: None,
        original_bytes: bytes.len(),
        symbols: None,
    })
}

/// Codes a parsed JPEG file with the model, or stores it.
fn encode_image(image: &JpegImage, original: &[u8], options: &EncodeOptions) -> Result<Encoded, Error> {
    let model = options.model();
    let bands = Bands::balanced(image, options.segment_rows);
    let (coding, verifying) = if options.verify { (0.0..0.5, 0.5..1.0) } else { (0.0..1.0, 1.0..1.0) };
    let (content, payloads, symbols) = if let Some(sequence) = model.sequence() {
        let (content, payloads, symbols) = sequence::jpeg::encode(image, &model, sequence, options, coding)?;
        (content, payloads, Some(symbols))
    } else {
        let estimation = options.effort.estimation();
        let meter = Meter::of_image(&options.execution, image, coding);
        let payloads = segments::encode(image, &bands, &model, estimation, &options.execution, &meter)?;
        let content = Content::Jpeg(JpegContent {
            model: model.id(),
            estimation,
            side: image.side.to_bytes(),
            rows_per_segment: u32::try_from(bands.rows_per_segment()).unwrap_or(u32::MAX),
        });
        (content, payloads, None)
    };
    let header = Header {
        original_length: original.len() as u64,
        original_checksum: Checksum::of(original),
        content,
        payloads: payloads.iter().map(|payload| Payload::of(payload)).collect(),
    };
    let mut file = header.to_bytes();
    payloads.iter().for_each(|payload| file.extend_from_slice(payload));

    if file.len() >= original.len() && !options.always_model {
        let reason = format!("the model's {} bytes are no fewer than the file's {}", file.len(), original.len());
        return store(original, reason, options);
    }
    if options.verify {
        let mut decode_options = options.decode_options();
        decode_options.models.add(Arc::clone(&model));
        let problem = match decode::decode_share(&file, &decode_options, verifying) {
            Ok(decoded) if decoded == original => None,
            Ok(_) => Some("the decoded bytes differ".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            return store(original, format!("verification of the modelled form failed: {problem}"), options);
        }
    }
    Ok(Encoded {
        bytes: file,
        mode: Mode::Modelled,
        model: Some(model.name().to_owned()),
        notes: Vec::new(),
        converted_from: None,
        original_bytes: original.len(),
        symbols,
    })
}
