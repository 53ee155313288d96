//! Lossless recompression of JPEG files: sizes, exactness, seconds and memory of codecs, beside their peers.
//!
//! | module | in → out |
//! |---|---|
//! | [`codec`] | what a codec under test gives: bytes in, bytes out, and back |
//! | [`measure`](mod@measure) | folders of JPEG files and codecs → a table of sizes, exactness and seconds |
//! | [`table`] | that table as data (JSON) |
//! | [`document`] | … as a report |
//! | [`peers`], [`process`] | programs, run as processes and measured |
//! | `lepton` | the crate `lepton_jpeg` as a codec (feature `lepton`) |
//! | [`peers_csv`] | published sizes, merged into the table |
//! | [`speed`] | paired runs: CPU seconds and peak memory |
//! | [`jpeg_size`] | a JPEG file → width and height |
//! | [`bit_cost`] | where the bits of a coded file go |

pub mod bit_cost;
pub mod codec;
pub mod document;
pub mod jpeg_size;
#[cfg(feature = "lepton")]
pub mod lepton;
pub mod measure;
pub mod peers;
pub mod peers_csv;
pub mod process;
pub mod speed;
pub mod table;
