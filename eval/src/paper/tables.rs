//! Tables 2 to 9 of the paper.

use super::numbers::{
    TABLE_2, TABLE_2_BD, TABLE_3, TABLE_4, TABLE_4_CODES, TABLE_5, TABLE_6, TABLE_7, TABLE_8, TABLE_9,
};
use super::results::{Record, Results, best_pair, same_dataset};
use crate::rate::bd_rate::Method;
use crate::report::document::{Block, Cell, Column, Section, Table};

/// Chunk that the paper uses for JPEG, VQGAN and SpeechTokenizer (section 5.2).
const CHUNKS: [(&str, u32); 3] = [("jpeg", 2048), ("vq", 256), ("rvq", 512)];

/// One section a table.
pub(super) fn sections(results: &Results) -> Vec<Section> {
    vec![
        section("Table 2: compression of latents", table_2(results)),
        section("Table 3: fine-tuned parameters", table_3(results)),
        section("Table 4: running time", table_4(results)),
        section("Table 5: zigzag or raster order", table_5(results)),
        section("Table 6: JPEG on Kodak", table_6(results)),
        section("Table 7: VQ indices", table_7(results)),
        section("Table 8: RVQ codes", table_8(results)),
        section("Table 9: FreqCodec", table_9(results)),
    ]
}

fn section(heading: &str, table: Table) -> Section {
    Section::new(heading).with(Block::Table(table))
}

fn columns(text: &[&str], numbers: &[&str]) -> Vec<Column> {
    text.iter().map(|t| Column::text(*t)).chain(numbers.iter().map(|n| Column::number(*n))).collect()
}

fn chunk_of(medium: &str) -> u32 {
    CHUNKS.iter().find(|c| c.0 == medium).map_or(2048, |c| c.1)
}

/// Layers that `RVQ-1:8` names.
pub(super) fn layers(setting: &str) -> Option<u32> {
    setting.strip_prefix("RVQ-").and_then(|s| s.rsplit(':').next()?.parse().ok())
}

/// Whether a record was made under a setting such as `QF-20`, `CB-1024` or `RVQ-1:2`.
fn fits(record: &Record, setting: &str) -> bool {
    if let Some(quality) = setting.strip_prefix("QF-") {
        return record.quality.is_some_and(|q| q.to_string() == quality);
    }
    if let Some(codebook) = setting.strip_prefix("CB-") {
        return record.codebook.is_some_and(|c| c.to_string() == codebook);
    }
    layers(setting).is_some_and(|l| record.layers == Some(l))
}

/// The best record at the paper's chunk, or at any chunk where there is none.
fn ours<'a>(results: &'a Results, medium: &str, dataset: &str, setting: &str) -> Option<&'a Record> {
    let found = results.find(medium, Some(dataset), |r| fits(r, setting));
    found.iter().find(|r| r.chunk == Some(chunk_of(medium))).or(found.first()).copied()
}

fn cr_cell(record: Option<&Record>) -> Cell {
    Cell::number(record.map(Record::cr), 2)
}

fn model_cell(record: Option<&Record>) -> Cell {
    Cell::new(record.map_or("–".into(), |r| {
        let symbols = Some(format!("{} symbols", r.symbols));
        let parts = [Some(r.model.clone()), r.codec.clone(), r.chunk.map(|c| format!("chunk {c}")), symbols];
        let mut text = parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ");
        if r.lossless == Some(false) {
            text.push_str(", clipped (lossy)");
        }
        text
    }))
}

/// Percent of 8 bits a luma pixel, of whole gray files: sets `d20`, `d50`, `d80` of a table of `eval recompress`.
fn gray_file_cr(results: &Results, quality: u32, codec: &str) -> Option<f64> {
    let set = results.tables.iter().flat_map(|t| &t.sets).find(|s| s.name == format!("d{quality}"))?;
    if codec == "source" {
        return set.source_mean_bpp.map(|bpp| 100.0 * bpp / 8.0);
    }
    set.codecs.iter().find(|c| c.codec == codec && c.failed == 0)?.mean_bpp.map(|bpp| 100.0 * bpp / 8.0)
}

fn quality_of(setting: &str) -> Option<u32> {
    setting.strip_prefix("QF-")?.parse().ok()
}

/// BD-rate of lmcodec's files against JPEG with the standard's tables, from a report of `eval image`.
fn image_bd(results: &Results, dataset: &str) -> Option<f64> {
    let set = results.images.iter().flat_map(|r| &r.sets).find(|s| same_dataset(&s.name, dataset))?;
    let entry = set.bd.iter().find(|e| {
        e.test == "lmcodec-420" && e.anchor == "jpeg-420" && e.metric == "psnr-rgb" && e.method == Method::Pchip
    })?;
    entry.bd_rate?.value
}

fn table_2(results: &Results) -> Table {
    let rows = TABLE_2
        .iter()
        .map(|p| {
            let record = ours(results, p.medium, p.dataset, p.setting);
            let gray = (p.dataset == "Kodak").then(|| quality_of(p.setting)).flatten();
            let first = TABLE_2.iter().find(|r| r.codec == p.codec && r.dataset == p.dataset);
            let bd = TABLE_2_BD
                .iter()
                .find(|b| b.0 == p.codec && b.1 == p.dataset && first.is_some_and(|f| f.setting == p.setting));
            vec![
                Cell::new(p.codec),
                Cell::new(p.setting),
                Cell::new(p.dataset),
                Cell::number(Some(p.cr), 2),
                cr_cell(record),
                Cell::number(gray.and_then(|q| gray_file_cr(results, q, "lmcodec")), 2),
                Cell::new(bd.map_or(String::new(), |b| format!("{:+.2}", b.2))),
                match bd {
                    Some(b) if b.0 == "JPEG" => Cell::signed(image_bd(results, b.1), 2),
                    Some(_) => Cell::number(None, 2),
                    None => Cell::default(),
                },
                model_cell(record),
            ]
        })
        .collect();
    let mut columns = columns(
        &["codec", "setting", "dataset"],
        &[
            "CR % paper",
            "CR % ours (sequence model)",
            "CR % ours (.ljpg, whole gray file)",
            "BD % paper",
            "BD % ours (.ljpg)",
        ],
    );
    columns.push(Column::text("our model"));
    Table {
        caption: "CR of the latents in percent, and BD-rate against the codec's own entropy coding".into(),
        columns,
        rows,
        notes: vec![
            "The paper's CR is over 8 bits a coefficient; whether it codes luma or colour, and at which image size, is not \
             stated. 8 bits a pixel is one plane, so our gray files are the nearest match: CR = bits of the whole file over 8 \
             bits a pixel, headers included."
                .into(),
            "Records of few symbols are of crops: their CR is not that of whole images, which the column of gray files is of."
                .into(),
            "The paper clips coefficients to 0..255 after the offset; ours are exact unless marked.".into(),
            "Our BD-rate is that of recompressed 4:2:0 colour files against JPEG with the standard's Huffman tables: a pure \
             shift of rate at equal pixels. The paper's three points of rate do not reproduce its BD-rate: point by point they \
             save 48.6, 52.3 and 50.7 %."
                .into(),
            "Speech: SpeechTokenizer's and FreqCodec's weights are needed for the paper's rows; other codecs' records are used \
             where a record names the same dataset, and name their codec."
                .into(),
        ],
        folded: false,
    }
}

fn table_3(results: &Results) -> Table {
    // Embedding and head of Llama3-8B: rows of 4096, twice; 8.03 · 10^9 parameters.
    let rows = TABLE_3
        .iter()
        .map(|&(vocabulary, millions, percent)| {
            let computed = 2.0 * f64::from(vocabulary) * 4096.0;
            let record =
                results.records.iter().find(|r| r.codebook == Some(vocabulary) && r.trained_parameters.is_some());
            vec![
                Cell::new(vocabulary.to_string()),
                Cell::number(Some(millions), 1),
                Cell::number(Some(computed / 1e6), 1).hint("2 · vocabulary · 4096"),
                Cell::number(Some(percent), 3),
                Cell::number(Some(100.0 * computed / 8.03e9), 3).hint("of 8.03 · 10⁹"),
                Cell::number(record.and_then(|r| r.trained_parameters).map(|p| p as f64 / 1e6), 2),
                Cell::new(record.map_or("–", |r| r.model.as_str())),
            ]
        })
        .collect();
    let mut columns =
        columns(&["vocabulary"], &["M paper", "M by arithmetic", "% paper", "% by arithmetic", "M ours (trained)"]);
    columns.push(Column::text("our model"));
    Table {
        caption: "Parameters that are fine-tuned: embedding and head".into(),
        columns,
        rows,
        notes: vec![
            "By arithmetic: an embedding and a head of width 4096, over the 8.03 · 10⁹ parameters of the stock model."
                .into(),
        ],
        folded: false,
    }
}

fn table_4(results: &Results) -> Table {
    let measured = |medium: &str, codebook: u32, chunk: u32, codes: u64| {
        let fits = |r: &Record| r.chunk == Some(chunk) && r.codebook == Some(codebook) && r.seconds.is_some();
        let record = *results.find(medium, None, fits).first()?;
        Some(record.seconds? / record.symbols as f64 * codes as f64)
    };
    let rows = TABLE_4
        .iter()
        .map(|&(chunk, jpeg, vq_1024, vq_16384)| {
            vec![
                Cell::new(chunk.to_string()),
                Cell::number(Some(jpeg), 2),
                Cell::number(measured("jpeg", 256, chunk, TABLE_4_CODES[0]), 3),
                Cell::number(Some(vq_1024), 3),
                Cell::number(measured("vq", 1024, chunk, TABLE_4_CODES[1]), 3),
                Cell::number(Some(vq_16384), 2),
                Cell::number(measured("vq", 16384, chunk, TABLE_4_CODES[2]), 3),
            ]
        })
        .collect();
    Table {
        caption: "Seconds an image, encoding and decoding together".into(),
        columns: columns(
            &["chunk"],
            &["JPEG 64×64 paper", "ours", "VQ-1024 256×256 paper", "ours", "VQ-16384 256×256 paper", "ours"],
        ),
        rows,
        notes: vec![
            "Ours: seconds of a record over its symbols, times 4096 codes (JPEG) or 256 codes (VQ); smaller models than the \
             paper's, on the processor of the record."
                .into(),
            "The paper's time a code (0.57 ms) is below what one pass over 16 GB of weights takes on its GPU (about 16 ms), so it \
             is not that of sequential decoding; ours is."
                .into(),
        ],
        folded: false,
    }
}

/// What an order such as `block-zigzag` runs over (`block`; empty where it does not say), if it is that order.
fn scope<'a>(record: &'a Record, order: &str) -> Option<&'a str> {
    record.arrangement.strip_suffix(order).map(|scope| scope.trim_end_matches('-'))
}

fn table_5(results: &Results) -> Table {
    let rows = TABLE_5
        .iter()
        .map(|&(dataset, quality, zigzag, raster)| {
            let of = |order: &str| {
                let fits = |r: &Record| r.quality == Some(quality) && scope(r, order).is_some();
                let mut found = results.find("jpeg", Some(dataset), fits);
                found.sort_by_key(|r| r.chunk != Some(2048));
                found
            };
            // Both inside blocks, or both over the image; one model, one chunk.
            let fits = |a: &Record, b: &Record| scope(a, "zigzag") == scope(b, "raster") && a.chunk == b.chunk;
            let (zigzag_record, raster_record) = best_pair(&of("zigzag"), &of("raster"), fits);
            let order = match (zigzag_record, raster_record) {
                (Some(both), Some(_)) => scope(both, "zigzag").unwrap_or_default().to_string(),
                (one, other) => one.or(other).map_or(String::new(), |r| r.arrangement.clone()),
            };
            let subject = zigzag_record.or(raster_record).map_or("–".into(), |r| {
                let chunk = r.chunk.map_or(String::new(), |c| format!("chunk {c}"));
                [r.model.clone(), order, chunk].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ")
            });
            let (own_zigzag, own_raster) = (zigzag_record.map(Record::cr), raster_record.map(Record::cr));
            vec![
                Cell::new(dataset),
                Cell::new(format!("QF-{quality}")),
                Cell::number(Some(zigzag), 2),
                Cell::number(Some(raster), 2),
                Cell::signed(Some(zigzag - raster), 2),
                Cell::number(own_zigzag, 2),
                Cell::number(own_raster, 2),
                Cell::signed(own_zigzag.zip(own_raster).map(|(z, r)| z - r), 2),
                Cell::new(subject),
            ]
        })
        .collect();
    let mut columns = columns(
        &["dataset", "quality"],
        &["zigzag paper", "raster paper", "Δ paper", "zigzag ours", "raster ours", "Δ ours"],
    );
    columns.push(Column::text("our model, scope of the order, and chunk"));
    Table {
        caption: "CR in percent by the order of the coefficients, chunk 2048".into(),
        columns,
        rows,
        notes: vec![
            "Whether the paper's raster runs inside blocks or over the image is not stated; records name theirs. Ours are of one \
             model, scope and chunk in both columns of a row."
                .into(),
        ],
        folded: false,
    }
}

fn table_6(results: &Results) -> Table {
    let rows = TABLE_6
        .iter()
        .map(|&(quality, huffman, llm)| {
            let bpp = |cr: Option<f64>| cr.map(|cr| cr * 0.08);
            let record = ours(results, "jpeg", "Kodak", &format!("QF-{quality}"));
            vec![
                Cell::new(format!("QF-{quality}")),
                Cell::number(Some(huffman), 2),
                Cell::number(bpp(gray_file_cr(results, quality, "source")), 3),
                Cell::number(bpp(gray_file_cr(results, quality, "jpegtran-optimize")), 3),
                Cell::number(Some(llm), 3),
                Cell::number(record.map(|r| r.cr() * 0.08), 3),
                Cell::number(bpp(gray_file_cr(results, quality, "lmcodec")), 3),
            ]
        })
        .collect();
    Table {
        caption: "Bits per pixel on Kodak".into(),
        columns: columns(
            &["setting"],
            &[
                "Huffman paper",
                "Huffman ours, gray, standard tables",
                "Huffman ours, gray, optimised",
                "LLM paper",
                "sequence model ours",
                ".ljpg ours, gray",
            ],
        ),
        rows,
        notes: vec![
            "The paper's 0.72 and 1.27 bpp match 4:4:4 colour files of 256×256 crops with the standard's tables and headers; its \
             QF-80 value does not (such files take 2.15 bpp). If its LLM codes luma while its anchor carries colour, part of the \
             difference is chroma."
                .into(),
            "Ours: whole gray files of 768×512, and whole .ljpg files made of them.".into(),
        ],
        folded: false,
    }
}

fn table_7(results: &Results) -> Table {
    let rows = TABLE_7
        .iter()
        .map(|&(codebook, raw, llm, cr)| {
            let record = ours(results, "vq", "Imagenet-val", &format!("CB-{codebook}"))
                .or_else(|| results.find("vq", None, |r| r.codebook == Some(codebook)).first().copied());
            let bpp = |bits: f64| record.and_then(|r| Some(bits / r.pixels? as f64));
            vec![
                Cell::new(format!("CB-{codebook}")),
                Cell::number(Some(raw), 4),
                Cell::number(Some(llm), 4),
                Cell::number(Some(cr), 2),
                Cell::number(record.and_then(|r| bpp(r.raw_bits)), 4),
                Cell::number(record.and_then(|r| bpp(8.0 * r.coded_bytes as f64)), 4),
                cr_cell(record),
                Cell::new(record.and_then(|r| r.dataset.clone()).unwrap_or_else(|| "–".into())),
                model_cell(record),
            ]
        })
        .collect();
    let mut columns = columns(
        &["setting"],
        &["bpp latent paper", "bpp LLM paper", "CR % paper", "bpp latent ours", "bpp coded ours", "CR % ours"],
    );
    columns.extend([Column::text("our dataset"), Column::text("our model")]);
    Table {
        caption: "VQ indices; the paper's are of Imagenet-val".into(),
        columns,
        rows,
        notes: vec![
            "Where no record is of Imagenet-val, the best record of that codebook on any dataset is shown.".into(),
        ],
        folded: false,
    }
}

fn table_8(results: &Results) -> Table {
    let rows = TABLE_8
        .iter()
        .map(|&(setting, raw, llm, cr)| {
            let record = ours(results, "rvq", "LJSpeech", setting)
                .or_else(|| results.find("rvq", None, |r| fits(r, setting)).first().copied());
            let bps = |bits: f64| record.and_then(|r| Some(bits / r.duration_s?));
            vec![
                Cell::new(setting),
                Cell::number(Some(raw), 0),
                Cell::number(Some(llm), 2),
                Cell::number(Some(cr), 2),
                Cell::number(record.and_then(|r| bps(r.raw_bits)), 0),
                Cell::number(record.and_then(|r| bps(8.0 * r.coded_bytes as f64)), 2),
                cr_cell(record),
                Cell::new(record.and_then(|r| r.dataset.clone()).unwrap_or_else(|| "–".into())),
                model_cell(record),
            ]
        })
        .collect();
    let mut columns = columns(
        &["layers"],
        &["bps latent paper", "bps LLM paper", "CR % paper", "bps latent ours", "bps coded ours", "CR % ours"],
    );
    columns.extend([Column::text("our dataset"), Column::text("our model")]);
    Table {
        caption: "RVQ codes; the paper's are SpeechTokenizer's on LJSpeech".into(),
        columns,
        rows,
        notes: vec![
            "SpeechTokenizer works at 16 kHz / 320 with 10-bit codes, which is 500 bps a layer; the paper states 600."
                .into(),
            "Where no record is of LJSpeech, the best record of as many layers on any dataset is shown with its codec."
                .into(),
        ],
        folded: false,
    }
}

fn table_9(results: &Results) -> Table {
    let sets = ["LibriTTS-clean", "LibriTTS-other", "LJSpeech"];
    let rows = TABLE_9
        .iter()
        .map(|&(setting, clean, other, lj)| {
            let mut row = vec![Cell::new(setting)];
            for (dataset, paper) in sets.iter().zip([clean, other, lj]) {
                let freq = |r: &Record| {
                    fits(r, setting) && r.codec.as_deref().is_some_and(|c| c.eq_ignore_ascii_case("FreqCodec"))
                };
                row.push(Cell::number(Some(paper), 2));
                row.push(cr_cell(results.find("rvq", Some(dataset), freq).first().copied()));
            }
            row
        })
        .collect();
    let headings: Vec<String> = sets.iter().flat_map(|s| [format!("{s} paper"), format!("{s} ours")]).collect();
    let columns = std::iter::once(Column::text("layers")).chain(headings.into_iter().map(Column::number)).collect();
    Table {
        caption: "FreqCodec's codes, CR in percent".into(),
        columns,
        rows,
        notes: vec![
            "Ours needs codes of FreqCodec (FunCodec's checkpoint); a record names its codec FreqCodec.".into(),
        ],
        folded: false,
    }
}
