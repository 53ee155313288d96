//! Lepton through Microsoft's port (crate `lepton_jpeg`), in this process and on one thread.

use super::codec::{CodecError, Recompressor};
use lepton_jpeg::{EnabledFeatures, SingleThreadPool};
use std::io::Cursor;

/// Lepton with the settings of the format's first implementation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lepton;

impl Recompressor for Lepton {
    fn name(&self) -> &str {
        "lepton"
    }
    fn version(&self) -> &str {
        "crate lepton_jpeg 0.5"
    }
    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError> {
        let mut out = Cursor::new(Vec::new());
        lepton_jpeg::encode_lepton(
            &mut Cursor::new(jpeg),
            &mut out,
            &EnabledFeatures::compat_lepton_vector_write(),
            &SingleThreadPool::default(),
        )
        .map_err(|e| CodecError::Codec(e.into()))?;
        Ok(out.into_inner())
    }
    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        lepton_jpeg::decode_lepton(
            &mut Cursor::new(coded),
            &mut out,
            &EnabledFeatures::compat_lepton_vector_read(),
            &SingleThreadPool::default(),
        )
        .map_err(|e| CodecError::Codec(e.into()))?;
        Ok(out)
    }
}
