//! What a preparation makes: a list of rows, drawn before any work is done, and the shards that they go into.
//!
//! Everything follows from the manifest, the recipe and its seed. The k-th crop of a picture depends on the seed, the picture's
//! content and k only, so it stays the same whatever other pictures are there.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use lmcodec_codecs::jpeg::Subsampling;

use crate::digest::sha256;
use crate::error::DatasetError;
use crate::manifest::{Manifest, ManifestEntry};
use crate::shape::{ItemKind, Shape};
use crate::splits::Split;

/// Number of crops in "Large Language Models as entropy models for transform coding", section 4.1.
pub const PAPER_CROPS: usize = 13_830;
/// Side of a crop in pixels there.
pub const PAPER_CROP_SIZE: u32 = 256;
/// libjpeg qualities there.
pub const PAPER_QUALITIES: [u8; 3] = [20, 50, 80];

/// Components and chroma subsampling of coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sampling {
    /// Luma only.
    #[serde(rename = "luma")]
    Luma,
    /// 4:4:4.
    #[serde(rename = "444")]
    S444,
    /// 4:2:2.
    #[serde(rename = "422")]
    S422,
    /// 4:2:0.
    #[serde(rename = "420")]
    S420,
}

impl From<Sampling> for Subsampling {
    fn from(sampling: Sampling) -> Self {
        match sampling {
            Sampling::Luma => Self::Gray,
            Sampling::S444 => Self::S444,
            Sampling::S422 => Self::S422,
            Sampling::S420 => Self::S420,
        }
    }
}

impl Sampling {
    /// Components of an image: 1 or 3.
    #[must_use]
    pub fn components(self) -> usize {
        if self == Self::Luma { 1 } else { 3 }
    }
}

/// Which pieces of pictures are taken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Pieces {
    /// Every picture whole, at its own size.
    Whole,
    /// Random square crops of pictures that are scaled down first.
    Crops {
        /// Number of crops in all.
        count: usize,
        /// Side in pixels.
        size: u32,
        /// Range of the scale, 0 < from ≤ to ≤ 1; a picture too small for it is scaled down less.
        scale: (f64, f64),
    },
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleFormat {
    /// 16-bit integers.
    I16,
    /// 32-bit floats, full scale −1 to 1.
    F32,
}

/// What rows hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "content", rename_all = "lowercase")]
pub enum RowContent {
    /// Quantized DCT coefficients of pictures.
    Coefficients {
        /// Which pieces of pictures.
        pieces: Pieces,
        /// libjpeg qualities, 1..=100; every piece is coded at each.
        qualities: Vec<u8>,
        /// Components.
        sampling: Sampling,
    },
    /// Samples of one channel.
    Speech {
        /// Their rate in Hz.
        sample_rate: u32,
        /// Their type.
        format: SampleFormat,
    },
    /// Codes as they are.
    Codes,
}

/// What to make of a manifest's files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What rows hold.
    #[serde(flatten)]
    pub content: RowContent,
    /// Splits that are prepared; each has its own shards.
    pub splits: Vec<Split>,
    /// Decides crops and orders.
    pub seed: u64,
    /// Rows of a shard at most.
    pub rows_per_shard: usize,
}

impl Recipe {
    /// What is usual for a shape: the paper's crops and qualities, 16 kHz, or codes as they are; seed 1.
    #[must_use]
    pub fn default_for(shape: Shape) -> Self {
        let (content, rows_per_shard) = match shape.medium() {
            ItemKind::Image => (
                RowContent::Coefficients {
                    pieces: Pieces::Crops { count: PAPER_CROPS, size: PAPER_CROP_SIZE, scale: (0.5, 0.85) },
                    qualities: PAPER_QUALITIES.to_vec(),
                    sampling: Sampling::Luma,
                },
                512,
            ),
            ItemKind::Speech => (RowContent::Speech { sample_rate: 16_000, format: SampleFormat::I16 }, 256),
            ItemKind::Codes => (RowContent::Codes, 1024),
        };
        Self { content, splits: vec![Split::Train], seed: 1, rows_per_shard }
    }

    fn check(&self) -> Result<(), DatasetError> {
        let fault = |message: String| Err(DatasetError::InvalidOption(message));
        if !(1..=1 << 20).contains(&self.rows_per_shard) {
            return fault(format!("{} rows a shard; 1 to {} are allowed", self.rows_per_shard, 1 << 20));
        }
        if self.splits.is_empty() || self.splits.contains(&Split::Excluded) {
            return fault("splits to prepare: one or more of train, validation, test".into());
        }
        match &self.content {
            RowContent::Coefficients { pieces, qualities, .. } => {
                let mut sorted = qualities.clone();
                sorted.sort_unstable();
                sorted.dedup();
                if sorted.is_empty() || sorted.len() < qualities.len() || sorted.iter().any(|q| !(1..=100).contains(q))
                {
                    return fault(format!("qualities {qualities:?}: different numbers in 1..=100 are expected"));
                }
                if let Pieces::Crops { count, size, scale: (from, to) } = *pieces {
                    if !(1..=100_000_000).contains(&count) || !(8..=16384).contains(&size) {
                        return fault(format!(
                            "{count} crops of {size}×{size}; 1 to 100000000 of 8 to 16384 pixels a side are allowed"
                        ));
                    }
                    if !(from > 0.0 && from <= to && to <= 1.0) {
                        return fault(format!("scale {from} to {to}: 0 < from ≤ to ≤ 1 is expected"));
                    }
                }
            }
            RowContent::Speech { sample_rate, .. } if !(1000..=768_000).contains(sample_rate) => {
                return fault(format!("a sample rate of {sample_rate} Hz; 1000 to 768000 are allowed"));
            }
            RowContent::Speech { .. } | RowContent::Codes => {}
        }
        Ok(())
    }
}

/// A rectangle of a picture's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// How a row is made: one line of `rows.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number, from 0.
    pub row: u64,
    /// Index of its file in the manifest.
    pub entry: usize,
    /// Path of its file.
    pub path: String,
    /// Split of its file.
    pub split: Split,
    /// For pictures: the pixels that are taken. Scaled to the crop's size (Lanczos, a = 3) if they are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// For crops: side of the crop over side of the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// For pictures: libjpeg quality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
}

/// A shard that is made in one go with others: consecutive rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedShard {
    /// File name.
    pub file: String,
    /// Number of its first row.
    pub first_row: u64,
    /// Number of rows.
    pub rows: usize,
    /// Split of all its rows.
    pub split: Split,
    /// Quality of all its rows.
    pub quality: Option<u8>,
}

/// Everything that will be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The rows, by number.
    pub rows: Vec<Row>,
    /// Jobs, each a list of shards of the same pieces at different qualities.
    pub jobs: Vec<Vec<PlannedShard>>,
    /// Files of the wanted splits that are too small for a crop.
    pub too_small: Vec<String>,
}

/// Draws the rows.
///
/// # Errors
/// [`DatasetError::InvalidOption`] for a recipe that makes no sense, fits another medium, or leaves no rows.
pub fn draw(manifest: &Manifest, recipe: &Recipe) -> Result<Plan, DatasetError> {
    recipe.check()?;
    let medium = match recipe.content {
        RowContent::Coefficients { .. } => ItemKind::Image,
        RowContent::Speech { .. } => ItemKind::Speech,
        RowContent::Codes => ItemKind::Codes,
    };
    if let Some(shape) = manifest.shape.filter(|s| s.medium() != medium) {
        return Err(DatasetError::InvalidOption(
            format!("shape {shape} cannot be prepared as {medium:?}").to_lowercase(),
        ));
    }
    let mut too_small = Vec::new();
    let mut members: Vec<usize> = (0..manifest.files.len())
        .filter(|&i| recipe.splits.contains(&manifest.files[i].split))
        .filter(|&i| {
            let fits = fits(&manifest.files[i], &recipe.content);
            if !fits {
                too_small.push(manifest.files[i].path.clone());
            }
            fits
        })
        .collect();
    if members.is_empty() {
        let splits: Vec<String> = recipe.splits.iter().map(ToString::to_string).collect();
        return Err(DatasetError::InvalidOption(format!(
            "nothing to prepare: of {} files, none is in split {} and large enough ({} are too small)",
            manifest.files.len(),
            splits.join(" or "),
            too_small.len()
        )));
    }
    // An order that follows from content, not from names.
    members.sort_by_cached_key(|&i| content_key(recipe.seed, &manifest.files[i], 0));
    let pieces = pieces(manifest, recipe, &members);
    let qualities: Vec<Option<u8>> = match &recipe.content {
        RowContent::Coefficients { qualities, .. } => qualities.iter().map(|&q| Some(q)).collect(),
        _ => vec![None],
    };
    let mut by_split: Vec<Vec<Piece>> = Vec::new();
    for &split in &recipe.splits {
        by_split.push(pieces.iter().copied().filter(|p| manifest.files[p.entry].split == split).collect());
    }
    let mut plan = Plan { rows: Vec::new(), jobs: Vec::new(), too_small };
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    for mut pieces in by_split {
        // Neighbours in this order share pictures; inside a shard they are mixed.
        for shard in pieces.chunks_mut(recipe.rows_per_shard) {
            if !matches!(recipe.content, RowContent::Codes) {
                shard.shuffle(&mut rng);
            }
        }
        let first = plan.rows.len();
        for &quality in &qualities {
            for piece in &pieces {
                let entry = &manifest.files[piece.entry];
                plan.rows.push(Row {
                    row: plan.rows.len() as u64,
                    entry: piece.entry,
                    path: entry.path.clone(),
                    split: entry.split,
                    region: piece.region,
                    scale: piece.scale,
                    quality,
                });
            }
        }
        for (number, start) in (0..pieces.len()).step_by(recipe.rows_per_shard).enumerate() {
            let rows = recipe.rows_per_shard.min(pieces.len() - start);
            let shard = |(index, &quality): (usize, &Option<u8>)| {
                let split = plan.rows[first].split;
                let tag = quality.map_or(String::new(), |q| format!("-q{q:03}"));
                PlannedShard {
                    file: format!("{split}{tag}-{number:05}.safetensors"),
                    first_row: (first + index * pieces.len() + start) as u64,
                    rows,
                    split,
                    quality,
                }
            };
            plan.jobs.push(qualities.iter().enumerate().map(shard).collect());
        }
    }
    Ok(plan)
}

#[derive(Clone, Copy)]
struct Piece {
    entry: usize,
    region: Option<Region>,
    scale: Option<f64>,
}

fn fits(entry: &ManifestEntry, content: &RowContent) -> bool {
    let (RowContent::Coefficients { pieces, .. }, Some((width, height))) = (content, entry.size) else { return true };
    match *pieces {
        Pieces::Whole => width <= 65535 && height <= 65535,
        Pieces::Crops { size, .. } => width.min(height) >= size,
    }
}

fn content_key(seed: u64, entry: &ManifestEntry, k: u64) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(k.to_le_bytes());
    hasher.update(entry.content_sha256.as_deref().unwrap_or(&entry.sha256).as_bytes());
    if let Some((first, _)) = entry.frames {
        hasher.update(first.to_le_bytes());
    }
    hasher.finalize().into()
}

fn pieces(manifest: &Manifest, recipe: &Recipe, members: &[usize]) -> Vec<Piece> {
    let whole = |entry: usize| {
        let size = manifest.files[entry].size;
        Piece { entry, region: size.map(|(width, height)| Region { x: 0, y: 0, width, height }), scale: None }
    };
    let RowContent::Coefficients { pieces: Pieces::Crops { count, size, scale }, .. } = recipe.content else {
        return members.iter().map(|&i| whole(i)).collect();
    };
    let (each, more) = (count / members.len(), count % members.len());
    let mut crops = Vec::with_capacity(count);
    for (order, &entry) in members.iter().enumerate() {
        for k in 0..each + usize::from(order < more) {
            let file = &manifest.files[entry];
            let (width, height) = file.size.unwrap_or((size, size));
            let mut rng = ChaCha8Rng::from_seed(content_key(recipe.seed, file, k as u64 + 1));
            let least = f64::from(size) / f64::from(width.min(height));
            let from = scale.0.max(least);
            let drawn = if from < scale.1 { rng.random_range(from..=scale.1) } else { from.min(1.0) };
            let side = ((f64::from(size) / drawn).round() as u32).clamp(size, width.min(height));
            let (x, y) = (rng.random_range(0..=width - side), rng.random_range(0..=height - side));
            let region = Region { x, y, width: side, height: side };
            crops.push(Piece { entry, region: Some(region), scale: Some(f64::from(size) / f64::from(side)) });
        }
    }
    crops
}

impl Plan {
    /// The rows as JSON lines.
    #[must_use]
    pub fn rows_jsonl(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for row in &self.rows {
            // A row of strings and numbers always becomes JSON, and a vector takes every byte.
            if serde_json::to_writer(&mut text, row).is_ok() {
                text.push(b'\n');
            }
        }
        text
    }
}

/// Names a preparation: SHA-256 of its recipe, manifest and rows.
#[must_use]
pub fn plan_sha256(recipe: &Recipe, manifest_sha256: &str, rows_sha256: &str) -> String {
    let recipe = serde_json::to_string(recipe).unwrap_or_default();
    sha256(format!("lmcodec shards 1\n{recipe}\n{manifest_sha256}\n{rows_sha256}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn manifest(n: usize) -> Manifest {
        let files = (0..n)
            .map(|i| ManifestEntry {
                size: Some((300 + 10 * i as u32, 280)),
                content_sha256: Some(format!("{i:064x}")),
                ..ManifestEntry::new(Path::new(&format!("{i}.png")), format!("{i:064x}"))
            })
            .collect();
        Manifest { shape: Some(Shape::Images), files, ..Manifest::default() }
    }

    fn recipe(count: usize, size: u32, rows_per_shard: usize) -> Recipe {
        let Recipe { content, splits, seed, .. } = Recipe::default_for(Shape::Images);
        let RowContent::Coefficients { qualities, sampling, .. } = content else { panic!("pictures") };
        let pieces = Pieces::Crops { count, size, scale: (0.5, 0.85) };
        Recipe { content: RowContent::Coefficients { pieces, qualities, sampling }, splits, seed, rows_per_shard }
    }

    #[test]
    fn rows_cover_all_pictures_evenly_and_lie_inside() {
        let manifest = manifest(7);
        let plan = draw(&manifest, &recipe(30, 256, 8)).expect("drawn");
        assert_eq!(plan.rows.len(), 90);
        let mut uses = [0; 7];
        for (i, row) in plan.rows.iter().enumerate() {
            assert_eq!(row.row, i as u64);
            assert_eq!(row.quality, Some(PAPER_QUALITIES[i / 30]));
            let (region, size) = (row.region.expect("region"), manifest.files[row.entry].size.expect("size"));
            assert!(region.width >= 256 && region.x + region.width <= size.0 && region.y + region.height <= size.1);
            uses[row.entry] += 1;
            let same = &plan.rows[i % 30];
            assert_eq!((same.region, same.entry), (row.region, row.entry), "the same crop at every quality");
        }
        assert!(uses.iter().all(|&n| n == 12 || n == 15), "{uses:?}");
        let shards: Vec<_> = plan.jobs.iter().flatten().collect();
        assert_eq!(shards.len(), 12);
        assert_eq!(shards.iter().map(|s| s.rows).sum::<usize>(), 90);
    }

    #[test]
    fn crops_of_a_picture_do_not_depend_on_other_pictures() {
        let regions = |n: usize| {
            let plan = draw(&manifest(n), &recipe(20 * n, 200, 1000)).expect("drawn");
            let of_3 =
                plan.rows.iter().filter(|r| r.entry == 3 && r.quality == Some(20)).map(|r| r.region.expect("region"));
            let mut list: Vec<_> = of_3.map(|r| (r.x, r.y, r.width)).collect();
            list.sort_unstable();
            list
        };
        assert_eq!(regions(5), regions(9));
    }

    #[test]
    fn recipes_that_make_no_sense() {
        let manifest = manifest(3);
        assert!(draw(&manifest, &recipe(0, 256, 8)).is_err());
        assert!(draw(&manifest, &recipe(5, 281, 8)).expect_err("too small").to_string().contains("3 are too small"));
        assert!(draw(&manifest, &Recipe { splits: vec![Split::Test], ..recipe(5, 256, 8) }).is_err());
        assert!(
            draw(&manifest, &Recipe::default_for(Shape::LjSpeech)).expect_err("medium").to_string().contains("speech")
        );
        let mut twice = recipe(5, 256, 8);
        if let RowContent::Coefficients { qualities, .. } = &mut twice.content {
            *qualities = vec![50, 50];
        }
        assert!(draw(&manifest, &twice).is_err());
    }
}
