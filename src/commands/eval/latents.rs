//! `lmcodec eval latents`: arrays of VQ indices or RVQ codes under anchors without a learned model.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use lmcodec_eval::csv_text::tables;
use lmcodec_eval::latents::{LatentCodes, MAX_CODES, anchors, evaluate_latents};
use lmcodec_eval::latents_document::{LatentArray, LatentReport};

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
        let array = npyz::NpyFile::new(&bytes[..]).map_err(|e| malformed(e.to_string()))?;
        let shape = array.shape().to_vec();
        if array.order() != npyz::Order::C {
            return Err(malformed("Fortran order; save it in C order (numpy.ascontiguousarray)".into()));
        }
        let count = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
        if count.is_none_or(|n| n > MAX_CODES as u64) {
            return Err(Failure::new(
                Exit::Limit,
                format!("{}: shape {shape:?}, at most {MAX_CODES} codes", file.display()),
            ));
        }
        let all = match self.medium {
            Medium::Vq => 1,
            Medium::Rvq => shape.last().copied().unwrap_or(0) as usize,
        };
        let wanted = self.layers.unwrap_or(all);
        if wanted == 0 || wanted > all {
            return Err(Failure::new(Exit::Usage, format!("{}: {wanted} layers of {all}", file.display())));
        }
        let codes = integers(array).map_err(malformed)?;
        let kept = codes.chunks_exact(all).flat_map(|frame| &frame[..wanted]);
        let codes = kept
            .enumerate()
            .map(|(i, &v)| {
                u16::try_from(v)
                    .map_err(|_| malformed(format!("code {v} at {i} is not below the codebook of {}", self.codebook)))
            })
            .collect::<Result<Vec<u16>, _>>()?;
        LatentCodes::new(codes, wanted, self.codebook).map_err(|e| malformed(e.to_string()))
    }
}

/// The values of an array of any integer type.
fn integers(array: npyz::NpyFile<&[u8]>) -> Result<Vec<i64>, String> {
    use npyz::{DType, TypeChar};
    let DType::Plain(plain) = array.dtype() else { return Err("a structured array".into()) };
    macro_rules! values {
        ($t:ty) => {
            array.into_vec::<$t>().map(|v| v.into_iter().map(i64::from).collect())
        };
    }
    match (plain.type_char(), plain.num_bytes().unwrap_or(0)) {
        (TypeChar::Uint, 1) => values!(u8),
        (TypeChar::Uint, 2) => values!(u16),
        (TypeChar::Uint, 4) => values!(u32),
        (TypeChar::Uint, 8) => {
            array.into_vec::<u64>().map(|v| v.into_iter().map(|v| i64::try_from(v).unwrap_or(i64::MAX)).collect())
        }
        (TypeChar::Int, 1) => values!(i8),
        (TypeChar::Int, 2) => values!(i16),
        (TypeChar::Int, 4) => values!(i32),
        (TypeChar::Int, 8) => array.into_vec::<i64>(),
        _ => return Err(format!("type {plain}, expected integers")),
    }
    .map_err(|e| e.to_string())
}
