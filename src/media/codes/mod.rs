//! Codebook indices ⇄ payloads: arrays are brought into coding order ([`order`]), cut into segments and coded with the
//! adaptive model ([`adaptive`]), frame heads ([`heads`]) or a sequence Llama ([`sequence`]).

pub(crate) mod adaptive;
pub(crate) mod heads;
pub(crate) mod order;
mod sequence;

use std::ops::Range;

use lmcodec_codecs::codes::{ArraySide, CodesError, FileSide, MAX_CODEBOOK, ValueMap, unravel};

use super::{Coded, CodedFile};
use crate::container::{CodeMedium, CodesContent, CodesModel, Content, Header};
use crate::encoded::CodesSummary;
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

/// Codes a file's arrays with the model of the options, or with the adaptive one. `symbols` are those of every array in C order.
pub(crate) fn encode(
    side: &FileSide,
    symbols: Vec<Vec<u16>>,
    codes: &CodesOptions,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<Coded, Error> {
    Error::limit("codes", side.count() as u64, options.limits.max_codes)?;
    let mut arrays = Vec::with_capacity(side.arrays.len());
    let mut about = CodesSummary::default();
    for (array, own) in side.arrays.iter().zip(&symbols) {
        let order = CodingOrder::new(&codes.medium, &array.shape, array.values.digits());
        let order = order.map_err(Error::InvalidOption)?;
        let (values, found) = match array.values {
            ValueMap::Start(whole) => (&side.arrays[whole].values, symbols[whole].as_slice()),
            _ => (&array.values, own.as_slice()),
        };
        let found = &found[..array.count() * values.digits()];
        let greatest = greatest(&array.shape, values, found, &order, &codes.codebooks)?;
        about.add(array.count(), &codes.codebooks, greatest as f64 + 1.0);
        let vocabularies = vocabularies(&array.values, own, &order, &codes.codebooks, greatest);
        let codes = array.symbols() / array.values.digits();
        arrays.push(CodedArray { order, vocabularies, codes });
    }
    // Of more vocabularies than a header states the greatest stands for all.
    let listed = arrays.iter().map(|a| a.order.period()).sum::<usize>() <= CodesContent::MAX_VOCABULARIES;
    if !listed {
        let greatest = arrays.iter().flat_map(|a| &a.vocabularies).copied().max().unwrap_or(1);
        arrays.iter_mut().for_each(|a| a.vocabularies = vec![greatest]);
    }
    let symbols: Vec<_> = symbols.into_iter().zip(&arrays).map(|(symbols, a)| a.order.gather(symbols)).collect();
    let coded = match options.model.as_deref() {
        None => {
            let segment_codes = codes.segment_codes.unwrap_or(DEFAULT_SEGMENT_CODES);
            adaptive::encode(&symbols, &arrays, segment_codes, options, share)?
        }
        Some(model) => {
            let [array] = arrays.as_slice() else {
                let what = format!("model {} codes one array; the file has {}", model.name(), arrays.len());
                return Err(Error::InvalidOption(what));
            };
            if array.order.digits() > 1 {
                let what =
                    format!("model {} codes numbers below {MAX_CODEBOOK}; the array has greater ones", model.name());
                return Err(Error::InvalidOption(what));
            }
            let CodedArray { order, vocabularies, .. } = array;
            let input = Symbols { symbols: &symbols[0], order, vocabularies };
            match model.frame_heads() {
                Some(_) => heads::encode(&input, model, codes.segment_codes, options, share)?,
                None => sequence::encode(&input, model, codes.segment_codes, options, share)?,
            }
        }
    };
    let content = CodesContent {
        medium: match (codes.medium, arrays.as_slice()) {
            (CodesMedium::Vq { grid: None }, [_, _, ..]) => CodeMedium::Vq { height: 0, width: 0 },
            (CodesMedium::Rvq { layers_first }, [_, _, ..]) => CodeMedium::Rvq { layers_first },
            _ => arrays[0].order.medium(),
        },
        model: coded.model,
        vocabularies: match arrays.as_slice() {
            [array] => array.vocabularies.clone(),
            [first, ..] if !listed => first.vocabularies.clone(),
            // One entry stands for every symbol of one array only.
            _ => arrays.iter().flat_map(|a| a.vocabularies.iter().cycle().take(a.order.period())).copied().collect(),
        },
        per_segment: coded.per_segment,
        side: side.to_bytes(),
    };
    let model = options.model.as_ref().map_or(ADAPTIVE, |model| model.name()).to_owned();
    let count = symbols.iter().map(|symbols| symbols.len() as u64).sum();
    Ok(Coded {
        content: Content::Codes(content),
        payloads: coded.payloads,
        model,
        symbols: Some(count),
        codes: Some(about),
        notes: notes(side, &codes.medium),
    })
}

/// Layers are few and steps many: where it looks the other way round, somebody should know.
fn notes(side: &FileSide, medium: &CodesMedium) -> Vec<String> {
    const MOST_LAYERS: usize = 64;
    let swapped = |array: &&ArraySide| matches!(array.shape[..], [.., steps, layers] if layers > MOST_LAYERS && (2..=MOST_LAYERS).contains(&steps));
    match (medium, side.arrays.iter().find(swapped)) {
        (CodesMedium::Rvq { layers_first: false }, Some(ArraySide { shape, .. })) => {
            let [.., steps, layers] = shape[..] else { return Vec::new() };
            vec![format!(
                "shape {shape:?} was coded as {steps} steps of {layers} layers; if it is {steps} layers of {layers} steps, \
                 --layers-first makes a smaller file"
            )]
        }
        _ => Vec::new(),
    }
}

/// The greatest code of an array, 0 if there is none. Every code is checked against the codebook sizes that are stated; values
/// below 0 are no codes.
fn greatest(
    shape: &[usize],
    values: &ValueMap,
    symbols: &[u16],
    order: &CodingOrder,
    stated: &[u32],
) -> Result<i128, Error> {
    let layers = order.layers();
    if stated.contains(&0) {
        return Err(Error::InvalidOption("a codebook of 0".into()));
    }
    if !stated.is_empty() && stated.len() != 1 && stated.len() != layers {
        return Err(Error::InvalidOption(format!("{} codebook sizes for {layers} layers", stated.len())));
    }
    let mut greatest = 0;
    let found = symbols.chunks_exact(values.digits()).map(values.reader()).map(Option::unwrap_or_default);
    for (place, found) in found.enumerate() {
        greatest = found.max(greatest);
        let Some(&first) = stated.first() else { continue };
        let codebook = if stated.len() == 1 { first } else { stated[order.layer_of(place)] };
        if found >= i128::from(codebook) {
            return Err(CodesError::Codebook { index: unravel(place, shape), found, codebook }.into());
        }
    }
    Ok(greatest)
}

/// The vocabularies of an array: the codebook sizes as stated, or as the symbols need them.
fn vocabularies(values: &ValueMap, symbols: &[u16], order: &CodingOrder, stated: &[u32], greatest: i128) -> Vec<u32> {
    match values {
        ValueMap::Same if stated.is_empty() => vec![greatest as u32 + 1],
        ValueMap::Same => stated.iter().map(|&size| size.min(MAX_CODEBOOK)).collect(),
        ValueMap::Runs(_) => vec![values.alphabet()],
        // It has no symbols.
        ValueMap::Start(_) => vec![1],
        ValueMap::Digits { digits, .. } => {
            let digits = *digits as usize;
            let top = symbols.iter().step_by(digits).copied().max().unwrap_or(0);
            let digit = |i| if i % digits == 0 { u32::from(top) + 1 } else { values.alphabet() };
            (0..order.period()).map(digit).collect()
        }
    }
}

/// An array as it is coded.
pub(crate) struct CodedArray {
    pub(crate) order: CodingOrder,
    /// One for every symbol, or one for each of a period.
    pub(crate) vocabularies: Vec<u32>,
    pub(crate) codes: usize,
}

/// A file of codes whose header has been read and found plausible.
pub(crate) struct OpenedCodes {
    pub(crate) side: FileSide,
    /// One for each of `side`.
    pub(crate) arrays: Vec<CodedArray>,
}

/// Checks what a header says of its codes against the limits and its own segments.
pub(crate) fn open(content: &CodesContent, header: &Header, limits: &Limits) -> Result<OpenedCodes, Error> {
    let base = header.side_offset();
    let side = FileSide::from_bytes(&content.side, header.original_length).map_err(|error| match error {
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
        CodeMedium::Vq { height: 0, .. } => CodesMedium::Vq { grid: None },
        CodeMedium::Vq { height, width } => CodesMedium::Vq { grid: Some((size(height)?, size(width)?)) },
        CodeMedium::Rvq { layers_first } => CodesMedium::Rvq { layers_first },
    };
    let mut vocabularies = content.vocabularies.as_slice();
    let mut arrays = Vec::with_capacity(side.arrays.len());
    for array in &side.arrays {
        let order = CodingOrder::new(&medium, &array.shape, array.values.digits()).map_err(fault)?;
        let of_array = match content.vocabularies.as_slice() {
            [one] => vec![*one],
            _ => {
                let (of_array, rest) = vocabularies.split_at_checked(order.period()).unwrap_or_default();
                vocabularies = rest;
                of_array.to_vec()
            }
        };
        if of_array.is_empty() {
            let what = format!("{} vocabularies for more layers", content.vocabularies.len());
            return Err(fault(what));
        }
        let codes = array.symbols() / array.values.digits();
        arrays.push(CodedArray { order, vocabularies: of_array, codes });
    }
    if content.vocabularies.len() > 1 && !vocabularies.is_empty() {
        let layers: usize = arrays.iter().map(|array| array.order.period()).sum();
        return Err(fault(format!("{} vocabularies for {layers} layers", content.vocabularies.len())));
    }
    match (&content.model, arrays.as_slice()) {
        (CodesModel::Adaptive, _) => adaptive::check(&arrays, content, header)?,
        // The number of chunks is checked when the model, and so their length, is known.
        (_, [array]) if array.order.digits() == 1 => {}
        _ => return Err(fault(format!("a model for {} arrays or digits", arrays.len()))),
    }
    Ok(OpenedCodes { side, arrays })
}

/// A file of codes without its checks.
pub(crate) struct DecodedCodes {
    pub(crate) side: FileSide,
    /// Symbols of every array in C order; 0 where segments are faulty.
    pub(crate) symbols: Vec<Vec<u16>>,
    pub(crate) faults: Vec<SegmentFault>,
}

/// Decodes a file.
pub(crate) fn decode(content: &CodesContent, file: &CodedFile<'_>) -> Result<DecodedCodes, Error> {
    let OpenedCodes { side, arrays } = open(content, file.header, &file.options.limits)?;
    let models = &file.options.models;
    let CodedArray { order, codes, .. } = &arrays[0];
    let (symbols, faults) = match &content.model {
        CodesModel::Adaptive => adaptive::decode(&arrays, content, file)?,
        CodesModel::Named(model) => {
            let model = models.find_reference(model)?;
            let (symbols, faults) = sequence::decode(*codes, order, &model, content, file)?;
            (vec![symbols], faults)
        }
        CodesModel::FrameHeads(model) => {
            let model = models.find_reference(model)?;
            let (symbols, faults) = heads::decode(*codes, order, &model, content, file)?;
            (vec![symbols], faults)
        }
    };
    let symbols = symbols.into_iter().zip(&arrays).map(|(symbols, array)| array.order.scatter(symbols)).collect();
    Ok(DecodedCodes { side, symbols, faults })
}

/// Where the header says what the segments are: offset for messages.
fn segments_offset(content: &CodesContent, header: &Header) -> usize {
    header.side_offset() + content.side.len()
}
