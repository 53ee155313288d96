//! The media: what a file holds (coefficients, codes) ⇄ payloads, each the work of one model on one segment.
//!
//! * [`payloads`]: the one loop over segments, and the progress of all of them;
//! * [`jpeg`]: coefficients of JPEG files; [`codes`]: codebook indices; each with the models that code it;
//! * [`chunks`]: segments of what a sequence Llama codes, whatever the medium;
//! * [`stored`]: a file as it is, through a general compressor.
//!
//! A medium gives the header's content and the payloads. It knows nothing of the file around them and of the original's bytes:
//! those are sealed, compared and verified in one place, `encode.rs`.

pub(crate) mod chunks;
pub(crate) mod codes;
pub(crate) mod jpeg;
pub(crate) mod payloads;
pub(crate) mod stored;

use std::ops::Range;

use crate::container::{Content, Header};
use crate::encoded::CodesSummary;
use crate::error::Error;
use crate::options::DecodeOptions;

/// What a model has made of some latents.
pub(crate) struct Coded {
    /// What the header says of them.
    pub(crate) content: Content,
    /// One for each segment, in order.
    pub(crate) payloads: Vec<Vec<u8>>,
    /// What reports call the model.
    pub(crate) model: String,
    /// Symbols that were coded, where each latent is one.
    pub(crate) symbols: Option<u64>,
    /// What codebook indices are worth.
    pub(crate) codes: Option<CodesSummary>,
    /// What the user should be told.
    pub(crate) notes: Vec<String>,
}

/// A coded file taken apart, and how it is to be decoded.
pub(crate) struct CodedFile<'a> {
    pub(crate) header: &'a Header,
    /// The bytes of every payload, or why they are not what the header says.
    pub(crate) payloads: &'a [Result<&'a [u8], Error>],
    pub(crate) options: &'a DecodeOptions,
    /// The part of the whole call that decoding is, for progress.
    pub(crate) share: Range<f64>,
}
