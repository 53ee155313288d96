//! `lmcodec inspect`: what a file says about itself.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use lmcodec::{DecodeOptions, Inspection, inspect};
use serde_json::json;

use super::batch::{Batch, Report};
use super::exit::{Exit, Failure};
use super::files::{Found, Inputs, Selection};
use super::names::CODED_EXTENSIONS;
use super::terminal::put_path;
use super::{Coding, Models};

/// Print what files say about themselves: model, image, segments, where the bytes are. Decodes nothing.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Files, folders with --recursive, or - for standard input
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    coding: Coding,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let inputs = self.selection.find(&self.inputs, &CODED_EXTENSIONS)?;
        let options = self.coding.decode_options(self.models.registry()?);
        let batch = Batch::new(&self.coding, ("inspecting", "inspected"), &Inputs::default()).reporting();
        Ok(batch.run(&inputs.found, &inputs, |_| None, |found, _| self.one(found, &options)))
    }

    fn one(&self, found: &Found, options: &DecodeOptions) -> Result<Report, Failure> {
        let bytes = found.source.read(options.limits.max_coded_bytes())?.0;
        let inspection = inspect(&bytes, options)?;
        let name = found.source.to_string();
        let text = if self.coding.json {
            let mut line = json!({});
            put_path(&mut line, "input", found.source.path());
            if let (Some(line), Ok(serde_json::Value::Object(fields))) =
                (line.as_object_mut(), serde_json::to_value(&inspection))
            {
                line.extend(fields);
            }
            format!("{line}\n")
        } else {
            describe(&name, &inspection)
        };
        Ok(Report { text, ..Report::default() })
    }
}

fn describe(name: &str, inspection: &Inspection) -> String {
    let mut text = format!("{name}\n");
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "  {key:<17} {value}");
    };
    line("format version", inspection.format_version.to_string());
    line(
        "mode",
        match inspection.compressor {
            Some(compressor) => format!("{} ({compressor})", inspection.mode),
            None => inspection.mode.into(),
        },
    );
    line("file", format!("{} bytes", inspection.file_bytes));
    line("original", format!("{} bytes, SHA-256 {}…", inspection.original_bytes, inspection.original_sha256_prefix));
    line("header", format!("{} bytes", inspection.header_bytes));
    if let Some(jpeg) = &inspection.jpeg {
        line("side information", format!("{} bytes (part of the header)", jpeg.side_information_bytes));
        let name = jpeg.model.as_deref().unwrap_or("not at hand");
        let hash = jpeg.model_sha256.clone().unwrap_or_else(|| format!("{}…", jpeg.model_sha256_prefix));
        line("model", format!("{name}, SHA-256 {hash}"));
        line("image", format!("{}x{}, {}", jpeg.width, jpeg.height, jpeg.process));
        for component in &jpeg.components {
            let quality =
                component.quality.map_or("custom quantization".into(), |quality| format!("quality {quality}"));
            line(
                &format!("component {}", component.id),
                format!(
                    "sampling {}, {}x{} blocks, {quality}",
                    component.sampling, component.blocks_wide, component.blocks_high
                ),
            );
        }
    }
    if let Some(chunks) = inspection.jpeg.as_ref().and_then(|jpeg| jpeg.chunks_per_segment) {
        line("segments", format!("of {chunks} chunks"));
    }
    if let Some(codes) = &inspection.codes {
        line("side information", format!("{} bytes (part of the header)", codes.side_information_bytes));
        line("model", codes.model.clone());
        line("codes", codes.codes.to_string());
        for array in &codes.arrays {
            line("array", format!("{} {:?}", array.element, array.shape));
            if let Some((height, width)) = array.grid {
                line("VQ grid", format!("{height}x{width}"));
            }
            if let Some(layers) = array.layers {
                line("RVQ layers", layers.to_string());
            }
            let sizes: Vec<String> = array.codebooks.iter().map(u32::to_string).collect();
            line("codebook", sizes.join(", "));
            if let Some(runs) = array.runs {
                line("values", format!("in {runs} runs"));
            }
            if let Some(whole) = array.starts {
                line("values", format!("the first of array {whole}"));
            }
            if let Some(digits) = array.digits {
                line("values", format!("of {digits} symbols each"));
            }
        }
    }
    for (index, segment) in inspection.segments.iter().enumerate() {
        let place = match (segment.lines, segment.mcu_rows) {
            (Some((start, end)), Some(rows)) => format!("lines {start}..{end} ({rows} MCU rows), "),
            _ => String::new(),
        };
        let state = if segment.intact { "intact" } else { "DAMAGED" };
        line(&format!("segment {index}"), format!("{place}{} bytes, CRC {}, {state}", segment.bytes, segment.crc));
    }
    text
}
