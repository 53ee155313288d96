//! Recompression tables: the Kodak sets (`kodak_jpeg.json`).

use super::PublishedError;
use super::records::{Place, Records};
use crate::recompress::table::{CodecResult, Origin, SetResult, SourceFile};
use crate::report::document::{Cell, Column, Table as Shown};
use std::fmt::Write;

/// The record of the Kodak sets.
pub const KODAK: &str = "kodak_jpeg.json";
/// lmcodec's efforts: name in records, label.
pub const EFFORTS: [(&str, &str); 3] = [
    ("lmcodec-fast", "**lmcodec --effort fast**"),
    ("lmcodec", "**lmcodec**"),
    ("lmcodec-best", "**lmcodec --effort best**"),
];

/// Other programs: name in records, label.
const OTHERS: [(&str, &str); 10] = [
    ("jpegtran-optimize", "jpegtran -optimize"),
    ("jpegtran-progressive", "jpegtran -progressive"),
    ("jpegtran-arithmetic", "jpegtran -arithmetic"),
    ("jpegtran-progressive-arithmetic", "jpegtran -progressive -arithmetic"),
    ("cjxl07-e7", "JPEG XL 0.7, default effort"),
    ("cjxl-e9", "JPEG XL 0.7 -e9"),
    ("brunsli", "brunsli"),
    ("lepton", "Lepton"),
    ("packjpg", "packJPG 2.5k"),
    ("paq8px-6", "paq8px v216 -6"),
];

/// The others that the README shows.
const SHORT: [&str; 5] = ["jpegtran-progressive-arithmetic", "cjxl-e9", "lepton", "packjpg", "paq8px-6"];
/// The sets that the README shows.
const SHORT_SETS: [&str; 7] = ["a20", "a50", "a75", "a80", "a95", "d50", "d80"];
/// The colour images that paq8px was run on.
const SIX: [&str; 6] = ["kodim01", "kodim05", "kodim08", "kodim13", "kodim19", "kodim23"];

/// The README's table: some sets, some programs.
///
/// # Errors
/// [`PublishedError`]; so for the others.
pub fn short(part: &str, records: &Records) -> Result<String, PublishedError> {
    let others: Vec<_> = OTHERS.into_iter().filter(|o| SHORT.contains(&o.0)).collect();
    sizes(part, records, &SHORT_SETS, &others, None)
}

/// All sets and programs.
pub fn all(part: &str, records: &Records) -> Result<String, PublishedError> {
    let table = records.table(KODAK)?;
    let names: Vec<&str> = table.sets.iter().map(|s| s.name.as_str()).collect();
    sizes(part, records, &names, &OTHERS, None)
}

/// The six colour images that all programs were run on.
pub fn six(part: &str, records: &Records) -> Result<String, PublishedError> {
    sizes(part, records, &["a20", "a50", "a80", "a95"], &OTHERS, Some(&SIX))
}

/// The protocol of the learned recompressors: Kodak at libjpeg quality 75, 4:2:0, beside what they print.
pub fn learned(part: &str, records: &Records) -> Result<String, PublishedError> {
    let place = Place { part, file: KODAK };
    let table = records.table(KODAK)?;
    let set = place.set(&table, "a75")?;
    let ours = |name: &str| set.codec(name).and_then(|c| c.mean_bpp);
    let rows = [
        ("source JPEG", Some(1.369), set.source_mean_bpp),
        ("JPEG XL, default effort", Some(1.173), ours("cjxl07-e7")),
        ("JPEG XL -e9", None, ours("cjxl-e9")),
        ("Lepton", Some(1.102), ours("lepton")),
        ("MLCC (learned; recalled)", Some(0.965), None),
        ("lmcodec --effort fast", None, ours("lmcodec-fast")),
        ("lmcodec", None, ours("lmcodec")),
        ("lmcodec --effort best", None, ours("lmcodec-best")),
    ];
    let rows = rows.map(|(name, theirs, ours)| vec![Cell::new(name), Cell::number(theirs, 3), Cell::number(ours, 3)]);
    Ok(shown(&["program"], &["bpp, as published there", "bpp, measured here"], rows.into()))
}

/// How many files there are.
pub fn files(_: &str, records: &Records) -> Result<String, PublishedError> {
    Ok(records.table(KODAK)?.sets.iter().map(|s| s.images.len()).sum::<usize>().to_string())
}

/// On how many files every effort of lmcodec that was measured gives fewer bytes than every other program whose size is known.
pub fn smaller(part: &str, records: &Records) -> Result<String, PublishedError> {
    let place = Place { part, file: KODAK };
    let table = records.table(KODAK)?;
    let own = |codec: &CodecResult| EFFORTS.iter().any(|e| e.0 == codec.codec);
    let (mut smaller, mut files) = (0, 0);
    for set in &table.sets {
        for image in &set.images {
            let sizes = |ours: bool| set.codecs.iter().filter(move |c| own(c) == ours).filter_map(|c| bytes(c, image));
            let worst = sizes(true).max().ok_or_else(|| place.missing(format!("lmcodec in set {}", set.name)))?;
            let least = sizes(false).chain([image.source_bytes]).min();
            files += 1;
            smaller += usize::from(least.is_some_and(|least| worst < least));
        }
    }
    Ok(format!("{smaller} of {files}"))
}

/// Megapixels a CPU second of the codecs of a table, encoding / decoding, a column a set.
pub fn speeds(part: &str, records: &Records, file: &str) -> Result<String, PublishedError> {
    let table = records.table(file)?;
    let timed = |c: &&CodecResult| c.encode_mp_per_cpu_s.is_some();
    let names: Vec<&str> = table.sets.iter().map(|s| s.name.as_str()).collect();
    let labels = EFFORTS.map(|e| (e.0, e.1.trim_matches('*'))).into_iter().chain(OTHERS);
    let rows: Vec<Vec<Cell>> = labels
        .filter(|l| table.sets.iter().flat_map(|s| &s.codecs).any(|c| c.codec == l.0 && timed(&c)))
        .map(|(name, label)| {
            let cell = |set: &SetResult| {
                let codec = set.codec(name).filter(timed);
                let pair = codec.and_then(|c| Some((c.encode_mp_per_cpu_s?, c.decode_mp_per_cpu_s?)));
                Cell::new(pair.map_or("–".into(), |(e, d)| format!("{} / {}", three(e), three(d))))
            };
            std::iter::once(Cell::new(label)).chain(table.sets.iter().map(cell)).collect()
        })
        .collect();
    if rows.is_empty() {
        return Err(Place { part, file }.missing("seconds"));
    }
    Ok(shown(&[""], &names, rows))
}

/// Versions of the programs of a table, and where sizes come from that were not measured in its run.
pub fn versions(_: &str, records: &Records, file: &str) -> Result<String, PublishedError> {
    let table = records.table(file)?;
    let e = &table.environment;
    let cpu = e.cpu.as_deref().unwrap_or("an unknown processor");
    let mut out = format!("Measured with lmcodec-eval {} on {cpu}. ", e.eval_version);
    let mut seen: Vec<String> = Vec::new();
    for codec in table.sets.iter().flat_map(|s| &s.codecs) {
        let line = match (&codec.source, codec.version.as_str()) {
            (None, "") => continue,
            (None, version) => format!("{}: {version}", codec.codec),
            (Some(source), "") => format!("{}: {source}", codec.codec),
            (Some(source), version) => format!("{}: {version}; {source}", codec.codec),
        };
        if !seen.contains(&line) {
            let _ = write!(out, "\n* {line}");
            seen.push(line);
        }
    }
    Ok(out)
}

/// Mean bits per pixel and saving, a row a program and a column a set; `images` names those that count.
fn sizes(
    part: &str,
    records: &Records,
    sets: &[&str],
    others: &[(&str, &str)],
    images: Option<&[&str]>,
) -> Result<String, PublishedError> {
    let place = Place { part, file: KODAK };
    let table = records.table(KODAK)?;
    let sets = sets.iter().map(|name| place.set(&table, name)).collect::<Result<Vec<_>, _>>()?;
    let counts = |image: &SourceFile| images.is_none_or(|names| names.contains(&image.image.as_str()));
    let mut source = vec![Cell::new("source JPEG")];
    source.extend(sets.iter().map(|set| {
        let bpp = set.images.iter().filter(|i| counts(i)).map(|i| Some(bpp(i.source_bytes, i.pixels()?)));
        Cell::new(mean(bpp).map_or("–".into(), short_bpp))
    }));
    let mut rows = vec![source];
    let mut published = false;
    for (name, label) in others.iter().chain(&EFFORTS) {
        let mut row = Vec::new();
        let mut foreign = false;
        for set in &sets {
            let Some(codec) = set.codec(name) else {
                row.push(Cell::default());
                continue;
            };
            foreign |= codec.origin == Origin::Published;
            let cell = size_cell(set, codec, &counts);
            row.push(if *name == "lmcodec-best" && !cell.text.is_empty() { cell.strong() } else { cell });
        }
        if row.iter().all(|c| c.text.is_empty()) {
            continue;
        }
        published |= foreign;
        row.insert(0, Cell::new(format!("{label}{}", if foreign { " †" } else { "" })));
        rows.push(row);
    }
    let names: Vec<&str> = sets.iter().map(|s| s.name.as_str()).collect();
    let mut out = shown(&[""], &names, rows);
    if published {
        let foreign = |c: &&CodecResult| c.origin == Origin::Published;
        let source = table.sets.iter().flat_map(|s| &s.codecs).filter(foreign).find_map(|c| c.source.as_deref());
        let _ = write!(out, "\n† {}.", upper(source.unwrap_or("Not measured in this run")));
    }
    Ok(out)
}

fn size_cell(set: &SetResult, codec: &CodecResult, counts: &dyn Fn(&SourceFile) -> bool) -> Cell {
    let images: Vec<_> = set.images.iter().filter(|i| counts(i)).collect();
    let coded: Vec<_> = images.iter().filter_map(|i| Some((*i, bytes(codec, i)?))).collect();
    // Means of fewer files are not comparable.
    if coded.len() < images.len() || coded.is_empty() {
        return Cell::default();
    }
    let source: u64 = images.iter().map(|i| i.source_bytes).sum();
    let saved = 100.0 * (1.0 - coded.iter().map(|c| c.1).sum::<u64>() as f64 / source as f64);
    let mean = mean(coded.iter().map(|(i, bytes)| Some(bpp(*bytes, i.pixels()?))));
    Cell::new(mean.map_or("–".into(), |mean| format!("{} ({saved:.1} %)", short_bpp(mean))))
}

fn bytes(codec: &CodecResult, image: &SourceFile) -> Option<u64> {
    codec.files.iter().find(|f| f.image == image.image)?.coded_bytes
}

fn bpp(bytes: u64, pixels: u64) -> f64 {
    8.0 * bytes as f64 / pixels as f64
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Three decimals without the zero before the point.
fn short_bpp(bpp: f64) -> String {
    format!("{bpp:.3}").trim_start_matches('0').to_string()
}

/// Three significant digits, at most three decimals.
pub fn three(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// A whole number with commas.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// A table in Markdown: columns of text, then of numbers.
pub fn shown(text: &[&str], numbers: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let columns = text.iter().map(|t| Column::text(*t)).chain(numbers.iter().map(|n| Column::number(*n))).collect();
    Shown { columns, rows, ..Shown::default() }.to_markdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_they_are_printed() {
        assert_eq!((short_bpp(0.2661), short_bpp(1.0), short_bpp(0.0)), (".266".into(), "1.000".into(), ".000".into()));
        assert_eq!([0.01234, 1.234, 12.34, 123.4].map(three), ["0.012", "1.23", "12.3", "123"]);
        assert_eq!([7, 1234, 802_462, 1_234_567].map(thousands), ["7", "1,234", "802,462", "1,234,567"]);
    }
}
