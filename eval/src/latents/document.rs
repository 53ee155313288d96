//! The anchors of latent codes as a [`Document`], and as records for the paper's tables.

use crate::latents::LatentEvaluation;
use crate::paper::results::Record;
use crate::report::document::{Block, Cell, Column, Document, Section, Table};
use crate::report::environment::Environment;
use crate::report::environment::environment;
use serde::{Deserialize, Serialize};

/// A run of `lmcodec eval latents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentReport {
    /// Where it was measured.
    pub environment: Environment,
    /// One entry an array.
    pub arrays: Vec<LatentArray>,
    /// What `lmcodec eval paper` reads.
    pub records: Vec<Record>,
}

/// One array of codes under all anchors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentArray {
    /// Name of the array.
    pub name: String,
    /// Sizes.
    pub evaluation: LatentEvaluation,
}

impl LatentReport {
    /// Puts arrays and records together; `medium` is `vq` or `rvq`.
    pub fn new(arrays: Vec<LatentArray>, medium: &str, codec: Option<&str>, dataset: Option<&str>) -> Self {
        let record = |array: &LatentArray| {
            let e = &array.evaluation;
            let (name, raw_bits, symbols) = (array.name.clone(), e.raw_bits, e.codes);
            let (codebook, layers) = (e.codebook, u32::try_from(e.layers).ok());
            let (codec, dataset, medium) = (codec.map(str::to_string), dataset.map(str::to_string), medium.to_string());
            let coded = e.results.iter().filter_map(move |r| {
                Some(Record {
                    experiment: format!("{name}, {}", r.name),
                    medium: medium.clone(),
                    model: r.name.clone(),
                    codec: codec.clone(),
                    dataset: dataset.clone(),
                    codebook: Some(codebook),
                    layers: layers.filter(|_| medium == "rvq"),
                    symbols,
                    coded_bytes: r.bytes?,
                    raw_bits,
                    seconds: r.encoding_seconds.zip(r.decoding_seconds).map(|(e, d)| e + d),
                    lossless: Some(true),
                    ..Record::default()
                })
            });
            coded.filter(|r| r.raw_bits > 0.0).collect::<Vec<_>>()
        };
        let records = arrays.iter().flat_map(record).collect();
        Self { environment: Environment::current(1), arrays, records }
    }

    /// The report as a document: a table an array.
    pub fn document(&self) -> Document {
        let mut sections: Vec<Section> = self.arrays.iter().map(section).collect();
        let environment = Block::Table(environment(&self.environment, None, None));
        sections.push(Section::new("How it was measured").with(environment));
        Document {
            title: "Anchors of latent codes".into(),
            lead: "Bytes of whole streams, tables included; every stream was decoded and compared. CR is coded size over raw \
                   size (codes times log2 of the codebook), in percent."
                .into(),
            sections,
        }
    }
}

fn section(array: &LatentArray) -> Section {
    let e = &array.evaluation;
    let best = e.results.iter().filter_map(|r| r.bytes).min();
    let rows = e.results.iter().map(|r| {
        let bytes = Cell::new(r.bytes.map_or("–".into(), |b| b.to_string()));
        let bytes = if r.bytes.is_some() && r.bytes == best { bytes.strong() } else { bytes };
        let name = Cell::new(&r.name);
        vec![
            match &r.unsupported {
                Some(why) => name.hint(why),
                None => name,
            },
            bytes,
            Cell::number(r.bits_per_code, 3),
            Cell::number(r.cr_percent, 2),
            Cell::number(r.encoding_seconds.map(|s| e.codes as f64 / s / 1e6), 2),
            Cell::number(r.decoding_seconds.map(|s| e.codes as f64 / s / 1e6), 2),
        ]
    });
    let raw = vec![
        Cell::new("raw"),
        Cell::number(Some(e.raw_bits / 8.0), 0),
        Cell::number((e.codes > 0).then(|| e.raw_bits / e.codes as f64), 3),
        Cell::number(Some(100.0), 2),
        Cell::number(None, 2),
        Cell::number(None, 2),
    ];
    let headings = ["bytes", "bits a code", "CR %", "encode M codes/s", "decode M codes/s"];
    Section::new(&array.name).with(Block::Table(Table {
        caption: format!("{} codes in {} layers, codebook {}", e.codes, e.layers, e.codebook),
        columns: std::iter::once(Column::text("anchor")).chain(headings.map(Column::number)).collect(),
        rows: std::iter::once(raw).chain(rows).collect(),
        notes: e.results.iter().filter_map(|r| r.unsupported.clone()).collect(),
        folded: false,
    }))
}
