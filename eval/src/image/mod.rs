//! Rate and distortion of image codecs in one run.
//!
//! In: folders of images ([`source`]), codecs that turn pixels into files ([`pixel_codec`], [`anchors`]) and recompressors
//! of the JPEG files among them ([`crate::recompress`]). Out: an [`report::ImageReport`] ([`measure`]) with rate points in
//! CompressAI's shape, BD-rates ([`bd_table`]), and its document ([`document`]) and CSV ([`csv`]). [`compare`](mod@compare) sets two such
//! reports, or curves of other origin, side by side, [`published`] draws such curves in a report.
//!
//! Rates are sizes of whole files. Every file is decoded by the codec's own decoder, and distortion is that of the 8-bit
//! pixels it gives. A recompressor's file has the distortion of the JPEG file that it restores, and counts only if it
//! restores that file exactly.

pub mod anchors;
pub mod bd_table;
pub mod compare;
pub mod csv;
pub mod document;
pub mod measure;
pub mod pixel_codec;
pub mod published;
pub mod quality;
pub mod report;
pub mod source;
pub mod verdict;
