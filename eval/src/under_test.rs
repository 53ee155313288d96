//! The codecs of this project, in this process and as processes of their own.
//!
//! The facade crate `lmcodec` has no `encode` yet, so that [`codecs_under_test`] is empty; its codec joins the list in
//! `lmcodec_codec.rs`. [`Store`] can be asked for by name, to see what the measuring itself costs.

use crate::peers::{CommandLine, ExternalCodec};
use crate::recompression::{Recompressor, Store};
use std::path::Path;

/// The codecs under test, which run in this process.
pub fn codecs_under_test() -> Vec<Box<dyn Recompressor>> {
    Vec::new()
}

/// A codec by its name in tables: one of [`codecs_under_test`], or `store`.
pub fn codec_by_name(name: &str) -> Option<Box<dyn Recompressor>> {
    let mut all = codecs_under_test();
    all.push(Box::new(Store));
    all.into_iter().find(|c| c.name() == name)
}

/// [`codecs_under_test`] as processes. `program` is the command `lmcodec-eval`.
pub fn external_under_test(program: &Path) -> Vec<ExternalCodec> {
    codecs_under_test().iter().map(|c| external(program, &**c)).collect()
}

/// One codec as a process: `lmcodec-eval codec NAME encode|decode IN OUT`.
pub fn external(program: &Path, codec: &dyn Recompressor) -> ExternalCodec {
    let line = |way| CommandLine::new(program, &["codec", codec.name(), way, "IN", "OUT"]);
    ExternalCodec::new(codec.name(), codec.version(), line("encode"), line("decode"), "coded")
}
