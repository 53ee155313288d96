//! The report as CSV: one line an image, codec and setting.

use super::report::ImageReport;

/// Columns before the measures of quality.
const FIXED: [&str; 14] = [
    "set",
    "image",
    "width",
    "height",
    "codec",
    "recompresses",
    "setting",
    "bytes",
    "bpp",
    "encode_s",
    "decode_s",
    "encode_cpu_s",
    "decode_cpu_s",
    "peak_bytes",
];

/// Renders all points. Measures of quality are the last columns, by name; unknown values are empty.
pub fn to_csv(report: &ImageReport) -> String {
    let points = || report.sets.iter().flat_map(|s| &s.curves).flat_map(|c| &c.images).flat_map(|i| &i.points);
    let metrics: std::collections::BTreeSet<&str> =
        points().flat_map(|p| p.quality.keys()).map(String::as_str).collect();
    let mut rows = vec![FIXED.iter().copied().chain(metrics.iter().copied()).map(str::to_string).collect::<Vec<_>>()];
    let optional = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
    for set in &report.sets {
        for curve in &set.curves {
            for (image, facts) in curve.images.iter().zip(&set.images) {
                for p in &image.points {
                    let mut row = vec![
                        set.name.clone(),
                        image.image.clone(),
                        facts.width.to_string(),
                        facts.height.to_string(),
                        curve.name.clone(),
                        curve.recompresses.clone().unwrap_or_default(),
                        p.setting.clone(),
                        p.bytes.to_string(),
                        p.bpp.to_string(),
                        p.encode_s.to_string(),
                        p.decode_s.to_string(),
                        optional(p.encode_cpu_s),
                        optional(p.decode_cpu_s),
                        p.peak_bytes.map_or(String::new(), |v| v.to_string()),
                    ];
                    row.extend(metrics.iter().map(|m| optional(p.quality.get(*m).copied())));
                    rows.push(row);
                }
            }
        }
    }
    crate::report::csv::render(&rows)
}
