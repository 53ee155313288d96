//! From readers to writers. Whatever the reader holds, no more is read than the limits allow, and nothing is written before all
//! of it has been checked.

use std::io::{self, Read, Write};

use crate::decode::decode;
use crate::encode::{encode, encode_codes};
use crate::encoded::Summary;
use crate::error::Error;
use crate::options::{CodesOptions, DecodeOptions, EncodeOptions};

/// [`encode`](crate::encode()) from a reader to a writer.
///
/// ```
/// # use lmcodec::jpeg;
/// # let image = jpeg::encode_planes(&[128; 64], 8, 8, jpeg::PixelFormat::Gray8, &jpeg::EncodeOptions::default())?;
/// # let photo = jpeg::write(&image)?;
/// # let file = photo.as_slice();
/// let mut coded = Vec::new();
/// let summary = lmcodec::encode_from(file, &mut coded, &lmcodec::EncodeOptions::new())?;
/// assert_eq!(summary.coded_bytes, coded.len() as u64);
///
/// let mut decoded = Vec::new();
/// lmcodec::decode_from(coded.as_slice(), &mut decoded, &lmcodec::DecodeOptions::new())?;
/// assert_eq!(decoded, photo);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`encode`](crate::encode()); [`Error::Stream`] if the reader or the writer fails.
pub fn encode_from(reader: impl Read, writer: impl Write, options: &EncodeOptions) -> Result<Summary, Error> {
    let bytes = read("bytes of the input", reader, options.limits.max_original_bytes)?;
    let encoded = encode(&bytes, options)?;
    write(writer, &encoded.bytes)?;
    Ok(encoded.summary)
}

/// [`encode_codes`](crate::encode_codes) from a reader to a writer.
///
/// # Errors
/// As [`encode_codes`](crate::encode_codes); [`Error::Stream`] if the reader or the writer fails.
pub fn encode_codes_from(
    reader: impl Read,
    writer: impl Write,
    codes: &CodesOptions,
    options: &EncodeOptions,
) -> Result<Summary, Error> {
    let bytes = read("bytes of the input", reader, options.limits.max_original_bytes)?;
    let encoded = encode_codes(&bytes, codes, options)?;
    write(writer, &encoded.bytes)?;
    Ok(encoded.summary)
}

/// [`decode`](crate::decode()) from a reader to a writer. Returns the number of bytes written.
///
/// # Errors
/// As [`decode`](crate::decode()); [`Error::Stream`] if the reader or the writer fails.
pub fn decode_from(reader: impl Read, writer: impl Write, options: &DecodeOptions) -> Result<u64, Error> {
    let bytes = read("bytes of the coded file", reader, options.limits.max_coded_bytes())?;
    let original = decode(&bytes, options)?;
    write(writer, &original)?;
    Ok(original.len() as u64)
}

/// All bytes of a reader that has at most `most`.
fn read(what: &'static str, reader: impl Read, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fault("reading"))?;
    Error::limit(what, bytes.len() as u64, most)?;
    Ok(bytes)
}

fn write(mut writer: impl Write, bytes: &[u8]) -> Result<(), Error> {
    writer.write_all(bytes).and_then(|()| writer.flush()).map_err(fault("writing"))
}

fn fault(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Stream { doing, source }
}
