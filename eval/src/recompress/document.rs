//! The recompression table as a [`Document`]: a row a codec and a column a set, then a table a set.

use super::table::{CodecResult, Origin, RecompressionTable, SetResult};
use crate::report::document::{Block, Cell, Column, Document, Section, Table};
use crate::report::environment::environment;

/// Builds the document: all sets side by side, then a table a set.
pub fn document(table: &RecompressionTable) -> Document {
    let mut sections = vec![Section::new("All sets").with(Block::Table(overview(table)))];
    sections.extend(table.sets.iter().map(section));
    let environment = Block::Table(environment(&table.environment, None, None));
    sections.push(Section::new("How it was measured").with(environment));
    Document {
        title: "Recompression of JPEG files".into(),
        lead: "Sizes of whole files; every coded file was decoded and compared with its source byte by byte.".into(),
        sections,
    }
}

/// A row a codec, a column a set. Cells are mean bpp with the saving in percent; `(6/24)` marks a codec that has sizes for some of
/// a set's files only, whose numbers are of those files and not comparable with full rows.
pub fn overview(table: &RecompressionTable) -> Table {
    let mut columns = vec![Column::text("codec")];
    columns.extend(table.sets.iter().map(|s| Column::number(&s.name)));
    columns.extend(["byte exact", "encode MP/CPU-s", "decode MP/CPU-s", "peak MB"].map(Column::number));
    let mut source = vec![Cell::new("source JPEG")];
    source.extend(table.sets.iter().map(|s| Cell::number(s.source_mean_bpp, 3)));
    source.resize(columns.len(), Cell::default());
    let mut kinds: Vec<(&str, Origin)> = Vec::new();
    for codec in table.sets.iter().flat_map(|s| &s.codecs) {
        if !kinds.contains(&(&codec.codec, codec.origin)) {
            kinds.push((&codec.codec, codec.origin));
        }
    }
    let published = kinds.iter().any(|k| k.1 == Origin::Published);
    let mut notes = vec!["MP/CPU-s: megapixels a CPU second over all sets. –: not measured.".to_string()];
    if published {
        notes.push("† Published sizes of the same source files, not run here.".into());
    }
    let rows =
        std::iter::once(source).chain(kinds.into_iter().map(|(name, origin)| row(table, name, origin))).collect();
    let caption = "Mean bpp of whole files (saving % against the source files)".into();
    Table { caption, columns, rows, notes, folded: false }
}

fn row(table: &RecompressionTable, name: &str, origin: Origin) -> Vec<Cell> {
    let of = |set: &'_ SetResult| set.codecs.iter().position(|c| c.codec == name && c.origin == origin);
    let results: Vec<Option<&CodecResult>> = table.sets.iter().map(|s| Some(&s.codecs[of(s)?])).collect();
    let mut cells = vec![Cell::new(format!("{name}{}", mark(origin)))];
    cells.extend(table.sets.iter().zip(&results).map(|(set, result)| match result {
        Some(r) if r.coded_files > 0 => {
            let part = r.coded_files < set.images.len();
            let part = if part { format!(" ({}/{})", r.coded_files, set.images.len()) } else { String::new() };
            let (bpp, saving) = (Cell::number(r.mean_bpp, 3).text, Cell::number(r.saving_percent, 1).text);
            Cell::new(format!("{bpp} ({saving}){part}"))
        }
        Some(_) => Cell::new("failed"),
        None => Cell::default(),
    }));
    let known: Vec<&CodecResult> = results.into_iter().flatten().collect();
    let tried = known.iter().filter(|r| r.byte_exact.is_some()).map(|r| r.coded_files).sum::<usize>();
    let exact = known.iter().filter_map(|r| r.byte_exact).sum::<usize>();
    let peak = known.iter().filter_map(|r| r.peak_bytes).max();
    cells.push(Cell::new(if tried > 0 { format!("{exact}/{tried}") } else { "–".into() }));
    cells.push(Cell::number(pooled_speed(table, name, origin, |r| r.encode_mp_per_cpu_s), 2));
    cells.push(Cell::number(pooled_speed(table, name, origin, |r| r.decode_mp_per_cpu_s), 2));
    cells.push(Cell::number(peak.map(|b| b as f64 / 1e6), 1));
    cells
}

fn mark(origin: Origin) -> &'static str {
    if origin == Origin::Published { " †" } else { "" }
}

/// The speed over all sets that have one: Σ megapixels / Σ seconds.
fn pooled_speed(
    table: &RecompressionTable,
    name: &str,
    origin: Origin,
    get: fn(&CodecResult) -> Option<f64>,
) -> Option<f64> {
    let (mut pixels, mut seconds) = (0.0, 0.0);
    for set in &table.sets {
        for codec in set.codecs.iter().filter(|c| c.codec == name && c.origin == origin) {
            let Some(speed) = get(codec) else { continue };
            let coded = codec.files.iter().filter(|f| f.coded_bytes.is_some());
            let megapixels: f64 = coded
                .filter_map(|f| set.images.iter().find(|i| i.image == f.image)?.pixels())
                .map(|p| p as f64 / 1e6)
                .sum();
            pixels += megapixels;
            seconds += megapixels / speed;
        }
    }
    (seconds > 0.0).then(|| pixels / seconds)
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
            let partial = c.coded_files < set.images.len();
            vec![
                Cell::new(format!("{}{}", c.codec, mark(c.origin))),
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
