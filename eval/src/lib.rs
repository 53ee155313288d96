//! Evaluation of lmcodec: how many bytes, how good, how fast, against its peers.
//!
//! | module | in → out |
//! |---|---|
//! | [`recompression`] | folders of JPEG files and codecs → a table of sizes, exactness and seconds |
//! | [`peers`], [`process`] | other recompressors, run as processes and measured |
//! | [`peers_csv`] | published sizes, merged into the table |
//! | [`report`], [`markdown`] | the table as data (JSON), and as Markdown |
//! | [`under_test`], [`lmcodec_codec`] | the codecs of this project |
//! | [`speed`] | paired runs: CPU seconds and peak memory |
//! | [`jpeg_size`] | a JPEG file → width and height |
//! | [`metrics`] | two images, signals, transcripts or feature sets → PSNR, MS-SSIM, SSIMULACRA2, FID, SI-SDR, LSD, WER |
//! | [`latents`] | arrays of latent codes and anchors → real bytes |
//! | [`speech`] | utterances and codecs → kbps, SI-SDR, LSD |
//! | [`rate_points`] | curve files in CompressAI's shape |
//! | [`bd_rate`] | two curves → BD-rate, BD-quality |
//!
//! Unix only: costs come from `wait4(2)` and `getrusage(2)`.
#![deny(missing_docs)]

pub mod bd_rate;
mod interpolation;
pub mod jpeg_size;
pub mod latents;
pub mod lmcodec_codec;
pub mod markdown;
pub mod metrics;
pub mod peers;
pub mod peers_csv;
pub mod process;
pub mod rate_points;
pub mod recompression;
pub mod report;
pub mod speech;
pub mod speed;
pub mod under_test;
