//! Rate and quality: BD-rates of images (`image_kodak.json`, `image_clic.json`) and codecs of speech
//! (`speech_librispeech.json`).

use super::PublishedError;
use super::kodak::shown;
use super::records::{Place, Records};
use crate::image::report::{BdEntry, ImageReport};
use crate::rate::bd_rate::Method;
use crate::report::document::Cell;

const KODAK: &str = "image_kodak.json";
const CLIC: &str = "image_clic.json";
const SPEECH: &str = "speech_librispeech.json";

fn entry<'r>(
    place: Place,
    report: &'r ImageReport,
    anchor: &str,
    test: &str,
    metric: &str,
) -> Result<&'r BdEntry, PublishedError> {
    let fits = |e: &&BdEntry| e.anchor == anchor && e.test == test && e.metric == metric && e.method == Method::Pchip;
    let found = report.sets.iter().flat_map(|s| &s.bd).find(fits);
    found.ok_or_else(|| place.missing(format!("BD-rate of {test} against {anchor} by {metric}")))
}

/// Percent with its sign and two decimals.
fn percent(value: Option<f64>) -> Cell {
    Cell::new(value.map_or("–".into(), |v| format!("{v:+.2} %").replace('-', "−")))
}

/// BD-rates of `.ljpg` files against the JPEG files that they give back.
///
/// # Errors
/// [`PublishedError`]; so for the others.
pub fn ljpg(part: &str, records: &Records) -> Result<String, PublishedError> {
    const ROWS: [(&str, &str, &str, &str); 6] = [
        ("Kodak", KODAK, "420", ""),
        ("Kodak", KODAK, "420", "-optimised"),
        ("Kodak", KODAK, "444", ""),
        ("Kodak", KODAK, "444", "-optimised"),
        ("CLIC", CLIC, "420", ""),
        ("CLIC", CLIC, "420", "-optimised"),
    ];
    let row = |(set, file, sampling, tables): (&str, &str, &str, &str)| {
        let (place, report) = (Place { part, file }, records.image(file)?);
        let (anchor, test) = (format!("jpeg-{sampling}{tables}"), format!("lmcodec-{sampling}"));
        let rgb = entry(place, &report, &anchor, &test, "psnr-rgb")?;
        let ssim = entry(place, &report, &anchor, &test, "ms-ssim-rgb-db")?;
        let value = |e: &BdEntry| e.bd_rate.as_ref().and_then(|d| d.value);
        let tables = if tables.is_empty() { "the standard's Huffman tables" } else { "optimised tables" };
        Ok(vec![
            Cell::new(set),
            Cell::new(if sampling == "420" { "4:2:0" } else { "4:4:4" }),
            Cell::new(format!("JPEG, {tables}")),
            percent(value(rgb)),
            percent(rgb.mean_of_images),
            percent(value(ssim)),
        ])
    };
    let rows = ROWS.into_iter().map(row).collect::<Result<_, PublishedError>>()?;
    Ok(shown(&["set", "`.ljpg` of", "against"], &["by PSNR of RGB", "mean of images", "by MS-SSIM"], rows))
}

/// Others in the same runs, against 4:2:0 JPEG with the standard's tables by PSNR of RGB.
pub fn others(part: &str, records: &Records) -> Result<String, PublishedError> {
    const CURVES: [(&str, &str); 10] = [
        ("jpeg-420-optimised", "JPEG, optimised tables"),
        ("jpegtran-arithmetic-420", "`jpegtran -arithmetic`"),
        ("jpegtran-progressive-arithmetic-420", "`jpegtran -progressive -arithmetic`"),
        ("cjxl-e9-420", "JPEG XL transcoding (`-e 9`)"),
        ("lepton-420", "Lepton"),
        ("lmcodec-420", "**`.ljpg`**"),
        ("jxl", "JPEG XL"),
        ("webp", "WebP"),
        ("jpeg2000", "JPEG 2000"),
        ("avif", "AVIF"),
    ];
    let reports = [(KODAK, records.image(KODAK)?), (CLIC, records.image(CLIC)?)];
    let row = |(curve, label): (&str, &str)| {
        let mut row = vec![Cell::new(label)];
        for &(file, ref report) in &reports {
            let found = entry(Place { part, file }, report, "jpeg-420", curve, "psnr-rgb")?;
            let delta = found.bd_rate.as_ref();
            row.push(percent(delta.and_then(|d| d.value)));
            row.push(Cell::new(delta.map_or("–".into(), |d| format!("{:.0} %", 100.0 * d.overlap))));
        }
        Ok(row)
    };
    let rows = CURVES.into_iter().map(row).collect::<Result<_, PublishedError>>()?;
    Ok(shown(&["codec"], &["Kodak", "overlap", "CLIC", "overlap"], rows))
}

/// Codecs of speech: rate, distance, and what ViSQOL and a recogniser hear.
pub fn speech(part: &str, records: &Records) -> Result<String, PublishedError> {
    let report = records.speech(SPEECH)?;
    let (_, set) = report.sets.first().ok_or_else(|| Place { part, file: SPEECH }.missing("set"))?;
    let percent = |share: Option<f64>| share.map(|s| 100.0 * s);
    let source = set.source.as_ref().map(|s| {
        let none = || Cell::number(None, 2);
        let (mos, errors) = (s.mean_visqol_mos_lqo, percent(s.word_error_rate));
        vec![Cell::new("(source)"), none(), none(), none(), Cell::number(mos, 2), Cell::number(errors, 2)]
    });
    let codecs = set.codecs.iter().map(|c| {
        vec![
            Cell::new(&c.name),
            Cell::number(Some(c.mean_kbps), 2),
            Cell::number(c.mean_si_sdr_db.filter(|v| v.is_finite()), 2),
            Cell::number(c.mean_lsd_db, 2),
            Cell::number(c.listening.mean_visqol_mos_lqo, 2),
            Cell::number(percent(c.listening.word_error_rate), 2),
        ]
    });
    let headings = ["kbps", "SI-SDR [dB]", "LSD [dB]", "ViSQOL [MOS-LQO]", "WER [%]"];
    Ok(shown(&["codec"], &headings, source.into_iter().chain(codecs).collect()))
}
