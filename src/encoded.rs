//! What encoding gives.

use std::fmt;

/// What [`encode`](crate::encode()) gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Encoded {
    /// The lmcodec file.
    pub bytes: Vec<u8>,
    /// What it is.
    pub summary: Summary,
}

/// What there is to say of a coded file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// How it keeps the original.
    pub mode: Mode,
    /// Name of the model, for modelled files.
    pub model: Option<String>,
    /// What the caller should tell the user, e.g. that transparency was lost.
    pub notes: Vec<String>,
    /// The input's format where it was no JPEG file: it has been converted, and decoding gives a JPEG file.
    pub converted_from: Option<&'static str>,
    /// The file that decoding gives back, in bytes: the input's size unless it was converted.
    pub original_bytes: u64,
    /// The lmcodec file, in bytes.
    pub coded_bytes: u64,
    /// Symbols that were coded, where each latent is one.
    pub symbols: Option<u64>,
    /// For files of codebook indices: what they would take without any model.
    pub codes: Option<CodesSummary>,
}

/// How many codes a file has, and what they are worth.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct CodesSummary {
    /// Codes.
    pub codes: u64,
    /// Mean over the codes of the base-2 logarithm of their codebooks' sizes: as stated, or the greatest code plus one.
    pub codebook_bits: f64,
}

impl CodesSummary {
    /// Adds the codes of an array with codebooks of the sizes stated for its layers, or of `greatest` codes.
    pub(crate) fn add(&mut self, codes: usize, stated: &[u32], greatest: f64) {
        let bits = match stated.len() {
            0 => greatest.max(1.0).log2(),
            layers => stated.iter().map(|&size| f64::from(size).log2()).sum::<f64>() / layers as f64,
        };
        let sum = self.codebook_bits * self.codes as f64 + bits * codes as f64;
        self.codes += codes as u64;
        self.codebook_bits = if self.codes == 0 { 0.0 } else { sum / self.codes as f64 };
    }

    /// Bits that a code takes in a coded file of so many bytes, its header included; 0 for no codes.
    pub fn bits_per_code(&self, coded_bytes: u64) -> f64 {
        if self.codes == 0 { 0.0 } else { 8.0 * coded_bytes as f64 / self.codes as f64 }
    }

    /// The share of [`codebook_bits`](Self::codebook_bits) that such a file saves, in percent; none if codes are worth nothing.
    pub fn saving_percent(&self, coded_bytes: u64) -> Option<f64> {
        let saving = 100.0 * (1.0 - self.bits_per_code(coded_bytes) / self.codebook_bits);
        (self.codebook_bits > 0.0).then_some(saving)
    }
}

impl Encoded {
    /// A coded file without model, notes and symbols.
    pub(crate) fn new(bytes: Vec<u8>, mode: Mode, original_bytes: usize) -> Self {
        let summary = Summary {
            mode,
            model: None,
            notes: Vec::new(),
            converted_from: None,
            original_bytes: original_bytes as u64,
            coded_bytes: bytes.len() as u64,
            symbols: None,
            codes: None,
        };
        Self { bytes, summary }
    }
}

/// How a file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Coefficients coded with the model, and side information.
    Modelled,
    /// The original's bytes through a general compressor.
    Stored {
        /// Why.
        reason: StoredReason,
    },
}

/// Why a file was stored and not modelled. As text it is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredReason {
    /// The caller of [`store`](crate::store()) asked for it, with this reason.
    Asked(String),
    /// The model cannot code such a file, as the text says.
    NotModelled(String),
    /// The modelled form is no smaller than the original.
    NotSmaller {
        /// Bytes of the modelled form.
        modelled_bytes: usize,
        /// Bytes of the original.
        original_bytes: usize,
    },
    /// The modelled form is larger than the stored one.
    NotSmallest {
        /// Bytes of the modelled form.
        modelled_bytes: usize,
        /// Bytes of the stored form.
        stored_bytes: usize,
    },
    /// The modelled form did not decode to the original. The stored form does, so nothing is lost, but this is a fault of this
    /// program or this machine and should be reported; the command line exits with 7.
    VerificationFailed(String),
}

impl fmt::Display for StoredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(reason) | Self::NotModelled(reason) => f.write_str(reason),
            Self::NotSmaller { modelled_bytes, original_bytes } => {
                write!(f, "the modelled form's {modelled_bytes} bytes are no fewer than the file's {original_bytes}")
            }
            Self::NotSmallest { modelled_bytes, stored_bytes } => {
                write!(
                    f,
                    "the modelled form's {modelled_bytes} bytes are more than the general compressor's {stored_bytes}"
                )
            }
            Self::VerificationFailed(problem) => write!(f, "verification of the modelled form failed: {problem}"),
        }
    }
}
