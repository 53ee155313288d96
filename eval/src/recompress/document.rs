//! The recompression table as a [`Document`].

use super::table::{Origin, RecompressionTable, SetResult};
use crate::report::document::{Block, Cell, Column, Document, Section, Table};
use crate::report::environment::environment;

/// Builds the document: a table a set.
pub fn document(table: &RecompressionTable) -> Document {
    let mut sections: Vec<Section> = table.sets.iter().map(section).collect();
    let environment = Block::Table(environment(&table.environment, None, None));
    sections.push(Section::new("How it was measured").with(environment));
    Document {
        title: "Recompression of JPEG files".into(),
        lead: "Sizes of whole files; every coded file was decoded and compared with its source byte by byte.".into(),
        sections,
    }
}

fn section(set: &SetResult) -> Section {
    let headings = ["bpp", "saving %", "byte exact", "failed", "encode MP/CPU-s", "decode MP/CPU-s", "peak MB"];
    let mut columns = vec![Column::text("codec")];
    columns.extend(headings.map(Column::number));
    columns.push(Column::text("version"));
    let rows = set
        .codecs
        .iter()
        .map(|c| {
            let mark = if c.origin == Origin::Published { " †" } else { "" };
            let partial = c.coded_files < set.images.len();
            vec![
                Cell::new(format!("{}{mark}", c.codec)),
                Cell::number(c.mean_bpp, 3),
                Cell::number(c.saving_percent, 2).caution(partial).hint(format!(
                    "{} of {} files",
                    c.coded_files,
                    set.images.len()
                )),
                Cell::new(c.byte_exact.map_or("–".into(), |n| format!("{n}/{}", c.coded_files))),
                Cell::new(c.failed.to_string()),
                Cell::number(c.encode_mp_per_cpu_s, 2),
                Cell::number(c.decode_mp_per_cpu_s, 2),
                Cell::number(c.peak_bytes.map(|b| b as f64 / 1e6), 0),
                Cell::new(&c.version),
            ]
        })
        .collect();
    let mut notes = vec!["! marks numbers of a part of the files only: not comparable with full rows.".to_string()];
    if set.codecs.iter().any(|c| c.origin == Origin::Published) {
        notes.push("† Published sizes of the same source files, not run here.".into());
    }
    let caption = format!("{} files, {:.3} bits per pixel", set.images.len(), set.source_mean_bpp.unwrap_or(f64::NAN));
    Section::new(&set.name).with(Block::Table(Table { caption, columns, rows, notes, folded: false }))
}
