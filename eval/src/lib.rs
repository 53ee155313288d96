//! Evaluation of codecs: how many bytes, how good, how fast, against anchors measured in the same run.
//!
//! | module | in → out |
//! |---|---|
//! | [`image`] | folders of images, codecs, recompressors → rate points, BD-rates, bit costs |
//! | [`recompression`] | folders of JPEG files and codecs → a table of sizes, exactness and seconds |
//! | [`peers`], [`process`] | programs, run as processes and measured |
//! | [`peers_csv`] | published sizes, merged into the table |
//! | [`report`], [`markdown`], [`recompression_document`] | the table as data (JSON), as Markdown, as a document |
//! | [`leaf_lines`] | pretty JSON → a line a leaf, for committed records |
//! | [`speed`] | paired runs: CPU seconds and peak memory |
//! | [`jpeg_size`] | a JPEG file → width and height |
//! | [`metrics`] | two images, signals, transcripts or feature sets → PSNR, MS-SSIM, SSIMULACRA2, FID, SI-SDR, LSD, WER |
//! | [`latents`] | arrays of latent codes and anchors → real bytes |
//! | [`speech`] | utterances and codecs → kbps, SI-SDR, LSD |
//! | [`rate_points`] | curve files in CompressAI's shape |
//! | [`bd_rate`] | two curves → BD-rate, BD-quality |
//! | [`compare`] | two result files → BD-rates by all methods, with bootstrap intervals over the images |
//! | [`paper`] | result files → the tables and figures of the paper, our column beside its own |
//! | [`published`] | committed records → the tables of README and docs |
//! | [`document`], [`html`] | a report → Markdown, one HTML page |
//!
//! A codec under test is a [`recompression::Recompressor`] (bytes in, bytes out) or an
//! [`image::pixel_codec::PixelCodec`] (pixels in, a file out); this crate knows none of the project's own.
#![deny(missing_docs)]

pub mod bd_rate;
pub mod bit_cost;
pub mod compare;
pub mod csv_text;
pub mod document;
pub mod environment_block;
pub mod html;
pub mod image;
mod interpolation;
pub mod jpeg_size;
pub mod latents;
pub mod latents_document;
pub mod leaf_lines;
#[cfg(feature = "lepton")]
pub mod lepton;
pub mod markdown;
pub mod metrics;
pub mod paper;
pub mod peers;
pub mod peers_csv;
pub mod process;
pub mod published;
pub mod rate_points;
pub mod recompression;
pub mod recompression_document;
pub mod report;
pub mod speech;
pub mod speed;
