//! Source images: folders of PNG, PPM and other lossless files, read as 8-bit RGB.

use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The largest image that is read, in pixels.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Extensions of source images.
const LOSSLESS: &[&str] = &["png", "ppm", "pnm", "bmp", "tif", "tiff", "webp"];

/// An 8-bit RGB image, rows from the top, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels a row, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// `3 · width · height` samples: R, G, B.
    pub rgb: Vec<u8>,
}

/// Why images cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file or folder cannot be read.
    #[error("{what}: {source}")]
    Read {
        /// The file or folder.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A folder without images.
    #[error("{folder}: no image (png, ppm, bmp, tif, webp) in the folder")]
    Empty {
        /// The folder.
        folder: String,
    },
    /// Two files that differ in their extension only.
    #[error("{folder}: two files are called {image}")]
    Duplicate {
        /// The folder.
        folder: String,
        /// File name without extension.
        image: String,
    },
    /// A file that is no image, or a damaged one.
    #[error("{what}: {message}")]
    Image {
        /// The file.
        what: String,
        /// The reader's message.
        message: String,
    },
    /// More pixels than [`MAX_PIXELS`].
    #[error("{what}: {width}×{height} pixels, at most {MAX_PIXELS} pixels are read")]
    TooLarge {
        /// The file.
        what: String,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Pixels that are not opaque: their colours are undefined.
    #[error("{what}: has transparent pixels; distortion is defined for opaque images only")]
    Transparent {
        /// The file.
        what: String,
    },
}

impl Pixels {
    /// Reads an image file of any format of the `image` crate; `what` names it in errors. Samples of 16 bits become 8 bits,
    /// gray becomes RGB.
    pub fn from_bytes(bytes: &[u8], what: &str) -> Result<Self, SourceError> {
        let fault = |message: String| SourceError::Image { what: what.into(), message };
        let reader =
            || image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| fault(e.to_string()));
        let (width, height) = reader()?.into_dimensions().map_err(|e| fault(e.to_string()))?;
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(SourceError::TooLarge { what: what.into(), width, height });
        }
        let mut reader = reader()?;
        let mut limits = image::Limits::default();
        limits.max_alloc = Some(MAX_PIXELS * 8);
        reader.limits(limits);
        let image = reader.decode().map_err(|e| fault(e.to_string()))?;
        if image.color().has_alpha() && image.to_rgba8().pixels().any(|p| p[3] < 255) {
            return Err(SourceError::Transparent { what: what.into() });
        }
        Ok(Self { width, height, rgb: image.into_rgb8().into_raw() })
    }

    /// Pixels of the image.
    pub fn count(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The image as binary PPM (P6), which has no metadata that a codec could act on.
    pub fn to_ppm(&self) -> Vec<u8> {
        let mut ppm = format!("P6\n{} {}\n255\n", self.width, self.height).into_bytes();
        ppm.extend_from_slice(&self.rgb);
        ppm
    }

    /// The image as PNG without metadata.
    pub fn to_png(&self) -> Result<Vec<u8>, image::ImageError> {
        use image::ImageEncoder;
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png).write_image(
            &self.rgb,
            self.width,
            self.height,
            image::ExtendedColorType::Rgb8,
        )?;
        Ok(png)
    }

    /// A small JPEG picture of the image as a data URI; `None` where the image cannot be coded.
    pub fn thumbnail(&self, longest: u32) -> Option<String> {
        use base64::Engine;
        let image = image::RgbImage::from_raw(self.width, self.height, self.rgb.clone())?;
        let small = image::DynamicImage::ImageRgb8(image).thumbnail(longest, longest).into_rgb8();
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 60).encode_image(&small).ok()?;
        Some(format!("data:image/jpeg;base64,{}", base64::engine::general_purpose::STANDARD.encode(jpeg)))
    }
}

/// A named list of image files.
#[derive(Debug, Clone)]
pub struct ImageSet {
    /// Name in reports, such as `kodak`.
    pub name: String,
    /// The files, sorted by name.
    pub files: Vec<PathBuf>,
}

/// One image with what a report says about its file.
#[derive(Debug, Clone)]
pub struct SourceImage {
    /// File name without extension.
    pub name: String,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Its pixels.
    pub pixels: Pixels,
}

impl ImageSet {
    /// The images of a folder (not of its subfolders), at most `limit` of them in the order of their names.
    pub fn from_folder(name: &str, folder: &Path, limit: Option<usize>) -> Result<Self, SourceError> {
        Self::listed(name, folder, limit, LOSSLESS)
    }

    /// [`from_folder`](Self::from_folder), JPEG files among them: for measures of distributions, where no source is needed.
    pub fn with_jpeg(name: &str, folder: &Path, limit: Option<usize>) -> Result<Self, SourceError> {
        Self::listed(name, folder, limit, &[LOSSLESS, &["jpg", "jpeg"]].concat())
    }

    fn listed(name: &str, folder: &Path, limit: Option<usize>, extensions: &[&str]) -> Result<Self, SourceError> {
        let what = folder.display().to_string();
        let fault = |source| SourceError::Read { what: what.clone(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
            if extension.is_some_and(|e| extensions.contains(&e.as_str())) && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        if let Some(pair) = files.windows(2).find(|w| w[0].file_stem() == w[1].file_stem()) {
            return Err(SourceError::Duplicate { folder: what, image: stem(&pair[0]) });
        }
        files.truncate(limit.unwrap_or(usize::MAX));
        if files.is_empty() {
            return Err(SourceError::Empty { folder: what });
        }
        Ok(Self { name: name.into(), files })
    }
}

impl SourceImage {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        let what = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| SourceError::Read { what: what.clone(), source })?;
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        Ok(Self { name: stem(path), sha256, pixels: Pixels::from_bytes(&bytes, &what)? })
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive_ppm_and_png() {
        let pixels = Pixels { width: 3, height: 2, rgb: (0..18).map(|i| i * 14).collect() };
        assert_eq!(Pixels::from_bytes(&pixels.to_ppm(), "x").unwrap(), pixels);
        assert_eq!(Pixels::from_bytes(&pixels.to_png().unwrap(), "x").unwrap(), pixels);
        assert!(pixels.thumbnail(2).unwrap().starts_with("data:image/jpeg;base64,/9j/"));
    }

    #[test]
    fn says_what_is_wrong_with_a_source() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name| SourceImage::read(&folder.path().join(name));
        assert!(matches!(ImageSet::from_folder("s", folder.path(), None), Err(SourceError::Empty { .. })));
        std::fs::write(folder.path().join("x.JPG"), "no image").unwrap();
        assert!(matches!(ImageSet::from_folder("s", folder.path(), None), Err(SourceError::Empty { .. })));
        assert_eq!(ImageSet::with_jpeg("s", folder.path(), None).unwrap().files.len(), 1);
        assert!(matches!(ImageSet::from_folder("s", &folder.path().join("no"), None), Err(SourceError::Read { .. })));
        std::fs::write(folder.path().join("a.png"), "no image").unwrap();
        assert!(matches!(read("a.png"), Err(SourceError::Image { .. })));
        image::RgbaImage::from_pixel(2, 2, image::Rgba([1, 2, 3, 254])).save(folder.path().join("b.png")).unwrap();
        assert!(matches!(read("b.png"), Err(SourceError::Transparent { .. })));
        std::fs::write(folder.path().join("b.ppm"), "x").unwrap();
        assert!(matches!(ImageSet::from_folder("s", folder.path(), None), Err(SourceError::Duplicate { .. })));
        assert!(read("none.png").unwrap_err().to_string().contains("none.png"));
    }
}
