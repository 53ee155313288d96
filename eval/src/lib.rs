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
pub mod lmcodec_codec;
pub mod markdown;
pub mod peers;
pub mod peers_csv;
pub mod process;
pub mod rate_points;
pub mod recompression;
pub mod report;
pub mod speed;
pub mod under_test;
