//! Shapes of folders in which public data sets come, and how a folder's shape is recognised from the names in it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// The layout of a data set's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// `train/n01440764/n01440764_10026.JPEG`, or flat files named `n01440764_…` or `ILSVRC2012_val_…`.
    ImageNet,
    /// `kodim01.png` … `kodim24.png`.
    Kodak,
    /// `train/`, `valid/`, `test/` or flat, files named by 32 or 64 hexadecimal digits; or any folder called `clic…`.
    Clic,
    /// `DIV2K_train_HR/0001.png`, `DIV2K_valid_HR/…`, `Flickr2K_HR/…`; folders of low resolution (`…_LR…`) are left out.
    Div2k,
    /// Images in any arrangement.
    Images,
    /// LibriSpeech `train-clean-100/103/1240/103-1240-0000.flac` with `103-1240.trans.txt`, or LibriTTS
    /// `…/103_1240_000000_000001.wav` with `.normalized.txt`; the folders may be missing, the names count.
    LibriSpeech,
    /// `wavs/LJ001-0001.wav` and `metadata.csv`.
    LjSpeech,
    /// `.npy` arrays of codes; a `.tsv` (utterance, first step, steps) of the same name cuts one into utterances.
    Codes,
}

/// What the items of a data set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// Pictures.
    Image,
    /// Recorded speech.
    Speech,
    /// Integer codes.
    Codes,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 8] = [
        Self::ImageNet,
        Self::Kodak,
        Self::Clic,
        Self::Div2k,
        Self::Images,
        Self::LibriSpeech,
        Self::LjSpeech,
        Self::Codes,
    ];

    /// Its name on the command line and in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageNet => "imagenet",
            Self::Kodak => "kodak",
            Self::Clic => "clic",
            Self::Div2k => "div2k",
            Self::Images => "images",
            Self::LibriSpeech => "librispeech",
            Self::LjSpeech => "ljspeech",
            Self::Codes => "codes",
        }
    }

    /// What its items are.
    #[must_use]
    pub fn medium(self) -> ItemKind {
        match self {
            Self::ImageNet | Self::Kodak | Self::Clic | Self::Div2k | Self::Images => ItemKind::Image,
            Self::LibriSpeech | Self::LjSpeech => ItemKind::Speech,
            Self::Codes => ItemKind::Codes,
        }
    }

    /// Whether a file of this name is an item of the shape's medium.
    #[must_use]
    pub fn takes(self, path: &Path) -> bool {
        let extensions: &[&str] = match self.medium() {
            ItemKind::Image => &crate::photos::EXTENSIONS,
            ItemKind::Speech => &["flac", "wav"],
            ItemKind::Codes => &["npy"],
        };
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        extension.is_some_and(|e| extensions.contains(&e.as_str()))
    }

    /// The shape of a folder with these files (relative paths).
    ///
    /// # Errors
    /// [`DatasetError::Shape`] if it is none of the known ones.
    pub fn detect(folder: &Path, paths: &[PathBuf]) -> Result<Self, DatasetError> {
        let root = folder.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let count = |shape: Self| paths.iter().filter(|p| shape.takes(p)).count();
        let (images, speech, codes) = (count(Self::Images), count(Self::LibriSpeech), count(Self::Codes));
        if speech > images && speech > codes {
            if paths.iter().any(|p| p.file_name().is_some_and(|n| n == "metadata.csv")) {
                return Ok(Self::LjSpeech);
            }
            let read = paths.iter().filter(|p| Self::LibriSpeech.takes(p));
            if 2 * read.filter(|p| libri_name(p).is_some()).count() >= speech {
                return Ok(Self::LibriSpeech);
            }
        } else if images > 0 && images >= codes {
            let most = |test: &dyn Fn(&Path) -> bool| {
                2 * paths.iter().filter(|p| Self::Images.takes(p) && test(p)).count() >= images
            };
            let in_folder = |p: &Path, test: &dyn Fn(&str) -> bool| {
                test(&root) || p.parent().is_some_and(|p| p.iter().any(|c| test(&c.to_string_lossy().to_lowercase())))
            };
            return Ok(if most(&|p| in_folder(p, &|c| c.ends_with("_hr"))) {
                Self::Div2k
            } else if most(&|p| wordnet_id(p).is_some() || stem(p).starts_with("ILSVRC2012_")) {
                Self::ImageNet
            } else if most(&|p| stem(p).to_lowercase().starts_with("kodim")) {
                Self::Kodak
            } else if most(&|p| in_folder(p, &|c| c.starts_with("clic")) || hexadecimal(&stem(p))) {
                Self::Clic
            } else {
                Self::Images
            });
        } else if codes > 0 {
            return Ok(Self::Codes);
        }
        let names = Self::ALL.map(Self::name).join(", ");
        Err(DatasetError::Shape {
            folder: folder.into(),
            message: format!(
                "none of the known shapes: {} files, of them {images} images, {speech} flac or wav files not named as \
                 LibriSpeech's nor beside a metadata.csv, {codes} npy files; --shape chooses one of {names}",
                paths.len()
            ),
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let name = if text == "libritts" { "librispeech" } else { text };
        Self::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| format!("{text:?}: expected one of {}", names()))
    }
}

/// A file name without its extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The WordNet identifier in a path: a folder `n` + 8 digits, or a file name that begins so.
pub(crate) fn wordnet_id(path: &Path) -> Option<String> {
    path.iter().rev().find_map(|c| {
        let c = c.to_string_lossy();
        let id = c.get(..9)?;
        let digits = id.strip_prefix('n')?.bytes().all(|b| b.is_ascii_digit());
        let ends = c.get(9..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.']));
        (digits && ends).then(|| id.to_owned())
    })
}

/// Speaker and chapter in a LibriSpeech or LibriTTS file name: `103-1240-0000`, `103_1240_000000_000001`.
pub(crate) fn libri_name(path: &Path) -> Option<(String, String)> {
    let stem = stem(path);
    let fields: Vec<&str> = stem.split(['-', '_']).collect();
    let numbers = fields.iter().all(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()));
    ((3..=4).contains(&fields.len()) && numbers).then(|| (fields[0].to_owned(), fields[1].to_owned()))
}

fn hexadecimal(stem: &str) -> bool {
    matches!(stem.len(), 32 | 40 | 64) && stem.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(root: &str, paths: &[&str]) -> Option<Shape> {
        Shape::detect(Path::new(root), &paths.iter().map(PathBuf::from).collect::<Vec<_>>()).ok()
    }

    #[test]
    fn shapes_are_told_apart() {
        let hash = "9466a908d088d32ee73f04116c40e48c";
        for (root, paths, shape) in [
            ("x", &["train/n01440764/n01440764_1.JPEG", "LICENSE.txt"][..], Shape::ImageNet),
            ("x", &["n04335435_streetcar.JPEG"], Shape::ImageNet),
            ("x", &["ILSVRC2012_val_00000001.JPEG"], Shape::ImageNet),
            ("x", &["kodim01.png", "kodim02.png", "readme.png"], Shape::Kodak),
            ("x", &["DIV2K_train_HR/0001.png", "DIV2K_valid_HR/0801.png"], Shape::Div2k),
            ("DIV2K_valid_HR", &["0801.png"], Shape::Div2k),
            ("clic2025", &["a.png"], Shape::Clic),
            ("x", &[&format!("test/{hash}.png")], Shape::Clic),
            ("x", &["holiday.jpg"], Shape::Images),
            (
                "x",
                &["dev-clean/84/121123/84-121123-0000.flac", "dev-clean/84/121123/84-121123.trans.txt"],
                Shape::LibriSpeech,
            ),
            ("x", &["84/121123/84_121123_000007_000001.wav"], Shape::LibriSpeech),
            ("x", &["wavs/LJ001-0001.wav", "metadata.csv"], Shape::LjSpeech),
            ("x", &["codes.npy", "codes.tsv"], Shape::Codes),
        ] {
            assert_eq!(detect(root, paths), Some(shape), "{paths:?}");
        }
        assert_eq!(detect("x", &["song.wav"]), None);
        assert_eq!(detect("x", &[]), None);
    }

    #[test]
    fn names_go_there_and_back() {
        for shape in Shape::ALL {
            assert_eq!(shape.name().parse(), Ok(shape));
            assert_eq!(serde_json::to_string(&shape).expect("JSON"), format!("\"{}\"", shape.name()));
        }
        assert!("cifar".parse::<Shape>().is_err());
    }

    #[test]
    fn fields_of_names() {
        assert_eq!(wordnet_id(Path::new("train/n01440764/a.JPEG")).as_deref(), Some("n01440764"));
        assert_eq!(wordnet_id(Path::new("n014407645.JPEG")), None);
        assert_eq!(libri_name(Path::new("1/2/1-2-3.flac")), Some(("1".into(), "2".into())));
        assert_eq!(libri_name(Path::new("1-2.flac")), None);
        assert_eq!(libri_name(Path::new("a-2-3.flac")), None);
    }
}
