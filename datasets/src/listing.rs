//! Which files of a folder are items of the data set, and what their names and the lists beside them say: published part, class,
//! speaker, chapter, transcript. Nothing is decoded here.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::anomaly::{Anomaly, AnomalyKind, portable};
use crate::error::DatasetError;
use crate::shape::{ItemKind, Shape, libri_name, stem, wordnet_id};

/// Lists longer than this are not read: no transcript of a public data set comes near.
const MAX_LIST_BYTES: u64 = 256 << 20;

/// An item before it is opened.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Path relative to the folder.
    pub path: PathBuf,
    /// Published part (train, test-other, …).
    pub part: Option<String>,
    /// Class.
    pub class: Option<String>,
    /// Speaker.
    pub speaker: Option<String>,
    /// Chapter.
    pub chapter: Option<String>,
    /// Identifier of the utterance.
    pub utterance: Option<String>,
    /// Transcript.
    pub text: Option<String>,
}

/// The items of a folder, ordered by path.
#[derive(Debug)]
pub struct Listing {
    /// The folder's shape.
    pub shape: Shape,
    /// The items.
    pub items: Vec<Found>,
    /// What is odd about names and lists.
    pub anomalies: Vec<Anomaly>,
    /// Files that are no items.
    pub other_files: usize,
}

/// All files below a folder, relative and ordered. Hidden files and folders are left out; links to folders are not followed, so
/// that the search ends.
///
/// # Errors
/// [`DatasetError::Io`] if a folder cannot be listed.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).map_err(DatasetError::io(&dir))? {
            let entry = entry.map_err(DatasetError::io(&dir))?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let (path, kind) = (entry.path(), entry.file_type().map_err(DatasetError::io(&dir))?);
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() || !path.is_dir() {
                files.push(path.strip_prefix(folder).unwrap_or(&path).to_path_buf());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Lists a folder as `shape`, or as what it looks like; `parts` (if any) are the published parts to take.
///
/// # Errors
/// [`DatasetError::Io`]; [`DatasetError::Shape`] if the shape is not recognised or nothing of it is there.
pub fn list(folder: &Path, shape: Option<Shape>, parts: &[String]) -> Result<Listing, DatasetError> {
    let paths = walk(folder)?;
    let shape = shape.map_or_else(|| Shape::detect(folder, &paths), Ok)?;
    let mut listing = Listing { shape, items: Vec::new(), anomalies: Vec::new(), other_files: 0 };
    let low_resolution = |p: &Path| {
        shape == Shape::Div2k && p.parent().is_some_and(|p| p.iter().any(|c| c.to_string_lossy().contains("_LR")))
    };
    for path in &paths {
        if shape.takes(path) && !low_resolution(path) {
            listing.items.push(found(folder, path, shape));
        } else {
            listing.other_files += 1;
        }
    }
    let all: BTreeSet<String> = listing.items.iter().filter_map(|i| i.part.clone()).collect();
    if let Some(unknown) = parts.iter().find(|p| !all.contains(*p)) {
        let there = if all.is_empty() { "none".into() } else { all.into_iter().collect::<Vec<_>>().join(", ") };
        let message = format!("no published part {unknown:?} of shape {shape}; there are: {there}");
        return Err(DatasetError::Shape { folder: folder.into(), message });
    }
    listing.items.retain(|i| parts.is_empty() || i.part.as_ref().is_some_and(|p| parts.contains(p)));
    if listing.items.is_empty() {
        let message = format!("nothing of shape {shape}: {} files, none of its kind", paths.len());
        return Err(DatasetError::Shape { folder: folder.into(), message });
    }
    if shape.medium() == ItemKind::Speech {
        transcripts(folder, &paths, &mut listing, parts.is_empty())?;
    }
    Ok(listing)
}

fn found(folder: &Path, path: &Path, shape: Shape) -> Found {
    let mut item = Found { path: path.into(), part: part(folder, path, shape), ..Found::default() };
    match shape {
        Shape::ImageNet => item.class = wordnet_id(path),
        Shape::LibriSpeech => {
            item.utterance = Some(stem(path));
            (item.speaker, item.chapter) = libri_name(path).unzip();
        }
        Shape::LjSpeech => {
            let stem = stem(path);
            item.speaker = Some("LJ".into());
            item.chapter = stem.split('-').next().map(Into::into);
            item.utterance = Some(stem);
        }
        _ => {}
    }
    item
}

fn part(folder: &Path, path: &Path, shape: Shape) -> Option<String> {
    let root = folder.file_name().map(|n| n.to_string_lossy().into_owned());
    let above = path.parent().into_iter().flat_map(Path::iter).map(|c| c.to_string_lossy().into_owned());
    // The innermost folder that names a part; the data set's own folder last.
    let mut names: Vec<String> = root.into_iter().chain(above).collect();
    names.reverse();
    names.into_iter().find_map(|name| {
        let lower = name.to_lowercase();
        match shape {
            Shape::LibriSpeech => ["train-", "dev-", "test-"].iter().any(|p| lower.starts_with(p)).then_some(lower),
            Shape::Div2k => lower.strip_suffix("_hr")?.rsplit('_').next().filter(|p| plain_part(p)).map(str::to_owned),
            _ => plain_part(&lower).then_some(lower),
        }
    })
}

fn plain_part(name: &str) -> bool {
    matches!(name, "train" | "val" | "valid" | "validation" | "test" | "dev")
}

/// Reads the lists of transcripts and checks speakers against folders.
fn transcripts(folder: &Path, paths: &[PathBuf], listing: &mut Listing, whole: bool) -> Result<(), DatasetError> {
    let lj = listing.shape == Shape::LjSpeech;
    let mut texts: HashMap<String, String> = HashMap::new();
    for path in paths {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let separator = match name.as_str() {
            "metadata.csv" if lj => '|',
            _ if name.ends_with(".trans.txt") && !lj => ' ',
            _ if name.ends_with(".tsv") && !lj => '\t',
            _ => continue,
        };
        let Some(text) = read_list(folder, path, &mut listing.anomalies)? else { continue };
        for line in text.lines().filter(|l| !l.trim().is_empty()) {
            match line.split_once(separator) {
                // metadata.csv: identifier | as printed | numbers and abbreviations written out
                Some((id, text)) if lj => {
                    let spoken = text.rsplit('|').next().filter(|t| !t.is_empty()).unwrap_or(text);
                    texts.insert(id.into(), spoken.trim().into());
                }
                Some((id, text)) if libri_name(Path::new(id)).is_some() => {
                    texts.insert(id.into(), text.trim().into());
                }
                // Other tables, such as LibriTTS's `.book.tsv`.
                _ if separator == '\t' => {}
                _ => listing.anomalies.push(Anomaly::new(
                    path,
                    AnomalyKind::List,
                    format!("line {line:.60?} is no identifier and transcript separated by {separator:?}"),
                )),
            }
        }
    }
    let names: BTreeSet<&PathBuf> = paths.iter().collect();
    for item in &mut listing.items {
        let Some(id) = &item.utterance else { continue };
        item.text = texts.remove(id);
        let beside = ["normalized.txt", "original.txt"].map(|e| item.path.with_file_name(format!("{id}.{e}")));
        if let (None, Some(path)) = (&item.text, beside.iter().find(|p| names.contains(p))) {
            item.text = read_list(folder, path, &mut listing.anomalies)?.map(|t| t.trim().to_owned());
        }
        // speaker/chapter/file, speaker/file: the innermost folder of digits that is not the chapter.
        let folders: Vec<_> =
            item.path.parent().into_iter().flat_map(Path::iter).map(|c| c.to_string_lossy()).collect();
        let digits = |c: &str| !c.is_empty() && c.bytes().all(|b| b.is_ascii_digit());
        if let Some(speaker) = &item.speaker
            && listing.shape == Shape::LibriSpeech
            && let Some(first) = folders.iter().find(|c| digits(c))
            && first != speaker
        {
            let message = format!("named as speaker {speaker}, but lies in the folder of speaker {first}");
            listing.anomalies.push(Anomaly::new(&item.path, AnomalyKind::Speaker, message));
        }
        if item.speaker.is_none() {
            let message = "no speaker in the name (expected speaker-chapter-number); its own content decides its split";
            listing.anomalies.push(Anomaly::new(&item.path, AnomalyKind::Speaker, message.into()));
        }
    }
    let without = listing.items.iter().filter(|i| i.text.is_none()).count();
    if without > 0 {
        let message = format!("{without} of {} utterances have no transcript", listing.items.len());
        listing.anomalies.push(Anomaly::new(Path::new("."), AnomalyKind::Transcript, message));
    }
    if whole && !texts.is_empty() {
        let example = texts.keys().min().cloned().unwrap_or_default();
        let message = format!("{} transcripts have no recording, such as {example}", texts.len());
        listing.anomalies.push(Anomaly::new(Path::new("."), AnomalyKind::Transcript, message));
    }
    Ok(())
}

fn read_list(folder: &Path, path: &Path, anomalies: &mut Vec<Anomaly>) -> Result<Option<String>, DatasetError> {
    let full = folder.join(path);
    let bytes = std::fs::metadata(&full).map_err(DatasetError::io(&full))?.len();
    if bytes > MAX_LIST_BYTES {
        return Err(DatasetError::Limit { path: full, what: "list", found: bytes, allowed: MAX_LIST_BYTES });
    }
    match std::fs::read_to_string(&full) {
        Ok(text) => Ok(Some(text)),
        Err(e) => {
            anomalies.push(Anomaly::new(path, AnomalyKind::List, format!("cannot be read: {e}")));
            Ok(None)
        }
    }
}

impl Found {
    /// The path as manifests write it.
    #[must_use]
    pub fn name(&self) -> String {
        portable(&self.path)
    }
}
