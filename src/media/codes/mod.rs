//! Codebook indices ⇄ payloads: an array is brought into coding order ([`order`]), cut into segments and coded with the
//! adaptive model ([`adaptive`]), frame heads ([`heads`]) or a sequence Llama ([`sequence`]).

pub(crate) mod adaptive;
pub(crate) mod heads;
pub(crate) mod order;
mod sequence;

use std::ops::Range;

use lmcodec_codecs::codes::{CodeArray, CodeSide, CodesError, MAX_CODEBOOK, unravel};

use super::{Coded, CodedFile};
use crate::container::{CodeMedium, CodesContent, CodesModel, Content, Header};
use crate::error::Error;
use crate::fault::SegmentFault;
use crate::limits::Limits;
use crate::options::{CodesMedium, CodesOptions, DEFAULT_SEGMENT_CODES, EncodeOptions};
use order::CodingOrder;

/// The adaptive model's name in reports.
pub(crate) const ADAPTIVE: &str = "adaptive";

/// Codes in coding order, as a model takes them.
#[derive(Clone, Copy)]
struct Symbols<'a> {
    symbols: &'a [u16],
    order: &'a CodingOrder,
    /// Codebook sizes: one for all layers, or one for each.
    vocabularies: &'a [u32],
}

/// What a model has made of them.
struct CodedSymbols {
    payloads: Vec<Vec<u8>>,
    model: CodesModel,
    /// Codes or chunks of every segment but the last.
    per_segment: u64,
}

/// Codes an array with the model of the options, or with the adaptive one.
pub(crate) fn encode(
    array: &CodeArray,
    codes: &CodesOptions,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<Coded, Error> {
    Error::limit("codes", array.codes.len() as u64, options.limits.max_codes)?;
    let order = CodingOrder::new(&codes.medium, &array.side.shape).map_err(Error::InvalidOption)?;
    let vocabularies = vocabularies(array, &order, &codes.codebooks)?;
    let symbols = order.gather(&array.codes);
    let input = Symbols { symbols: &symbols, order: &order, vocabularies: &vocabularies };
    let coded = match options.model.as_deref() {
        None => adaptive::encode(&input, codes.segment_codes.unwrap_or(DEFAULT_SEGMENT_CODES), options, share)?,
        Some(model) if model.frame_heads().is_some() => {
            heads::encode(&input, model, codes.segment_codes, options, share)?
        }
        Some(model) => sequence::encode(&input, model, codes.segment_codes, options, share)?,
    };
    let content = CodesContent {
        medium: order.medium(),
        model: coded.model,
        vocabularies,
        per_segment: coded.per_segment,
        side: array.side.to_bytes(),
    };
    let model = options.model.as_ref().map_or(ADAPTIVE, |model| model.name()).to_owned();
    let symbols = Some(symbols.len() as u64);
    Ok(Coded { content: Content::Codes(content), payloads: coded.payloads, model, symbols })
}

/// The codebook sizes as stated, or as the codes need them; every code is checked against them.
fn vocabularies(array: &CodeArray, order: &CodingOrder, stated: &[u32]) -> Result<Vec<u32>, Error> {
    let layers = order.layers();
    if stated.is_empty() {
        return Ok(vec![u32::from(array.codes.iter().copied().max().unwrap_or(0)) + 1]);
    }
    if let Some(size) = stated.iter().find(|&&size| size == 0 || size > MAX_CODEBOOK) {
        return Err(Error::InvalidOption(format!("a codebook of {size}; sizes are 1..={MAX_CODEBOOK}")));
    }
    if stated.len() != 1 && stated.len() != layers {
        return Err(Error::InvalidOption(format!("{} codebook sizes for {layers} layers", stated.len())));
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
pub(crate) fn open(content: &CodesContent, header: &Header, limits: &Limits) -> Result<OpenedCodes, Error> {
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
    // The number of chunks is checked when the model, and so their length, is known.
    if content.model == CodesModel::Adaptive {
        adaptive::check(side.count(), content, header)?;
    }
    Ok(OpenedCodes { side, order })
}

/// Decodes an array; codes of faulty segments are 0.
pub(crate) fn decode(content: &CodesContent, file: &CodedFile<'_>) -> Result<(CodeArray, Vec<SegmentFault>), Error> {
    let OpenedCodes { side, order } = open(content, file.header, &file.options.limits)?;
    let (models, count) = (&file.options.models, side.count());
    let (symbols, faults) = match &content.model {
        CodesModel::Adaptive => adaptive::decode(count, &order, content, file)?,
        CodesModel::Named(model) => {
            let model = models.find_reference(model)?;
            sequence::decode(count, &order, &model, content, file)?
        }
        CodesModel::FrameHeads(model) => {
            let model = models.find_reference(model)?;
            heads::decode(count, &order, &model, content, file)?
        }
    };
    Ok((CodeArray { codes: order.scatter(&symbols), side }, faults))
}

/// Where the header says what the segments are: offset for messages.
fn segments_offset(content: &CodesContent, header: &Header) -> usize {
    header.side_offset() + content.side.len()
}
