//! `lmcodec metadata` and `lmcodec thumbnail`: what a coded photo tells without running the model.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lmcodec::Metadata;
use lmcodec::container::Content;
use serde_json::{Value, json};

use super::batch::{Batch, Report};
use super::exit::{Exit, Failure};
use super::files::{Found, Selection, Source};
use super::names::CODED_EXTENSIONS;
use super::output::{self, Target};
use super::terminal::{escaped, put_path};
use super::{Coding, existing};

/// Print the EXIF data of coded photos, and what else is in them; reads only their headers.
#[derive(Debug, Args)]
pub(crate) struct MetadataCommand {
    /// Files, folders with --recursive, or - for standard input
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Write the very bytes of one part of one file to standard output instead
    #[arg(long, value_name = "PART")]
    raw: Option<Part>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    coding: Coding,
}

/// Write the thumbnail that the camera put into a photo; reads only the coded file's header.
#[derive(Debug, Args)]
pub(crate) struct Thumbnail {
    /// A file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Output file, or - for standard output
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    /// Overwrite an existing file
    #[arg(short, long)]
    force: bool,
}

/// A part of the metadata.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// The TIFF structure that exiftool and others read
    Exif,
    Xmp,
    /// The colour profile
    Icc,
    /// Comments, one after the other
    Comments,
}

impl MetadataCommand {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let inputs = self.selection.find(&self.inputs, &CODED_EXTENSIONS)?;
        if let Some(part) = self.raw {
            let [found] = inputs.found.as_slice() else {
                return Err(Failure::new(Exit::Usage, "--raw takes one file"));
            };
            let metadata = read(&found.source, &self.coding.limits())?;
            let bytes = match part {
                Part::Exif => metadata.exif,
                Part::Xmp => metadata.xmp,
                Part::Icc => metadata.icc,
                Part::Comments => Some(metadata.comments.concat()).filter(|comments| !comments.is_empty()),
            };
            let bytes = bytes.ok_or_else(|| Failure::new(Exit::Failure, format!("{}: has none", found.source)))?;
            output::write(&Target::Stdout, &bytes, false, None)?;
            return Ok(Exit::Success);
        }
        let batch = Batch::new(&self.coding, ("reading", "read"), &Default::default()).reporting();
        Ok(batch.run(&inputs.found, &inputs, |_| None, |found, _| self.one(found)))
    }

    fn one(&self, found: &Found) -> Result<Report, Failure> {
        let metadata = read(&found.source, &self.coding.limits())?;
        let fields = fields(&metadata);
        let sizes = [
            ("exif_bytes", metadata.exif.as_ref().map_or(0, Vec::len)),
            ("xmp_bytes", metadata.xmp.as_ref().map_or(0, Vec::len)),
            ("icc_bytes", metadata.icc.as_ref().map_or(0, Vec::len)),
            ("thumbnail_bytes", metadata.thumbnail().map_or(0, <[u8]>::len)),
        ];
        let comments: Vec<_> = metadata.comments.iter().map(|comment| String::from_utf8_lossy(comment)).collect();
        let pixels = existing::pixels(&found.source);
        let text = if self.coding.json {
            let exif: serde_json::Map<String, Value> =
                fields.into_iter().map(|(tag, value)| (tag, json!(value))).collect();
            let mut line = json!({ "pixels": pixels, "exif": exif, "comments": comments });
            put_path(&mut line, "input", found.source.path());
            sizes.iter().for_each(|&(name, size)| line[name] = json!(size));
            format!("{line}\n")
        } else {
            let mut text = format!("{}\n", found.source);
            let mut line = |key: &str, value: &str| text += &format!("  {key:<28} {}\n", escaped(value));
            fields.iter().for_each(|(tag, value)| line(tag, value));
            comments.iter().for_each(|comment| line("comment", comment));
            for (name, size) in sizes.into_iter().filter(|size| size.1 > 0) {
                line(&name.replace('_', " "), &size.to_string());
            }
            text
        };
        Ok(Report { text, ..Report::default() })
    }
}

impl Thumbnail {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let source = if self.input.as_os_str() == "-" { Source::Stdin } else { Source::File(self.input.clone()) };
        let target = if self.output.as_os_str() == "-" { Target::Stdout } else { Target::File(self.output.clone()) };
        if target == Target::Stdout && io::stdout().is_terminal() {
            return Err(Failure::new(Exit::Usage, "standard output is a terminal; -o names a file"));
        }
        output::check(&source, &target, self.force)?;
        let metadata = read(&source, &lmcodec::Limits::default());
        let metadata =
            metadata.map_err(|failure| Failure { message: format!("{source}: {}", failure.message), ..failure })?;
        let thumbnail = metadata.thumbnail();
        let thumbnail = thumbnail.ok_or_else(|| Failure::new(Exit::Failure, format!("{source}: has no thumbnail")))?;
        output::write(&target, thumbnail, self.force, None)?;
        Ok(Exit::Success)
    }
}

/// The metadata of a file, of which no more is read than it takes.
fn read(source: &Source, limits: &lmcodec::Limits) -> Result<Metadata, Failure> {
    if let Source::File(path) = source
        && let Some((header, bytes)) = existing::head(path)
        && !matches!(header.content, Content::Stored(_))
    {
        return Ok(lmcodec::metadata(&bytes, limits)?);
    }
    Ok(lmcodec::metadata(&source.read(limits.max_coded_bytes())?.0, limits)?)
}

/// EXIF tags and their values for people, of the photo itself (those of the thumbnail are left out).
fn fields(metadata: &Metadata) -> Vec<(String, String)> {
    let read = metadata.exif.clone().and_then(|bytes| exif::Reader::new().read_raw(bytes).ok());
    let fields = read.iter().flat_map(|exif| exif.fields().map(move |field| (exif, field)));
    let primary = fields.filter(|(_, field)| field.ifd_num == exif::In::PRIMARY);
    let value = |exif: &exif::Exif, field: &exif::Field| {
        let mut value = match &field.value {
            exif::Value::Ascii(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
                texts.join(", ")
            }
            _ => field.display_value().with_unit(exif).to_string(),
        };
        if value.len() > 200 {
            let end = (0..=200).rev().find(|&end| value.is_char_boundary(end)).unwrap_or(0);
            value.truncate(end);
            value.push('…');
        }
        value
    };
    primary.map(|(exif, field)| (field.tag.to_string(), value(exif, field))).collect()
}
