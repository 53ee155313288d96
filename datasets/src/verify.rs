//! Checks that files are still what a manifest or an index says, and that rows can be remade.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::anomaly::portable;
use crate::digest::sha256_file;
use crate::error::DatasetError;
use crate::listing::list;
use crate::manifest::Manifest;
use crate::photos::find_images;
use crate::plan::Row;
use crate::rows::make;
use crate::shards::{INDEX, MANIFEST, ROWS, ShardIndex, ShardReader, ShardSet};

/// One difference between what is written down and what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "lowercase")]
pub enum Difference {
    /// A file is not there.
    Missing {
        /// Its path.
        path: String,
    },
    /// A file has other content.
    Changed {
        /// Its path.
        path: String,
        /// The hash that is written down.
        expected_sha256: String,
        /// The hash of what is there.
        found_sha256: String,
        /// The length that is written down, if it is.
        expected_bytes: Option<u64>,
        /// The length of what is there.
        found_bytes: u64,
    },
    /// A file is there that nothing mentions.
    Extra {
        /// Its path.
        path: String,
    },
    /// A file cannot be read.
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        message: String,
    },
    /// A row comes out differently when it is made again, or cannot be.
    Row {
        /// Its number.
        row: u64,
        /// What differs.
        message: String,
    },
    /// The preparation was interrupted.
    Incomplete {
        /// Rows in finished shards.
        rows: u64,
        /// Rows in all.
        expected_rows: u64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "missing: {path}"),
            Self::Changed { path, expected_sha256, found_sha256, expected_bytes, found_bytes } => {
                write!(f, "changed: {path}: SHA-256 {found_sha256}, expected {expected_sha256}")?;
                match expected_bytes {
                    Some(expected) if expected != found_bytes => {
                        write!(f, "; {found_bytes} bytes, expected {expected}")
                    }
                    _ => write!(f, "; {found_bytes} bytes"),
                }
            }
            Self::Extra { path } => write!(f, "extra: {path}"),
            Self::Unreadable { path, message } => write!(f, "unreadable: {path}: {message}"),
            Self::Row { row, message } => write!(f, "row {row}: {message}"),
            Self::Incomplete { rows, expected_rows } => {
                write!(f, "incomplete: {rows} of {expected_rows} rows; run the same prepare again")
            }
        }
    }
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Files that were hashed.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that were made again.
    pub remade: usize,
    /// Everything that differs, ordered by path.
    pub differences: Vec<Difference>,
}

/// Hashes the files of a manifest below `folder`, and looks for files that it does not mention.
///
/// # Errors
/// [`DatasetError::Io`] if the folder cannot be listed. Everything else is a [`Difference`].
pub fn verify_manifest(
    manifest: &Manifest,
    folder: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Verified, DatasetError> {
    let expected: BTreeMap<&str, (&str, Option<u64>)> =
        manifest.files.iter().map(|f| (f.path.as_str(), (f.sha256.as_str(), f.bytes))).collect();
    let there: BTreeSet<String> = match manifest.shape {
        Some(shape) => match list(folder, Some(shape), &manifest.parts) {
            Ok(listing) => listing.items.iter().map(|i| i.name()).collect(),
            // Nothing of the shape is left: then all is missing.
            Err(DatasetError::Shape { .. }) => BTreeSet::new(),
            Err(error) => return Err(error),
        },
        None => find_images(folder)?.iter().map(|p| portable(p.strip_prefix(folder).unwrap_or(p))).collect(),
    };
    let mut verified = hash_all(folder, &expected, progress);
    let skipped: BTreeSet<&str> = manifest.skipped.iter().map(|a| a.path.as_str()).collect();
    let known = |path: &str| expected.contains_key(path) || skipped.contains(path);
    // A manifest of loaded photos does not say which copies it left out.
    let hashes: BTreeSet<&str> = expected.values().map(|e| e.0).collect();
    for path in there.into_iter().filter(|p| !known(p)) {
        let copy = || sha256_file(&folder.join(&path)).is_ok_and(|(hash, _)| hashes.contains(hash.as_str()));
        if manifest.shape.is_some() || !copy() {
            verified.differences.push(Difference::Extra { path });
        }
    }
    verified.differences.sort_by_key(key);
    Ok(verified)
}

/// Hashes the shards, the manifest and the list of rows of a prepared folder. With a `source` folder, also makes up to `remake`
/// rows again, spread evenly, and compares them with what the shards hold.
///
/// # Errors
/// [`DatasetError::Io`] or [`DatasetError::Manifest`] if the index, or for `source` the manifest or the rows, cannot be read.
pub fn verify_prepared(
    folder: &Path,
    source: Option<&Path>,
    remake: usize,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Verified, DatasetError> {
    let index = ShardIndex::load(folder)?;
    let mut expected: BTreeMap<&str, (&str, Option<u64>)> =
        index.shards.iter().map(|s| (s.file.as_str(), (s.sha256.as_str(), Some(s.bytes)))).collect();
    expected.insert(MANIFEST, (&index.manifest_sha256, None));
    expected.insert(ROWS, (&index.rows_sha256, None));
    let mut verified = hash_all(folder, &expected, progress);
    for entry in std::fs::read_dir(folder).map_err(DatasetError::io(folder))? {
        let name = entry.map_err(DatasetError::io(folder))?.file_name().to_string_lossy().into_owned();
        if name != INDEX && !expected.contains_key(name.as_str()) {
            verified.differences.push(Difference::Extra { path: name });
        }
    }
    let rows: u64 = index.shards.iter().map(|s| s.rows as u64).sum();
    if !index.complete || rows != index.rows {
        verified.differences.push(Difference::Incomplete { rows, expected_rows: index.rows });
    }
    if let Some(source) = source.filter(|_| verified.differences.is_empty()) {
        let set = ShardSet::open(folder)?;
        remake_rows(folder, source, &set, remake, &mut verified)?;
    }
    verified.differences.sort_by_key(key);
    Ok(verified)
}

fn remake_rows(
    folder: &Path,
    source: &Path,
    set: &ShardSet,
    remake: usize,
    verified: &mut Verified,
) -> Result<(), DatasetError> {
    let (manifest, rows) = (set.manifest()?, set.rows()?);
    let count = remake.min(rows.len());
    let wanted: Vec<&Row> = (0..count).map(|i| &rows[i * rows.len() / count]).collect();
    let mut by_file: HashMap<&str, Vec<(usize, &Row)>> = HashMap::new();
    wanted.iter().for_each(|row| by_file.entry(&row.path).or_default().push((row.row as usize, row)));
    let mut groups: Vec<_> = by_file.into_iter().collect();
    groups.sort_unstable_by_key(|g| g.0);
    let differences: Vec<Vec<Difference>> = groups
        .par_iter()
        .map(|(_, rows)| {
            let fail = |message: &str| {
                rows.iter().map(|(_, r)| Difference::Row { row: r.row, message: message.to_owned() }).collect()
            };
            let made = match make(source, &manifest, &set.index().recipe.content, rows) {
                Ok(made) => made,
                Err(error) => return fail(&error.to_string()),
            };
            made.into_iter()
                .filter_map(|(row, latents)| {
                    let row = row as u64;
                    let shard =
                        set.index().shards.iter().find(|s| (s.first_row..s.first_row + s.rows as u64).contains(&row));
                    let stored = shard.map(|s| {
                        ShardReader::open(&folder.join(&s.file), u64::MAX)?.read((row - s.first_row) as usize)
                    });
                    let message = match stored {
                        Some(Ok(stored)) if stored == latents => return None,
                        Some(Ok(_)) => "comes out differently when it is made again".to_owned(),
                        Some(Err(error)) => error.to_string(),
                        None => "in no shard".to_owned(),
                    };
                    Some(Difference::Row { row, message })
                })
                .collect()
        })
        .collect();
    verified.remade = count;
    verified.differences.extend(differences.into_iter().flatten());
    Ok(())
}

fn hash_all(
    folder: &Path,
    expected: &BTreeMap<&str, (&str, Option<u64>)>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Verified {
    let (done, total) = (std::sync::atomic::AtomicU64::new(0), expected.len() as u64);
    let files: Vec<_> = expected.iter().collect();
    let results: Vec<(u64, Option<Difference>)> = files
        .par_iter()
        .map(|&(&path, &(sha256, bytes))| {
            let full = folder.join(path);
            let result = match sha256_file(&full) {
                Ok((found, length)) if found == sha256 && bytes.is_none_or(|b| b == length) => (length, None),
                Ok((found_sha256, found_bytes)) => (
                    found_bytes,
                    Some(Difference::Changed {
                        path: path.into(),
                        expected_sha256: sha256.into(),
                        found_sha256,
                        expected_bytes: bytes,
                        found_bytes,
                    }),
                ),
                Err(DatasetError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    (0, Some(Difference::Missing { path: path.into() }))
                }
                Err(error) => (0, Some(Difference::Unreadable { path: path.into(), message: error.to_string() })),
            };
            progress(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed), total);
            result
        })
        .collect();
    Verified {
        files: results.len(),
        bytes: results.iter().map(|r| r.0).sum(),
        remade: 0,
        differences: results.into_iter().filter_map(|r| r.1).collect(),
    }
}

fn key(difference: &Difference) -> (String, u64) {
    match difference {
        Difference::Missing { path }
        | Difference::Changed { path, .. }
        | Difference::Extra { path }
        | Difference::Unreadable { path, .. } => (path.clone(), 0),
        Difference::Row { row, .. } => ("~".into(), *row),
        Difference::Incomplete { .. } => ("~".into(), u64::MAX),
    }
}
