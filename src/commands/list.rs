//! `lmcodec list`: a line a file, from the headers alone.

use std::path::PathBuf;

use clap::Args;
use lmcodec::container::{Content, Header};
use lmcodec::models::embedded_models;
use serde_json::json;

use super::batch::{Batch, Report};
use super::exit::{Exit, Failure};
use super::files::{Found, Selection, Source};
use super::names::{self, CODED_EXTENSIONS};
use super::terminal::{put_path, shown};
use super::totals::{Outcome, Tally, bytes, saving};
use super::{Coding, existing};

/// Print sizes, saving, model and original name of files; reads only their headers.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Files, or folders with --recursive
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    coding: Coding,
}

impl List {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let inputs = self.selection.find(&self.inputs, &CODED_EXTENSIONS)?;
        let batch = Batch::new(&self.coding, ("listing", "listed"), &inputs).reporting();
        Ok(batch.run(&inputs.found, &inputs, |_| None, |found, _| self.one(found)))
    }

    fn one(&self, found: &Found) -> Result<Report, Failure> {
        let Source::File(path) = &found.source else {
            return Err(Failure::new(Exit::Usage, "standard input cannot be listed; inspect reads it"));
        };
        let coded = std::fs::metadata(path).map_err(|error| Failure::new(Exit::Io, error.to_string()))?.len();
        let Some(header) = existing::header(path) else {
            return Err(Failure::new(Exit::Malformed, "no lmcodec file, or its header is damaged"));
        };
        let original = header.original_length;
        let saved = saving(original, coded);
        let model = model(&header);
        let name = names::os_name(&header.attributes);
        let text = if self.coding.json {
            let mut line = json!({
                "coded_bytes": coded,
                "original_bytes": original,
                "saving_percent": (saved * 100.0).round() / 100.0,
                "model": model,
                "pixels": existing::pixels(&found.source),
            });
            put_path(&mut line, "input", path);
            if let Some(name) = &name {
                put_path(&mut line, "original_name", name.as_ref());
            }
            format!("{line}\n")
        } else {
            let name = name.map(|name| format!(" ({})", shown(name.as_ref()))).unwrap_or_default();
            format!("{:>8} {:>8} {saved:>6.1} % {model:<9} {}{name}\n", bytes(coded), bytes(original), found.source)
        };
        let tally = Tally { outcome: Outcome::Coded, input_bytes: coded, output_bytes: original };
        Ok(Report { text, tally: Some(tally), ..Report::default() })
    }
}

/// What a file was coded with, in a word.
fn model(header: &Header) -> String {
    match &header.content {
        Content::Stored(_) => "stored".into(),
        Content::Jpeg(content) => {
            let id = content.model.to_string();
            let known = embedded_models().into_iter().find(|(_, sha256)| sha256.starts_with(&id));
            known.map_or_else(|| id[..8].to_owned(), |(name, _)| name)
        }
        Content::SequenceJpeg(content) => content.model.name.clone(),
        Content::Codes(codes) => match codes.model.reference() {
            Some(reference) => reference.name.clone(),
            None => "adaptive".into(),
        },
    }
}
