//! Segments of codes: coded on their own, by several threads, and damaged alone.
//!
//! The first byte of a payload says how it is coded: with the adaptive model, or every code alike where that is shorter, so
//! that no file grows by more than a few bytes.

use std::ops::Range;

use lmcodec_entropy::adaptive::CodeSegment;
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder, SymbolSink, SymbolSource};

use super::shape::CodingOrder;
use crate::container::CodesContent;
use crate::error::Error;
use crate::options::Execution;
use crate::segments::{Meter, Metered, SegmentFault, SegmentPlace, in_parallel};

/// Every code has the same probability.
const UNIFORM: u8 = 0;
const ADAPTIVE: u8 = 1;

/// How many bits the codes have: what a [`Meter`] counts.
pub(crate) fn bits(vocabularies: &[u32], count: usize) -> u64 {
    let sum: u64 = vocabularies.iter().map(|&v| u64::from(u32::BITS - (v - 1).leading_zeros())).sum();
    sum * count as u64 / vocabularies.len().max(1) as u64
}

fn range(segment: usize, count: usize, content: &CodesContent) -> Range<usize> {
    // Segments start inside the codes, so nothing overflows.
    let size = usize::try_from(content.per_segment).unwrap_or(usize::MAX);
    let start = segment * size;
    start..start.saturating_add(size).min(count)
}

/// Codes all segments; the payloads in order.
pub(crate) fn encode(
    symbols: &[u16],
    order: &CodingOrder,
    content: &CodesContent,
    execution: &Execution,
    meter: &Meter,
) -> Result<Vec<Vec<u8>>, Error> {
    let count = symbols.len().div_ceil(usize::try_from(content.per_segment).unwrap_or(usize::MAX));
    in_parallel(execution, count, |segment| {
        let range = range(segment, symbols.len(), content);
        let codes = &symbols[range.clone()];
        let mut sink = Metered::new(RangeEncoder::new(), meter);
        segment_of(range.start, order, content).encode(codes, &mut sink);
        let adaptive = sink.coder.finish();
        let uniform = uniform_length(codes.len(), range.start, content);
        let (method, code) = if adaptive.len() <= uniform {
            (ADAPTIVE, adaptive)
        } else {
            (UNIFORM, encode_uniform(codes, range.start, content))
        };
        let mut payload = Vec::with_capacity(1 + code.len());
        payload.push(method);
        payload.extend_from_slice(&code);
        Ok(payload)
    })
}

/// Decodes all segments; faulty ones are zeros and returned.
pub(crate) fn decode(
    count: usize,
    order: &CodingOrder,
    content: &CodesContent,
    payloads: &[Result<&[u8], Error>],
    execution: &Execution,
    meter: &Meter,
) -> Result<(Vec<u16>, Vec<SegmentFault>), Error> {
    let decoded = in_parallel(execution, payloads.len(), |segment| {
        let range = range(segment, count, content);
        let mut codes = vec![0; range.len()];
        let result = match &payloads[segment] {
            Ok(bytes) => decode_segment(bytes, &mut codes, range.start, order, content, meter),
            Err(error) => Err(error.to_string()),
        };
        Ok(result.map(|()| codes))
    })?;
    let (mut symbols, mut faults) = (vec![0; count], Vec::new());
    for (segment, decoded) in decoded.into_iter().enumerate() {
        let range = range(segment, count, content);
        match decoded {
            Ok(codes) => symbols[range].copy_from_slice(&codes),
            Err(what) => faults.push(SegmentFault { segment, place: SegmentPlace::Codes(range), what }),
        }
    }
    Ok((symbols, faults))
}

fn decode_segment(
    bytes: &[u8],
    codes: &mut [u16],
    start: usize,
    order: &CodingOrder,
    content: &CodesContent,
    meter: &Meter,
) -> Result<(), String> {
    let (&method, bytes) = bytes.split_first().ok_or("an empty payload")?;
    let mut source = Metered::new(RangeDecoder::new(bytes), meter);
    match method {
        UNIFORM => {
            for (i, code) in codes.iter_mut().enumerate() {
                let vocabulary = vocabulary(start + i, content);
                let symbol = source.target(vocabulary);
                source.advance(symbol, 1, vocabulary);
                *code = symbol as u16;
            }
        }
        ADAPTIVE => segment_of(start, order, content).decode(codes, &mut source),
        other => return Err(format!("method {other}; {UNIFORM} and {ADAPTIVE} are read")),
    }
    source.coder.finish().map_err(|error| error.to_string())
}

fn segment_of<'a>(start: usize, order: &CodingOrder, content: &'a CodesContent) -> CodeSegment<'a> {
    CodeSegment { layout: order.layout(), vocabularies: &content.vocabularies, start }
}

fn vocabulary(index: usize, content: &CodesContent) -> u32 {
    content.vocabularies[index % content.vocabularies.len()]
}

fn encode_uniform(codes: &[u16], start: usize, content: &CodesContent) -> Vec<u8> {
    let mut sink = RangeEncoder::new();
    for (i, &code) in codes.iter().enumerate() {
        sink.code(u32::from(code), 1, vocabulary(start + i, content));
    }
    sink.finish()
}

/// About what [`encode_uniform`] takes, in bytes, at most.
fn uniform_length(count: usize, start: usize, content: &CodesContent) -> usize {
    // A sum over one period of the vocabularies; the reports' float decides the method, not the meaning of any bit.
    let period = content.vocabularies.len();
    let bits: f64 = (0..period.min(count)).map(|i| f64::from(vocabulary(start + i, content)).log2()).sum();
    (bits * count as f64 / period.min(count).max(1) as f64 / 8.0) as usize + 8
}
