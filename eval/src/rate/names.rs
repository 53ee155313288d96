//! The names that result files give to rates and measures, and which of them mean the same.
//!
//! CompressAI's learned codecs call their lists `psnr` and `ms-ssim`, its others and this project `psnr-rgb` and `ms-ssim-rgb`;
//! its video results have a `bitrate` (kbit/s) where images have `bpp`. MS-SSIM in dB is made from MS-SSIM where a file has only
//! that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::metrics::ms_ssim::ms_ssim_db;

/// Lists of values by name.
pub type Lists = BTreeMap<String, Vec<f64>>;

/// Names of rates, from the one that is looked for first.
pub const RATES: [&str; 2] = ["bpp", "bitrate"];
/// Other names of measures, and ours.
const ALIASES: [(&str, &str); 4] = [
    ("psnr", "psnr-rgb"),
    ("ms-ssim", "ms-ssim-rgb"),
    ("ms-ssim-db", "ms-ssim-rgb-db"),
    ("ms-ssim-db-rgb", "ms-ssim-rgb-db"),
];
/// MS-SSIM as such, and in dB.
const MS_SSIM: [&str; 2] = ["ms-ssim-rgb", "ms-ssim-rgb-db"];

/// Our name of a measure.
pub fn canonical(metric: &str) -> &str {
    ALIASES.iter().find(|(other, _)| *other == metric).map_or(metric, |(_, ours)| ours)
}

/// The list of a measure, by any of its names.
pub fn quality<'a>(lists: &'a Lists, metric: &str) -> Option<Cow<'a, [f64]>> {
    let named = |name: &str| {
        let ours = canonical(name);
        let others = ALIASES.iter().filter(|(_, known)| *known == ours).map(|(other, _)| *other);
        [name, ours].into_iter().chain(others).find_map(|name| lists.get(name))
    };
    match named(metric) {
        Some(list) => Some(Cow::Borrowed(list)),
        None if canonical(metric) == MS_SSIM[1] => named(MS_SSIM[0]).map(|list| {
            // Older files call the values in dB so.
            let db = list.iter().any(|&value| value > 1.0);
            if db { Cow::Borrowed(list.as_slice()) } else { list.iter().map(|&value| ms_ssim_db(value)).collect() }
        }),
        None => None,
    }
}

/// The rates, and what they are called.
pub fn rate(lists: &Lists) -> Option<(&'static str, &[f64])> {
    RATES.into_iter().find_map(|name| Some((name, lists.get(name)?.as_slice())))
}

/// A rate in words, with its unit.
pub fn rate_label(name: &str) -> &str {
    match name {
        "bpp" => "bits per pixel",
        "bitrate" => "kbit/s",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_by_any_of_their_names() {
        let lists: Lists = [("psnr", 30.0), ("ms-ssim-rgb", 0.9), ("bitrate", 7.0)]
            .map(|(name, value)| (name.into(), vec![value]))
            .into();
        let found = |metric| quality(&lists, metric).map(|list| list[0]);
        assert_eq!([found("psnr"), found("psnr-rgb"), found("psnr-y")], [Some(30.0), Some(30.0), None]);
        assert_eq!([found("ms-ssim"), found("ms-ssim-rgb")], [Some(0.9); 2]);
        assert!((found("ms-ssim-rgb-db").unwrap() - 10.0).abs() < 1e-9);
        assert_eq!([found("ms-ssim-db"), found("ms-ssim-db-rgb")], [found("ms-ssim-rgb-db"); 2]);
        let old: Lists = [("ms-ssim".into(), vec![9.5, 12.0])].into();
        assert_eq!(quality(&old, "ms-ssim-rgb-db").map(|list| list[1]), Some(12.0));
        assert_eq!(rate(&lists), Some(("bitrate", &[7.0][..])));
        assert_eq!(rate(&Lists::new()), None);
    }
}
