//! What the command line says of files of codebook indices: `--vq`, `--rvq` and the options that go with them, and what reports
//! tell of their codes.

use clap::Args;
use lmcodec::codes::kind_of_file;
use lmcodec::{CodesMedium, CodesOptions, Error, Summary};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};

/// What files of codes are called.
pub(super) const EXTENSIONS: [&str; 3] = ["npy", "npz", "safetensors"];

/// Options of files of codebook indices.
#[derive(Debug, Args)]
pub(super) struct Codes {
    /// Inputs are VQ indices; the last two dimensions are the grid, those before count grids
    #[arg(long, conflicts_with = "rvq", help_heading = "Codebook indices")]
    vq: bool,
    /// Inputs are RVQ codes of shape [.., steps, layers]
    #[arg(long, help_heading = "Codebook indices")]
    rvq: bool,
    /// Codebook size, or one for each RVQ layer [default: the greatest code plus one]
    #[arg(long, value_name = "N,..", value_delimiter = ',', help_heading = "Codebook indices",
          value_parser = clap::value_parser!(u32).range(1..))]
    codebook: Vec<u32>,
    /// Rows and columns of a VQ grid, for arrays whose last two dimensions are not the grid
    #[arg(long, value_name = "HxW", requires = "vq", value_parser = grid, help_heading = "Codebook indices")]
    grid: Option<(usize, usize)>,
    /// The RVQ codes have shape [.., layers, steps]
    #[arg(long, requires = "rvq", help_heading = "Codebook indices")]
    layers_first: bool,
    /// Tensor to take from .safetensors files that have several, member to take from .npz files; all takes all
    #[arg(long, value_name = "NAME", help_heading = "Codebook indices")]
    tensor: Option<String>,
    /// Codes in a segment; small ones confine damage and use more threads, but cost bytes [default: 4194304, with models less]
    #[arg(long, value_name = "N", help_heading = "Codebook indices")]
    segment_codes: Option<std::num::NonZeroUsize>,
}

impl Codes {
    /// The options, if inputs are codes at all.
    pub(super) fn options(&self) -> Result<Option<CodesOptions>, Failure> {
        let medium = match (self.vq, self.rvq) {
            (true, _) => CodesMedium::Vq { grid: self.grid },
            (_, true) => CodesMedium::Rvq { layers_first: self.layers_first },
            _ if self.tensor.is_some() || !self.codebook.is_empty() => {
                return Err(Failure::new(Exit::Usage, "--codebook and --tensor need --vq or --rvq"));
            }
            _ => return Ok(None),
        };
        let mut options = CodesOptions::new(medium).codebooks(self.codebook.as_slice());
        (options.tensor, options.segment_codes) = (self.tensor.clone(), self.segment_codes);
        Ok(Some(options))
    }

    /// What coded files are called.
    pub(super) fn extension(&self) -> &'static str {
        match (self.vq, self.rvq) {
            (true, _) => "lvq",
            (_, true) => "lrvq",
            _ => "ljpg",
        }
    }
}

/// The failure of encoding some bytes as an image, which names the options that they need if they are a file of codes.
pub(super) fn hint(error: Error, bytes: &[u8]) -> Failure {
    match (&error, kind_of_file(bytes)) {
        (Error::NotAnImage { .. }, Some(kind)) => {
            Failure::new(Exit::from(&error), format!("a {kind} file: use --vq or --rvq"))
        }
        _ => error.into(),
    }
}

/// What codes take and are worth, as a clause of a report; nothing for other files.
pub(super) fn worth(summary: &Summary) -> String {
    let Some(codes) = &summary.codes else { return String::new() };
    let Some(saving) = codes.saving_percent(summary.coded_bytes) else { return String::new() };
    let bits = codes.bits_per_code(summary.coded_bytes);
    format!("; {bits:.2} bits a code, {saving:.2} % saved of the codebook's {:.2}", codes.codebook_bits)
}

/// The same as fields of a JSON report.
pub(super) fn put_worth(summary: &Summary, line: &mut Value) {
    let Some(codes) = &summary.codes else { return };
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    line["codes"] = json!(codes.codes);
    line["bits_per_code"] = json!(rounded(codes.bits_per_code(summary.coded_bytes)));
    line["codebook_bits"] = json!(rounded(codes.codebook_bits));
    let saving = codes.saving_percent(summary.coded_bytes);
    line["saving_of_codebook_percent"] = json!(saving.map(|saving| (saving * 100.0).round() / 100.0));
}

pub(crate) fn grid(text: &str) -> Result<(usize, usize), String> {
    let sides = text.split_once('x').and_then(|(height, width)| Some((height.parse().ok()?, width.parse().ok()?)));
    sides.filter(|&(height, width)| height > 0 && width > 0).ok_or_else(|| "rows x columns, as in 8x16".into())
}
