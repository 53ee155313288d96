//! What is wrong with a segment, and what the segment holds.

use std::fmt;
use std::ops::Range;

/// What is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentFault {
    /// Index of the segment.
    pub segment: usize,
    /// What it holds.
    pub place: SegmentPlace,
    /// What was found.
    pub what: String,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentPlace {
    /// Lines of an image.
    Lines(Range<u32>),
    /// Codes, counted in the order in which they are coded.
    Codes(Range<usize>),
    /// Chunks of a sequence model, in order.
    Chunks(Range<usize>),
}

impl fmt::Display for SegmentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, start, end) = match &self.place {
            SegmentPlace::Lines(Range { start, end }) => ("lines", *start as usize, *end as usize),
            SegmentPlace::Codes(Range { start, end }) => ("codes", *start, *end),
            SegmentPlace::Chunks(Range { start, end }) => ("chunks", *start, *end),
        };
        write!(f, "segment {} ({kind} {start}..{end}): {}", self.segment, self.what)
    }
}
