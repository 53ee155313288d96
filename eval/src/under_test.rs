//! The codecs of this project, in this process and as processes of their own.
//!
//! [`Store`] can be asked for by name, to see what the measuring itself costs.

use crate::lmcodec_codec::LmcodecCodec;
use crate::peers::{CommandLine, ExternalCodec};
use crate::recompression::{Recompressor, Store};
use std::path::Path;

/// The codecs under test, which run in this process; `model` is a model file instead of the embedded model.
pub fn codecs_under_test(model: Option<&Path>) -> Result<Vec<Box<dyn Recompressor>>, lmcodec::Error> {
    Ok(vec![Box::new(LmcodecCodec::new(model)?)])
}

/// A codec by its name in tables: one of [`codecs_under_test`], or `store`; `None` for other names.
pub fn codec_by_name(name: &str, model: Option<&Path>) -> Result<Option<Box<dyn Recompressor>>, lmcodec::Error> {
    if name == Store.name() {
        return Ok(Some(Box::new(Store)));
    }
    Ok(codecs_under_test(model)?.into_iter().find(|c| c.name() == name))
}

/// One codec as a process: `lmcodec-eval codec NAME encode|decode IN OUT`. `program` is the command `lmcodec-eval`,
/// `model` an absolute path, as the process runs in a folder of its own.
pub fn external(program: &Path, codec: &dyn Recompressor, model: Option<&Path>) -> ExternalCodec {
    let model = model.map(|m| m.to_string_lossy().into_owned());
    let line = |way| {
        let mut arguments = vec!["codec", codec.name(), way, "IN", "OUT"];
        if let Some(model) = &model {
            arguments.extend(["--model", model]);
        }
        CommandLine::new(program, &arguments)
    };
    ExternalCodec::new(codec.name(), codec.version(), line("encode"), line("decode"), "coded")
}
