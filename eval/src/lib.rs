//! Evaluation of codecs: how many bytes, how good, how fast, against anchors measured in the same run.
//!
//! | room | in → out |
//! |---|---|
//! | [`recompress`] | folders of JPEG files and codecs → sizes, exactness, seconds, memory |
//! | [`image`] | folders of images, codecs, recompressors → rate points, BD-rates, bit costs; two result files → their difference |
//! | [`speech`] | utterances and codecs → kbps, SI-SDR, LSD |
//! | [`latents`] | arrays of latent codes and anchors → real bytes |
//! | [`metrics`] | two images, signals, transcripts or feature sets → PSNR, MS-SSIM, SSIMULACRA2, FID, SI-SDR, LSD, WER |
//! | [`rate`] | curves → BD-rate, BD-quality |
//! | [`paper`] | result files → the tables and figures of the paper, our column beside its own |
//! | [`published`] | committed records → the tables of README and docs |
//! | [`report`] | a report as data → Markdown, CSV, one HTML page |
//! | [`plot`] | curves → SVG |
//!
//! A codec under test is a [`recompress::codec::Recompressor`] (bytes in, bytes out) or an
//! [`image::pixel_codec::PixelCodec`] (pixels in, a file out): the crate does not call lmcodec. What it uses of this project are
//! parts of anchors: the JPEG encoder of lmcodec-codecs where no `cjpeg` is at hand, and the range coder of lmcodec-entropy under the
//! adaptive models of [`latents`].

pub mod image;
pub mod latents;
pub mod metrics;
pub mod paper;
pub mod published;
pub mod rate;
pub mod recompress;
pub mod report;
pub mod speech;

pub use report::plot;
