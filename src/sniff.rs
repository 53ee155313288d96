//! What some bytes look like, for choosing a path and for saying what was found.

/// The first three bytes of every lmcodec file: "λm" in UTF-8.
pub const MAGIC: [u8; 3] = [0xCE, 0xBB, b'm'];

/// Kinds of input that are told apart by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Starts with an SOI marker: goes the JPEG way, whatever follows.
    Jpeg,
    /// An image format that is converted to JPEG, with its name.
    Image(&'static str),
    /// Anything else.
    Other,
}

/// The kind of some bytes.
pub fn kind(bytes: &[u8]) -> Kind {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    match bytes {
        [0xFF, 0xD8, ..] => Kind::Jpeg,
        [b'P', b'1'..=b'7', ..] => Kind::Image("PNM"),
        _ if at(0, b"\x89PNG\r\n\x1a\n") => Kind::Image("PNG"),
        _ if at(0, b"RIFF") && at(8, b"WEBP") => Kind::Image("WebP"),
        _ if at(0, b"II*\0") || at(0, b"MM\0*") => Kind::Image("TIFF"),
        _ if at(0, b"BM") => Kind::Image("BMP"),
        _ => Kind::Other,
    }
}

/// Width and height that the first frame header of a JPEG file states (ITU-T T.81, B.2.2), as far as its first bytes go.
pub fn jpeg_size(bytes: &[u8]) -> Option<(u16, u16)> {
    let mut at = 2;
    loop {
        let head = bytes.get(at..at + 4)?;
        match (head[0], head[1]) {
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF) => {
                let size = bytes.get(at + 5..at + 9)?;
                return Some((u16::from_be_bytes([size[2], size[3]]), u16::from_be_bytes([size[0], size[1]])));
            }
            (0xFF, 0xDA | 0xD9) => return None,
            (0xFF, _) => at += 2 + usize::from(u16::from_be_bytes([head[2], head[3]])),
            _ => return None,
        }
    }
}

/// Formats that are named in messages, and no more: magic, its offset, name.
const NAMED: [(&[u8], usize, &str); 11] = [
    (b"GIF87a", 0, "GIF"),
    (b"GIF89a", 0, "GIF"),
    (b"ftypavif", 4, "AVIF"),
    (b"ftypheic", 4, "HEIC"),
    (b"ftypheix", 4, "HEIC"),
    (b"ftypmif1", 4, "HEIF"),
    (b"\xFF\x0A", 0, "JPEG XL"),
    (b"\0\0\0\x0CJXL \r\n\x87\n", 0, "JPEG XL"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", 0, "JPEG 2000"),
    (b"#?RADIANCE", 0, "Radiance HDR"),
    (b"qoif", 0, "QOI"),
];

/// A few words on what some bytes look like.
pub fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".into();
    }
    if bytes.starts_with(&MAGIC) {
        return "an lmcodec file".into();
    }
    match kind(bytes) {
        Kind::Jpeg => return "a JPEG file".into(),
        Kind::Image(name) => return format!("a {name} file"),
        Kind::Other => {}
    }
    let is = |&&(magic, offset, _): &&(&[u8], usize, &str)| bytes.get(offset..).is_some_and(|b| b.starts_with(magic));
    if let Some((_, _, name)) = NAMED.iter().find(is) {
        return format!("a {name} file");
    }
    let start = &bytes[..bytes.len().min(512)];
    let text = match std::str::from_utf8(start) {
        Ok(text) => Some(text),
        // A character may be cut at the end of the sample.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&start[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    if text.is_some_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace())) {
        return format!("text ({} bytes)", bytes.len());
    }
    let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{} bytes starting with {}", bytes.len(), shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_in_the_frame_header() {
        let file =
            [&b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xFF\xDB\0\x03x\xFF\xC2\0\x0B\x08"[..], &[0, 200, 1, 44, 1, 1, 0x11, 0]]
                .concat();
        assert_eq!(jpeg_size(&file), Some((300, 200)));
        for cut in 0..file.len() - 4 {
            assert_eq!(jpeg_size(&file[..cut]), None);
        }
        assert_eq!(jpeg_size(b"\xFF\xD8\xFF\xDA\0\x02 no frame"), None);
    }

    #[test]
    fn descriptions_name_what_was_found() {
        assert_eq!(describe(b""), "an empty file");
        assert_eq!(describe("Grüße\n".as_bytes()), "text (8 bytes)");
        assert_eq!(describe(&[0, 1, 2]), "3 bytes starting with 00 01 02");
        assert_eq!(describe(&[0xFF, 0xD8]), "a JPEG file");
        assert_eq!(describe(b"GIF89a.."), "a GIF file");
        assert_eq!(describe(b"\0\0\0 ftypavif...."), "a AVIF file");
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n"), Kind::Image("PNG"));
    }
}
