//! What kind of model file some bytes are, from their metadata alone.

use lmcodec_entropy::llama::ARCH;
use lmcodec_entropy::sequence::{BACKBONE_ARCH, HEADS_ARCH};
use serde_json::Value;

/// Kinds of model files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelKind {
    /// A frame Llama: one file.
    Frame,
    /// The backbone of sequence Llamas.
    SequenceBackbone,
    /// A head set for a backbone.
    SequenceHeads {
        /// SHA-256 of the backbone file, in hexadecimal.
        backbone_sha256: String,
    },
    /// A safetensors file with other contents; `arch` as it says.
    Other {
        /// The architecture, empty if none is named.
        arch: String,
    },
}

impl ModelKind {
    /// A few words.
    pub fn name(&self) -> &str {
        match self {
            Self::Frame => "frame Llama",
            Self::SequenceBackbone => "sequence backbone",
            Self::SequenceHeads { .. } => "sequence heads",
            Self::Other { .. } => "other",
        }
    }
}

/// The kind of a safetensors file by its metadata; none for other files. The beginning of a file up to the end of its header
/// (8 bytes of length, then JSON) is enough.
pub fn kind_of(bytes: &[u8]) -> Option<ModelKind> {
    let (length, rest) = bytes.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: Value = serde_json::from_slice(header).ok().filter(Value::is_object)?;
    let config = header["__metadata__"]["lmcodec"].as_str();
    let config: Value = config.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let text = |field: &str| config[field].as_str().unwrap_or_default().to_owned();
    Some(match text("arch").as_str() {
        BACKBONE_ARCH => ModelKind::SequenceBackbone,
        HEADS_ARCH => ModelKind::SequenceHeads { backbone_sha256: text("backbone_int_sha256") },
        ARCH => ModelKind::Frame,
        arch => ModelKind::Other { arch: arch.to_owned() },
    })
}
