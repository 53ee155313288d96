//! The recompression table as Markdown: a row a codec, a column a set.

use super::table::{CodecResult, Origin, RecompressionTable};
use std::fmt::Write;

/// Renders `table`. Cells are mean bpp with the saving in percent; `(6/24)` marks a codec that has sizes for some of a
/// set's files only, whose numbers are of those files and not comparable with full rows.
pub fn markdown(table: &RecompressionTable) -> String {
    let mut rows: Vec<(&str, Origin)> = Vec::new();
    for codec in table.sets.iter().flat_map(|s| &s.codecs) {
        if !rows.contains(&(&codec.codec, codec.origin)) {
            rows.push((&codec.codec, codec.origin));
        }
    }
    let mut out = String::from("| codec |");
    for set in &table.sets {
        let _ = write!(out, " {} |", escape(&set.name));
    }
    out.push_str(" byte exact | enc MP/s | dec MP/s | peak MB |\n|---|");
    out.push_str(&"---|".repeat(table.sets.len() + 4));
    out.push_str("\n| source JPEG |");
    for set in &table.sets {
        let _ = write!(out, " {} |", number(set.source_mean_bpp, 3));
    }
    out.push_str(" | | | |\n");
    for &(name, origin) in &rows {
        let results: Vec<Option<&CodecResult>> =
            table.sets.iter().map(|s| s.codecs.iter().find(|c| c.codec == name && c.origin == origin)).collect();
        let mark = if origin == Origin::Published { " †" } else { "" };
        let _ = write!(out, "| {}{mark} |", escape(name));
        for (set, result) in table.sets.iter().zip(&results) {
            match result {
                Some(r) if r.coded_files > 0 => {
                    let _ = write!(out, " {} ({})", number(r.mean_bpp, 3), number(r.saving_percent, 1));
                    if r.coded_files < set.images.len() {
                        let _ = write!(out, " ({}/{})", r.coded_files, set.images.len());
                    }
                    out.push_str(" |");
                }
                Some(_) => out.push_str(" failed |"),
                None => out.push_str(" |"),
            }
        }
        let known: Vec<&CodecResult> = results.into_iter().flatten().collect();
        let tried = known.iter().filter(|r| r.byte_exact.is_some()).map(|r| r.coded_files).sum::<usize>();
        let exact = known.iter().filter_map(|r| r.byte_exact).sum::<usize>();
        let exact = if tried > 0 { format!("{exact}/{tried}") } else { String::new() };
        let speed = |get: fn(&CodecResult) -> Option<f64>| pooled_speed(table, name, origin, get);
        let peak = known.iter().filter_map(|r| r.peak_bytes).max().map(|b| b as f64 / 1e6);
        let _ = writeln!(
            out,
            " {exact} | {} | {} | {} |",
            number(speed(|r| r.encode_mp_per_cpu_s), 2),
            number(speed(|r| r.decode_mp_per_cpu_s), 2),
            number(peak, 1)
        );
    }
    out.push_str("\nMean bpp of whole files (saving % against the source files). MP/s: megapixels a CPU second.\n");
    if rows.iter().any(|r| r.1 == Origin::Published) {
        out.push_str("† Published sizes of the same source files, not run here.\n");
    }
    let mut versions: Vec<String> = Vec::new();
    for codec in table.sets.iter().flat_map(|s| &s.codecs).filter(|c| !c.version.is_empty()) {
        let line = format!("{}: {}", codec.codec, codec.version);
        if !versions.contains(&line) {
            versions.push(line);
        }
    }
    let _ = writeln!(
        out,
        "Measured with lmcodec-eval {} on {} ({} logical CPUs, files side by side: {}).{}{}",
        table.environment.eval_version,
        table.environment.cpu.as_deref().unwrap_or("an unknown CPU"),
        table.environment.logical_cpus,
        table.environment.threads,
        if versions.is_empty() { "" } else { " Versions: " },
        versions.join("; ")
    );
    out
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

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |v| format!("{v:.digits$}"))
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}
