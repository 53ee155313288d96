//! Files of codebook indices (`.npy`, `.safetensors`) → lmcodec files and back, byte for byte.
//!
//! The array is brought into coding order ([`shape`]), cut into segments and coded with the adaptive model ([`segments`]),
//! frame heads ([`frames`]) or a sequence Llama (`sequence/`); whatever else the file has is side information.

mod frames;
pub(crate) mod segments;
pub(crate) mod shape;

use std::ops::Range;

use lmcodec_codecs::codes::{self, CodeArray, CodeSide, CodesError, unravel};
use serde::Serialize;

use crate::container::{Checksum, CodeMedium, CodesContent, CodesModel, Content, Header, Payload};
use crate::decode::decode_share;
use crate::encode::store;
use crate::error::Error;
use crate::options::{DecodeOptions, EncodeOptions, Encoded, Limits, Mode};
use crate::segments::{Meter, SegmentFault};
use crate::sequence;
use shape::CodingOrder;

/// What a file of codes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodesMedium {
    /// VQ indices. The last two dimensions are the grid, those before count grids, unless `grid` (rows, columns) says
    /// otherwise: then the array is cut into such grids, whatever its shape.
    Vq {
        /// Rows and columns of a grid.
        grid: Option<(usize, usize)>,
    },
    /// RVQ codes of shape […, steps, layers].
    Rvq {
        /// The shape is […, layers, steps].
        layers_first: bool,
    },
}

/// Codes of a segment unless told otherwise.
pub const DEFAULT_SEGMENT_CODES: std::num::NonZeroUsize = std::num::NonZeroUsize::new(1 << 22).unwrap();

/// Options of [`encode_codes`] beside [`EncodeOptions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodesOptions {
    /// What the codes are.
    pub medium: CodesMedium,
    /// Codebook sizes: one, or one for each RVQ layer; empty: the greatest code plus one.
    pub codebooks: Vec<u32>,
    /// The tensor to take from a `.safetensors` file that has several.
    pub tensor: Option<String>,
    /// Codes of every segment but the last. Segments are coded and damaged on their own; small ones cost bytes.
    pub segment_codes: std::num::NonZeroUsize,
}

impl CodesOptions {
    /// Codebook sizes from the codes, the only tensor, large segments.
    pub fn new(medium: CodesMedium) -> Self {
        Self { medium, codebooks: Vec::new(), tensor: None, segment_codes: DEFAULT_SEGMENT_CODES }
    }
}

/// Encodes a `.npy` or `.safetensors` file of codebook indices; [`decode`](crate::decode()) gives back its very bytes.
///
/// # Errors
/// [`Error::Codes`] for files that hold no codes of the size stated, [`Error::Option`] if the shape does not fit the
/// medium or the model, [`Error::Limit`], [`Error::Mismatch`].
pub fn encode_codes(bytes: &[u8], codes: &CodesOptions, options: &EncodeOptions) -> Result<Encoded, Error> {
    Error::limit("bytes of the input", bytes.len() as u64, options.limits.max_original_bytes)?;
    let array = codes::parse(bytes, codes.tensor.as_deref())?;
    Error::limit("codes", array.codes.len() as u64, options.limits.max_codes)?;
    let order = CodingOrder::new(&codes.medium, &array.side.shape).map_err(Error::Option)?;
    let vocabularies = vocabularies(&array, &order, &codes.codebooks)?;
    let symbols = order.gather(&array.codes);
    let mut content = CodesContent {
        medium: order.medium(),
        model: CodesModel::Adaptive,
        vocabularies,
        per_segment: codes.segment_codes.get() as u64,
        side: array.side.to_bytes(),
    };
    let (coding, verifying) = if options.verify { (0.0..0.5, 0.5..1.0) } else { (0.0..1.0, 1.0..1.0) };
    let payloads = match options.model.as_deref() {
        None => {
            let bits = segments::bits(&content.vocabularies, symbols.len());
            let meter = Meter::of_symbols(&options.execution, bits, coding);
            segments::encode(&symbols, &order, &content, &options.execution, &meter)?
        }
        Some(model) if model.frame_heads().is_some() => {
            let (payloads, per_segment) =
                frames::encode(&symbols, &order, &content.vocabularies, model, options, coding)?;
            (content.model, content.per_segment) = (CodesModel::FrameHeads(model.reference()), per_segment);
            payloads
        }
        Some(model) => {
            let (payloads, per_segment) = sequence::codes::encode(&symbols, order.layers(), model, options, coding)?;
            (content.model, content.per_segment) = (CodesModel::Named(model.reference()), per_segment);
            payloads
        }
    };
    let header = Header {
        original_length: bytes.len() as u64,
        original_checksum: Checksum::of(bytes),
        content: Content::Codes(content),
        payloads: payloads.iter().map(|payload| Payload::of(payload)).collect(),
    };
    let mut file = header.to_bytes();
    payloads.iter().for_each(|payload| file.extend_from_slice(payload));
    if file.len() >= bytes.len() && !options.always_model {
        let reason = format!("the modelled form's {} bytes are no fewer than the file's {}", file.len(), bytes.len());
        return store(bytes, reason, options);
    }
    if options.verify {
        let problem = match decode_share(&file, &options.decode_options(), verifying) {
            Ok(decoded) if decoded == bytes => None,
            Ok(_) => Some("the decoded bytes differ".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            return store(bytes, format!("verification of the modelled form failed: {problem}"), options);
        }
    }
    Ok(Encoded {
        bytes: file,
        mode: Mode::Modelled,
        model: Some(options.model.as_ref().map_or(ADAPTIVE, |model| model.name()).to_owned()),
        notes: Vec::new(),
        converted_from: None,
        original_bytes: bytes.len(),
        symbols: Some(symbols.len() as u64),
    })
}

/// The adaptive model's name in reports.
pub const ADAPTIVE: &str = "adaptive";

/// The codebook sizes as stated, or as the codes need them; every code is checked against them.
fn vocabularies(array: &CodeArray, order: &CodingOrder, stated: &[u32]) -> Result<Vec<u32>, Error> {
    let layers = order.layers();
    if stated.is_empty() {
        return Ok(vec![u32::from(array.codes.iter().copied().max().unwrap_or(0)) + 1]);
    }
    if let Some(size) = stated.iter().find(|&&size| size == 0 || size > codes::MAX_CODEBOOK) {
        return Err(Error::Option(format!("a codebook of {size}; sizes are 1..={}", codes::MAX_CODEBOOK)));
    }
    if stated.len() != 1 && stated.len() != layers {
        return Err(Error::Option(format!("{} codebook sizes for {layers} layers", stated.len())));
    }
    for (place, &found) in array.codes.iter().enumerate() {
        let codebook = stated[if stated.len() == 1 { 0 } else { order.layer_of(place) }];
        if u32::from(found) >= codebook {
            return Err(CodesError::Codebook { index: unravel(place, &array.side.shape), found, codebook }.into());
        }
    }
    Ok(stated.to_vec())
}

/// A file of codes whose header has been read and found plausible.
pub(crate) struct OpenedCodes {
    pub(crate) side: CodeSide,
    pub(crate) order: CodingOrder,
}

/// Checks what a header says of its codes against the limits and its own segments.
pub(crate) fn open_codes(content: &CodesContent, header: &Header, limits: &Limits) -> Result<OpenedCodes, Error> {
    let base = header.side_offset();
    let side = CodeSide::from_bytes(&content.side, header.original_length).map_err(|error| match error {
        CodesError::Malformed { what, offset } => Error::malformed(base + offset, what),
        other => Error::malformed(base, other.to_string()),
    })?;
    if side.file_length() != header.original_length {
        let what = format!("{} bytes of original where the codes need {}", header.original_length, side.file_length());
        return Err(Error::malformed(base, what));
    }
    Error::limit("codes", side.count() as u64, limits.max_codes)?;
    let fault = |what| Error::malformed(base + content.side.len(), what);
    let size = |value: u64| usize::try_from(value).map_err(|_| fault(format!("a grid of {value}")));
    let medium = match content.medium {
        CodeMedium::Vq { height, width } => CodesMedium::Vq { grid: Some((size(height)?, size(width)?)) },
        CodeMedium::Rvq { layers_first } => CodesMedium::Rvq { layers_first },
    };
    let order = CodingOrder::new(&medium, &side.shape).map_err(fault)?;
    if content.vocabularies.len() != 1 && content.vocabularies.len() != order.layers() {
        return Err(fault(format!("{} vocabularies for {} layers", content.vocabularies.len(), order.layers())));
    }
    let expected = (side.count() as u64).div_ceil(content.per_segment);
    // The number of chunks or pieces is checked when the model, and so their length, is known.
    if content.model == CodesModel::Adaptive && expected != header.payloads.len() as u64 {
        return Err(fault(format!("{} segments where the codes need {expected}", header.payloads.len())));
    }
    Ok(OpenedCodes { side, order })
}

/// Decodes the payloads; codes of faulty segments are 0.
pub(crate) fn decode_codes(
    content: &CodesContent,
    header: &Header,
    payloads: &[Result<&[u8], Error>],
    options: &DecodeOptions,
    share: Range<f64>,
) -> Result<(CodeArray, Vec<SegmentFault>), Error> {
    let OpenedCodes { side, order } = open_codes(content, header, &options.limits)?;
    let base = header.side_offset() + content.side.len();
    let symbols = match &content.model {
        CodesModel::Adaptive => None,
        CodesModel::Named(model) => {
            let (model, layers, place) = (model.find(&options.models)?, order.layers(), (base, share.clone()));
            let per_segment = content.per_segment;
            Some(sequence::codes::decode(side.count(), layers, &model, per_segment, payloads, options, place)?)
        }
        CodesModel::FrameHeads(model) => {
            let (model, place) = (model.find(&options.models)?, (base, share.clone()));
            Some(frames::decode(side.count(), &order, &model, content.per_segment, payloads, options, place)?)
        }
    };
    if let Some((symbols, faults)) = symbols {
        return Ok((CodeArray { codes: order.scatter(&symbols), side }, faults));
    }
    let meter = Meter::of_symbols(&options.execution, segments::bits(&content.vocabularies, side.count()), share);
    let (symbols, faults) = segments::decode(side.count(), &order, content, payloads, &options.execution, &meter)?;
    Ok((CodeArray { codes: order.scatter(&symbols), side }, faults))
}

/// What [`inspect`](crate::inspect()) tells of a file of codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodesInspection {
    /// `vq` or `rvq`.
    pub medium: &'static str,
    /// `adaptive`, or the first 16 bytes of the model's SHA-256 in hexadecimal, and its name.
    pub model: String,
    /// Bytes of the serialized side information.
    pub side_information_bytes: usize,
    /// Type of the elements in the original file.
    pub element: &'static str,
    /// Shape of the array in the original file.
    pub shape: Vec<usize>,
    /// Rows and columns of a VQ grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<(usize, usize)>,
    /// RVQ layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Codebook sizes; one stands for all layers.
    pub codebooks: Vec<u32>,
    /// Codes.
    pub codes: usize,
    /// Codes (adaptive model), chunks (sequence models) or pieces (frame heads) of every segment but the last.
    pub per_segment: u64,
}

pub(crate) fn inspect_codes(content: &CodesContent, opened: &OpenedCodes) -> CodesInspection {
    let vq = matches!(content.medium, CodeMedium::Vq { .. });
    CodesInspection {
        medium: if vq { "vq" } else { "rvq" },
        model: match content.model.reference() {
            None => ADAPTIVE.into(),
            Some(model) => format!("{} {}", model.id, model.name).trim_end().to_owned(),
        },
        side_information_bytes: content.side.len(),
        element: opened.side.element.name(),
        shape: opened.side.shape.clone(),
        grid: opened.order.grid(),
        layers: (!vq).then(|| opened.order.layers()),
        codebooks: content.vocabularies.clone(),
        codes: opened.side.count(),
        per_segment: content.per_segment,
    }
}
