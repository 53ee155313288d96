//! Published sizes of other codecs, merged into a table that was measured here.
//!
//! The file is CSV without quoting, one line a file and codec: `set,image,codec,source_bytes,coded_bytes`. A line counts
//! only where the set has an image of that name **and** that many source bytes: another encoder's JPEG of the same photo is
//! another file. What does not match is counted, not used.

use super::table::{CodecResult, Measurement, Origin, RecompressionTable};
use std::collections::BTreeMap;
use thiserror::Error;

/// The first line of the file.
pub const HEADER: &str = "set,image,codec,source_bytes,coded_bytes";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedSize {
    /// Name of the set.
    pub set: String,
    /// File name without extension.
    pub image: String,
    /// Name of the codec.
    pub codec: String,
    /// Size of the source file in bytes.
    pub source_bytes: u64,
    /// Size of the coded file in bytes.
    pub coded_bytes: u64,
}

/// A line that is not of the form above.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeersCsvError {
    /// The first line is not [`HEADER`].
    #[error("line 1 is {found:?}, expected {HEADER:?}")]
    Header {
        /// The line found.
        found: String,
    },
    /// A line without five fields, or whose sizes are no integers.
    #[error("line {line} is {found:?}, expected {HEADER}")]
    Line {
        /// Line number from 1.
        line: usize,
        /// The line found.
        found: String,
    },
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Lines used.
    pub used: usize,
    /// Lines of a set and image that were measured, but whose source file has another size.
    pub other_source: usize,
    /// Lines of sets or images that were not measured.
    pub not_measured: usize,
}

/// Parses the file.
pub fn parse(text: &str) -> Result<Vec<PublishedSize>, PeersCsvError> {
    let mut lines = text.lines().enumerate();
    let first = lines.next().map_or("", |(_, l)| l.trim());
    if first != HEADER {
        return Err(PeersCsvError::Header { found: first.into() });
    }
    lines
        .filter(|(_, l)| !l.trim().is_empty())
        .map(|(i, l)| parse_line(l).ok_or_else(|| PeersCsvError::Line { line: i + 1, found: l.into() }))
        .collect()
}

fn parse_line(line: &str) -> Option<PublishedSize> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [set, image, codec, source, coded] = fields[..] else { return None };
    Some(PublishedSize {
        set: set.into(),
        image: image.into(),
        codec: codec.into(),
        source_bytes: source.parse().ok()?,
        coded_bytes: coded.parse().ok()?,
    })
}

/// Appends the published codecs to the sets they match, sorted by name within a set; `source` says where the sizes come from.
pub fn merge(table: &mut RecompressionTable, published: &[PublishedSize], source: &str) -> Merged {
    let mut merged = Merged::default();
    for line in published {
        let images = table.sets.iter().filter(|s| s.name == line.set).flat_map(|s| &s.images);
        match images.clone().find(|i| i.image == line.image) {
            Some(i) if i.source_bytes == line.source_bytes => merged.used += 1,
            Some(_) => merged.other_source += 1,
            None => merged.not_measured += 1,
        }
    }
    for set in &mut table.sets {
        let mut codecs: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for line in published.iter().filter(|l| l.set == set.name) {
            if set.images.iter().any(|i| i.image == line.image && i.source_bytes == line.source_bytes) {
                codecs.entry(&line.codec).or_default().insert(&line.image, line.coded_bytes);
            }
        }
        for (codec, sizes) in codecs {
            let files = sizes
                .into_iter()
                .map(|(image, bytes)| Measurement {
                    image: image.into(),
                    coded_bytes: Some(bytes),
                    ..Measurement::default()
                })
                .collect();
            let result = CodecResult::new(codec, "", Origin::Published, &set.images, files);
            set.codecs.push(CodecResult { source: Some(source.into()), ..result });
        }
    }
    merged
}
