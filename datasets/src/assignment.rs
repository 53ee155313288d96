//! Which file goes into which split, so that nothing leaks from one into another.
//!
//! * A photo's split follows from the SHA-256 of its decoded pixels, an utterance's from its speaker: neither the order nor the
//!   names of files matter, and adding files moves no other file from one split to another.
//! * Where two files of different splits are near duplicates (photos) or equal (audio, codes), the one in the *lower* split is
//!   excluded, where train < validation < test. So no pair across two splits is ever near; and since the rule looks at pairs and
//!   never re-assigns, it keeps the splits stable. (Putting near duplicates together instead would let a new file drag an old one
//!   from train to test, or the other way round.)
//! * Whatever is, or is near, a file of an `--exclude` manifest (a fixed evaluation set) is excluded; so are its speakers.

use std::collections::{HashMap, HashSet};

use crate::difference_hash::{DifferenceHash, NearIndex};
use crate::error::DatasetError;
use crate::manifest::{Manifest, ManifestEntry};
use crate::splits::{Split, SplitRatios};

/// What an entry's split follows from: its speaker if it has one, else its decoded content, else its bytes.
#[must_use]
pub fn split_key(entry: &ManifestEntry) -> String {
    match (&entry.speaker, &entry.content_sha256) {
        (Some(speaker), _) => format!("speaker:{speaker}"),
        (None, Some(content)) => format!("content:{content}"),
        (None, None) => format!("file:{}", entry.sha256),
    }
}

/// Default for the number of bits in which the difference hashes of near duplicates differ at most.
pub const NEAR_BITS: u32 = 16;

/// Fixed evaluation sets that no split may contain.
#[derive(Default)]
pub struct Exclusions {
    files: HashMap<String, String>,
    speakers: HashMap<String, String>,
    hashes: Vec<DifferenceHash>,
    names: Vec<String>,
}

impl Exclusions {
    /// Adds every file of a manifest except those that are excluded there; `name` is what messages call the manifest.
    pub fn add(&mut self, manifest: &Manifest, name: &str) {
        for entry in manifest.files.iter().filter(|e| e.split != Split::Excluded) {
            let label = format!("{} of {name}", entry.path);
            // A file of many rows is not itself a row.
            if entry.frames.is_none() {
                self.files.entry(entry.sha256.clone()).or_insert_with(|| label.clone());
            }
            if let Some(content) = &entry.content_sha256 {
                self.files.entry(content.clone()).or_insert_with(|| label.clone());
            }
            if let Some(speaker) = &entry.speaker {
                self.speakers.entry(speaker.clone()).or_insert_with(|| label.clone());
            }
            if let Some(hash) = entry.difference_hash {
                self.hashes.push(hash);
                self.names.push(label);
            }
        }
    }

    fn reason(&self, entry: &ManifestEntry, near: &NearIndex) -> Option<String> {
        let content = entry.content_sha256.as_ref().and_then(|c| self.files.get(c));
        let file = || self.files.get(&entry.sha256).filter(|_| entry.frames.is_none());
        if let Some(label) = content.or_else(file) {
            return Some(format!("same content as {label}"));
        }
        if let Some((speaker, label)) = entry.speaker.as_ref().and_then(|s| self.speakers.get_key_value(s)) {
            return Some(format!("speaker {speaker} also speaks {label}"));
        }
        let (index, distance) = near.nearest(entry.difference_hash?)?;
        Some(format!("near duplicate ({distance} of 128 bits) of {}", self.names[index]))
    }
}

/// Sets the split of every entry, and the reason where it is excluded.
///
/// # Errors
/// [`DatasetError::InvalidOption`] if `near_bits` is above 32.
pub fn assign(
    entries: &mut [ManifestEntry],
    ratios: SplitRatios,
    near_bits: u32,
    exclusions: &Exclusions,
) -> Result<(), DatasetError> {
    if near_bits > 32 {
        return Err(DatasetError::InvalidOption(format!(
            "near duplicates of up to {near_bits} bits; at most 32 is allowed"
        )));
    }
    let fixed = NearIndex::new(exclusions.hashes.clone(), near_bits);
    let own: Vec<Split> = entries.iter().map(|entry| ratios.split(&split_key(entry))).collect();
    let mut reasons: Vec<Option<String>> = entries.iter().map(|entry| exclusions.reason(entry, &fixed)).collect();
    // Against every higher split, whether or not its files are excluded themselves: what a file meets does not depend on others.
    for higher in [Split::Test, Split::Validation] {
        let members: Vec<usize> = (0..entries.len()).filter(|&i| own[i] == higher).collect();
        let mut contents: HashMap<&str, usize> = HashMap::new();
        for &i in &members {
            if let Some(content) = &entries[i].content_sha256 {
                contents.entry(content).or_insert(i);
            }
        }
        let hashed: Vec<usize> = members.iter().copied().filter(|&i| entries[i].difference_hash.is_some()).collect();
        let near = NearIndex::new(hashed.iter().filter_map(|&i| entries[i].difference_hash).collect(), near_bits);
        for (i, entry) in entries.iter().enumerate() {
            if own[i] >= higher || reasons[i].is_some() {
                continue;
            }
            let same = entry.content_sha256.as_ref().and_then(|c| contents.get(c.as_str()));
            if let Some(&other) = same {
                reasons[i] = Some(format!("same content as {} ({higher})", entries[other].path));
            } else if let Some((index, distance)) = entry.difference_hash.and_then(|hash| near.nearest(hash)) {
                let other = &entries[hashed[index]].path;
                reasons[i] = Some(format!("near duplicate ({distance} of 128 bits) of {other} ({higher})"));
            }
        }
    }
    for ((entry, split), reason) in entries.iter_mut().zip(own).zip(reasons) {
        entry.split = if reason.is_some() { Split::Excluded } else { split };
        entry.reason = reason;
    }
    Ok(())
}

/// Speakers of each split; no speaker is in two.
#[must_use]
pub fn speakers(entries: &[ManifestEntry], split: Split) -> HashSet<&str> {
    entries.iter().filter(|e| e.split == split).filter_map(|e| e.speaker.as_deref()).collect()
}
