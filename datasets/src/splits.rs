//! Splits that cannot leak.
//!
//! * A photo's split follows from the SHA-256 of its decoded pixels, an utterance's from its speaker: neither the order nor the
//!   names of files matter, and adding files moves no other file from one split to another.
//! * Where two files of different splits are near duplicates (photos) or equal (audio, codes), the one in the *lower* split is
//!   excluded, where train < validation < test. So no pair across two splits is ever near; and since the rule looks at pairs and
//!   never re-assigns, it keeps the splits stable. (Putting near duplicates together instead would let a new file drag an old one
//!   from train to test, or the other way round.)
//! * Whatever is, or is near, a file of an `--exclude` manifest (a fixed evaluation set) is excluded; so are its speakers.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::difference_hash::NearIndex;
use crate::error::DatasetError;
use crate::manifest::{Manifest, ManifestEntry};

/// Which part of a data set a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Used by the optimizer.
    Train,
    /// Held out, to choose by.
    Validation,
    /// Held out, to report.
    Test,
    /// In no split: too near to a file of another split, or of a fixed evaluation set.
    Excluded,
}

impl Split {
    /// All splits, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Train, Self::Validation, Self::Test, Self::Excluded];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Excluded => "excluded",
        })
    }
}

/// The split of a file with the given hexadecimal SHA-256: one in `one_in` is held out (0: none).
pub fn split_of(sha256: &str, one_in: u32) -> Split {
    let head = sha256.get(..8).and_then(|h| u32::from_str_radix(h, 16).ok()).unwrap_or(0);
    if one_in > 0 && head % one_in == 0 { Split::Validation } else { Split::Train }
}

/// Weights of the splits; `90/10/0` in text (train/validation/test).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRatios {
    /// Weight of train.
    pub train: u32,
    /// Weight of validation.
    pub validation: u32,
    /// Weight of test.
    pub test: u32,
}

impl Default for SplitRatios {
    fn default() -> Self {
        Self { train: 90, validation: 10, test: 0 }
    }
}

impl fmt::Display for SplitRatios {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.train, self.validation, self.test)
    }
}

impl FromStr for SplitRatios {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault =
            || format!("{text:?}: expected whole numbers train/validation/test, such as 90/10/0, with a sum above 0");
        let mut parts = text.split(['/', ':', ',']).map(|p| p.trim().parse::<u32>().map_err(|_| fault()));
        let mut next = || parts.next().unwrap_or(Ok(0));
        let ratios = Self { train: next()?, validation: next()?, test: next()? };
        if parts.next().is_some() || ratios.total() == 0 { Err(fault()) } else { Ok(ratios) }
    }
}

impl SplitRatios {
    fn total(self) -> u64 {
        u64::from(self.train) + u64::from(self.validation) + u64::from(self.test)
    }

    /// The split of a key (the SHA-256 of decoded content, or a speaker), by a hash of it alone. Test comes first and train
    /// last, so that a larger weight of train takes nothing into test.
    #[must_use]
    pub fn split(self, key: &str) -> Split {
        let digest = Sha256::digest(key.as_bytes());
        let head = u64::from_be_bytes(std::array::from_fn(|i| digest[i]));
        let position = (u128::from(head) * u128::from(self.total())) >> 64;
        let test = u128::from(self.test);
        if position < test {
            Split::Test
        } else if position < test + u128::from(self.validation) {
            Split::Validation
        } else {
            Split::Train
        }
    }
}

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
    hashes: Vec<crate::difference_hash::DifferenceHash>,
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
/// [`DatasetError::Option`] if `near_bits` is above 32.
pub fn assign(
    entries: &mut [ManifestEntry],
    ratios: SplitRatios,
    near_bits: u32,
    exclusions: &Exclusions,
) -> Result<(), DatasetError> {
    if near_bits > 32 {
        return Err(DatasetError::Option(format!("near duplicates of up to {near_bits} bits; at most 32 is allowed")));
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
