//! Segments: bands of MCU rows that are coded on their own, so that they can be coded by several threads, decoded alone,
//! and damaged alone.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use lmcodec_codecs::jpeg::{Component, JpegImage};
use lmcodec_entropy::arrangement::plane::CoefficientPlane;
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder, SymbolSink, SymbolSource};
use lmcodec_entropy::segment::{Estimation, SegmentBits, SegmentCoder, SegmentError};
use rayon::prelude::*;

use crate::error::Error;
use crate::models::Model;
use crate::options::{Execution, Progress};

/// What is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFault {
    /// Index of the segment.
    pub segment: usize,
    /// What it holds.
    pub place: SegmentPlace,
    /// What was found.
    pub what: String,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentPlace {
    /// Lines of an image.
    Lines(Range<u32>),
    /// Codes, counted in the order in which they are coded.
    Codes(Range<usize>),
    /// Chunks of a sequence model, in order.
    Chunks(Range<usize>),
}

impl fmt::Display for SegmentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, start, end) = match &self.place {
            SegmentPlace::Lines(Range { start, end }) => ("lines", *start as usize, *end as usize),
            SegmentPlace::Codes(Range { start, end }) => ("codes", *start, *end),
            SegmentPlace::Chunks(Range { start, end }) => ("chunks", *start, *end),
        };
        write!(f, "segment {} ({kind} {start}..{end}): {}", self.segment, self.what)
    }
}

/// How an image is cut into segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bands {
    mcu_rows: usize,
    rows_per_segment: usize,
    /// Lines of the image in a row of MCUs.
    lines_per_row: u32,
    lines: u32,
    /// Rows of blocks in a row of MCUs, by component.
    block_rows: Vec<usize>,
}

impl Bands {
    /// Segments of `rows_per_segment` rows of MCUs (at least 1), the last one with the rest.
    pub fn new(image: &JpegImage, rows_per_segment: usize) -> Self {
        let single = image.components.len() == 1;
        let v_max = image.components.iter().map(|c| usize::from(c.v)).max().unwrap_or(1);
        // The only component of a frame is never interleaved: its MCU is one block (T.81, A.2.2).
        let block_rows: Vec<usize> =
            image.components.iter().map(|c| if single { 1 } else { usize::from(c.v).max(1) }).collect();
        let mcu_rows = image.components.first().map_or(0, |c| c.blocks_high.div_ceil(block_rows[0]));
        Self {
            mcu_rows,
            rows_per_segment: rows_per_segment.max(1),
            lines_per_row: if single { 8 } else { 8 * v_max as u32 },
            lines: image.height,
            block_rows,
        }
    }

    /// Segments in which the first component has about `target` rows of blocks: as many segments as make the mean come
    /// nearest, all alike but for the last.
    pub fn balanced(image: &JpegImage, target: NonZeroUsize) -> Self {
        let mut bands = Self::new(image, 1);
        let blocks = bands.mcu_rows * bands.block_rows.first().copied().unwrap_or(1);
        let target = target.get();
        let count = ((2 * blocks + target) / (2 * target)).max(1);
        bands.rows_per_segment = bands.mcu_rows.div_ceil(count).max(1);
        bands
    }

    /// Segments.
    pub fn count(&self) -> usize {
        self.mcu_rows.div_ceil(self.rows_per_segment)
    }

    /// Rows of MCUs of every segment but the last.
    pub fn rows_per_segment(&self) -> usize {
        self.rows_per_segment
    }

    /// Rows of MCUs of a segment.
    pub fn rows(&self, segment: usize) -> Range<usize> {
        let start = segment * self.rows_per_segment;
        start.min(self.mcu_rows)..start.saturating_add(self.rows_per_segment).min(self.mcu_rows)
    }

    /// Lines of the image of a segment.
    pub fn lines(&self, segment: usize) -> Range<u32> {
        let rows = self.rows(segment);
        let line = |row: usize| (row as u32).saturating_mul(self.lines_per_row).min(self.lines);
        line(rows.start)..line(rows.end)
    }

    /// The coefficients of a component that belong to a segment, as a range of [`Component::coefficients`].
    fn coefficients(&self, segment: usize, index: usize, component: &Component) -> Range<usize> {
        let rows = self.rows(segment);
        let block_row = |row: usize| (row * self.block_rows[index]).min(component.blocks_high);
        let stride = component.blocks_wide * 64;
        block_row(rows.start) * stride..block_row(rows.end) * stride
    }

    /// The planes of a segment, filled from the image.
    pub(crate) fn planes(&self, segment: usize, image: &JpegImage) -> Vec<CoefficientPlane> {
        let mut planes = self.zeroed(segment, image);
        for (index, (plane, component)) in planes.iter_mut().zip(&image.components).enumerate() {
            let range = self.coefficients(segment, index, component);
            plane.blocks.copy_from_slice(component.coefficients[range].as_chunks().0);
        }
        planes
    }

    pub(crate) fn zeroed(&self, segment: usize, image: &JpegImage) -> Vec<CoefficientPlane> {
        let plane = |(index, component): (usize, &Component)| {
            let blocks = self.coefficients(segment, index, component).len() / 64;
            let high = blocks.checked_div(component.blocks_wide).unwrap_or(0);
            // Damaged files have steps of 0; the model's features need at least 1.
            CoefficientPlane::zeroed(component.blocks_wide, high, component.quantization.map(|step| step.max(1)))
        };
        image.components.iter().enumerate().map(plane).collect()
    }

    /// Copies a segment's planes into the image.
    pub(crate) fn fill(&self, segment: usize, planes: &[CoefficientPlane], image: &mut JpegImage) {
        for (index, (plane, component)) in planes.iter().zip(&mut image.components).enumerate() {
            let range = self.coefficients(segment, index, component);
            component.coefficients[range].copy_from_slice(plane.blocks.as_flattened());
        }
    }
}

/// Codes every segment of an image; the payloads in order.
pub(crate) fn encode(
    image: &JpegImage,
    bands: &Bands,
    model: &Model,
    estimation: Estimation,
    execution: &Execution,
    meter: &Meter,
) -> Result<Vec<Vec<u8>>, Error> {
    let isa = execution.isa()?;
    in_parallel(execution, bands.count(), |segment| {
        let mut coder = SegmentCoder::new(model.need_frame()?, isa, estimation)
            .map_err(|source| Error::Model { name: model.name().into(), source })?;
        let mut sink = Metered::new(RangeEncoder::new(), meter);
        coder.encode(&bands.planes(segment, image), &mut sink).map_err(without_symbol)?;
        Ok(sink.coder.finish())
    })
}

/// A coefficient that the model has no symbol for; no JPEG file has one.
fn without_symbol(error: SegmentError) -> Error {
    Error::Unsupported { what: "coefficient", found: error.to_string(), supported: "up to ±32767".into() }
}

/// Counts the bits that [`encode`] would write, by segment.
pub(crate) fn count(
    image: &JpegImage,
    bands: &Bands,
    model: &Model,
    estimation: Estimation,
    execution: &Execution,
) -> Result<Vec<SegmentBits>, Error> {
    let isa = execution.isa()?;
    in_parallel(execution, bands.count(), |segment| {
        let mut coder = SegmentCoder::new(model.need_frame()?, isa, estimation)
            .map_err(|source| Error::Model { name: model.name().into(), source })?;
        coder.count(&bands.planes(segment, image)).map_err(without_symbol)
    })
}

/// Decodes the payloads into an image of zeros. Faulty segments stay zero and are returned.
pub(crate) fn decode(
    image: &mut JpegImage,
    bands: &Bands,
    payloads: &[Result<&[u8], Error>],
    model: &Model,
    estimation: Estimation,
    execution: &Execution,
    meter: &Meter,
) -> Result<Vec<SegmentFault>, Error> {
    let isa = execution.isa()?;
    let blank: &JpegImage = image;
    let decoded = in_parallel(execution, bands.count(), |segment| {
        let bytes = match &payloads[segment] {
            Ok(bytes) => *bytes,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut coder = SegmentCoder::new(model.need_frame()?, isa, estimation)
            .map_err(|source| Error::Model { name: model.name().into(), source })?;
        let mut planes = bands.zeroed(segment, blank);
        let mut source = Metered::new(RangeDecoder::new(bytes), meter);
        let result = coder.decode(&mut planes, &mut source).map_err(|error| error.to_string());
        let result = result.and_then(|()| source.coder.finish().map_err(|error| error.to_string()));
        Ok(result.map(|()| planes))
    })?;
    let mut faults = Vec::new();
    for (segment, decoded) in decoded.into_iter().enumerate() {
        match decoded {
            Ok(planes) => bands.fill(segment, &planes, image),
            Err(what) => faults.push(SegmentFault { segment, place: SegmentPlace::Lines(bands.lines(segment)), what }),
        }
    }
    Ok(faults)
}

/// `work(0..count)` in order, on as many threads as the caller allows.
pub(crate) fn in_parallel<T: Send>(
    execution: &Execution,
    count: usize,
    work: impl Fn(usize) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let all = || (0..count).into_par_iter().map(&work).collect();
    match execution.threads {
        _ if count <= 1 => (0..count).map(work).collect(),
        None => all(),
        Some(threads) if threads.get() == 1 => (0..count).map(work).collect(),
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get().min(count)).build();
            pool.map_err(|error| Error::Option(format!("{threads} threads: {error}")))?.install(all)
        }
    }
}

/// How many symbols have been coded, of about how many.
pub(crate) struct Meter {
    progress: Option<Progress>,
    expected: u64,
    done: AtomicU64,
    /// The part of the whole call that this is.
    share: Range<f64>,
}

/// Symbols between two reports of a segment.
const REPORT_EVERY: u32 = 1 << 12;

impl Meter {
    /// A meter for coding an image of known coefficients.
    pub(crate) fn of_image(execution: &Execution, image: &JpegImage, share: Range<f64>) -> Self {
        let symbols = |block: &[i16; 64]| 2 + block.iter().rposition(|&v| v != 0).unwrap_or(0) as u64;
        let expected = execution
            .progress
            .as_ref()
            .map_or(0, |_| image.components.iter().flat_map(|c| c.coefficients.as_chunks().0).map(symbols).sum());
        Self { progress: execution.progress.clone(), expected, done: AtomicU64::new(0), share }
    }

    /// A meter for decoding: the symbols are guessed from the sizes.
    pub(crate) fn of_sizes(execution: &Execution, blocks: u64, payload_bytes: u64, share: Range<f64>) -> Self {
        // Two symbols a block, and a coefficient takes about four bits.
        let expected = 2 * blocks + 2 * payload_bytes;
        Self { progress: execution.progress.clone(), expected, done: AtomicU64::new(0), share }
    }

    /// A meter for a known number of symbols.
    pub(crate) fn of_symbols(execution: &Execution, expected: u64, share: Range<f64>) -> Self {
        Self { progress: execution.progress.clone(), expected, done: AtomicU64::new(0), share }
    }

    pub(crate) fn add(&self, symbols: u32) {
        let Some(progress) = &self.progress else { return };
        let done = self.done.fetch_add(u64::from(symbols), Ordering::Relaxed) + u64::from(symbols);
        let fraction = (done as f64 / self.expected.max(1) as f64).min(1.0);
        progress.at(self.share.start + fraction * (self.share.end - self.share.start));
    }
}

/// A coder whose symbols are counted.
pub(crate) struct Metered<'a, C> {
    pub(crate) coder: C,
    meter: &'a Meter,
    pending: u32,
}

impl<'a, C> Metered<'a, C> {
    pub(crate) fn new(coder: C, meter: &'a Meter) -> Self {
        Self { coder, meter, pending: 0 }
    }

    #[inline]
    fn count(&mut self) {
        self.pending += 1;
        if self.pending == REPORT_EVERY {
            self.meter.add(self.pending);
            self.pending = 0;
        }
    }
}

impl<C: SymbolSink> SymbolSink for Metered<'_, C> {
    #[inline]
    fn code(&mut self, cum: u32, weight: u32, total: u32) {
        self.coder.code(cum, weight, total);
        self.count();
    }
}

impl<C: SymbolSource> SymbolSource for Metered<'_, C> {
    #[inline]
    fn target(&mut self, total: u32) -> u32 {
        self.coder.target(total)
    }

    #[inline]
    fn advance(&mut self, cum: u32, weight: u32, total: u32) {
        self.coder.advance(cum, weight, total);
        self.count();
    }
}
