//! What some bytes look like, for choosing a path and for saying what was found.

/// Kinds of input that are told apart by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    use image::ImageFormat as F;
    if bytes.starts_with(&[0xFF, 0xD8]) {
        return Kind::Jpeg;
    }
    match image::guess_format(bytes) {
        Ok(F::Png) => Kind::Image("PNG"),
        Ok(F::WebP) => Kind::Image("WebP"),
        Ok(F::Tiff) => Kind::Image("TIFF"),
        Ok(F::Bmp) => Kind::Image("BMP"),
        Ok(F::Pnm) => Kind::Image("PNM"),
        _ => Kind::Other,
    }
}

/// A few words on what some bytes look like.
pub fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".into();
    }
    if bytes.starts_with(&crate::container::MAGIC) {
        return "an lmcodec file".into();
    }
    match kind(bytes) {
        Kind::Jpeg => return "a JPEG file".into(),
        Kind::Image(name) => return format!("a {name} file"),
        Kind::Other => {}
    }
    if let Ok(format) = image::guess_format(bytes) {
        return format!("a {format:?} file");
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
    fn descriptions_name_what_was_found() {
        assert_eq!(describe(b""), "an empty file");
        assert_eq!(describe("Grüße\n".as_bytes()), "text (8 bytes)");
        assert_eq!(describe(&[0, 1, 2]), "3 bytes starting with 00 01 02");
        assert_eq!(describe(&[0xFF, 0xD8]), "a JPEG file");
        assert_eq!(describe(b"GIF89a.."), "a Gif file");
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n"), Kind::Image("PNG"));
    }
}
