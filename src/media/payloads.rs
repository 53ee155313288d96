//! The one loop over the segments of whatever medium and model: payloads from latents, latents from payloads.

use std::fmt::Display;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder, SymbolSink, SymbolSource};

use crate::error::Error;
use crate::execution::{Execution, Progress};
use crate::fault::{SegmentFault, SegmentPlace};

/// Latents that are cut into segments: coded on their own, by several threads, decoded alone, and damaged alone.
pub(crate) trait Segments: Sync {
    /// What a payload decodes to.
    type Latents: Send;

    /// Segments.
    fn count(&self) -> usize;

    /// What a segment holds.
    fn place(&self, segment: usize) -> SegmentPlace;

    /// Decodes a payload; an error is what is wrong with it, in words.
    fn decode(&self, segment: usize, payload: &[u8], meter: &Meter) -> Result<Self::Latents, String>;
}

/// Checks that a file has as many payloads as its latents need; `offset` is where it says how many.
pub(crate) fn check_count(payloads: usize, needed: usize, latents_need: &str, offset: usize) -> Result<(), Error> {
    if payloads == needed {
        return Ok(());
    }
    Err(Error::malformed(offset, format!("{payloads} segments where the {latents_need} {needed}")))
}

/// Decodes every payload, of which there are as many as segments. `accept` gets the latents of each segment that is whole, in any
/// order; the others are returned, in order.
pub(crate) fn decode<S: Segments>(
    segments: &S,
    payloads: &[Result<&[u8], Error>],
    execution: &Execution,
    meter: &Meter,
    accept: impl FnMut(usize, S::Latents) + Send,
) -> Result<Vec<SegmentFault>, Error> {
    let accept = Mutex::new(accept);
    let faults = execution.in_parallel(segments.count(), |segment| {
        Ok(match decode_one(segments, segment, &payloads[segment], meter) {
            Ok(latents) => {
                let mut accept = accept.lock().unwrap_or_else(PoisonError::into_inner);
                (*accept)(segment, latents);
                None
            }
            Err(fault) => Some(fault),
        })
    })?;
    Ok(faults.into_iter().flatten().collect())
}

/// Decodes one payload.
pub(crate) fn decode_one<S: Segments>(
    segments: &S,
    segment: usize,
    payload: &Result<&[u8], Error>,
    meter: &Meter,
) -> Result<S::Latents, SegmentFault> {
    let decoded = match payload {
        Ok(payload) => segments.decode(segment, payload, meter),
        Err(error) => Err(error.to_string()),
    };
    decoded.map_err(|what| SegmentFault { segment, place: segments.place(segment), what })
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
    /// A meter for about so many symbols, which are counted only if somebody hears of it.
    pub(crate) fn new(execution: &Execution, share: Range<f64>, expected: impl FnOnce() -> u64) -> Self {
        let progress = execution.progress.clone();
        Self { expected: if progress.is_some() { expected() } else { 0 }, progress, done: AtomicU64::new(0), share }
    }

    /// The payload that `code` writes.
    pub(crate) fn encode<E>(
        &self,
        code: impl FnOnce(&mut Metered<'_, RangeEncoder>) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut sink = Metered { coder: RangeEncoder::new(), meter: self, pending: 0 };
        code(&mut sink)?;
        Ok(sink.coder.finish())
    }

    /// What `read` reads of a payload. The coder must end as one that has written exactly these bytes.
    pub(crate) fn decode<T, E: Display>(
        &self,
        payload: &[u8],
        read: impl FnOnce(&mut Metered<'_, RangeDecoder<'_>>) -> Result<T, E>,
    ) -> Result<T, String> {
        let mut source = Metered { coder: RangeDecoder::new(payload), meter: self, pending: 0 };
        let latents = read(&mut source).map_err(|error| error.to_string())?;
        source.coder.finish().map_err(|error| error.to_string())?;
        Ok(latents)
    }

    fn add(&self, symbols: u32) {
        let Some(progress) = &self.progress else { return };
        let done = self.done.fetch_add(u64::from(symbols), Ordering::Relaxed) + u64::from(symbols);
        let fraction = (done as f64 / self.expected.max(1) as f64).min(1.0);
        progress.at(self.share.start + fraction * (self.share.end - self.share.start));
    }
}

/// A coder whose symbols are counted.
pub(crate) struct Metered<'a, C> {
    coder: C,
    meter: &'a Meter,
    pending: u32,
}

impl<C> Metered<'_, C> {
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
