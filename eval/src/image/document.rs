//! The rate-distortion report as a [`Document`].

use super::bd_table::METHODS;
use super::compare::WILD;
use super::quality::{MS_SSIM_DB, PSNR_RGB, PSNR_Y, label};
use super::report::{BdEntry, BitCostEntry, Curve, ImageReport, SetReport};
use crate::rate::bd_rate::{LOW_OVERLAP, Method};
use crate::recompress::bit_cost::zigzag_places;
use crate::report::document::{Bars, Block, Cell, Column, Document, Figure, HeatMap, Section, Table};
use crate::report::environment::environment;
use crate::report::plot::{Plot, Series};

/// Builds the document.
pub fn document(report: &ImageReport) -> Document {
    let mut sections = Vec::new();
    let figures: Vec<Figure> = report.sets.iter().flat_map(headline).collect();
    if !figures.is_empty() {
        sections.push(Section::new("In short").with(Block::Headline(figures)));
    }
    for set in &report.sets {
        let heading = |what: &str| format!("{} · {what}", set.name);
        sections.push(Section { heading: heading("rate and quality"), blocks: rate_and_quality(set) });
        sections.push(Section { heading: heading("BD-rate"), blocks: bd_blocks(set) });
        sections.push(Section { heading: heading("cost"), blocks: vec![Block::Table(timing(set))] });
        if !set.bit_costs.is_empty() {
            sections.push(Section { heading: heading("where the bits go"), blocks: bit_blocks(set) });
        }
        sections.push(Section { heading: heading("images"), blocks: image_blocks(set) });
    }
    sections.push(Section { heading: "How it was measured".into(), blocks: provenance(report) });
    let images: usize = report.sets.iter().map(|s| s.images.len()).sum();
    let lead = format!(
        "{images} images in {} {}. Rates are whole files; every file was decoded by its codec's own decoder, and quality is \
         that of the 8-bit pixels. Recompressed JPEG files (lmcodec, jpegtran, JPEG XL transcoding, Lepton) came back byte \
         for byte and have the quality of the JPEG file: they shift the rate at equal distortion.",
        if report.sets.len() == 1 { "the set".to_string() } else { format!("the {} sets", report.sets.len()) },
        report.sets.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", "),
    );
    Document { title: report.title.clone(), lead, sections }
}

/// What lmcodec does to the JPEG files of a set: a figure for each sampling.
fn headline(set: &SetReport) -> Vec<Figure> {
    let own = set.curves.iter().filter(|c| c.name.starts_with("lmcodec"));
    let figure = |curve: &Curve| {
        let base = curve.recompresses.as_ref()?;
        let fits = |e: &&BdEntry| e.test == curve.name && e.anchor == *base && e.method == Method::Pchip;
        let entry = set.bd.iter().filter(fits).find(|e| e.metric == PSNR_RGB)?;
        let value = entry.bd_rate?.value?;
        let images =
            entry.mean_of_images.map_or(String::new(), |v| format!("; mean of {} images {v:+.1} %", entry.images));
        Some(Figure {
            value: format!("{value:+.1} %"),
            text: format!(
                "{}: bits of {} against {base}, whose files come back byte for byte{images}",
                set.name, curve.name
            ),
            good: Some(value < 0.0),
        })
    };
    own.filter_map(figure).collect()
}

/// The values in the order in which they first come.
fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    values.for_each(|v| {
        if !seen.contains(&v) {
            seen.push(v);
        }
    });
    seen
}

/// Curves of one plot: the JPEG family at one sampling, and the codecs that are no JPEG.
fn family<'a>(set: &'a SetReport, suffix: &str) -> Vec<&'a Curve> {
    let other = if suffix == "420" { "444" } else { "420" };
    set.curves.iter().filter(|c| !c.name.contains(&format!("-{other}")) && !c.results.is_empty()).collect()
}

/// A codec keeps its colour in all plots: its place among the names without sampling.
fn color(set: &SetReport, curve: &Curve) -> usize {
    let bare = |name: &str| name.replace("-420", "").replace("-444", "");
    let mut names: Vec<String> = Vec::new();
    // The codec under test comes first, then its anchor.
    for name in ["lmcodec", "jpeg"].into_iter().map(str::to_string).chain(set.curves.iter().map(|c| bare(&c.name))) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.iter().position(|n| *n == bare(&curve.name)).unwrap_or(0)
}

fn rate_and_quality(set: &SetReport) -> Vec<Block> {
    let mut blocks = Vec::new();
    let suffixes: Vec<&str> =
        ["420", "444"].into_iter().filter(|s| set.curves.iter().any(|c| c.name == format!("jpeg-{s}"))).collect();
    for suffix in suffixes {
        for metric in [PSNR_RGB, MS_SSIM_DB, PSNR_Y] {
            let series: Vec<Series> = family(set, suffix)
                .into_iter()
                .filter(|c| c.results.contains_key(metric))
                .map(|curve| Series {
                    name: curve.name.clone(),
                    points: curve
                        .means(metric)
                        .iter()
                        .zip(&curve.complete)
                        .map(|(p, setting)| (p.bpp, p.quality, format!("({setting})")))
                        .collect(),
                    color: color(set, curve),
                    dashed: curve.recompresses.is_some(),
                })
                .collect();
            if !series.is_empty() {
                blocks.push(Block::Plot(Plot {
                    caption: format!("{}: {} against rate, JPEG at {}", set.name, label(metric), sampling(suffix)),
                    x_label: "bits per pixel (mean over the images)".into(),
                    y_label: label(metric),
                    log_x: true,
                    series,
                }));
            }
        }
    }
    let published: Vec<&str> = set.curves.iter().filter(|c| c.is_published()).map(|c| c.name.as_str()).collect();
    let from_files = match published.as_slice() {
        [] => String::new(),
        names => format!(" Not measured in this run, but taken from files: {}.", names.join(", ")),
    };
    blocks.push(Block::Text(format!(
        "The thick line is lmcodec, broken lines are recompressed JPEG files. A point's values show on hover, on focus or on \
         touch.{from_files}"
    )));
    blocks.push(Block::Table(points_table(set)));
    if !set.failures.is_empty() {
        blocks.push(Block::Notes(set.failures.iter().map(|f| format!("Failed: {f}")).collect()));
    }
    blocks
}

fn sampling(suffix: &str) -> &'static str {
    if suffix == "420" { "4:2:0" } else { "4:4:4" }
}

fn points_table(set: &SetReport) -> Table {
    let metrics: Vec<&str> = [PSNR_RGB, PSNR_Y, super::quality::MS_SSIM, MS_SSIM_DB]
        .into_iter()
        .filter(|m| set.curves.iter().any(|c| c.results.contains_key(*m)))
        .collect();
    let mut columns = vec![Column::text("codec"), Column::text("setting"), Column::number("bpp")];
    columns.extend(metrics.iter().map(|m| Column::number(label(m))));
    let mut rows = Vec::new();
    for curve in &set.curves {
        for (i, setting) in curve.complete.iter().enumerate() {
            let value = |key: &str| curve.results.get(key).and_then(|list| list.get(i)).copied();
            let mut row = vec![Cell::new(&curve.name), Cell::new(setting), Cell::number(value("bpp"), 4)];
            let decimals = |m: &str| if m == super::quality::MS_SSIM { 5 } else { 3 };
            row.extend(metrics.iter().map(|m| Cell::number(value(m), decimals(m))));
            rows.push(row);
        }
    }
    Table { caption: "All rate points (means over the images)".into(), columns, rows, folded: true, ..Table::default() }
}

fn bd_blocks(set: &SetReport) -> Vec<Block> {
    let mut blocks = vec![Block::Text(format!(
        "Average difference of rate at equal quality, in percent of the anchor's rate; negative needs fewer bits. Computed on \
         the curves of means over the images (three interpolations), and as the mean of the BD-rates of the single images. \
         The best comes first. An overlap of the two curves below {:.0} % is marked with ! and speaks for that part only; such \
         values come last.",
        100.0 * LOW_OVERLAP
    ))];
    for (i, anchor) in distinct(set.bd.iter().map(|e| e.anchor.as_str())).into_iter().enumerate() {
        for metric in [PSNR_RGB, MS_SSIM_DB, PSNR_Y] {
            let entries: Vec<&BdEntry> = set.bd.iter().filter(|e| e.anchor == anchor && e.metric == metric).collect();
            if !entries.is_empty() {
                blocks.push(Block::Table(bd_table(anchor, metric, &entries, i > 1 || metric != PSNR_RGB)));
            }
        }
    }
    let shifts: Vec<String> = set.curves.iter().filter_map(|c| recompression_shift(set, c)).collect();
    if !shifts.is_empty() {
        let mut notes =
            vec!["Recompression keeps the JPEG file's pixels, so these BD-rates are pure shifts of rate:".to_string()];
        notes.extend(shifts);
        blocks.push(Block::Notes(notes));
    }
    blocks
}

/// The shift of rate of a recompressor against the JPEG files it started from.
fn recompression_shift(set: &SetReport, curve: &Curve) -> Option<String> {
    let base = set.curves.iter().find(|c| Some(&c.name) == curve.recompresses.as_ref())?;
    let (own, source) = (curve.results.get("bpp")?, base.results.get("bpp")?);
    let savings: Vec<String> = curve
        .complete
        .iter()
        .zip(own)
        .filter_map(|(setting, bpp)| {
            let at = base.complete.iter().position(|s| s == setting)?;
            Some(format!("{:.1} % at quality {setting}", 100.0 * (1.0 - bpp / source.get(at)?)))
        })
        .collect();
    (!savings.is_empty()).then(|| format!("{} saves {} of the bits of {}", curve.name, savings.join(", "), base.name))
}

fn bd_table(anchor: &str, metric: &str, entries: &[&BdEntry], folded: bool) -> Table {
    let find = |test: &str, method: Method| entries.iter().find(|e| e.test == test && e.method == method);
    let mut tests = distinct(entries.iter().map(|e| e.test.as_str()));
    // Values that speak for a small part of the curves are not to win.
    let rank = |test: &str| {
        let delta = find(test, Method::Pchip).and_then(|e| e.bd_rate);
        (delta.is_none_or(|d| d.low_overlap), delta.and_then(|d| d.value).unwrap_or(f64::INFINITY))
    };
    tests.sort_by(|a, b| rank(a).0.cmp(&rank(b).0).then(rank(a).1.total_cmp(&rank(b).1)));
    let wild = entries.iter().any(|e| e.bd_rate.is_some_and(|d| d.wild));
    let columns = ["cubic %", "PCHIP %", "Akima %", "mean of images % (PCHIP)", "BD-quality (PCHIP)", "overlap %"];
    let columns = std::iter::once(Column::text("codec")).chain(columns.map(Column::number)).collect();
    let rows = tests
        .into_iter()
        .map(|test| {
            let own = test.starts_with("lmcodec");
            let name = Cell::new(test);
            let mut row = vec![if own { name.strong() } else { name }];
            for method in METHODS {
                let Some(entry) = find(test, method) else {
                    row.push(Cell::number(None, 2));
                    continue;
                };
                let delta = entry.bd_rate;
                let mut cell = Cell::signed(delta.and_then(|d| d.value), 2);
                if let Some(error) = &entry.error {
                    cell = cell.hint(error);
                } else if let Some(delta) = delta.filter(|d| d.value.is_none()) {
                    cell = cell.hint(format!("the curves do not overlap ({:.0} %)", 100.0 * delta.overlap));
                }
                let wild = delta.is_some_and(|d| d.wild);
                if wild {
                    cell = cell.hint("the cubic polynomial runs wild between the points");
                }
                let low = delta.is_some_and(|d| d.low_overlap && d.value.is_some());
                cell = cell.caution(low || wild);
                row.push(if own && method == Method::Pchip { cell.strong() } else { cell });
            }
            let pchip = find(test, Method::Pchip);
            let images = pchip.map_or(0, |e| e.images);
            row.push(Cell::signed(pchip.and_then(|e| e.mean_of_images), 2).hint(format!("{images} images")));
            row.push(Cell::signed(pchip.and_then(|e| e.bd_quality?.value), 3));
            row.push(Cell::number(pchip.and_then(|e| Some(100.0 * e.bd_rate?.overlap)), 0));
            row
        })
        .collect();
    let caption = format!("Against {anchor}, by {}", label(metric));
    let notes = if wild { vec![WILD.into()] } else { Vec::new() };
    Table { caption, columns, rows, notes, folded }
}

fn timing(set: &SetReport) -> Table {
    let pixels: f64 = set.images.iter().map(|i| f64::from(i.width) * f64::from(i.height) / 1e6).sum();
    let speed = |curve: &Curve, seconds: &dyn Fn(&super::report::Point) -> Option<f64>| {
        let points = curve.images.iter().flat_map(|i| &i.points);
        let seconds: Option<Vec<f64>> = points.map(seconds).collect();
        let seconds = seconds.filter(|s| !s.is_empty())?;
        let runs = seconds.len() as f64 / curve.images.len() as f64;
        let sum: f64 = seconds.iter().sum();
        (sum > 0.0).then(|| pixels * runs / sum)
    };
    let rows = set
        .curves
        .iter()
        .filter(|c| !c.is_published())
        .map(|c| {
            let peak = c.images.iter().flat_map(|i| &i.points).filter_map(|p| p.peak_bytes).max();
            vec![
                Cell::new(&c.name),
                Cell::number(speed(c, &|p| p.encode_cpu_s), 2),
                Cell::number(speed(c, &|p| p.decode_cpu_s), 2),
                Cell::number(speed(c, &|p| Some(p.encode_s)), 2),
                Cell::number(speed(c, &|p| Some(p.decode_s)), 2),
                Cell::number(peak.map(|b| b as f64 / 1e6), 0),
            ]
        })
        .collect();
    let columns = ["encode MP/CPU-s", "decode MP/CPU-s", "encode MP/s (wall)", "decode MP/s (wall)", "peak MB"];
    Table {
        caption: "Speed over all images and settings, and largest memory of a process".into(),
        columns: std::iter::once(Column::text("codec")).chain(columns.map(Column::number)).collect(),
        rows,
        notes: vec![
            "Codecs run as processes of one thread, start and file access included. Recompressors: the recompression alone, \
             from JPEG file to coded file and back, without JPEG's own coding."
                .into(),
            "A peak cannot read below the resident size of the measuring process; – where it is not known.".into(),
        ],
        folded: false,
    }
}

fn bit_blocks(set: &SetReport) -> Vec<Block> {
    let mut blocks = vec![Block::Text(
        "Bits of the coded files by colour component, and of each component by the coefficient that they code (column: \
         horizontal frequency, row: vertical frequency, top left: DC)."
            .into(),
    )];
    for entry in &set.bit_costs {
        blocks.push(Block::Bars(parts(entry)));
    }
    for curve in distinct(set.bit_costs.iter().map(|e| e.curve.as_str())) {
        let entries: Vec<&BitCostEntry> = set.bit_costs.iter().filter(|e| e.curve == curve).collect();
        // The setting in the middle speaks for the curve.
        let mut sorted = entries.clone();
        sorted.sort_by(|a, b| (a.file_bits * b.pixels).cmp(&(b.file_bits * a.pixels)));
        if let Some(entry) = sorted.get(sorted.len() / 2) {
            blocks.extend(heat_maps(entry).into_iter().map(Block::HeatMap));
        }
    }
    blocks
}

fn parts(entry: &BitCostEntry) -> Bars {
    let mut parts: Vec<(String, f64)> = Vec::new();
    for c in &entry.cost.components {
        parts.push((format!("{} end of block", c.name), c.last));
        parts.push((format!("{} DC", c.name), c.positions.first().copied().unwrap_or(0.0)));
        parts.push((format!("{} AC", c.name), c.positions.iter().skip(1).sum()));
    }
    parts.push(("side information".into(), entry.cost.side_information));
    let rest = entry.file_bits as f64 - entry.cost.total();
    parts.push(("container, ends of the range coder".into(), rest.max(0.0)));
    let bpp = entry.file_bits as f64 / entry.pixels as f64;
    Bars {
        caption: format!(
            "{} at quality {}: {bpp:.3} bits per pixel over {} images",
            entry.curve, entry.setting, entry.images
        ),
        parts,
        unit: "bits".into(),
    }
}

/// Bits a block over the coefficients, by component. Blocks are counted in luma blocks of 64 pixels.
fn heat_maps(entry: &BitCostEntry) -> Vec<HeatMap> {
    let blocks = entry.pixels as f64 / 64.0;
    let places = zigzag_places();
    let map = |c: &crate::recompress::bit_cost::ComponentCost| {
        let mut values = [[0.0; 8]; 8];
        for (&(x, y), bits) in places.iter().zip(&c.positions) {
            values[y][x] = bits / blocks;
        }
        let caption = format!("{} at quality {}: {}", entry.curve, entry.setting, c.name);
        HeatMap { caption, values: Box::new(values), unit: "bits per 64 pixels of the image".into() }
    };
    entry.cost.components.iter().map(map).collect()
}

fn image_blocks(set: &SetReport) -> Vec<Block> {
    // One table for the JPEG quality in the middle: bpp of every codec that shares it.
    let Some(base) = set.curves.iter().find(|c| c.name.starts_with("jpeg-")) else { return Vec::new() };
    let Some(setting) = base.complete.get(base.complete.len() / 2) else { return Vec::new() };
    let family: Vec<&Curve> = set
        .curves
        .iter()
        .filter(|c| {
            c.name == base.name || c.recompresses.as_ref() == Some(&base.name) || c.name.starts_with(&base.name)
        })
        .collect();
    let mut columns = vec![Column::text("image"), Column::number("size")];
    columns.extend(family.iter().map(|c| Column::number(format!("{} bpp", c.name))));
    columns.push(Column::number(label(PSNR_RGB)));
    let mut rows = Vec::new();
    for facts in &set.images {
        let mut first = Cell::new(&facts.image);
        first.picture = facts.thumbnail.clone();
        let mut row = vec![first, Cell::new(format!("{}×{}", facts.width, facts.height))];
        let point = |c: &Curve| {
            let image = c.images.iter().find(|i| i.image == facts.image)?;
            image.points.iter().find(|p| p.setting == *setting).cloned()
        };
        for curve in &family {
            row.push(Cell::number(point(curve).map(|p| p.bpp), 3));
        }
        row.push(Cell::number(point(base).and_then(|p| p.quality.get(PSNR_RGB).copied()), 2));
        rows.push(row);
    }
    let caption = format!("Every image at JPEG quality {setting} ({})", base.name);
    let notes = vec!["All settings and codecs of every image are in report.csv and report.json.".into()];
    vec![Block::Table(Table { caption, columns, rows, notes, folded: false })]
}

fn provenance(report: &ImageReport) -> Vec<Block> {
    let mut blocks = vec![Block::Table(environment(&report.environment, Some(report.seconds), report.peak_bytes))];
    let mut commands: Vec<(String, String)> = Vec::new();
    for curve in report.sets.iter().flat_map(|s| &s.curves) {
        if commands.iter().any(|c| c.0 == curve.name) {
            continue;
        }
        let facts: Vec<String> = curve.facts.iter().map(|(k, v)| format!("{k} {v}")).collect();
        let mut words = vec![curve.description.clone(), curve.version.clone()];
        words.extend(facts);
        if let Some(c) = &curve.commands {
            words.push(format!("encode: {} · decode: {}", c.encode, c.decode));
        }
        words.retain(|w| !w.is_empty());
        commands.push((curve.name.clone(), words.join(" · ")));
    }
    blocks.push(Block::Commands(commands));
    let sources = report
        .sets
        .iter()
        .flat_map(|s| s.images.iter().map(|i| vec![Cell::new(&s.name), Cell::new(&i.image), Cell::new(&i.sha256)]));
    blocks.push(Block::Table(Table {
        caption: "Source files (SHA-256)".into(),
        columns: ["set", "image", "SHA-256"].map(Column::text).into(),
        rows: sources.collect(),
        folded: true,
        ..Table::default()
    }));
    blocks
}
