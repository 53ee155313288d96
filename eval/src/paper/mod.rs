//! The tables and figures of *Large Language Models as Entropy Models for Transform Coding* beside our measurements.
//!
//! In: a folder of result files ([`results`]). Out: a [`Document`] with every table (2 to 9, [`tables`]) and every figure
//! (5 to 13, [`figures`]) of the paper: its numbers ([`numbers`]), ours next to them, a note where the protocols differ. Where
//! nothing was measured there is a dash.

pub mod figures;
pub mod numbers;
pub mod results;
pub mod tables;

use crate::report::document::{Block, Document, Section};
use results::Results;

/// Builds the document.
pub fn document(results: &Results) -> Document {
    let mut sections = tables::sections(results);
    sections.extend(figures::sections(results));
    let files: Vec<String> = results.files.clone();
    let read = if files.is_empty() { Block::Text("None.".into()) } else { Block::Notes(files) };
    sections.push(Section::new("Result files").with(read));
    Document {
        title: "The paper's tables and figures, and ours".into(),
        lead: "“Paper” columns are the numbers that the paper prints; “ours” are read from result files and are – where nothing \
               was measured. CR is coded size over size of the raw latents, in percent; smaller is better."
            .into(),
        sections,
    }
}
