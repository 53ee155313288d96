//! Figures 5 to 13 of the paper: ours are drawn where results are at hand.

use super::numbers::{FIGURE_7, TABLE_4, TABLE_4_CODES, TABLE_6, TABLE_7, TABLE_8};
use super::results::{Record, Results, best_pair, same_dataset};
use crate::image::quality::{MS_SSIM_DB, PSNR_RGB, label};
use crate::image::report::SetReport;
use crate::rate::bd_rate::Method;
use crate::recompress::bit_cost::zigzag_places;
use crate::report::document::{Block, Cell, Column, HeatMap, Section, Table};
use crate::report::plot::{Plot, Series};
use crate::speech::document::listening_plots;

/// One section a figure.
pub(super) fn sections(results: &Results) -> Vec<Section> {
    vec![
        figure("Figure 5: PSNR against rate (Kodak, CLIC)", figure_5(results)),
        figure("Figure 6: ViSQOL and WER against bitrate", figure_6(results)),
        figure("Figure 7: chunk size", figure_7(results)),
        figure("Figure 8: time a code", figure_8(results)),
        figure("Figure 9: coefficients of a block", figure_9(results)),
        figure("Figure 10: JPEG with its own and with our entropy coding", figure_10(results)),
        figure("Figure 11: PSNR and MS-SSIM against rate (Kodak)", figure_11(results)),
        figure("Figure 12: VQGAN", figure_12(results)),
        figure("Figure 13: SpeechTokenizer", figure_13(results)),
    ]
}

fn figure(heading: &str, blocks: Vec<Block>) -> Section {
    Section { heading: heading.into(), blocks }
}

fn none(needs: &str) -> Vec<Block> {
    vec![Block::Text(format!("Nothing measured. Needs {needs}."))]
}

fn image_set<'a>(results: &'a Results, dataset: &str) -> Option<&'a SetReport> {
    results.images.iter().flat_map(|r| &r.sets).find(|s| same_dataset(&s.name, dataset))
}

/// Codecs that a figure of the paper shows, as far as we have them.
const SHOWN: [&str; 6] = ["jpeg-420", "jpeg-444", "jpeg2000", "webp", "lmcodec-420", "lmcodec-444"];

fn rate_plot(set: &SetReport, metric: &str, names: &[&str]) -> Option<Plot> {
    let series: Vec<Series> = set
        .curves
        .iter()
        .filter(|c| names.contains(&c.name.as_str()))
        .map(|c| Series {
            name: c.name.clone(),
            points: c
                .means(metric)
                .iter()
                .zip(&c.complete)
                .map(|(p, s)| (p.bpp, p.quality, format!("({s})")))
                .collect(),
            color: names.iter().position(|n| *n == c.name).unwrap_or(0),
            dashed: c.recompresses.is_some(),
        })
        .filter(|s| !s.points.is_empty())
        .collect();
    (!series.is_empty()).then(|| Plot {
        caption: format!("{}: {} against rate", set.name, label(metric)),
        x_label: "bits per pixel".into(),
        y_label: label(metric),
        log_x: true,
        series,
    })
}

fn figure_5(results: &Results) -> Vec<Block> {
    let mut blocks = Vec::new();
    for set in ["Kodak", "CLIC"].iter().filter_map(|d| image_set(results, d)) {
        blocks.extend(rate_plot(set, PSNR_RGB, &SHOWN).map(Block::Plot));
        let gain = |anchor: &str| {
            let same = |e: &&crate::image::report::BdEntry| {
                e.anchor == anchor && e.test == "lmcodec-420" && e.metric == PSNR_RGB && e.method == Method::Pchip
            };
            set.bd.iter().find(same).and_then(|e| e.bd_quality?.value)
        };
        let anchors =
            ["jpeg-420", "jpeg-420-optimised"].iter().filter_map(|a| Some(format!("{:+.2} dB over {a}", gain(a)?)));
        blocks.push(Block::Text(format!(
            "{}: the paper states about 4 dB over JPEG at the same rate. Ours (BD-PSNR of .ljpg files of 4:2:0 JPEG): {}. Ours \
             are whole colour files, PSNR over RGB; the paper states neither.",
            set.name,
            anchors.collect::<Vec<_>>().join(", ")
        )));
    }
    if blocks.is_empty() { none("a report of `lmcodec eval image` on a set called kodak or clic") } else { blocks }
}

/// The paper shows SpeechTokenizer's codes; what is measured here are the anchors of `eval speech`.
fn figure_6(results: &Results) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (name, set) in results.speech.iter().flat_map(|r| &r.sets) {
        let plots = listening_plots(name, set);
        if plots.is_empty() {
            continue;
        }
        blocks.extend(plots.into_iter().map(Block::Plot));
        let source = set.source.clone().unwrap_or_default();
        let number = |value: Option<f64>| Cell::number(value, 2).text;
        blocks.push(Block::Text(format!(
            "{name}: {} utterances, {:.1} minutes, by {}. The source itself (GT in the paper) has a WER of {} % and a MOS-LQO of {}. The \
             paper shows SpeechTokenizer's codes on its own data sets; other recognisers give other rates.",
            set.utterances,
            set.seconds / 60.0,
            set.listeners.iter().map(|l| l.1.as_str()).collect::<Vec<_>>().join("; "),
            number(source.word_error_rate.map(|rate| 100.0 * rate)),
            number(source.mean_visqol_mos_lqo),
        )));
    }
    if blocks.is_empty() { none("a report of `lmcodec eval speech --visqol … --recogniser …`") } else { blocks }
}

/// CR against chunk, a curve for every kind of record that was measured at two or more chunks.
fn chunk_series(results: &Results, y: impl Fn(&Record) -> Option<f64>) -> Vec<Series> {
    let mut groups: Vec<(String, Vec<(u32, f64)>)> = Vec::new();
    for r in &results.records {
        let (Some(chunk), Some(value)) = (r.chunk, y(r)) else { continue };
        let mut parts = vec![r.medium.clone(), r.model.clone(), r.arrangement.clone()];
        parts.extend(r.dataset.clone());
        parts.extend(r.quality.map(|q| format!("QF-{q}")));
        parts.extend(r.layers.map(|l| format!("{l} layers")));
        parts.extend(r.codebook.filter(|_| r.medium == "vq").map(|c| format!("CB-{c}")));
        let name = parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ");
        match groups.iter_mut().find(|g| g.0 == name) {
            Some(group) => group.1.push((chunk, value)),
            None => groups.push((name, vec![(chunk, value)])),
        }
    }
    groups
        .into_iter()
        .enumerate()
        .filter_map(|(color, (name, mut points))| {
            points.sort_by_key(|p| p.0);
            points.dedup_by_key(|p| p.0);
            let points = points.into_iter().map(|(c, v)| (f64::from(c), v, format!("chunk {c}"))).collect::<Vec<_>>();
            (points.len() > 1).then_some(Series { name, points, color, dashed: false })
        })
        .collect()
}

fn figure_7(results: &Results) -> Vec<Block> {
    let rows = FIGURE_7
        .iter()
        .map(|&(dataset, small, large)| {
            let at = |chunk| results.find("jpeg", Some(dataset), |r| r.chunk == Some(chunk));
            let (own_large, own_small) = best_pair(&at(8192), &at(256), |a, b| a.arrangement == b.arrangement);
            let subject = own_large.or(own_small).map_or("–".into(), |r| {
                let quality = r.quality.map_or(String::new(), |q| format!(" QF-{q}"));
                format!("{} {}{quality}", r.model, r.arrangement)
            });
            vec![
                Cell::new(dataset),
                Cell::number(Some(small), 2),
                Cell::number(own_small.map(Record::cr), 2),
                Cell::number(Some(large), 2),
                Cell::number(own_large.map(Record::cr), 2),
                Cell::new(subject),
            ]
        })
        .collect();
    let headings = ["chunk 256 paper", "chunk 256 ours", "chunk 8192 paper", "chunk 8192 ours"];
    let mut columns: Vec<_> = std::iter::once(Column::text("dataset")).chain(headings.map(Column::number)).collect();
    columns.push(Column::text("our model, order and quality"));
    let mut blocks = vec![Block::Table(Table {
        caption: "CR of JPEG's coefficients in percent (the numbers of section 5.3)".into(),
        columns,
        rows,
        notes: vec![
            "Ours are of one model, order and quality in both columns of a row.".into(),
            "The paper does not state the quality; its 5.3 % at chunk 8192 is above its 4.62 % for QF-20 at 2048."
                .into(),
        ],
        folded: false,
    })];
    let series = chunk_series(results, |r| Some(r.cr()));
    if !series.is_empty() {
        blocks.push(Block::Plot(Plot {
            caption: "Ours: CR against chunk size".into(),
            x_label: "symbols a chunk".into(),
            y_label: "CR [%]".into(),
            log_x: true,
            series,
        }));
    }
    blocks
}

fn figure_8(results: &Results) -> Vec<Block> {
    // The paper's curves are Table 4 over the codes of an image.
    let names = ["paper, vocabulary 256", "paper, vocabulary 1024", "paper, vocabulary 16384"];
    let paper = (0..3).map(|i| Series {
        name: names[i].into(),
        points: TABLE_4
            .iter()
            .map(|&(chunk, a, b, c)| {
                (f64::from(chunk), 1000.0 * [a, b, c][i] / TABLE_4_CODES[i] as f64, format!("chunk {chunk}"))
            })
            .collect(),
        color: i,
        dashed: true,
    });
    let mut series: Vec<Series> = paper.collect();
    let own = chunk_series(results, |r| r.seconds.map(|s| 1000.0 * s / r.symbols as f64));
    series.extend(own.into_iter().map(|s| Series { color: s.color + 3, ..s }));
    vec![
        Block::Plot(Plot {
            caption: "Milliseconds a code, encoding and decoding together".into(),
            x_label: "symbols a chunk".into(),
            y_label: "ms a code".into(),
            log_x: true,
            series,
        }),
        Block::Text("The paper's curves are computed from its Table 4 over the codes of an image.".into()),
    ]
}

fn figure_9(results: &Results) -> Vec<Block> {
    let Some(entry) = image_set(results, "Kodak")
        .and_then(|s| s.bit_costs.iter().find(|e| e.setting == "50"))
        .or_else(|| image_set(results, "Kodak").and_then(|s| s.bit_costs.first()))
    else {
        return none("a report of `lmcodec eval image` on Kodak");
    };
    let Some(luma) = entry.cost.components.first() else { return none("a component") };
    let mut values = [[0.0; 8]; 8];
    for ((x, y), bits) in zigzag_places().into_iter().zip(&luma.positions) {
        values[y][x] = bits * 64.0 / entry.pixels as f64;
    }
    vec![
        Block::Text(
            "The paper shows spectra of single blocks. Ours is the average cost of every luma coefficient over all blocks of \
             Kodak, which shows the same decay towards high frequencies."
                .into(),
        ),
        Block::HeatMap(HeatMap {
            caption: format!("{} at quality {}: luma", entry.curve, entry.setting),
            values: Box::new(values),
            unit: "bits a block".into(),
        }),
    ]
}

fn figure_10(results: &Results) -> Vec<Block> {
    let names = ["jpeg-420", "jpeg-420-optimised", "lmcodec-420"];
    let plot = image_set(results, "Kodak").and_then(|s| rate_plot(s, PSNR_RGB, &names));
    let mut blocks = match plot {
        Some(plot) => vec![Block::Plot(plot)],
        None => none("a report of `lmcodec eval image` on Kodak"),
    };
    let list = TABLE_6.iter().map(|(q, huffman, llm)| format!("QF-{q}: {huffman} → {llm} bpp"));
    blocks.push(Block::Text(format!("The paper's points of rate: {}.", list.collect::<Vec<_>>().join(", "))));
    blocks
}

fn figure_11(results: &Results) -> Vec<Block> {
    let Some(set) = image_set(results, "Kodak") else { return none("a report of `lmcodec eval image` on Kodak") };
    [PSNR_RGB, MS_SSIM_DB].iter().filter_map(|m| rate_plot(set, m, &SHOWN)).map(Block::Plot).collect()
}

/// The best record of each kind as a line: what the latents take and what is left of it, in bits a unit.
fn rates(results: &Results, medium: &str, unit: &str, amount: impl Fn(&Record) -> Option<f64>) -> Vec<Block> {
    let mut lines: Vec<(Vec<String>, String)> = Vec::new();
    for r in results.find(medium, None, |r| amount(r).is_some_and(|a| a > 0.0)) {
        let Some(amount) = amount(r) else { continue };
        let mut kind: Vec<String> = r.codec.iter().chain(&r.dataset).cloned().collect();
        kind.extend(r.layers.map(|l| format!("{l} layers")));
        kind.extend(r.codebook.map(|c| format!("codebook {c}")));
        // The best comes first.
        if lines.iter().all(|l| l.0 != kind) {
            let (raw, coded) = (r.raw_bits / amount, 8.0 * r.coded_bytes as f64 / amount);
            let line = format!("{}: {raw:.4} → {coded:.4} {unit} ({})", kind.join(", "), r.model);
            lines.push((kind, line));
        }
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let notes = lines.into_iter().map(|l| format!("Ours, {}", l.1)).collect();
    vec![Block::Notes(notes)]
}

fn figure_12(results: &Results) -> Vec<Block> {
    let paper = TABLE_7.iter().map(|&(codebook, raw, llm, _)| format!("CB-{codebook}: {raw} → {llm} bpp"));
    let mut blocks =
        vec![Block::Text(format!("The paper's points of rate: {}.", paper.collect::<Vec<_>>().join(", ")))];
    let ours = rates(results, "vq", "bpp", |r| r.pixels.map(|p| p as f64));
    blocks.extend(match ours.is_empty() {
        true => none("records of VQ indices with the pixels of their images, and FID of a VQGAN's decoder"),
        false => ours,
    });
    blocks
}

fn figure_13(results: &Results) -> Vec<Block> {
    let paper = TABLE_8.iter().map(|&(layers, raw, llm, _)| format!("{layers}: {raw} → {llm} bps"));
    let mut blocks =
        vec![Block::Text(format!("The paper's points of rate: {}.", paper.collect::<Vec<_>>().join(", ")))];
    let ours = rates(results, "rvq", "bps", |r| r.duration_s);
    blocks.extend(match ours.is_empty() {
        true => none("records of RVQ codes with the duration of their speech, and ViSQOL of the decoder"),
        false => ours,
    });
    blocks
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;
    use crate::paper::tables::layers;

    fn record(medium: &str, dataset: &str, chunk: u32, coded: u64) -> Record {
        Record {
            experiment: "e".into(),
            medium: medium.into(),
            model: "tiny".into(),
            dataset: Some(dataset.into()),
            arrangement: "block-raster".into(),
            chunk: Some(chunk),
            codebook: Some(256),
            quality: Some(20),
            symbols: 1000,
            coded_bytes: coded,
            raw_bits: 8000.0,
            seconds: Some(2.0),
            ..Record::default()
        }
    }

    #[test]
    fn without_results_every_table_and_figure_is_there_with_dashes() {
        let document = document(&Results::default());
        let text = document.to_markdown();
        for n in 2..=9 {
            assert!(text.contains(&format!("## Table {n}: ")), "{n}");
        }
        for n in 5..=13 {
            assert!(text.contains(&format!("## Figure {n}: ")), "{n}");
        }
        assert!(text.contains("| JPEG | QF-20 | Kodak | 4.62 | – | – | -53.49 | – | – |"), "{text}");
        assert!(text.contains("Nothing measured."));
    }

    #[test]
    fn records_fill_their_cells() {
        let records = vec![
            record("jpeg", "kodak", 2048, 60),
            record("jpeg", "Kodak", 256, 90),
            record("jpeg", "Kodak", 8192, 50),
        ];
        let results = Results { records, ..Results::default() };
        let text = document(&results).to_markdown();
        // The record at the paper's chunk counts, not the best one.
        assert!(text.contains("| JPEG | QF-20 | Kodak | 4.62 | 6.00 |"), "{text}");
        assert!(text.contains("| Kodak | 10.78 | 9.00 | 5.30 | 5.00 | tiny block-raster QF-20 |"), "{text}");
        assert!(text.contains("| 2048 | 3.43 | 8.192 | 0.267 |"), "{text}");
        assert!(
            text.contains("| Kodak | QF-20 | 5.11 | 4.62 | +0.49 | – | 6.00 | – | tiny, block-raster, chunk 2048 |"),
            "{text}"
        );
        assert!(text.contains("Ours: CR against chunk size"));
    }

    fn row(records: Vec<Record>, start: &str) -> String {
        let text = document(&Results { records, ..Results::default() }).to_markdown();
        let found = text.lines().find(|l| l.starts_with(start));
        found.unwrap_or_else(|| panic!("no row {start}: {text}")).to_string()
    }

    /// The best record of chunk 256 is of quality 20, of chunk 8192 there is only quality 50.
    #[test]
    fn figure_7_compares_one_quality_only() {
        let at_50 = |chunk, coded| Record { quality: Some(50), ..record("jpeg", "Kodak", chunk, coded) };
        let only = vec![record("jpeg", "Kodak", 256, 70), at_50(8192, 80)];
        assert_eq!(
            row(only.clone(), "| Kodak | 10.78"),
            "| Kodak | 10.78 | – | 5.30 | 8.00 | tiny block-raster QF-50 |"
        );
        let both = [only, vec![at_50(256, 90)]].concat();
        assert_eq!(row(both, "| Kodak | 10.78"), "| Kodak | 10.78 | 9.00 | 5.30 | 8.00 | tiny block-raster QF-50 |");
    }

    /// Order inside blocks and over the image, and two models, are no pair.
    #[test]
    fn table_5_compares_the_order_alone() {
        let order = |model: &str, order: &str, coded| Record {
            model: model.into(),
            arrangement: order.into(),
            ..record("jpeg", "Kodak", 2048, coded)
        };
        let records = vec![
            order("tiny", "block-zigzag", 60),
            order("tiny", "image-raster", 40),
            order("large", "block-raster", 30),
            order("tiny", "block-raster", 65),
        ];
        let start = "| Kodak | QF-20 | 5.11";
        let columns = "5.11 | 4.62 | +0.49";
        let expected = format!("| Kodak | QF-20 | {columns} | 6.00 | 6.50 | -0.50 | tiny, block, chunk 2048 |");
        assert_eq!(row(records.clone(), start), expected);
        let expected = format!("| Kodak | QF-20 | {columns} | 6.00 | – | – | tiny, block-zigzag, chunk 2048 |");
        assert_eq!(row(records[..3].to_vec(), start), expected);
    }

    #[test]
    fn rates_of_codes_and_what_was_heard() {
        use crate::metrics::word_error_rate::WordErrors;
        use crate::report::environment::Environment;
        use crate::speech::SpeechEvaluation;
        use crate::speech::document::{KIND, SpeechReport};
        use crate::speech::evaluation::{ListeningResult, SpeechCodecResult};

        let codes = |coded| Record {
            layers: Some(2),
            quality: None,
            duration_s: Some(2.0),
            codec: Some("Lyra".into()),
            ..record("rvq", "LibriSpeech", 512, coded)
        };
        let codec = |name: &str, kbps| SpeechCodecResult {
            name: name.into(),
            version: String::new(),
            lossless: false,
            kbps,
            mean_kbps: kbps,
            mean_si_sdr_db: None,
            mean_lsd_db: None,
            listening: ListeningResult {
                mean_visqol_mos_lqo: Some(kbps / 4.0),
                word_errors: Some(WordErrors { errors: 1, reference_words: 8 }),
                word_error_rate: Some(0.125),
            },
            encoding_seconds: 1.0,
            decoding_seconds: 1.0,
            per_utterance: Vec::new(),
        };
        let set = SpeechEvaluation {
            utterances: 3,
            seconds: 30.0,
            listeners: vec![("ViSQOL".into(), "visqol 3".into())],
            source: Some(ListeningResult { mean_visqol_mos_lqo: Some(4.9), ..ListeningResult::default() }),
            codecs: vec![codec("opus-9k", 9.0), codec("opus-6k", 6.0)],
        };
        let speech =
            SpeechReport { kind: KIND.into(), environment: Environment::current(1), sets: vec![("other".into(), set)] };
        let mut results = Results { records: vec![codes(90), codes(80)], ..Results::default() };
        assert!(results.read("speech.json", &serde_json::to_vec(&speech).unwrap()).unwrap());
        let text = document(&results).to_markdown();
        // 80 bytes in two seconds; the better of two records of one kind.
        assert!(
            text.contains("Ours, Lyra, LibriSpeech, 2 layers, codebook 256: 4000.0000 → 320.0000 bps (tiny)"),
            "{text}"
        );
        assert!(!text.contains("360.0000 bps"));
        assert!(text.contains("other: 3 utterances, 0.5 minutes, by visqol 3."), "{text}");
        assert!(text.contains("| opus | (6.0000, 1.5000) (9.0000, 2.2500) |"), "{text}");
        assert!(text.contains("| opus | (6.0000, 12.5000) (9.0000, 12.5000) |"), "{text}");
    }

    #[test]
    fn layers_of_a_setting() {
        assert_eq!([layers("RVQ-1"), layers("RVQ-1:8"), layers("QF-20")], [Some(1), Some(8), None]);
    }
}
