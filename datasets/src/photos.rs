//! Photos of a folder, decoded, with a split by content.

use std::path::{Path, PathBuf};

use image::RgbImage;
use rayon::prelude::*;

pub use crate::error::DatasetError;
pub use crate::splits::{Split, split_of};

/// One decoded photo.
pub struct Photo {
    /// Path relative to the folder that was searched.
    pub path: PathBuf,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The pixels, 8-bit RGB.
    pub pixels: RgbImage,
}

impl Photo {
    /// The split of a photo: one in `one_in` by its hash is held out, so the split follows the content wherever the file lies.
    pub fn split(&self, one_in: u32) -> Split {
        split_of(&self.sha256, one_in)
    }
}

pub(crate) const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "ppm"];

/// All image files below a folder, in a fixed order.
///
/// # Errors
/// [`DatasetError::Io`] if a folder cannot be listed.
pub fn find_images(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        let io = |source| DatasetError::Io { path: dir.clone(), source };
        for entry in std::fs::read_dir(&dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.is_dir() {
                open.push(path);
            } else if path
                .extension()
                .and_then(|e| e.to_str())
                .is_some_and(|e| EXTENSIONS.contains(&e.to_ascii_lowercase().as_str()))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads and decodes every photo below a folder, in parallel; files that do not decode are left out. Exact copies are kept
/// once.
///
/// # Errors
/// [`DatasetError::Io`] if the folder or a file cannot be read, [`DatasetError::Empty`] if nothing decodes.
pub fn load_folder(folder: &Path) -> Result<Vec<Photo>, DatasetError> {
    let files = find_images(folder)?;
    let photos: Vec<Option<Photo>> = files
        .par_iter()
        .map(|file| {
            let bytes = std::fs::read(file).map_err(|source| DatasetError::Io { path: file.clone(), source })?;
            let sha256 = crate::digest::sha256(&bytes);
            let path = file.strip_prefix(folder).unwrap_or(file).to_path_buf();
            Ok(image::load_from_memory(&bytes).ok().map(|i| Photo { path, sha256, pixels: i.to_rgb8() }))
        })
        .collect::<Result<_, DatasetError>>()?;
    let mut seen = std::collections::HashSet::new();
    let photos: Vec<Photo> = photos.into_iter().flatten().filter(|p| seen.insert(p.sha256.clone())).collect();
    if photos.is_empty() {
        return Err(DatasetError::Empty(folder.to_path_buf()));
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_decodes_and_splits() {
        let dir = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(dir.path().join("n01")).expect("folder");
        for i in 0..12u8 {
            let img = RgbImage::from_fn(20, 10, |x, y| image::Rgb([x as u8 * i, y as u8, i]));
            img.save(dir.path().join(format!("n01/{i:02}.png"))).expect("saved");
        }
        std::fs::copy(dir.path().join("n01/03.png"), dir.path().join("copy.png")).expect("copied");
        std::fs::write(dir.path().join("broken.jpg"), b"not a photo").expect("written");
        std::fs::write(dir.path().join("notes.txt"), b"text").expect("written");
        assert_eq!(find_images(dir.path()).expect("listed").len(), 14);
        let photos = load_folder(dir.path()).expect("loaded");
        assert_eq!(photos.len(), 12);
        let held = photos.iter().filter(|p| p.split(2) == Split::Validation).count();
        assert!(held > 0 && held < 12);
        assert!(photos.iter().all(|p| p.split(0) == Split::Train));
    }

    #[test]
    fn an_empty_folder_is_an_error() {
        let dir = tempfile::tempdir().expect("temporary folder");
        assert!(matches!(load_folder(dir.path()), Err(DatasetError::Empty(_))));
        assert!(matches!(load_folder(&dir.path().join("missing")), Err(DatasetError::Io { .. })));
    }
}
