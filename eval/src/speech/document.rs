//! The evaluation of speech codecs as a [`Document`].

use super::SpeechEvaluation;
use super::evaluation::SpeechCodecResult;
use crate::document::{Block, Cell, Column, Document, Plot, Section, Series, Table};
use crate::environment_block::environment;
use crate::report::Environment;
use serde::{Deserialize, Serialize};

/// A run of `lmcodec eval speech`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechReport {
    /// Where it was measured.
    pub environment: Environment,
    /// One entry a set: its name and results.
    pub sets: Vec<(String, SpeechEvaluation)>,
}

impl SpeechReport {
    /// The report as a document: a section a set.
    pub fn document(&self) -> Document {
        let mut sections: Vec<Section> = self.sets.iter().map(|(name, set)| section(name, set)).collect();
        let mut provenance = Section::new("How it was measured");
        provenance.blocks.push(Block::Table(environment(&self.environment, None, None)));
        let mut versions: Vec<(String, String)> = Vec::new();
        for codec in self.sets.iter().flat_map(|(_, set)| &set.codecs) {
            let entry = (codec.name.clone(), codec.version.clone());
            if !versions.contains(&entry) {
                versions.push(entry);
            }
        }
        provenance.blocks.push(Block::Commands(versions));
        sections.push(provenance);
        Document {
            title: "Speech codecs".into(),
            lead: "Bitrates of whole files; every file was decoded by its codec's own decoder. SI-SDR and log-spectral distance \
                   are of the decoded samples against the source."
                .into(),
            sections,
        }
    }
}

fn section(name: &str, set: &SpeechEvaluation) -> Section {
    let headings =
        ["kbps", "mean kbps of utterances", "SI-SDR [dB]", "LSD [dB]", "encode × real time", "decode × real time"];
    let speed = |seconds: f64| (seconds > 0.0).then(|| set.seconds / seconds);
    let rows = set.codecs.iter().map(|c| {
        let lossless = |value: Option<f64>| {
            let cell = Cell::number(value, 2);
            if c.lossless && value.is_none() { cell.hint("lossless: the samples came back exactly") } else { cell }
        };
        vec![
            Cell::new(&c.name),
            Cell::number(Some(c.kbps), 3),
            Cell::number(Some(c.mean_kbps), 3),
            lossless(c.mean_si_sdr_db),
            lossless(c.mean_lsd_db),
            Cell::number(speed(c.encoding_seconds), 1),
            Cell::number(speed(c.decoding_seconds), 1),
        ]
    });
    let table = Table {
        caption: format!("{} utterances, {:.1} minutes", set.utterances, set.seconds / 60.0),
        columns: std::iter::once(Column::text("codec")).chain(headings.map(Column::number)).collect(),
        rows: rows.collect(),
        notes: vec![
            "Means of SI-SDR and LSD are over the utterances that have one; – where none has (lossless codecs).".into(),
        ],
        folded: false,
    };
    let mut section = Section::new(name).with(Block::Table(table));
    for (label, get) in [("SI-SDR [dB]", si_sdr as fn(&SpeechCodecResult) -> Option<f64>), ("LSD [dB]", lsd)] {
        let points: Vec<(f64, f64, String)> =
            set.codecs.iter().filter(|c| !c.lossless).filter_map(|c| Some((c.kbps, get(c)?, c.name.clone()))).collect();
        if points.len() > 1 {
            section.blocks.push(Block::Plot(Plot {
                caption: format!("{name}: {label} of lossy codecs against bitrate"),
                x_label: "kbps".into(),
                y_label: label.into(),
                log_x: true,
                series: vec![Series { name: "lossy codecs".into(), points, color: 0, dashed: false }],
            }));
        }
    }
    let utterances = set.codecs.iter().flat_map(|c| {
        c.per_utterance.iter().map(|u| {
            vec![
                Cell::new(&u.name),
                Cell::new(&c.name),
                Cell::number(Some(u.seconds), 2),
                Cell::number(Some(u.kbps), 3),
                Cell::number(u.si_sdr_db, 2),
                Cell::number(u.lsd_db, 2),
            ]
        })
    });
    let headings = ["seconds", "kbps", "SI-SDR [dB]", "LSD [dB]"];
    section.with(Block::Table(Table {
        caption: format!("{name}: every utterance"),
        columns: ["utterance", "codec"].map(Column::text).into_iter().chain(headings.map(Column::number)).collect(),
        rows: utterances.collect(),
        folded: true,
        ..Table::default()
    }))
}

fn si_sdr(codec: &SpeechCodecResult) -> Option<f64> {
    codec.mean_si_sdr_db
}

fn lsd(codec: &SpeechCodecResult) -> Option<f64> {
    codec.mean_lsd_db
}
