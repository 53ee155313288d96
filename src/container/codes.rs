//! What the header of a file of codebook indices says (`docs/FORMAT.md`, "Codes").

use lmcodec_codecs::varint::put_varint;

use super::model::{put_model, read_model};
use super::reader::{HeaderReader, length};
use crate::error::Error;
use crate::model_id::ModelReference;

/// Number of the adaptive model.
const ADAPTIVE: u8 = 0;
/// Number of sequence models, which are named by their hash.
const NAMED: u8 = 1;
/// Number of frame heads, which are named by their hash.
const FRAME_HEADS: u8 = 2;
/// Flag: the layers are the last dimension but one.
const LAYERS_FIRST: u8 = 1;

/// What the header of a file of codes says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodesContent {
    /// The medium, and how its codes lie in the array.
    pub medium: CodeMedium,
    /// What predicts the codes.
    pub model: CodesModel,
    /// Symbols below which those of every digit of every layer of every array are, 1..=65536; one entry stands for all.
    pub vocabularies: Vec<u32>,
    /// Codes (adaptive model) or chunks (named model, frame heads) of every segment but the last, which has the rest; at
    /// least 1.
    pub per_segment: u64,
    /// Serialized side information (`lmcodec_codecs::codes::CodeSide`).
    pub side: Vec<u8>,
}

/// How codes lie in their array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeMedium {
    /// Grids of indices, one after the other.
    Vq {
        /// Rows of a grid, at least 1; 0 where the last two dimensions of every array are its grid.
        height: u64,
        /// Columns of a grid, likewise.
        width: u64,
    },
    /// RVQ codes: […, steps, layers], or […, layers, steps].
    Rvq {
        /// Whether the layers are the last dimension but one.
        layers_first: bool,
    },
}

/// What predicts the codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodesModel {
    /// Counts that learn from the codes themselves (`lmcodec_entropy::adaptive`); nothing is needed to decode.
    Adaptive,
    /// The head set of a sequence model.
    Named(ModelReference),
    /// Heads on the blocks of a frame Llama.
    FrameHeads(ModelReference),
}

impl CodesModel {
    /// The model file, if one is needed.
    pub fn reference(&self) -> Option<&ModelReference> {
        match self {
            Self::Adaptive => None,
            Self::Named(model) | Self::FrameHeads(model) => Some(model),
        }
    }
}

impl CodesContent {
    /// Most vocabularies that a header may state.
    pub const MAX_VOCABULARIES: usize = 1 << 16;

    /// Appends everything between the original's checksum and the number of segments.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.push(match &self.model {
            CodesModel::Adaptive => ADAPTIVE,
            CodesModel::Named(_) => NAMED,
            CodesModel::FrameHeads(_) => FRAME_HEADS,
        });
        if let Some(model) = self.model.reference() {
            put_model(out, model);
        }
        put_varint(out, self.side.len() as u64);
        out.extend_from_slice(&self.side);
        match self.medium {
            CodeMedium::Vq { height, width } => {
                put_varint(out, height);
                put_varint(out, width);
            }
            CodeMedium::Rvq { layers_first } => out.push(if layers_first { LAYERS_FIRST } else { 0 }),
        }
        match (self.medium, self.vocabularies.as_slice()) {
            (CodeMedium::Vq { .. }, [_]) => {}
            (CodeMedium::Vq { .. }, several) => {
                put_varint(out, 0);
                put_varint(out, several.len() as u64);
            }
            (CodeMedium::Rvq { .. }, layers) => put_varint(out, layers.len() as u64),
        }
        self.vocabularies.iter().for_each(|&vocabulary| put_varint(out, u64::from(vocabulary)));
        put_varint(out, self.per_segment);
    }

    pub(super) fn read(reader: &mut HeaderReader<'_>, rvq: bool) -> Result<Self, Error> {
        let start = reader.offset();
        let model = match reader.array("the model's kind")? {
            [ADAPTIVE] => CodesModel::Adaptive,
            [NAMED] => CodesModel::Named(read_model(reader)?),
            [FRAME_HEADS] => CodesModel::FrameHeads(read_model(reader)?),
            [other] => {
                return Err(Error::Unsupported {
                    what: "kind of model for codes",
                    found: other.to_string(),
                    supported: format!("{ADAPTIVE}..={FRAME_HEADS}"),
                });
            }
        };
        let side = length(reader, "the side information's length")?;
        let side = reader.take(side, "the side information")?.to_vec();
        let positive = |reader: &mut HeaderReader<'_>, what: &str, most: u64| {
            let at = reader.offset();
            let value = reader.varint(what)?;
            if (1..=most).contains(&value) { Ok(value) } else { Err(Error::malformed(at, format!("{what}: {value}"))) }
        };
        let medium = if rvq {
            match reader.array("the flags")? {
                [flags @ 0..=LAYERS_FIRST] => CodeMedium::Rvq { layers_first: flags == LAYERS_FIRST },
                [flags] => return Err(Error::malformed(start, format!("flags {flags:#04x} of RVQ codes"))),
            }
        } else {
            let (height, width) = (reader.varint("the rows of a grid")?, reader.varint("the columns of a grid")?);
            if (height == 0) != (width == 0) {
                return Err(Error::malformed(start, format!("grids of {height}x{width}")));
            }
            CodeMedium::Vq { height, width }
        };
        let start = reader.offset();
        let one = if rvq { 0 } else { reader.varint("the vocabulary")? };
        let vocabularies = match one {
            0 => {
                let layers = positive(reader, "the number of vocabularies", Self::MAX_VOCABULARIES as u64)?;
                let vocabularies = (0..layers).map(|_| Ok(positive(reader, "a vocabulary", 1 << 16)? as u32));
                vocabularies.collect::<Result<_, Error>>()?
            }
            one if one <= 1 << 16 => vec![one as u32],
            other => return Err(Error::malformed(start, format!("a vocabulary: {other}"))),
        };
        let per_segment = positive(reader, "the codes or chunks of a segment", u64::MAX)?;
        Ok(Self { medium, model, vocabularies, per_segment, side })
    }
}
