//! CPU seconds beside `jpegtran -arithmetic` and `cjxl -e9` of the same run, for each kernel (`speed_*.json`).

use super::PublishedError;
use super::kodak::{shown, three};
use super::records::{Place, Records};
use crate::recompress::speed::{CodecSpeed, SpeedReport};
use crate::report::document::Cell;

/// Kodak images at 4:2:0, quality 80, the fastest kernel of a processor without AVX-512.
const SMALL: &str = "speed_kodak.json";
/// How the names of all such records begin.
const PREFIX: &str = "speed_";
/// The Kodak sets on a processor with AVX-512, an earlier run: the recompression table with its seconds.
pub const AVX512: &str = "kodak_jpeg_avx512.json";

const JPEGTRAN: &str = "jpegtran-arithmetic";
const CJXL: &str = "cjxl-e9";

/// Efforts: name in records, label.
const EFFORTS: [(&str, &str); 3] = [("lmcodec-fast", "fast"), ("lmcodec", "default"), ("lmcodec-best", "best")];

/// Both ways of a ratio or a rate, `encode / decode`.
fn pair(encode: Option<f64>, decode: Option<f64>, unit: &str) -> Cell {
    let both = encode.zip(decode);
    Cell::new(both.map_or("–".into(), |(e, d)| format!("{}{unit} / {}{unit}", three(e), three(d))))
}

fn cells(codec: &CodecSpeed) -> [Cell; 3] {
    let (e, d) = (&codec.encode, &codec.decode);
    [
        pair(e.mp_per_cpu_s, d.mp_per_cpu_s, ""),
        pair(e.ratio(JPEGTRAN), d.ratio(JPEGTRAN), "×"),
        pair(e.ratio(CJXL), d.ratio(CJXL), "×"),
    ]
}

const HEADINGS: [&str; 3] = ["megapixels a CPU second", "× jpegtran -arithmetic", "× cjxl -e9, djxl"];

/// The README's table: AVX2 first, then AVX-512.
///
/// # Errors
/// [`PublishedError`]; so for the others.
pub fn short(part: &str, records: &Records) -> Result<String, PublishedError> {
    let place = Place { part, file: SMALL };
    let report = records.speed(SMALL)?;
    let mut rows = Vec::new();
    for (name, label) in EFFORTS {
        let codec = place.speed(&report, name, Some("avx2"))?;
        rows.push(row(&format!("**lmcodec --effort {label}**, AVX2"), cells(codec)));
    }
    for (name, label) in [(CJXL, "cjxl -e9, djxl"), ("lepton", "Lepton"), (JPEGTRAN, "jpegtran -arithmetic, and back")]
    {
        if let Some(codec) = report.codecs.iter().find(|c| c.codec == name) {
            rows.push(row(label, cells(codec)));
        }
    }
    rows.extend(avx512(part, records)?);
    Ok(shown(&["one core, encode / decode"], &HEADINGS, rows))
}

fn row(label: &str, cells: [Cell; 3]) -> Vec<Cell> {
    std::iter::once(Cell::new(label)).chain(cells).collect()
}

/// The same set in the earlier run with AVX-512, which had no jpegtran.
fn avx512(part: &str, records: &Records) -> Result<Vec<Vec<Cell>>, PublishedError> {
    let place = Place { part, file: AVX512 };
    let table = records.table(AVX512)?;
    let set = place.set(&table, "a80")?;
    let anchor = place.codec(set, CJXL)?;
    EFFORTS
        .into_iter()
        .map(|(name, label)| {
            let codec = place.codec(set, name)?;
            let over = |anchor: Option<f64>, own: Option<f64>| Some(anchor? / own?);
            let encode = over(anchor.encode_mp_per_cpu_s, codec.encode_mp_per_cpu_s);
            let decode = over(anchor.decode_mp_per_cpu_s, codec.decode_mp_per_cpu_s);
            let rates = pair(codec.encode_mp_per_cpu_s, codec.decode_mp_per_cpu_s, "");
            let label = format!("lmcodec --effort {label}, AVX-512 ‡");
            Ok(row(&label, [rates, Cell::new("–"), pair(encode, decode, "×")]))
        })
        .collect()
}

/// Every kernel, effort and picture that was measured.
pub fn kernels(_: &str, records: &Records) -> Result<String, PublishedError> {
    let mut rows = Vec::new();
    for file in records.names(PREFIX)? {
        let report = records.speed(&file)?;
        for codec in &report.codecs {
            let kernel = codec.kernel.clone().unwrap_or_default();
            let peak = |bytes: Option<u64>| bytes.map(|b| format!("{:.0}", b as f64 / 1e6));
            let peak = peak(codec.encode.peak_bytes).zip(peak(codec.decode.peak_bytes));
            let mut row = vec![Cell::new(&report.title), Cell::new(&codec.codec), Cell::new(kernel)];
            row.extend(cells(codec));
            row.push(Cell::new(peak.map_or("–".into(), |(e, d)| format!("{e} / {d}"))));
            rows.push(row);
        }
    }
    let headings: Vec<&str> = HEADINGS.into_iter().chain(["peak MB"]).collect();
    Ok(shown(&["pictures", "program", "kernel"], &headings, rows))
}

/// Where and on what the runs were.
pub fn environment(_: &str, records: &Records) -> Result<String, PublishedError> {
    let line = |report: &SpeedReport| {
        let cpu = report.environment.cpu.as_deref().unwrap_or("an unknown processor");
        let (files, pixels) = (report.files.join(", "), report.pixels as f64 / 1e6);
        format!("* {}: {files}; {pixels:.2} MP, medians of {} runs, {cpu}", report.title, report.runs)
    };
    let files = records.names(PREFIX)?;
    let lines = files.iter().map(|file| records.speed(file).map(|report| line(&report)));
    Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
}
