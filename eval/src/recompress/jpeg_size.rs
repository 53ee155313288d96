//! The size of a JPEG image in pixels, from its frame header alone (ITU-T T.81, B.2.2).
//!
//! A reader of its own, so that files no codec understands (arithmetic, lossless, 12-bit) still have a bpp.

/// Width and height in pixels, or `None` where no frame header is found or a size is zero (height by DNL).
pub fn jpeg_size(jpeg: &[u8]) -> Option<(u32, u32)> {
    let mut at = jpeg.strip_prefix(&[0xff, 0xd8]).map(|_| 2)?;
    loop {
        while *jpeg.get(at)? != 0xff {
            at += 1;
        }
        while *jpeg.get(at)? == 0xff {
            at += 1;
        }
        let marker = jpeg[at];
        at += 1;
        match marker {
            // Without a segment: stuffed zero, TEM, RSTn, SOI
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 => return None,
            // SOF0–SOF15, but for DHT, JPG and DAC
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let field =
                    |i: usize| Some(u32::from(u16::from_be_bytes([*jpeg.get(at + i)?, *jpeg.get(at + i + 1)?])));
                let (height, width) = (field(3)?, field(5)?);
                return (width > 0 && height > 0).then_some((width, height));
            }
            _ => at += usize::from(u16::from_be_bytes([*jpeg.get(at)?, *jpeg.get(at + 1)?])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_past_other_segments() {
        // APP0 of 4 bytes whose payload looks like SOF0, DQT of 2, a fill byte, SOF2 of 3×258
        let jpeg = [
            0xff, 0xd8, 0xff, 0xe0, 0, 4, 0xff, 0xc0, 0xff, 0xdb, 0, 2, 0xff, 0xff, 0xc2, 0, 11, 8, 1, 2, 0, 3, 1, 1,
            0x11, 0,
        ];
        assert_eq!(jpeg_size(&jpeg), Some((3, 258)));
        for n in 0..20 {
            assert_eq!(jpeg_size(&jpeg[..n]), None, "{n}");
        }
        assert_eq!(jpeg_size(b"\x89PNG"), None);
        assert_eq!(jpeg_size(&[0xff, 0xd8, 0xff, 0xd9]), None);
    }
}
