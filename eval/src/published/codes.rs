//! Codebook indices: whole files (`codes_commavq.json`, `codes_rvq.json`), trained heads beside them (`codes_vq.json`,
//! `codes_rvq.json`), and sequence Llamas (`sequence_kodak.json`).

use super::PublishedError;
use super::kodak::{shown, thousands};
use super::records::{Place, Records};
use crate::paper::{self, numbers::TABLE_2, results::Record, results::Results};
use crate::report::document::Cell;

/// The record of commaVQ's example clip.
const COMMAVQ: &str = "codes_commavq.json";
/// The record of Lyra's codes of speech.
const RVQ: &str = "codes_rvq.json";
const SEQUENCE: &str = "sequence_kodak.json";

/// Bytes, with the share of the raw bits.
fn share(bytes: u64, raw_bits: f64) -> String {
    format!("{} ({:.1} %)", thousands(bytes), 100.0 * 8.0 * bytes as f64 / raw_bits)
}

/// The README's table: two arrays under the strongest anchors and the adaptive model.
///
/// # Errors
/// [`PublishedError`]; so for the others.
pub fn whole(part: &str, records: &Records) -> Result<String, PublishedError> {
    let rows = [
        (COMMAVQ, "commaVQ example, 1,200 frames of 128 indices below 1024"),
        (RVQ, "Lyra v2, 12.8 minutes of speech, 46 codes below 16 a step"),
    ];
    let row = |(file, what): (&str, &str)| {
        let (place, all) = (Place { part, file }, records.coded(file)?);
        let mut row = vec![Cell::new(what)];
        for model in ["xz -9e", "zpaq -m5", "adaptive"] {
            let found = all.iter().find(|r| r.model == model).ok_or_else(|| place.missing(model))?;
            if row.len() == 1 {
                row.push(Cell::new(thousands((found.raw_bits / 8.0).ceil() as u64)));
            }
            row.push(Cell::new(share(found.coded_bytes, found.raw_bits)));
        }
        Ok(row)
    };
    let rows = rows.into_iter().map(row).collect::<Result<_, PublishedError>>()?;
    Ok(shown(&["codes"], &["raw bits", "xz -9e", "zpaq -m5", "lmcodec, adaptive"], rows))
}

/// Trained heads beside other coders: the last fifth of commaVQ's clip, and Lyra's codes of other speakers.
pub fn heads(part: &str, records: &Records) -> Result<String, PublishedError> {
    let (vq, rvq) = (records.coded("codes_vq.json")?, records.coded(RVQ)?);
    let place = Place { part, file: "codes_vq.json" };
    let first = |list: &[Record], file| list.first().cloned().ok_or_else(|| Place { part, file }.missing("record"));
    let headings = [first(&vq, "codes_vq.json")?, first(&rvq, RVQ)?].map(|r| {
        let bits = r.raw_bits / r.symbols as f64;
        format!("{}, {} codes of {bits} bits", r.codec.unwrap_or_default(), thousands(r.symbols))
    });
    let mut models: Vec<&str> = Vec::new();
    for record in vq.iter().chain(&rvq) {
        let name = record.model.split(", ").next().filter(|m| *m == "raw").unwrap_or(&record.model);
        if !models.contains(&name) {
            models.push(name);
        }
    }
    let best = |list: &[Record]| list.iter().map(|r| r.coded_bytes).min();
    let cell = |list: &[Record], model: &str| {
        let found = list.iter().find(|r| r.model == model || (model == "raw" && r.model.starts_with("raw, ")));
        found.map_or(Cell::new("not trained"), |r| {
            let cell = Cell::new(share(r.coded_bytes, r.raw_bits));
            if Some(r.coded_bytes) == best(list) { cell.strong() } else { cell }
        })
    };
    if models.is_empty() {
        return Err(place.missing("record"));
    }
    let rows = models.iter().map(|m| vec![Cell::new(*m), cell(&vq, m), cell(&rvq, m)]).collect();
    Ok(shown(&["model"], &[headings[0].as_str(), headings[1].as_str()], rows))
}

/// Crops of the Kodak images under SmolLM2-135M and the frame Llama: a row an order of the coefficients, a column a quality.
pub fn sequence(part: &str, records: &Records) -> Result<String, PublishedError> {
    const QUALITIES: [u32; 3] = [20, 50, 80];
    const ROWS: [(&str, &str); 3] = [
        ("block-raster", "SmolLM2-135M, raster, chunk 2048"),
        ("block-zigzag", "SmolLM2-135M, zigzag, chunk 2048"),
        ("frames", "our frame Llama, the same crops, each alone, without headers"),
    ];
    let all = records.coded(SEQUENCE)?;
    let place = Place { part, file: SEQUENCE };
    let paper = QUALITIES.map(|quality| {
        let setting = format!("QF-{quality}");
        let found = TABLE_2.iter().find(|row| row.dataset == "Kodak" && row.setting == setting);
        Cell::new(found.map_or("–".into(), |row| format!("{} %", row.cr)))
    });
    let mut rows = vec![std::iter::once(Cell::new("the paper (Llama 3 8B, raster)")).chain(paper).collect::<Vec<_>>()];
    for (order, label) in ROWS {
        let mut row = vec![Cell::new(label)];
        for quality in QUALITIES {
            let fits = |r: &&Record| {
                r.arrangement == order && r.quality == Some(quality) && matches!(r.chunk, None | Some(2048))
            };
            let found = all.iter().find(fits).ok_or_else(|| place.missing(format!("{order}, quality {quality}")))?;
            row.push(Cell::new(share(found.coded_bytes, found.raw_bits)));
        }
        rows.push(row);
    }
    Ok(shown(&["Kodak luma"], &QUALITIES.map(|q| format!("QF {q}")).each_ref().map(String::as_str), rows))
}

/// The same by the length of a chunk, raster order at quality 50.
pub fn chunks(part: &str, records: &Records) -> Result<String, PublishedError> {
    let mut all = records.coded(SEQUENCE)?;
    all.retain(|r| r.arrangement == "block-raster" && r.quality == Some(50));
    all.sort_by_key(|r| r.chunk);
    if all.is_empty() {
        return Err(Place { part, file: SEQUENCE }.missing("chunks at quality 50"));
    }
    let headings: Vec<String> = all.iter().map(|r| r.chunk.map_or("–".into(), |c| c.to_string())).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let bytes = all.iter().map(|r| Cell::new(share(r.coded_bytes, r.raw_bits)));
    let speed = |r: &Record| {
        let both = r.encoding_seconds.zip(r.decoding_seconds);
        let rate = |seconds: f64| (r.symbols as f64 / seconds).round() as u64;
        Cell::new(both.map_or("–".into(), |(e, d)| format!("{} / {}", thousands(rate(e)), thousands(rate(d)))))
    };
    let rows = vec![
        std::iter::once(Cell::new("bytes")).chain(bytes).collect(),
        std::iter::once(Cell::new("symbols a second, encoding / decoding")).chain(all.iter().map(speed)).collect(),
    ];
    Ok(shown(&["chunk"], &headings, rows))
}

/// The tables and figures of the paper, with everything that is on record.
pub fn paper(_: &str, records: &Records) -> Result<String, PublishedError> {
    let mut results = Results::default();
    results.read_folder(records.folder())?;
    Ok(paper::document(&results).to_markdown())
}
