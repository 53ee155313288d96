//! The evaluation of speech codecs as a [`Document`].

use super::SpeechEvaluation;
use super::evaluation::{ListeningResult, SpeechCodecResult};
use crate::report::document::{Block, Cell, Column, Document, Section, Table};
use crate::report::environment::Environment;
use crate::report::environment::environment;
use crate::report::plot::{Plot, Series};
use serde::{Deserialize, Serialize};

/// The field `kind` of a report.
pub const KIND: &str = "lmcodec-speech-report";

/// A run of `lmcodec eval speech`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechReport {
    /// Always [`KIND`].
    pub kind: String,
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
        for listener in self.sets.iter().flat_map(|(_, set)| &set.listeners) {
            if !versions.contains(listener) {
                versions.push(listener.clone());
            }
        }
        provenance.blocks.push(Block::Commands(versions));
        sections.push(provenance);
        Document {
            title: "Speech codecs".into(),
            lead: "Bitrates of whole files; every file was decoded by its codec's own decoder. SI-SDR and log-spectral distance \
                   are of the decoded samples against the source; so is ViSQOL's MOS-LQO (1 to 5). The word error rate is that of a \
                   recogniser's transcripts: compare it with that of the source, and with no other recogniser's."
                .into(),
            sections,
        }
    }
}

/// A measure of a codec over the set.
type Measure = fn(&SpeechCodecResult) -> Option<f64>;

fn si_sdr(codec: &SpeechCodecResult) -> Option<f64> {
    codec.mean_si_sdr_db
}

fn lsd(codec: &SpeechCodecResult) -> Option<f64> {
    codec.mean_lsd_db
}

fn visqol(codec: &SpeechCodecResult) -> Option<f64> {
    codec.listening.mean_visqol_mos_lqo
}

fn word_error_rate(codec: &SpeechCodecResult) -> Option<f64> {
    percent(&codec.listening)
}

fn percent(listening: &ListeningResult) -> Option<f64> {
    listening.word_error_rate.map(|rate| 100.0 * rate)
}

const VISQOL: &str = "ViSQOL [MOS-LQO]";
const WER: &str = "WER [%]";

/// Measures that the set has, with their names.
fn measures(set: &SpeechEvaluation) -> Vec<(&'static str, Measure)> {
    let heard = |get: Measure| set.codecs.iter().any(|c| get(c).is_some());
    let mut measures: Vec<(&str, Measure)> = vec![("SI-SDR [dB]", si_sdr), ("LSD [dB]", lsd)];
    let optional: [(&str, Measure); 2] = [(VISQOL, visqol), (WER, word_error_rate)];
    measures.extend(optional.into_iter().filter(|(_, get)| heard(*get)));
    measures
}

fn section(name: &str, set: &SpeechEvaluation) -> Section {
    let mut section = Section::new(name).with(Block::Table(codecs(set)));
    for (label, get) in measures(set) {
        section.blocks.extend(plot(name, label, get, set).map(Block::Plot));
    }
    section.with(Block::Table(utterances(name, set)))
}

fn codecs(set: &SpeechEvaluation) -> Table {
    let measures = measures(set);
    let speed = |seconds: f64| (seconds > 0.0).then(|| set.seconds / seconds);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    if let Some(source) = &set.source {
        let value = |label: &str| match label {
            VISQOL => Cell::number(source.mean_visqol_mos_lqo, 2),
            WER => Cell::number(percent(source), 2),
            _ => Cell::number(None, 2),
        };
        let mut row = vec![Cell::new("(source)"), Cell::number(None, 3), Cell::number(None, 3)];
        row.extend(measures.iter().map(|(label, _)| value(label)));
        row.extend([Cell::number(None, 1), Cell::number(None, 1)]);
        rows.push(row);
    }
    for c in &set.codecs {
        let mut row = vec![Cell::new(&c.name), Cell::number(Some(c.kbps), 3), Cell::number(Some(c.mean_kbps), 3)];
        row.extend(measures.iter().map(|(_, get)| {
            let value = get(c);
            let cell = Cell::number(value, 2);
            if c.lossless && value.is_none() { cell.hint("lossless: the samples came back exactly") } else { cell }
        }));
        row.extend([c.encoding_seconds, c.decoding_seconds].map(|s| Cell::number(speed(s), 1)));
        rows.push(row);
    }
    let mut columns = vec![Column::text("codec"), Column::number("kbps"), Column::number("mean kbps of utterances")];
    columns.extend(measures.iter().map(|(label, _)| Column::number(*label)));
    columns.extend(["encode × real time", "decode × real time"].map(Column::number));
    let mut notes = vec![
        "Means are over the utterances that have a value; – where none has (SI-SDR of lossless codecs).".to_string(),
    ];
    if let Some(words) = set.source.as_ref().and_then(|s| s.word_errors) {
        notes.push(format!(
            "WER: errors over all {} words of the transcripts, so one word is {:.2} %.",
            words.reference_words,
            100.0 / words.reference_words as f64
        ));
    }
    Table {
        caption: format!("{} utterances, {:.1} minutes", set.utterances, set.seconds / 60.0),
        columns,
        rows,
        notes,
        folded: false,
    }
}

/// A measure of the lossy codecs against their rate; codecs of one family (`opus-6k`, `opus-9k`) are one curve.
pub(crate) fn plot(name: &str, label: &str, get: Measure, set: &SpeechEvaluation) -> Option<Plot> {
    let mut series: Vec<Series> = Vec::new();
    for c in set.codecs.iter().filter(|c| !c.lossless) {
        let Some(value) = get(c) else { continue };
        let family = c.name.split('-').next().unwrap_or_default();
        let point = (c.kbps, value, c.name.clone());
        let color = series.len();
        match series.iter_mut().find(|s| s.name == family) {
            Some(known) => known.points.push(point),
            None => series.push(Series { name: family.into(), points: vec![point], color, dashed: false }),
        }
    }
    series.iter_mut().for_each(|s| s.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    (series.iter().map(|s| s.points.len()).sum::<usize>() > 1).then(|| Plot {
        caption: format!("{name}: {label} of lossy codecs against bitrate"),
        x_label: "kbps".into(),
        y_label: label.into(),
        log_x: true,
        series,
    })
}

/// ViSQOL and WER of a set against rate, as far as it has them.
pub(crate) fn listening_plots(name: &str, set: &SpeechEvaluation) -> Vec<Plot> {
    let both: [(&str, Measure); 2] = [(VISQOL, visqol), (WER, word_error_rate)];
    both.into_iter().filter_map(|(label, get)| plot(name, label, get, set)).collect()
}

fn utterances(name: &str, set: &SpeechEvaluation) -> Table {
    let heard = set.source.is_some();
    let rows = set.codecs.iter().flat_map(|c| {
        c.per_utterance.iter().map(|u| {
            let mut row = vec![
                Cell::new(&u.name),
                Cell::new(&c.name),
                Cell::number(Some(u.seconds), 2),
                Cell::number(Some(u.kbps), 3),
                Cell::number(u.si_sdr_db, 2),
                Cell::number(u.lsd_db, 2),
            ];
            if heard {
                let words = u.heard.word_errors;
                let errors = words.map_or("–".into(), |w| format!("{}/{}", w.errors, w.reference_words));
                let errors = Cell::new(errors);
                row.push(Cell::number(u.heard.visqol_mos_lqo, 2));
                row.push(match &u.heard.transcript {
                    Some(transcript) => errors.hint(transcript.clone()),
                    None => errors,
                });
            }
            row
        })
    });
    let mut headings = vec!["seconds", "kbps", "SI-SDR [dB]", "LSD [dB]"];
    if heard {
        headings.extend(["ViSQOL", "word errors"]);
    }
    Table {
        caption: format!("{name}: every utterance"),
        columns: ["utterance", "codec"]
            .map(Column::text)
            .into_iter()
            .chain(headings.into_iter().map(Column::number))
            .collect(),
        rows: rows.collect(),
        folded: true,
        ..Table::default()
    }
}
