//! Codebook indices under the adaptive model: a segment is some codes, and the model starts anew in each.
//!
//! The first byte of a payload says how it is coded: with the adaptive model, or every code alike where that is shorter, so
//! that no file grows by more than a few bytes.

use std::num::NonZeroUsize;
use std::ops::Range;

use lmcodec_entropy::adaptive::CodeSegment;
use lmcodec_entropy::coder::{RangeEncoder, SymbolSink, SymbolSource};

use super::order::CodingOrder;
use super::{CodedSymbols, Symbols, segments_offset};
use crate::container::{CodesContent, CodesModel, Header};
use crate::error::Error;
use crate::fault::{SegmentFault, SegmentPlace};
use crate::media::CodedFile;
use crate::media::payloads::{self, Meter, Segments, check_count};
use crate::options::EncodeOptions;

/// Every code has the same probability.
const UNIFORM: u8 = 0;
const ADAPTIVE: u8 = 1;
/// Bytes that coding every code alike must save.
const UNIFORM_MARGIN: u64 = 8;
/// Bits after the point of a logarithm.
const LOG_FRACTION: u32 = 24;

/// The base-2 logarithm of a number from 1 on, in integers, so that a file depends on no library of floats.
fn log2(number: u32) -> u64 {
    let whole = number.ilog2();
    // The mantissa in units of 2^-31. Squaring it doubles its logarithm, whose next bit shows as a carry.
    let mut mantissa = u64::from(number) << (31 - whole);
    (0..LOG_FRACTION).fold(u64::from(whole), |log, _| {
        mantissa = (mantissa * mantissa) >> 31;
        let carry = mantissa >> 32;
        mantissa >>= carry;
        log << 1 | carry
    })
}

/// The segments of some codes.
pub(crate) struct CodeSegments<'a> {
    order: &'a CodingOrder,
    vocabularies: &'a [u32],
    /// Codes in all.
    codes: usize,
    per_segment: usize,
}

impl<'a> CodeSegments<'a> {
    /// Those of a coded file.
    pub(crate) fn of_file(order: &'a CodingOrder, codes: usize, content: &'a CodesContent) -> Self {
        let per_segment = usize::try_from(content.per_segment).unwrap_or(usize::MAX);
        Self { order, vocabularies: &content.vocabularies, codes, per_segment }
    }

    /// How many bits the codes have: what a [`Meter`] counts.
    fn bits(&self) -> u64 {
        let sum: u64 = self.vocabularies.iter().map(|&v| u64::from(u32::BITS - (v - 1).leading_zeros())).sum();
        sum * self.codes as u64 / self.vocabularies.len().max(1) as u64
    }

    /// The codes of a segment, in coding order.
    pub(crate) fn range(&self, segment: usize) -> Range<usize> {
        // Segments start inside the codes, so nothing overflows.
        let start = segment * self.per_segment;
        start..start.saturating_add(self.per_segment).min(self.codes)
    }

    fn vocabulary(&self, index: usize) -> u32 {
        self.vocabularies[index % self.vocabularies.len()]
    }

    /// Bytes that a segment takes with every code alike, rounded down.
    fn uniform_bytes(&self, range: &Range<usize>) -> u64 {
        // A sum over one period of the vocabularies.
        let period = self.vocabularies.len().min(range.len()).max(1);
        let sum: u64 = (range.start..).take(period).map(|index| log2(self.vocabulary(index))).sum();
        ((u128::from(sum) * range.len() as u128 / period as u128) >> (LOG_FRACTION + 3)) as u64
    }

    fn adaptive(&self, start: usize) -> CodeSegment<'_> {
        CodeSegment { layout: self.order.layout(), vocabularies: self.vocabularies, start }
    }

    fn encode(&self, segment: usize, symbols: &[u16], meter: &Meter) -> Result<Vec<u8>, Error> {
        let range = self.range(segment);
        let codes = &symbols[range.clone()];
        let adaptive = meter.encode(|sink| {
            self.adaptive(range.start).encode(codes, sink);
            Ok::<_, Error>(())
        })?;
        let (method, code) = if adaptive.len() as u64 <= self.uniform_bytes(&range) + UNIFORM_MARGIN {
            (ADAPTIVE, adaptive)
        } else {
            let mut uniform = RangeEncoder::new();
            let indexed = range.zip(codes);
            indexed.for_each(|(index, &code)| uniform.code(u32::from(code), 1, self.vocabulary(index)));
            (UNIFORM, uniform.finish())
        };
        Ok([&[method], code.as_slice()].concat())
    }
}

impl Segments for CodeSegments<'_> {
    type Latents = Vec<u16>;

    fn count(&self) -> usize {
        self.codes.div_ceil(self.per_segment)
    }

    fn place(&self, segment: usize) -> SegmentPlace {
        SegmentPlace::Codes(self.range(segment))
    }

    fn decode(&self, segment: usize, payload: &[u8], meter: &Meter) -> Result<Vec<u16>, String> {
        let range = self.range(segment);
        let mut codes = vec![0; range.len()];
        let (&method, payload) = payload.split_first().ok_or("an empty payload")?;
        meter.decode(payload, |source| {
            match method {
                UNIFORM => {
                    for (index, code) in range.clone().zip(&mut codes) {
                        let vocabulary = self.vocabulary(index);
                        let symbol = source.target(vocabulary);
                        source.advance(symbol, 1, vocabulary);
                        *code = symbol as u16;
                    }
                }
                ADAPTIVE => self.adaptive(range.start).decode(&mut codes, source),
                other => return Err(format!("method {other}; {UNIFORM} and {ADAPTIVE} are read")),
            }
            Ok(())
        })?;
        Ok(codes)
    }
}

/// Codes the symbols in segments of about so many.
pub(super) fn encode(
    input: &Symbols<'_>,
    segment_codes: NonZeroUsize,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<CodedSymbols, Error> {
    let Symbols { symbols, order, vocabularies } = *input;
    let segments = CodeSegments { order, vocabularies, codes: symbols.len(), per_segment: segment_codes.get() };
    let meter = Meter::new(&options.execution, share, || segments.bits());
    let payloads =
        options.execution.in_parallel(segments.count(), |segment| segments.encode(segment, symbols, &meter))?;
    Ok(CodedSymbols { payloads, model: CodesModel::Adaptive, per_segment: segment_codes.get() as u64 })
}

/// Checks the number of segments that a header states.
pub(super) fn check(codes: usize, content: &CodesContent, header: &Header) -> Result<(), Error> {
    let needed = usize::try_from((codes as u64).div_ceil(content.per_segment)).unwrap_or(usize::MAX);
    check_count(header.payloads.len(), needed, "codes need", segments_offset(content, header))
}

/// Decodes the symbols; those of faulty segments are 0.
pub(super) fn decode(
    codes: usize,
    order: &CodingOrder,
    content: &CodesContent,
    file: &CodedFile<'_>,
) -> Result<(Vec<u16>, Vec<SegmentFault>), Error> {
    let segments = CodeSegments::of_file(order, codes, content);
    let meter = Meter::new(&file.options.execution, file.share.clone(), || segments.bits());
    let mut symbols = vec![0; codes];
    let accept = |segment, codes: Vec<u16>| symbols[segments.range(segment)].copy_from_slice(&codes);
    let faults = payloads::decode(&segments, file.payloads, &file.options.execution, &meter, accept)?;
    Ok((symbols, faults))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_floats() {
        for number in (1..70_000).chain([1 << 20, u32::MAX]) {
            let (found, expected) = (log2(number), f64::from(number).log2() * f64::from(1 << LOG_FRACTION));
            assert!((found as f64 - expected).abs() <= 2.0, "{number}: {found}, {expected}");
        }
        assert_eq!(log2(1 << 16), 16 << LOG_FRACTION);
    }
}
