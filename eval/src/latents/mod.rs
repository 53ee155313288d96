//! Latent codes (VQ indices, RVQ codes) and the anchors that code them without a learned model: real bytes, decoded again and
//! compared.
//!
//! | module | anchors |
//! |---|---|
//! | [`packing`] | minimal-width packing |
//! | [`huffman`] | static Huffman of order 0, one table or one a layer, tables included |
//! | [`adaptive`] | adaptive arithmetic coding of order 0 and order 1 with the range coder of lmcodec-entropy |
//! | [`general`] | xz, zstd and brotli at their strongest level; zpaq where its program is installed |
//!
//! [`document`] makes a report of them.
//!
//! Every stream starts with the same few bytes (codebook, layers, frames as LEB128 numbers) and needs nothing else.

pub mod adaptive;
pub mod document;
pub mod general;
pub mod huffman;
pub mod packing;
mod stream;

use crate::recompress::peers::on_path;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest codebook.
pub const MAX_CODEBOOK: u32 = 1 << 16;
/// Most codes of one array.
pub const MAX_CODES: usize = 1 << 28;

/// An array of codes: `frames × layers`, layers innermost, each code below `codebook`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatentCodes {
    codes: Vec<u16>,
    layers: usize,
    codebook: u32,
}

/// What is wrong with codes or with a stream of them.
#[derive(Debug, Error)]
pub enum LatentError {
    /// A dimension out of range.
    #[error("{what} is {found}; allowed: {allowed}")]
    Dimension {
        /// Which.
        what: &'static str,
        /// Found.
        found: u64,
        /// Allowed.
        allowed: String,
    },
    /// A code outside the codebook.
    #[error("code {code} at {index} is outside the codebook of {codebook}")]
    Code {
        /// Position.
        index: usize,
        /// The code.
        code: u64,
        /// Size of the codebook.
        codebook: u32,
    },
    /// The coder does not take such codes.
    #[error("{coder}: {reason}")]
    Unsupported {
        /// The coder.
        coder: &'static str,
        /// Why.
        reason: String,
    },
    /// The stream is damaged.
    #[error("{coder}: damaged stream: {reason}")]
    Damaged {
        /// The coder.
        coder: &'static str,
        /// What was found.
        reason: String,
    },
    /// A coder decoded something else than it was given.
    #[error("{coder}: decoded codes differ from the source")]
    RoundTrip {
        /// The coder.
        coder: &'static str,
    },
}

impl LatentCodes {
    /// Codes of `frames × layers`, layers innermost.
    ///
    /// # Errors
    /// [`LatentError`]: codebook not in 1 to 65536, no layers, a number of codes that is no multiple of the layers or above
    /// 2^28, or a code that is not below `codebook`.
    pub fn new(codes: Vec<u16>, layers: usize, codebook: u32) -> Result<Self, LatentError> {
        check_dimensions(codes.len() as u64, layers as u64, codebook.into())?;
        if let Some(index) = codes.iter().position(|&c| u32::from(c) >= codebook) {
            return Err(LatentError::Code { index, code: codes[index].into(), codebook });
        }
        Ok(Self { codes, layers, codebook })
    }

    /// The codes, layers innermost.
    pub fn codes(&self) -> &[u16] {
        &self.codes
    }

    /// Codes a frame.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Size of the codebook of every layer.
    pub fn codebook(&self) -> u32 {
        self.codebook
    }

    /// Frames.
    pub fn frames(&self) -> usize {
        self.codes.len() / self.layers
    }

    /// Codes × log2(codebook): the bits that papers call raw, a fraction that no file has.
    pub fn raw_bits(&self) -> f64 {
        self.codes.len() as f64 * f64::from(self.codebook).log2()
    }

    /// Bits of the largest code of the codebook (0 for a codebook of one).
    pub fn width(&self) -> u32 {
        u32::BITS - (self.codebook - 1).leading_zeros()
    }
}

fn check_dimensions(codes: u64, layers: u64, codebook: u64) -> Result<(), LatentError> {
    let bad = |what, found, allowed: String| Err(LatentError::Dimension { what, found, allowed });
    if !(1..=u64::from(MAX_CODEBOOK)).contains(&codebook) {
        return bad("codebook", codebook, format!("1 to {MAX_CODEBOOK}"));
    }
    if !(1..=1024).contains(&layers) {
        return bad("layers", layers, "1 to 1024".into());
    }
    if codes > MAX_CODES as u64 {
        return bad("number of codes", codes, format!("at most {MAX_CODES}"));
    }
    if !codes.is_multiple_of(layers) {
        return bad("number of codes", codes, format!("a multiple of the {layers} layers"));
    }
    Ok(())
}

/// An anchor: codes to a self-contained stream and back.
pub trait LatentCoder: Sync {
    /// Name for reports.
    fn name(&self) -> &'static str;
    /// The stream.
    ///
    /// # Errors
    /// [`LatentError::Unsupported`] where the coder has a limit.
    fn encode(&self, codes: &LatentCodes) -> Result<Vec<u8>, LatentError>;
    /// The codes of a stream.
    ///
    /// # Errors
    /// [`LatentError`], for anything that [`encode`](Self::encode) did not write.
    fn decode(&self, stream: &[u8]) -> Result<LatentCodes, LatentError>;
}

/// The anchors of this crate, weakest first.
pub fn anchors() -> Vec<Box<dyn LatentCoder>> {
    use general::{Brotli, General, Xz, Zstd};
    vec![
        Box::new(packing::Packing),
        Box::new(huffman::Huffman { per_layer: false }),
        Box::new(huffman::Huffman { per_layer: true }),
        Box::new(adaptive::Adaptive { order: adaptive::Order::Zero }),
        Box::new(adaptive::Adaptive { order: adaptive::Order::ZeroPerLayer }),
        Box::new(adaptive::Adaptive { order: adaptive::Order::PreviousCode }),
        Box::new(adaptive::Adaptive { order: adaptive::Order::PreviousFrame }),
        Box::new(General(Zstd)),
        Box::new(General(Brotli)),
        Box::new(General(Xz)),
    ]
}

/// [`anchors`], and those whose programs are on the PATH.
pub fn installed_anchors() -> Vec<Box<dyn LatentCoder>> {
    let mut anchors = anchors();
    if on_path("zpaq") {
        anchors.push(Box::new(general::General(general::Zpaq)));
    }
    anchors
}

/// What one anchor made of an array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentResult {
    /// Name of the anchor.
    pub name: String,
    /// Bytes of the whole stream; `None` where the anchor does not take such codes.
    pub bytes: Option<u64>,
    /// Bits a code.
    pub bits_per_code: Option<f64>,
    /// Coded size over raw size (`raw_bits`), in percent: the paper's CR %.
    pub cr_percent: Option<f64>,
    /// Seconds of wall time to encode.
    pub encoding_seconds: Option<f64>,
    /// Seconds of wall time to decode.
    pub decoding_seconds: Option<f64>,
    /// Why there is no result.
    pub unsupported: Option<String>,
}

/// Sizes of one array of codes under all anchors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentEvaluation {
    /// Codes in all.
    pub codes: u64,
    /// Codes a frame.
    pub layers: u64,
    /// Size of the codebook.
    pub codebook: u32,
    /// codes × log2(codebook).
    pub raw_bits: f64,
    /// One entry an anchor.
    pub results: Vec<LatentResult>,
}

/// Runs `coders` over `codes`; each stream is decoded and compared.
///
/// # Errors
/// [`LatentError::RoundTrip`] and [`LatentError::Damaged`] if a coder fails on its own stream. A coder that does not take such
/// codes is no error but says so in its entry.
pub fn evaluate_latents(codes: &LatentCodes, coders: &[Box<dyn LatentCoder>]) -> Result<LatentEvaluation, LatentError> {
    let mut results = Vec::with_capacity(coders.len());
    for coder in coders {
        let name = coder.name().to_string();
        let start = std::time::Instant::now();
        let stream = match coder.encode(codes) {
            Ok(stream) => stream,
            Err(e @ LatentError::Unsupported { .. }) => {
                results.push(LatentResult {
                    name,
                    bytes: None,
                    bits_per_code: None,
                    cr_percent: None,
                    encoding_seconds: None,
                    decoding_seconds: None,
                    unsupported: Some(e.to_string()),
                });
                continue;
            }
            Err(e) => return Err(e),
        };
        let encoding_seconds = start.elapsed().as_secs_f64();
        let start = std::time::Instant::now();
        let decoded = coder.decode(&stream)?;
        let decoding_seconds = start.elapsed().as_secs_f64();
        if decoded != *codes {
            return Err(LatentError::RoundTrip { coder: coder.name() });
        }
        let bits = 8.0 * stream.len() as f64;
        let over = |d: f64, scale: f64| (d > 0.0).then_some(scale * bits / d);
        results.push(LatentResult {
            name,
            bytes: Some(stream.len() as u64),
            bits_per_code: over(codes.codes.len() as f64, 1.0),
            cr_percent: over(codes.raw_bits(), 100.0),
            encoding_seconds: Some(encoding_seconds),
            decoding_seconds: Some(decoding_seconds),
            unsupported: None,
        });
    }
    Ok(LatentEvaluation {
        codes: codes.codes.len() as u64,
        layers: codes.layers as u64,
        codebook: codes.codebook,
        raw_bits: codes.raw_bits(),
        results,
    })
}
