//! Opens every item of a folder once, in parallel: hashes, sizes, durations, and what is wrong with single files.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::anomaly::{Anomaly, AnomalyKind, Fault};
use crate::assignment::{Exclusions, assign};
use crate::difference_hash::DifferenceHash;
use crate::digest::{pixels_sha256, samples_sha256, sha256};
use crate::error::DatasetError;
use crate::listing::{Found, list};
use crate::manifest::{Manifest, ManifestEntry};
use crate::shape::{ItemKind, Shape};
use crate::splits::{Split, SplitRatios};
use crate::{audio, codes, picture};

/// Files of more bytes are not opened.
pub const MAX_FILE_BYTES: u64 = 4 << 30;

/// What to survey.
#[derive(Clone, Debug, Default)]
pub struct SurveyOptions {
    /// The shape; none: what the folder looks like.
    pub shape: Option<Shape>,
    /// Published parts to take; none: all.
    pub parts: Vec<String>,
}

/// What is in a folder.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The folder's shape.
    pub shape: Shape,
    /// Published parts that were asked for.
    pub parts: Vec<String>,
    /// The usable items, ordered by path; splits are not assigned yet.
    pub entries: Vec<ManifestEntry>,
    /// Oddities, those of skipped files among them, ordered by path.
    pub anomalies: Vec<Anomaly>,
    /// Files that are no items.
    pub other_files: usize,
}

/// Surveys a folder. `progress` is called with the items done and their number, from several threads.
///
/// # Errors
/// [`DatasetError::Io`] if a folder cannot be listed, [`DatasetError::Shape`] if there is nothing to survey. Faults of single
/// files are anomalies.
pub fn survey(
    folder: &Path,
    options: &SurveyOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Survey, DatasetError> {
    let listing = list(folder, options.shape, &options.parts)?;
    let (shape, total) = (listing.shape, listing.items.len() as u64);
    let done = std::sync::atomic::AtomicU64::new(0);
    let results: Vec<Result<Vec<ManifestEntry>, Fault>> = listing
        .items
        .par_iter()
        .map(|item| {
            let result = open(folder, item, shape.medium());
            progress(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed), total);
            result
        })
        .collect();
    let mut anomalies = listing.anomalies;
    let mut entries = Vec::new();
    for (item, result) in listing.items.iter().zip(results) {
        match result {
            Ok(found) => entries.extend(found),
            Err(Fault { kind, message }) => {
                anomalies.push(Anomaly { path: item.name(), kind, message, skipped: true });
            }
        }
    }
    if shape.medium() == ItemKind::Image {
        drop_copies(&mut entries, &mut anomalies);
    }
    mixed_rates(&entries, &mut anomalies);
    anomalies.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
    Ok(Survey { shape, parts: options.parts.clone(), entries, anomalies, other_files: listing.other_files })
}

/// Reads a whole file of at most [`MAX_FILE_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |e: std::io::Error| Fault::new(AnomalyKind::Unreadable, e.to_string());
    let bytes = std::fs::metadata(path).map_err(fault)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(Fault::new(AnomalyKind::Size, format!("{bytes} bytes; at most {MAX_FILE_BYTES} are allowed")));
    }
    std::fs::read(path).map_err(fault)
}

fn open(folder: &Path, item: &Found, medium: ItemKind) -> Result<Vec<ManifestEntry>, Fault> {
    let path = folder.join(&item.path);
    let bytes = read(&path)?;
    let mut entry = ManifestEntry {
        bytes: Some(bytes.len() as u64),
        part: item.part.clone(),
        class: item.class.clone(),
        utterance: item.utterance.clone(),
        speaker: item.speaker.clone(),
        chapter: item.chapter.clone(),
        text: item.text.clone(),
        ..ManifestEntry::new(&item.path, sha256(&bytes))
    };
    match medium {
        ItemKind::Image => {
            let pixels = picture::decode(&bytes)?;
            entry.size = Some(pixels.dimensions());
            entry.content_sha256 = Some(pixels_sha256(&pixels));
            entry.difference_hash = Some(DifferenceHash::of(&pixels));
        }
        ItemKind::Speech => {
            let audio = audio::decode(bytes)?;
            entry.seconds = Some(audio.seconds());
            entry.sample_rate = Some(audio.sample_rate);
            entry.content_sha256 = Some(samples_sha256(audio.sample_rate, audio.channels, &audio.samples));
        }
        ItemKind::Codes => {
            let array = codes::read_npy(&bytes)?;
            let table = path.with_extension("tsv");
            let table = if table.is_file() { Some(read(&table)?) } else { None };
            let table = table.map(String::from_utf8).transpose();
            let table = table.map_err(|e| Fault::new(AnomalyKind::List, format!("its .tsv is no UTF-8: {e}")))?;
            return codes::entries(&entry, &array, table.as_deref());
        }
    }
    Ok(vec![entry])
}

/// Keeps one of several pictures with equal pixels, the first by path.
fn drop_copies(entries: &mut Vec<ManifestEntry>, anomalies: &mut Vec<Anomaly>) {
    let mut seen: HashMap<String, String> = HashMap::new();
    entries.retain(|entry| {
        let Some(content) = &entry.content_sha256 else { return true };
        let first = seen.entry(content.clone()).or_insert_with(|| entry.path.clone());
        if *first != entry.path {
            let message = format!("the same pixels as {first}");
            anomalies.push(Anomaly { path: entry.path.clone(), kind: AnomalyKind::Copy, message, skipped: true });
        }
        *first == entry.path
    });
}

fn mixed_rates(entries: &[ManifestEntry], anomalies: &mut Vec<Anomaly>) {
    let mut rates: BTreeMap<u32, usize> = BTreeMap::new();
    entries.iter().filter_map(|e| e.sample_rate).for_each(|rate| *rates.entry(rate).or_default() += 1);
    if rates.len() > 1 {
        let list: Vec<String> = rates.iter().map(|(rate, n)| format!("{rate} Hz ({n})")).collect();
        let message = format!("mixed sample rates: {}", list.join(", "));
        anomalies.push(Anomaly::new(Path::new("."), AnomalyKind::SampleRate, message));
    }
}

impl Survey {
    /// The manifest of the usable items, with splits.
    ///
    /// # Errors
    /// [`DatasetError::InvalidOption`] if `near_bits` is above 32.
    pub fn manifest(
        &self,
        source: &str,
        licence: &str,
        ratios: SplitRatios,
        near_bits: u32,
        exclusions: &Exclusions,
    ) -> Result<Manifest, DatasetError> {
        let mut files = self.entries.clone();
        assign(&mut files, ratios, near_bits, exclusions)?;
        Ok(Manifest {
            source: source.into(),
            licence: licence.into(),
            shape: Some(self.shape),
            parts: self.parts.clone(),
            ratios: Some(ratios),
            near_duplicate_bits: Some(near_bits),
            validation_one_in: 0,
            files,
            skipped: self.anomalies.iter().filter(|a| a.skipped).cloned().collect(),
        })
    }

    /// Number of files that are left out.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.anomalies.iter().filter(|a| a.skipped).count()
    }
}

/// Sums over a manifest's entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Entries.
    pub items: usize,
    /// Bytes of their files, each file once.
    pub bytes: u64,
    /// Seconds of audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<u64>,
    /// Smallest and largest width and height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizes: Option<[(u32, u32); 2]>,
    /// Codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<u64>,
    /// Different speakers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speakers: Option<usize>,
    /// Different classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
}

/// Sums over some entries.
pub fn totals<'a>(entries: impl IntoIterator<Item = &'a ManifestEntry>) -> Totals {
    let entries: Vec<_> = entries.into_iter().collect();
    let files: HashMap<&str, u64> = entries.iter().map(|e| (e.path.as_str(), e.bytes.unwrap_or(0))).collect();
    let distinct = |get: fn(&ManifestEntry) -> Option<&str>| {
        let set: std::collections::HashSet<_> = entries.iter().filter_map(|e| get(e)).collect();
        (!set.is_empty()).then_some(set.len())
    };
    let sizes: Vec<_> = entries.iter().filter_map(|e| e.size).collect();
    let seconds: Vec<_> = entries.iter().filter_map(|e| e.seconds).collect();
    let codes: Vec<u64> = entries
        .iter()
        .filter_map(|e| e.dimensions.as_ref())
        .map(|d| d.iter().map(|&d| u64::from(d)).product())
        .collect();
    let extremes = |pick: fn(u32, u32) -> u32| {
        sizes.iter().copied().reduce(|a, b| (pick(a.0, b.0), pick(a.1, b.1))).unwrap_or_default()
    };
    Totals {
        items: entries.len(),
        bytes: files.values().sum(),
        seconds: (!seconds.is_empty()).then(|| seconds.iter().sum()),
        pixels: (!sizes.is_empty()).then(|| sizes.iter().map(|s| u64::from(s.0) * u64::from(s.1)).sum()),
        sizes: (!sizes.is_empty()).then(|| [extremes(u32::min), extremes(u32::max)]),
        codes: (!codes.is_empty()).then(|| codes.iter().sum()),
        speakers: distinct(|e| e.speaker.as_deref()),
        classes: distinct(|e| e.class.as_deref()),
    }
}

/// Sums over the entries of each split that has some.
#[must_use]
pub fn totals_by_split(entries: &[ManifestEntry]) -> Vec<(Split, Totals)> {
    let of = |split| totals(entries.iter().filter(|e| e.split == split));
    Split::ALL.into_iter().map(|s| (s, of(s))).filter(|(_, t)| t.items > 0).collect()
}
