//! What kind of model file some bytes are, from their metadata alone.

use lmcodec_entropy::code_heads::config::ARCH as FRAME_HEADS_ARCH;
use lmcodec_entropy::frame_llama::ARCH;
use lmcodec_entropy::sequence_llama::{BACKBONE_ARCH, HEADS_ARCH};
use serde_json::Value;

/// Kinds of model files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// Embedding and heads for frames of VQ or RVQ codes, on the blocks of a frame Llama or with blocks of their own.
    FrameHeads {
        /// SHA-256 of the frame Llama in hexadecimal; none if the file holds its blocks.
        backbone_sha256: Option<String>,
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
            Self::FrameHeads { .. } => "frame heads",
            Self::Other { .. } => "other",
        }
    }

    /// SHA-256 of the file that this one needs, in hexadecimal.
    pub fn backbone_sha256(&self) -> Option<&str> {
        match self {
            Self::SequenceHeads { backbone_sha256 } => Some(backbone_sha256),
            Self::FrameHeads { backbone_sha256 } => backbone_sha256.as_deref(),
            _ => None,
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
        FRAME_HEADS_ARCH => {
            ModelKind::FrameHeads { backbone_sha256: config["backbone_sha256"].as_str().map(str::to_owned) }
        }
        ARCH => ModelKind::Frame,
        arch => ModelKind::Other { arch: arch.to_owned() },
    })
}
