//! `lmcodec eval latents`: arrays of VQ indices or RVQ codes under anchors without a learned model.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use lmcodec_codecs::codes;
use lmcodec_eval::latents::document::{LatentArray, LatentReport};
use lmcodec_eval::latents::{LatentCodes, MAX_CODES, anchors, evaluate_latents};
use lmcodec_eval::report::csv::tables;

use super::outputs::ReportFolder;
use super::{OrExit, read};
use crate::commands::exit::{Exit, Failure};

/// Sizes of latent codes (.npy arrays of integers) under raw bits, Huffman, adaptive arithmetic coding, xz, zstd and brotli.
#[derive(Debug, Args)]
pub(super) struct LatentsArgs {
    /// Arrays of integers: one code an entry, RVQ layers along the last axis
    #[arg(required = true, value_name = "FILE.npy")]
    files: Vec<PathBuf>,
    /// What the codes are
    #[arg(long, value_enum)]
    medium: Medium,
    /// Size of the codebook
    #[arg(long)]
    codebook: u32,
    /// RVQ layers from the first on to take [default: all]
    #[arg(long)]
    layers: Option<usize>,
    /// Codec that made the codes, for the paper's tables
    #[arg(long)]
    codec: Option<String>,
    /// Dataset that they are of, for the paper's tables
    #[arg(long)]
    dataset: Option<String>,
    /// Folder for report.json, report.csv, report.md and report.html
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Overwrite outputs
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Medium {
    Vq,
    Rvq,
}

impl LatentsArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.medium == Medium::Vq && self.layers.is_some() {
            return Err(Failure::new(Exit::Usage, "--layers is for --medium rvq"));
        }
        let folder = ReportFolder::new(&self.out, self.force)?;
        let mut arrays = Vec::new();
        for file in &self.files {
            let evaluation = evaluate_latents(&self.codes(file)?, &anchors()).or_exit(Exit::Mismatch)?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            arrays.push(LatentArray { name, evaluation });
        }
        let medium = if self.medium == Medium::Vq { "vq" } else { "rvq" };
        let report = LatentReport::new(arrays, medium, self.codec.as_deref(), self.dataset.as_deref());
        let document = report.document();
        folder.write(&report, &tables(&document), &document)
    }

    fn codes(&self, file: &Path) -> Result<LatentCodes, Failure> {
        let malformed = |what: String| Failure::new(Exit::Malformed, format!("{}: {what}", file.display()));
        let bytes = read(file)?;
        let header = codes::header(&bytes, None).map_err(|e| malformed(e.to_string()))?;
        let shape = &header.shape;
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if count.is_none_or(|n| n > MAX_CODES) {
            let message = format!("{}: shape {shape:?}, at most {MAX_CODES} codes", file.display());
            return Err(Failure::new(Exit::Limit, message));
        }
        let all = match self.medium {
            Medium::Vq => 1,
            Medium::Rvq => shape.last().copied().unwrap_or(0),
        };
        let wanted = self.layers.unwrap_or(all);
        if wanted == 0 || wanted > all {
            return Err(Failure::new(Exit::Usage, format!("{}: {wanted} layers of {all}", file.display())));
        }
        let codes = codes::parse(&bytes, None).map_err(|e| malformed(e.to_string()))?.codes;
        let kept: Vec<u16> = codes.chunks_exact(all).flat_map(|frame| &frame[..wanted]).copied().collect();
        LatentCodes::new(kept, wanted, self.codebook).map_err(|e| malformed(e.to_string()))
    }
}
