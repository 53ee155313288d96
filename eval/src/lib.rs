//! Evaluation of lmcodec: how many bytes, how good, how fast, against its peers.
//!
//! | module | in → out |
//! |---|---|
//! | [`recompression`] | folders of JPEG files and codecs → a table of sizes, exactness and seconds |
//! | [`peers`], [`process`] | other recompressors, run as processes and measured |
//! | [`peers_csv`] | published sizes, merged into the table |
//! | [`report`], [`markdown`] | the table as data (JSON), and as Markdown |
//! | [`speed`] | paired runs: CPU seconds and peak memory |
//! | [`jpeg_size`] | a JPEG file → width and height |
//! | [`distortion`] | two images → MSE, PSNR |
//! | [`rate_points`] | curve files in CompressAI's shape |
//! | [`bd_rate`] | two curves → BD-rate, BD-quality |
//!
//! Unix only: costs come from `wait4(2)` and `getrusage(2)`.
#![deny(missing_docs)]

pub mod bd_rate;
pub mod distortion;
mod interpolation;
pub mod jpeg_size;
pub mod markdown;
pub mod peers;
pub mod peers_csv;
pub mod process;
pub mod rate_points;
pub mod recompression;
pub mod report;
pub mod speed;

use peers::ExternalCodec;
use recompression::Recompressor;

/// The codecs under test that run in this process. Empty until the facade `lmcodec` has `encode` and `decode`.
pub fn codecs_under_test() -> Vec<Box<dyn Recompressor>> {
    Vec::new()
}

/// The codecs under test as processes, `program` being this crate's own command. Empty as [`codecs_under_test`] is.
pub fn external_under_test(_program: &std::path::Path) -> Vec<ExternalCodec> {
    Vec::new()
}
