//! `lmcodec eval latents`: arrays of VQ indices or RVQ codes under anchors without a learned model, and under lmcodec.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use lmcodec::{CodesMedium, CodesOptions, EncodeOptions, Model};
use lmcodec_codecs::codes::{self, ByteOrder, CodeArray, CodeSide, ElementType};
use lmcodec_eval::latents::document::{LatentArray, LatentReport};
use lmcodec_eval::latents::{LatentCodes, LatentResult, MAX_CODES, evaluate_latents, installed_anchors};
use lmcodec_eval::report::csv::tables;

use super::outputs::ReportFolder;
use super::{OrExit, read};
use crate::commands::exit::{Exit, Failure};

/// Sizes of latent codes (.npy arrays of integers) under raw bits, Huffman, adaptive arithmetic coding, xz, zstd, brotli, zpaq
/// (where it is installed) and lmcodec.
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
    /// Rows and columns of a grid of VQ indices: the anchors see a layer for each place, lmcodec the grid
    #[arg(long, value_name = "HxW", value_parser = crate::commands::codes::grid)]
    grid: Option<(usize, usize)>,
    /// Codes with this model of lmcodec as well, beside its adaptive one: frame heads, or a head set whose backbone lies beside
    /// it. May be repeated
    #[arg(long = "model", value_name = "FILE")]
    models: Vec<PathBuf>,
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
        if self.medium == Medium::Rvq && self.grid.is_some() {
            return Err(Failure::new(Exit::Usage, "--grid is for --medium vq"));
        }
        let models = self.models.iter().map(|path| Ok((stem(path), Arc::new(Model::from_file(path)?))));
        let models = models.collect::<Result<Vec<_>, lmcodec::Error>>()?;
        let folder = ReportFolder::new(&self.out, self.force)?;
        let mut arrays = Vec::new();
        for file in &self.files {
            let codes = self.codes(file)?;
            let mut evaluation = evaluate_latents(&codes, &installed_anchors()).or_exit(Exit::Mismatch)?;
            evaluation.results.push(self.own("lmcodec, adaptive", None, &codes)?);
            for (name, model) in &models {
                evaluation.results.push(self.own(&format!("lmcodec, {name}"), Some(Arc::clone(model)), &codes)?);
            }
            arrays.push(LatentArray { name: stem(file), evaluation });
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
            Medium::Vq => self.grid.map_or(1, |(rows, columns)| rows * columns),
            Medium::Rvq => shape.last().copied().unwrap_or(0),
        };
        let wanted = self.layers.unwrap_or(all);
        if wanted == 0 || wanted > all {
            return Err(Failure::new(Exit::Usage, format!("{}: {wanted} layers of {all}", file.display())));
        }
        if count.is_some_and(|n| !n.is_multiple_of(all)) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{}: shape {shape:?} is not made of such grids", file.display()),
            ));
        }
        let codes = codes::parse(&bytes, None).map_err(|e| malformed(e.to_string()))?.codes;
        let kept: Vec<u16> = codes.chunks_exact(all).flat_map(|frame| &frame[..wanted]).copied().collect();
        LatentCodes::new(kept, wanted, self.codebook).map_err(|e| malformed(e.to_string()))
    }

    /// One model of lmcodec on a `.npy` file of the codes; the file is decoded and compared.
    fn own(&self, name: &str, model: Option<Arc<Model>>, codes: &LatentCodes) -> Result<LatentResult, Failure> {
        let (medium, shape) = match self.grid {
            Some((rows, columns)) => (CodesMedium::Vq { grid: None }, vec![codes.frames(), rows, columns]),
            None if self.medium == Medium::Vq => (CodesMedium::Vq { grid: None }, vec![1, codes.frames()]),
            None => (CodesMedium::Rvq { layers_first: false }, vec![codes.frames(), codes.layers()]),
        };
        let side = CodeSide::numpy(ElementType::U16, ByteOrder::Little, false, &shape);
        let file = codes::write(&CodeArray { side, codes: codes.codes().to_vec() }).or_exit(Exit::Failure)?;
        let mut options = EncodeOptions::new().verify(false).always_model(true).threads(1);
        if let Some(model) = model {
            options = options.model(model);
        }
        let codes_options = CodesOptions::new(medium).codebooks(vec![codes.codebook()]);
        let start = Instant::now();
        let coded = lmcodec::encode_codes(&file, &codes_options, &options)?;
        let encoding_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let decoded = lmcodec::decode(&coded.bytes, &options.decode_options())?;
        let decoding_seconds = start.elapsed().as_secs_f64();
        if decoded != file {
            return Err(Failure::new(Exit::Mismatch, format!("{name}: decoded codes differ from the source")));
        }
        let bits = 8.0 * coded.bytes.len() as f64;
        let over = |whole: f64, scale: f64| (whole > 0.0).then_some(scale * bits / whole);
        Ok(LatentResult {
            name: name.into(),
            bytes: Some(coded.bytes.len() as u64),
            bits_per_code: over(codes.codes().len() as f64, 1.0),
            cr_percent: over(codes.raw_bits(), 100.0),
            encoding_seconds: Some(encoding_seconds),
            decoding_seconds: Some(decoding_seconds),
            unsupported: None,
        })
    }
}

/// A file's name without folder and extension.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
