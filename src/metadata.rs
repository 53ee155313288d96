//! What a coded file tells beside its content, without a model.

use lmcodec_codecs::jpeg::{Metadata, SideInformation};

use crate::container::{Content, FileAttributes, Header, payload};
use crate::error::Error;
use crate::limits::Limits;
use crate::media::stored;

/// EXIF, XMP, colour profile, comments and thumbnail of a coded JPEG file, as they are in the original.
///
/// Of a modelled file only the header is read, and the payloads need not be there: the beginning of the file is enough. A
/// stored file is unpacked. Files of codes have none of it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use lmcodec::jpeg;
/// # let mut image = jpeg::encode_planes(&[128; 64], 8, 8, jpeg::PixelFormat::Gray8, &jpeg::EncodeOptions::default())?;
/// # image.side.elements.insert(1, jpeg::side::Element::Segment { marker: 0xFE, payload: b"a gray square".to_vec() });
/// # let photo = jpeg::write(&image)?;
/// let coded = lmcodec::encode(&photo, &lmcodec::EncodeOptions::new())?.bytes;
/// let metadata = lmcodec::metadata(&coded, &lmcodec::Limits::default())?;
/// assert_eq!(metadata.comments, [b"a gray square"]);
/// assert_eq!((metadata.icc.is_none(), metadata.thumbnail()), (true, None));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`decode`](crate::decode()) for damaged headers and stored payloads, [`Error::Limit`].
pub fn metadata(bytes: &[u8], limits: &Limits) -> Result<Metadata, Error> {
    let (header, header_length) = Header::read(bytes)?;
    let side = match &header.content {
        Content::Jpeg(content) => &content.side,
        Content::SequenceJpeg(content) => &content.side,
        Content::Codes(_) => return Ok(Metadata::default()),
        Content::Stored(compressor) => {
            Error::limit("bytes of the original", header.original_length, limits.max_original_bytes)?;
            let range = header.payload_ranges(header_length, bytes.len())?.into_iter().zip(&header.payloads).next();
            let (range, entry) = range.ok_or_else(|| Error::malformed(header_length, "no payload"))?;
            let payload = payload(bytes, range, *entry)?;
            let original = stored::decode(payload, *compressor, header.original_length, header_length)?;
            return Ok(Metadata::of_file(&original));
        }
    };
    let side = SideInformation::from_bytes(side, &limits.jpeg);
    Ok(side.map_err(|error| Error::of_jpeg(error, header.side_offset()))?.metadata())
}

/// What the header of an lmcodec file says of the original; nothing where it was encoded without. The beginning of the file is
/// enough, as long as the whole header is in it.
///
/// # Errors
/// [`Error::NotAnImage`] for other files, [`Error::Unsupported`] for other versions, [`Error::Malformed`] for damaged headers.
pub fn attributes(bytes: &[u8]) -> Result<FileAttributes, Error> {
    Ok(Header::read(bytes)?.0.attributes)
}
