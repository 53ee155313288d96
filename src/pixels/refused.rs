//! What is never converted, because more than quantization would be lost: further pages, films, raw sensor data.

/// The tags of a TIFF directory that tell (TIFF 6.0; TIFF/EP; DNG 1.7).
const NEW_SUBFILE_TYPE: u16 = 254;
const SUB_IFDS: u16 = 330;
const DNG_VERSION: u16 = 50_706;
/// A photometric interpretation above these is a colour filter array or linear raw data (TIFF/EP 32803, DNG 34892).
const PHOTOMETRIC: u16 = 262;
const COLOR_FILTER_ARRAY: u32 = 32_803;
const LINEAR_RAW: u32 = 34_892;

/// Why the image in some bytes must not be converted, as the end of a sentence that begins with "it".
pub(crate) fn refusal(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'I', b'I', ..] => tiff(bytes, u16::from_le_bytes, u32::from_le_bytes),
        [b'M', b'M', ..] => tiff(bytes, u16::from_be_bytes, u32::from_be_bytes),
        [0x89, b'P', b'N', b'G', ..] => is_animated_png(bytes).then_some("is an animation"),
        [b'R', b'I', b'F', b'F', ..] => {
            (bytes.get(12..16)? == b"VP8X" && bytes.get(20)? & 2 != 0).then_some("is an animation")
        }
        _ => None,
    }
}

/// An `acTL` chunk before the pixels (PNG third edition, 11.3.6.1).
fn is_animated_png(bytes: &[u8]) -> bool {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 8) {
        match &head[4..] {
            b"acTL" => return true,
            b"IDAT" => return false,
            _ => {
                at = at
                    .saturating_add(12)
                    .saturating_add(u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize)
            }
        }
    }
    false
}

fn tiff(bytes: &[u8], u16_of: fn([u8; 2]) -> u16, u32_of: fn([u8; 4]) -> u32) -> Option<&'static str> {
    let short = |at: usize| Some(u16_of(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let long = |at: usize| Some(u32_of(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?));
    if bytes.get(8..10) == Some(b"CR") {
        return Some("is a camera's raw file");
    }
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    let mut thumbnail = false;
    for entry in (0..entries).map(|index| directory + 2 + 12 * index) {
        match (short(entry)?, long(entry + 8)?) {
            (SUB_IFDS | DNG_VERSION, _) => return Some("is a camera's raw file, or has images within images"),
            // A SHORT stands in the first two of the four bytes.
            (PHOTOMETRIC, _) if matches!(u32::from(short(entry + 8)?), COLOR_FILTER_ARRAY | LINEAR_RAW) => {
                return Some("is a camera's raw file");
            }
            (NEW_SUBFILE_TYPE, kind) => thumbnail = kind & 1 != 0,
            _ => {}
        }
    }
    if long(directory + 2 + 12 * entries)? != 0 {
        return Some("has several pages");
    }
    thumbnail.then_some("holds only a smaller version of another image")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TIFF file of one directory, in either byte order, with these tags (LONG values) and a link to the next directory.
    fn tiff_with(tags: &[(u16, u32)], next: u32, big: bool) -> Vec<u8> {
        let short = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        let long = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut out = if big { b"MM".to_vec() } else { b"II".to_vec() };
        out.extend(short(42));
        out.extend(long(8));
        out.extend(short(tags.len() as u16));
        for &(tag, value) in tags {
            out.extend(short(tag));
            // A photometric interpretation is a SHORT.
            out.extend(short(if tag == PHOTOMETRIC { 3 } else { 4 }));
            out.extend(long(1));
            if tag == PHOTOMETRIC {
                out.extend(short(value as u16));
                out.extend([0, 0]);
            } else {
                out.extend(long(value));
            }
        }
        out.extend(long(next));
        out
    }

    #[test]
    fn raw_files_pages_and_films_are_told_from_plain_images() {
        for big in [false, true] {
            assert_eq!(refusal(&tiff_with(&[(256, 10), (PHOTOMETRIC, 2)], 0, big)), None);
            for (tags, next) in [
                (&[(256, 10), (PHOTOMETRIC, 2)][..], 300),
                (&[(NEW_SUBFILE_TYPE, 1)], 0),
                (&[(256, 10), (SUB_IFDS, 500)], 0),
                (&[(PHOTOMETRIC, COLOR_FILTER_ARRAY)], 0),
                (&[(DNG_VERSION, 0x0104_0000)], 0),
            ] {
                assert!(refusal(&tiff_with(tags, next, big)).is_some(), "{tags:?} {next}");
            }
        }
        let png = |chunk: &[u8; 4]| [&b"\x89PNG\r\n\x1a\n\0\0\0\x01gAMA\0\0\0\0\0\0\0\0\0"[..], chunk].concat();
        assert_eq!(refusal(&png(b"acTL")), Some("is an animation"));
        assert_eq!(refusal(&png(b"IDAT")), None);
        let webp = |flags: u8| [&b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0"[..], &[flags; 10]].concat();
        assert_eq!((refusal(&webp(2)), refusal(&webp(0x10))), (Some("is an animation"), None));
        for cut in 0..14 {
            assert_eq!(refusal(&tiff_with(&[(NEW_SUBFILE_TYPE, 1)], 0, false)[..cut]), None);
        }
    }
}
