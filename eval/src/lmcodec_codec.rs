//! lmcodec itself as a [`Recompressor`]: its library, one thread, without the encoder's own verification (the table
//! decodes and compares every file anyway, and decoding is measured on its own).

use crate::recompression::{CodecError, Recompressor};
use lmcodec::{DecodeOptions, EncodeOptions, Execution, Model};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// lmcodec with one model.
#[derive(Debug, Clone)]
pub struct LmcodecCodec {
    version: String,
    encode: EncodeOptions,
    decode: DecodeOptions,
}

impl LmcodecCodec {
    /// The embedded model, or the one in the file `model`.
    pub fn new(model: Option<&Path>) -> Result<Self, lmcodec::Error> {
        let model = match model {
            Some(path) => Arc::new(Model::from_file(path)?),
            None => lmcodec::default_model(),
        };
        let version = format!("{} with model {}", env!("CARGO_PKG_VERSION"), model.sha256());
        let execution = Execution { threads: Some(NonZeroUsize::MIN), ..Execution::default() };
        let encode = EncodeOptions { model: Some(model), verify: false, execution, ..EncodeOptions::default() };
        let decode = encode.decode_options();
        Ok(Self { version, encode, decode })
    }
}

impl Recompressor for LmcodecCodec {
    fn name(&self) -> &str {
        "lmcodec"
    }
    fn version(&self) -> &str {
        &self.version
    }
    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError> {
        lmcodec::encode(jpeg, &self.encode).map(|e| e.bytes).map_err(|e| CodecError::Codec(e.into()))
    }
    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError> {
        lmcodec::decode(coded, &self.decode).map_err(|e| CodecError::Codec(e.into()))
    }
}
