//! Codebook indices under the adaptive model: a segment is some codes, and the model starts anew in each.
//!
//! The first byte of a payload says how it is coded: with the adaptive model, or every code alike where that is shorter, so
//! that no file grows by more than a few bytes.

use std::num::NonZeroUsize;
use std::ops::Range;

use lmcodec_entropy::adaptive::CodeSegment;
use lmcodec_entropy::coder::{RangeEncoder, SymbolSink, SymbolSource};

use super::{CodedArray, CodedSymbols, segments_offset};
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

/// The segments of some arrays, those of one after those of the other.
pub(crate) struct CodeSegments<'a> {
    arrays: &'a [CodedArray],
    /// Segments and codes before each array, and in all.
    before: Vec<(usize, usize)>,
    /// Codes of every segment of an array but the last.
    per_segment: usize,
}

/// Where a segment lies.
pub(crate) struct Place {
    /// Index of its array.
    pub(crate) array: usize,
    /// Its codes, counted from the start of the array.
    pub(crate) codes: Range<usize>,
}

impl<'a> CodeSegments<'a> {
    /// Those of a coded file.
    pub(crate) fn of_file(arrays: &'a [CodedArray], content: &CodesContent) -> Self {
        Self::new(arrays, usize::try_from(content.per_segment).unwrap_or(usize::MAX))
    }

    fn new(arrays: &'a [CodedArray], per_segment: usize) -> Self {
        let mut before = vec![(0, 0)];
        let (mut segments, mut codes) = (0, 0);
        for array in arrays {
            segments += array.codes.div_ceil(per_segment);
            codes += array.codes;
            before.push((segments, codes));
        }
        Self { arrays, before, per_segment }
    }

    /// How many bits the codes have: what a [`Meter`] counts.
    fn bits(&self) -> u64 {
        let bits = |array: &CodedArray| {
            let sum: u64 = array.vocabularies.iter().map(|&v| u64::from(u32::BITS - (v - 1).leading_zeros())).sum();
            sum * (array.codes * array.order.digits()) as u64 / array.vocabularies.len().max(1) as u64
        };
        self.arrays.iter().map(bits).sum()
    }

    /// Where a segment lies.
    pub(crate) fn locate(&self, segment: usize) -> Place {
        let array = self.before.partition_point(|&(segments, _)| segments <= segment) - 1;
        // Segments start inside the codes, so nothing overflows.
        let start = (segment - self.before[array].0) * self.per_segment;
        Place { array, codes: start..start.saturating_add(self.per_segment).min(self.arrays[array].codes) }
    }

    /// Its array, and its symbols there.
    fn symbols(&self, segment: usize) -> (Symbols<'a>, usize, Range<usize>) {
        let Place { array, codes } = self.locate(segment);
        let digits = self.arrays[array].order.digits();
        (Symbols(&self.arrays[array]), array, codes.start * digits..codes.end * digits)
    }
}

/// The symbols of an array.
struct Symbols<'a>(&'a CodedArray);

impl Symbols<'_> {
    fn vocabulary(&self, index: usize) -> u32 {
        self.0.vocabularies[index % self.0.vocabularies.len()]
    }

    /// Bytes that a segment takes with every code alike, rounded down.
    fn uniform_bytes(&self, range: &Range<usize>) -> u64 {
        // A sum over one period of the vocabularies.
        let period = self.0.vocabularies.len().min(range.len()).max(1);
        let sum: u64 = (range.start..).take(period).map(|index| log2(self.vocabulary(index))).sum();
        ((u128::from(sum) * range.len() as u128 / period as u128) >> (LOG_FRACTION + 3)) as u64
    }

    fn adaptive(&self, start: usize) -> CodeSegment<'_> {
        CodeSegment { layout: self.0.order.layout(), vocabularies: &self.0.vocabularies, start }
    }

    /// The payload of `codes`, which lie at `range`.
    fn encode(&self, range: Range<usize>, codes: &[u16], meter: &Meter) -> Result<Vec<u8>, Error> {
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
        self.before[self.arrays.len()].0
    }

    fn place(&self, segment: usize) -> SegmentPlace {
        let Place { array, codes } = self.locate(segment);
        let before = self.before[array].1;
        SegmentPlace::Codes(before + codes.start..before + codes.end)
    }

    fn decode(&self, segment: usize, payload: &[u8], meter: &Meter) -> Result<Vec<u16>, String> {
        let (symbols, _, range) = self.symbols(segment);
        let mut codes = vec![0; range.len()];
        let (&method, payload) = payload.split_first().ok_or("an empty payload")?;
        meter.decode(payload, |source| {
            match method {
                UNIFORM => {
                    for (index, code) in range.clone().zip(&mut codes) {
                        let vocabulary = symbols.vocabulary(index);
                        let symbol = source.target(vocabulary);
                        source.advance(symbol, 1, vocabulary);
                        *code = symbol as u16;
                    }
                }
                ADAPTIVE => symbols.adaptive(range.start).decode(&mut codes, source),
                other => return Err(format!("method {other}; {UNIFORM} and {ADAPTIVE} are read")),
            }
            Ok(())
        })?;
        Ok(codes)
    }
}

/// Codes the symbols of every array in segments of so many codes.
pub(super) fn encode(
    symbols: &[Vec<u16>],
    arrays: &[CodedArray],
    segment_codes: NonZeroUsize,
    options: &EncodeOptions,
    share: Range<f64>,
) -> Result<CodedSymbols, Error> {
    let segments = CodeSegments::new(arrays, segment_codes.get());
    let meter = Meter::new(&options.execution, share, || segments.bits());
    let payloads = options.execution.in_parallel(segments.count(), |segment| {
        let (of_array, array, range) = segments.symbols(segment);
        of_array.encode(range.clone(), &symbols[array][range], &meter)
    })?;
    Ok(CodedSymbols { payloads, model: CodesModel::Adaptive, per_segment: segment_codes.get() as u64 })
}

/// Checks the number of segments that a header states.
pub(super) fn check(arrays: &[CodedArray], content: &CodesContent, header: &Header) -> Result<(), Error> {
    let needed = CodeSegments::of_file(arrays, content).count();
    check_count(header.payloads.len(), needed, "codes need", segments_offset(content, header))
}

/// Decodes the symbols of every array; those of faulty segments are 0.
pub(super) fn decode(
    arrays: &[CodedArray],
    content: &CodesContent,
    file: &CodedFile<'_>,
) -> Result<(Vec<Vec<u16>>, Vec<SegmentFault>), Error> {
    let segments = CodeSegments::of_file(arrays, content);
    let meter = Meter::new(&file.options.execution, file.share.clone(), || segments.bits());
    let mut symbols: Vec<_> = arrays.iter().map(|array| vec![0; array.codes * array.order.digits()]).collect();
    let accept = |segment, codes: Vec<u16>| {
        let (_, array, range) = segments.symbols(segment);
        symbols[array][range].copy_from_slice(&codes);
    };
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
