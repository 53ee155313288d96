//! What people look for in a JPEG file beside the picture: EXIF, XMP, colour profile, comments, thumbnail.
//!
//! All of it is in marker segments before the first scan: EXIF and XMP in APP1 (CIPA DC-008, 4.7.2; XMP specification part 3,
//! 1.1.3), the ICC profile in APP2 (ICC.1, B.4), comments in COM (T.81, B.2.4.5). The thumbnail is a JPEG file that the second
//! directory of the EXIF data points at (CIPA DC-008, 4.5.4 and 4.6.3).

use super::side::{Element, SideInformation};

const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const ICC: &[u8] = b"ICC_PROFILE\0";

const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const COM: u8 = 0xFE;
const SOS: u8 = 0xDA;

/// TIFF tags of a directory with a JPEG thumbnail.
const THUMBNAIL_OFFSET: u16 = 0x0201;
const THUMBNAIL_LENGTH: u16 = 0x0202;

/// Metadata of a JPEG file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metadata {
    /// EXIF data: a TIFF structure, from its byte order mark on.
    pub exif: Option<Vec<u8>>,
    /// The XMP packet, UTF-8 text by its specification. (Extended XMP is not looked for.)
    pub xmp: Option<Vec<u8>>,
    /// The ICC profile, its parts joined; none if one of them is missing.
    pub icc: Option<Vec<u8>>,
    /// The comments in order, in whatever encoding they have.
    pub comments: Vec<Vec<u8>>,
}

impl Metadata {
    /// The metadata of a JPEG file, whose marker segments are read up to the first scan. Whatever the bytes are, this is no
    /// error; what is not there is absent.
    #[must_use]
    pub fn of_file(bytes: &[u8]) -> Self {
        let mut rest = bytes.strip_prefix(&[0xFF, 0xD8]).unwrap_or_default();
        Self::of_segments(std::iter::from_fn(|| {
            // Fill bytes may precede a marker (T.81, B.1.1.2).
            while let [0xFF, 0xFF, ..] = rest {
                rest = &rest[1..];
            }
            let [0xFF, marker, high, low, ..] = *rest else { return None };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let payload = rest.get(4..2 + length).filter(|_| marker != SOS)?;
            rest = &rest[2 + length..];
            Some((marker, payload))
        }))
    }

    fn of_segments<'a>(segments: impl Iterator<Item = (u8, &'a [u8])>) -> Self {
        let (mut metadata, mut profile) = (Self::default(), Vec::new());
        for (marker, payload) in segments {
            let field = |heading: &[u8]| payload.strip_prefix(heading).map(<[u8]>::to_vec);
            match marker {
                APP1 => {
                    metadata.exif = metadata.exif.or_else(|| field(EXIF));
                    metadata.xmp = metadata.xmp.or_else(|| field(XMP));
                }
                APP2 => profile.extend(payload.strip_prefix(ICC)),
                COM => metadata.comments.push(payload.to_vec()),
                _ => {}
            }
        }
        metadata.icc = joined(profile);
        metadata
    }

    /// The JPEG file that the EXIF data has as thumbnail.
    #[must_use]
    pub fn thumbnail(&self) -> Option<&[u8]> {
        let tiff = Tiff::new(self.exif.as_deref()?)?;
        let (entries, next) = tiff.directory(tiff.u32(4)?)?;
        let (entries, _) = if next == 0 { (entries, 0) } else { tiff.directory(next)? };
        let value = |tag| entries.clone().find(|&entry| tiff.u16(entry) == Some(tag)).and_then(|at| tiff.u32(at + 8));
        let (start, length) = (value(THUMBNAIL_OFFSET)? as usize, value(THUMBNAIL_LENGTH)? as usize);
        tiff.bytes.get(start..start.checked_add(length)?).filter(|bytes| bytes.starts_with(&[0xFF, 0xD8]))
    }
}

impl SideInformation {
    /// The metadata among the elements before the first scan.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let head = self.elements.iter().take_while(|element| !matches!(element, Element::Scan(_)));
        Metadata::of_segments(head.filter_map(|element| match element {
            Element::Segment { marker, payload } => Some((*marker, payload.as_slice())),
            _ => None,
        }))
    }
}

/// The parts of a profile, each of which begins with its number, from 1 on, and the number of all.
fn joined(mut parts: Vec<&[u8]>) -> Option<Vec<u8>> {
    parts.sort_by_key(|part| part.first().copied());
    let count = *parts.first()?.get(1)?;
    let whole =
        parts.len() == usize::from(count) && (1..=count).zip(&parts).all(|(n, part)| part.starts_with(&[n, count]));
    whole.then(|| parts.iter().flat_map(|part| &part[2..]).copied().collect())
}

/// A TIFF structure (TIFF 6.0, section 2).
struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"II*\0" => Some(Self { bytes, big_endian: false }),
            b"MM\0*" => Some(Self { bytes, big_endian: true }),
            _ => None,
        }
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Offsets of the entries of a directory, and that of the next directory, 0 for none.
    fn directory(&self, at: u32) -> Option<(impl Iterator<Item = usize> + Clone, u32)> {
        let first = (at as usize).checked_add(2)?;
        let entries = usize::from(self.u16(at as usize)?);
        let next = self.u32(first.checked_add(12 * entries)?).unwrap_or(0);
        Some(((0..entries).map(move |entry| first + 12 * entry), next))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// EXIF data of two empty directories but for a thumbnail in the second.
    fn exif(big_endian: bool, thumbnail: &[u8]) -> Vec<u8> {
        let short = |n: u16| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let long = |n: usize| if big_endian { (n as u32).to_be_bytes() } else { (n as u32).to_le_bytes() };
        let mut tiff = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        tiff.extend(long(8));
        // No entries; the second directory follows.
        tiff.extend([&short(0)[..], &long(14)].concat());
        tiff.extend(short(2));
        for (tag, value) in [(THUMBNAIL_OFFSET, 44), (THUMBNAIL_LENGTH, thumbnail.len())] {
            tiff.extend([&short(tag)[..], &short(4), &long(1), &long(value)].concat());
        }
        tiff.extend(long(0));
        tiff.extend_from_slice(thumbnail);
        tiff
    }

    fn file(segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut file = vec![0xFF, 0xD8];
        for (marker, payload) in segments {
            file.extend([0xFF, 0xFF, *marker]);
            file.extend((payload.len() as u16 + 2).to_be_bytes());
            file.extend_from_slice(payload);
        }
        file.extend([0xFF, SOS, 0, 2, 0xFF, COM, 0, 3, b'x']);
        file
    }

    #[test]
    fn everything_is_found() {
        let thumbnail = [0xFF, 0xD8, 1, 2, 3];
        for big_endian in [false, true] {
            let part = |n, bytes: &[u8]| (APP2, [ICC, &[n, 2], bytes].concat());
            let metadata = Metadata::of_file(&file(&[
                (0xE0, b"JFIF".to_vec()),
                (APP1, [EXIF, &exif(big_endian, &thumbnail)].concat()),
                (APP1, [EXIF, b"a second one"].concat()),
                part(2, b"file"),
                (APP1, [XMP, b"<x/>"].concat()),
                part(1, b"pro"),
                (COM, b"one".to_vec()),
                (COM, Vec::new()),
            ]));
            assert_eq!(metadata.exif, Some(exif(big_endian, &thumbnail)));
            assert_eq!(metadata.thumbnail(), Some(&thumbnail[..]));
            assert_eq!(metadata.xmp.as_deref(), Some(&b"<x/>"[..]));
            assert_eq!(metadata.icc.as_deref(), Some(&b"profile"[..]));
            assert_eq!(metadata.comments, [b"one".to_vec(), Vec::new()], "and none from after the first scan");
        }
    }

    #[test]
    fn what_is_not_whole_is_absent() {
        let half = [ICC, &[1, 2], b"half"].concat();
        assert_eq!(Metadata::of_file(&file(&[(APP2, half)])), Metadata::default());
        for bytes in [&b""[..], b"text", &[0xFF, 0xD8], &[0xFF, 0xD8, 0xFF, COM, 0, 1], &[0xFF, 0xD8, 0xFF, COM, 0, 9]]
        {
            assert_eq!(Metadata::of_file(bytes), Metadata::default());
        }
        let whole = exif(true, &[0xFF, 0xD8, 0xFF, 0xD9]);
        for length in 0..whole.len() {
            let metadata = Metadata { exif: Some(whole[..length].to_vec()), ..Metadata::default() };
            assert_eq!(metadata.thumbnail(), None, "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), big_endian: bool) {
            let _ = Metadata::of_file(&[&[0xFF, 0xD8], bytes.as_slice()].concat());
            let start: &[u8] = if big_endian { b"MM\0*" } else { b"II*\0" };
            let _ = Metadata { exif: Some([start, &bytes].concat()), ..Metadata::default() }.thumbnail();
        }
    }
}
