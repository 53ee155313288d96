//! Coefficients → entropy-coded data, one scan at a time (T.81 F.1, G.1).
//!
//! The same code counts symbols (for optimal Huffman tables) and writes bits: see
//! [`SymbolSink`].

use super::bits::BitWriter;
use super::error::JpegError;
use super::frame::{ComponentLayout, FrameHeader};
use super::huffman::{EncodingTable, magnitude};
use super::image::Component;
use super::scan::{CORRECTION_LIMIT, Procedure, ScanGeometry};
use super::side::{Deviations, Padding, Scan};

/// Takes the symbols of a scan, either to write or to count them.
pub(crate) trait SymbolSink {
    /// A Huffman symbol of an AC (or DC) table followed by `bits` (0..=15) bits of `value`.
    fn symbol(&mut self, ac: bool, destination: usize, symbol: u8, value: u32, bits: u32);
    /// 0..=15 bits without a symbol.
    fn raw(&mut self, value: u32, bits: u32);
}

/// Counts of the symbols that a scan codes, DC and AC, by table destination.
pub(crate) struct Histogram {
    pub dc: [[u32; 256]; 4],
    pub ac: [[u32; 256]; 4],
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { dc: [[0; 256]; 4], ac: [[0; 256]; 4] }
    }
}

impl SymbolSink for Histogram {
    #[inline(always)]
    fn symbol(&mut self, ac: bool, destination: usize, symbol: u8, _: u32, _: u32) {
        let tables = if ac { &mut self.ac } else { &mut self.dc };
        let count = &mut tables[destination & 3][usize::from(symbol)];
        *count = count.saturating_add(1);
    }

    fn raw(&mut self, _: u32, _: u32) {}
}

/// Writes a scan's symbols with the Huffman tables in force.
pub(crate) struct ScanWriter<'a> {
    bits: BitWriter,
    dc: [Option<&'a EncodingTable>; 4],
    ac: [Option<&'a EncodingTable>; 4],
    /// The first symbol that had no code: (AC, destination, symbol).
    missing: Option<(bool, usize, u8)>,
}

impl<'a> ScanWriter<'a> {
    /// A writer that appends to `bytes`.
    pub(crate) fn new(bytes: Vec<u8>, dc: [Option<&'a EncodingTable>; 4], ac: [Option<&'a EncodingTable>; 4]) -> Self {
        Self { bits: BitWriter::new(bytes), dc, ac, missing: None }
    }

    #[cold]
    fn no_code(&mut self, ac: bool, destination: usize, symbol: u8) {
        self.missing.get_or_insert((ac, destination, symbol));
    }
}

impl SymbolSink for ScanWriter<'_> {
    #[inline(always)]
    fn symbol(&mut self, ac: bool, destination: usize, symbol: u8, value: u32, bits: u32) {
        let tables = if ac { &self.ac } else { &self.dc };
        let (code, length) = match tables[destination & 3] {
            Some(table) => table.code(symbol),
            None => (0, 0),
        };
        if length == 0 {
            self.no_code(ac, destination, symbol);
        }
        self.bits.put(code << bits | value, length + bits);
    }

    #[inline(always)]
    fn raw(&mut self, value: u32, bits: u32) {
        self.bits.put(value, bits);
    }
}

/// What a scan is encoded from.
pub(crate) struct ScanSource<'a> {
    pub frame: &'a FrameHeader,
    pub layout: &'a [ComponentLayout],
    pub components: &'a [Component],
    pub restart_interval: u16,
    pub scan: &'a Scan,
}

/// Counts the symbols of a scan.
pub(crate) fn count_symbols(source: &ScanSource<'_>) -> Result<Box<Histogram>, JpegError> {
    let mut histogram = Box::new(Histogram::new());
    let (mut coder, geometry) = ScanCoder::new(source)?;
    for interval in 0..coder.intervals(&geometry) {
        coder.interval(&geometry, interval, histogram.as_mut())?;
    }
    Ok(histogram)
}

/// Writes the entropy-coded data of a scan, RST markers included, and gives the bytes back.
pub(crate) fn encode_scan(source: &ScanSource<'_>, mut writer: ScanWriter<'_>) -> Result<Vec<u8>, JpegError> {
    let (mut coder, geometry) = ScanCoder::new(source)?;
    let deviations = &source.scan.deviations;
    let mut padding = PaddingSource { padding: &deviations.padding, used: 0 };
    let mut wrong_restarts = deviations.wrong_restarts.iter().peekable();
    let intervals = coder.intervals(&geometry);
    for interval in 0..intervals {
        match coder.interval(&geometry, interval, &mut writer)? {
            Some(tail) => writer.bits.truncate().extend_from_slice(tail),
            None => {
                let bits = writer.bits.missing();
                let value = padding.take(bits)?;
                writer.bits.put(value, bits);
            }
        }
        if interval + 1 < intervals {
            let mut marker = 0xD0 + (interval % 8) as u8;
            if let Some(&&(_, wrong)) = wrong_restarts.peek().filter(|&&&(index, _)| index as usize == interval) {
                marker = wrong;
                wrong_restarts.next();
            }
            writer.bits.truncate().extend_from_slice(&[0xFF, marker]);
        }
    }
    match writer.missing {
        Some((ac, destination, symbol)) => Err(JpegError::uncodable(format!(
            "{} Huffman table {destination} has no code for symbol {symbol:#04x}",
            if ac { "AC" } else { "DC" }
        ))),
        None => Ok(writer.bits.finish()),
    }
}

struct PaddingSource<'a> {
    padding: &'a Padding,
    used: usize,
}

impl PaddingSource<'_> {
    fn take(&mut self, bits: u32) -> Result<u32, JpegError> {
        let ones = (1 << bits) - 1;
        match self.padding {
            Padding::Ones => Ok(ones),
            Padding::Zeros => Ok(0),
            Padding::Bits(packed) => {
                let mut value = 0;
                for _ in 0..bits {
                    let byte = packed.get(self.used / 8).ok_or_else(|| JpegError::uncodable("too few padding bits"))?;
                    value = value << 1 | u32::from(byte >> (7 - self.used % 8) & 1);
                    self.used += 1;
                }
                Ok(value)
            }
        }
    }
}

/// A component's part of the scan.
struct Source<'a> {
    blocks: &'a [[i16; 64]],
    dc_table: usize,
    ac_table: usize,
}

struct ScanCoder<'a> {
    procedure: Procedure,
    /// By position in the scan header.
    sources: Vec<Source<'a>>,
    deviations: &'a Deviations,
    band: (usize, usize),
    low: u32,
    predictions: [i32; 4],
    /// Ordinal of the next block in the scan.
    ordinal: u32,
    /// Entries of `deviations.zero_runs`, `cuts` and `broken` that lie behind.
    zero_runs_done: usize,
    cuts_done: usize,
    broken_done: usize,
    eob_run: u32,
    /// Pending correction bits: those of the run of EOBs, then those of this block.
    corrections: Vec<u8>,
    run_corrections: usize,
}

impl<'a> ScanCoder<'a> {
    fn new(source: &ScanSource<'a>) -> Result<(Self, ScanGeometry), JpegError> {
        let scan = source.scan;
        let procedure = Procedure::of(source.frame, scan, 0)?;
        let geometry = ScanGeometry::new(source.frame, source.layout, scan, source.restart_interval);
        let mut sources = Vec::new();
        for component in &scan.components {
            let index = usize::from(component.index);
            let blocks = match (source.components.get(index), source.layout.get(index)) {
                (Some(c), Some(l)) if c.coefficients.len() == l.blocks() * 64 => c.coefficients.as_chunks::<64>().0,
                _ => return Err(JpegError::uncodable("coefficients do not fit the frame")),
            };
            sources.push(Source {
                blocks,
                dc_table: usize::from(component.dc_table),
                ac_table: usize::from(component.ac_table),
            });
        }
        let coder = Self {
            procedure,
            sources,
            deviations: &scan.deviations,
            band: (usize::from(scan.spectral_start), usize::from(scan.spectral_end)),
            low: u32::from(scan.approximation_low),
            predictions: [0; 4],
            ordinal: 0,
            zero_runs_done: 0,
            cuts_done: 0,
            broken_done: 0,
            eob_run: 0,
            corrections: Vec::new(),
            run_corrections: 0,
        };
        Ok((coder, geometry))
    }

    /// The intervals that the file holds.
    fn intervals(&self, geometry: &ScanGeometry) -> usize {
        geometry.intervals().saturating_sub(self.deviations.missing_intervals as usize)
    }

    /// Codes an interval; returns the bytes that follow its whole bytes if it is a broken one.
    fn interval(
        &mut self,
        geometry: &ScanGeometry,
        interval: usize,
        sink: &mut impl SymbolSink,
    ) -> Result<Option<&'a [u8]>, JpegError> {
        let mut mcus = geometry.mcus_of(interval);
        let mut tail = None;
        if let Some(broken) = self.deviations.broken.get(self.broken_done)
            && broken.interval as usize == interval
        {
            self.broken_done += 1;
            mcus.end = mcus.end.min(mcus.start + broken.mcus as usize);
            tail = Some(broken.tail.as_slice());
        }
        self.predictions = [0; 4];
        self.ordinal = (mcus.start * geometry.blocks_per_mcu()) as u32;
        for mcu in mcus {
            let coded = geometry.visit(mcu, |at| {
                let Some(source) = self.sources.get(at.position) else {
                    return false;
                };
                let Some(block) = source.blocks.get(at.block) else {
                    return false;
                };
                let tables = (source.dc_table, source.ac_table);
                let coded = self.block(at.position, block, tables, sink);
                self.ordinal += 1;
                coded
            });
            if !coded {
                return Err(JpegError::uncodable(format!("a DC difference in MCU {mcu} needs more than 15 bits")));
            }
        }
        self.end_eob_run(sink, self.sources.first().map_or(0, |s| s.ac_table));
        Ok(tail)
    }

    /// Codes a block; `false` where a DC difference is too large.
    #[inline(always)]
    fn block(
        &mut self,
        position: usize,
        block: &[i16; 64],
        (dc_table, ac_table): (usize, usize),
        sink: &mut impl SymbolSink,
    ) -> bool {
        match self.procedure {
            Procedure::Sequential => {
                let coded = self.dc(position, i32::from(block[0]), dc_table, sink);
                self.ac_sequential(block, ac_table, sink);
                coded
            }
            Procedure::DcFirst => self.dc(position, i32::from(block[0]) >> self.low, dc_table, sink),
            Procedure::DcRefine => {
                sink.raw((i32::from(block[0]) >> self.low & 1) as u32, 1);
                true
            }
            Procedure::AcFirst => {
                self.ac_first(block, ac_table, sink);
                true
            }
            Procedure::AcRefine => {
                self.ac_refine(block, ac_table, sink);
                true
            }
        }
    }

    #[inline(always)]
    fn dc(&mut self, position: usize, value: i32, table: usize, sink: &mut impl SymbolSink) -> bool {
        let prediction = &mut self.predictions[position & 3];
        let (size, bits) = magnitude(value - *prediction);
        *prediction = value;
        if size > 15 {
            return false;
        }
        sink.symbol(false, table, size as u8, bits, size);
        true
    }

    #[inline(always)]
    fn ac_sequential(&mut self, block: &[i16; 64], table: usize, sink: &mut impl SymbolSink) {
        let mut mask = nonzero(block) & !1;
        let mut next = 1;
        while mask != 0 {
            let k = mask.trailing_zeros();
            mask &= mask - 1;
            let mut run = k - next;
            while run > 15 {
                sink.symbol(true, table, 0xF0, 0, 0);
                run -= 16;
            }
            let (size, bits) = magnitude(i32::from(block[k as usize & 63]));
            sink.symbol(true, table, (run << 4 | size & 15) as u8, bits, size);
            next = k + 1;
        }
        if let Some((zero_runs, eob)) = self.listed_zero_runs() {
            for _ in 0..zero_runs {
                sink.symbol(true, table, 0xF0, 0, 0);
            }
            if eob {
                sink.symbol(true, table, 0, 0, 0);
            }
        } else if next < 64 {
            sink.symbol(true, table, 0, 0, 0);
        }
    }

    /// The entry of this block in the list of trailing ZRL symbols.
    #[inline(always)]
    fn listed_zero_runs(&mut self) -> Option<(u8, bool)> {
        let &(ordinal, zero_runs, eob) = self.deviations.zero_runs.get(self.zero_runs_done)?;
        if ordinal != self.ordinal {
            return None;
        }
        self.zero_runs_done += 1;
        Some((zero_runs, eob))
    }

    fn ac_first(&mut self, block: &[i16; 64], table: usize, sink: &mut impl SymbolSink) {
        let (start, end) = self.band;
        let mut run = 0;
        for &coefficient in &block[start..=end] {
            let (size, mut bits) = magnitude(i32::from(coefficient.unsigned_abs() >> self.low));
            if size == 0 {
                run += 1;
                continue;
            }
            if coefficient < 0 {
                bits ^= (1 << size) - 1;
            }
            self.end_eob_run(sink, table);
            while run > 15 {
                sink.symbol(true, table, 0xF0, 0, 0);
                run -= 16;
            }
            sink.symbol(true, table, (run << 4 | size & 15) as u8, bits, size);
            run = 0;
        }
        let mut eob = run > 0;
        if let Some((zero_runs, listed)) = self.listed_zero_runs() {
            self.end_eob_run(sink, table);
            for _ in 0..zero_runs {
                sink.symbol(true, table, 0xF0, 0, 0);
            }
            eob = listed;
        }
        if eob {
            self.count_eob(sink, table);
        }
    }

    fn ac_refine(&mut self, block: &[i16; 64], table: usize, sink: &mut impl SymbolSink) {
        let (start, end) = self.band;
        let bit = |k: usize| u32::from(block[k].unsigned_abs() >> self.low);
        let last_new = (start..=end).rev().find(|&k| bit(k) == 1).unwrap_or(0);
        let mut run = 0;
        // Correction bits of this block stand behind those of the pending run of EOBs.
        for (k, &coefficient) in block.iter().enumerate().take(end + 1).skip(start) {
            let value = u32::from(coefficient.unsigned_abs() >> self.low);
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 && k <= last_new {
                self.end_eob_run(sink, table);
                sink.symbol(true, table, 0xF0, 0, 0);
                run -= 16;
                self.write_corrections(sink);
            }
            if value > 1 {
                self.corrections.push((value & 1) as u8);
                continue;
            }
            self.end_eob_run(sink, table);
            let positive = u32::from(coefficient > 0);
            sink.symbol(true, table, (run << 4 | 1) as u8, positive, 1);
            self.write_corrections(sink);
            run = 0;
        }
        if run > 0 || self.corrections.len() > self.run_corrections {
            self.run_corrections = self.corrections.len();
            self.count_eob(sink, table);
        }
    }

    /// Adds this block to the run of EOBs and ends the run where the file does.
    fn count_eob(&mut self, sink: &mut impl SymbolSink, table: usize) {
        let runs = &self.deviations.eob_runs;
        self.eob_run += 1;
        let listed = runs.cuts.get(self.cuts_done) == Some(&self.ordinal);
        self.cuts_done += usize::from(listed);
        let full = runs.correction_limit && self.run_corrections > CORRECTION_LIMIT as usize;
        if listed || full || self.eob_run >= u32::from(runs.longest.clamp(1, 0x7FFF)) {
            self.end_eob_run(sink, table);
        }
    }

    /// Codes the pending run of EOBs and its correction bits.
    fn end_eob_run(&mut self, sink: &mut impl SymbolSink, table: usize) {
        if self.eob_run == 0 {
            return;
        }
        let exponent = self.eob_run.ilog2();
        let bits = self.eob_run - (1 << exponent);
        sink.symbol(true, table, (exponent << 4) as u8, bits, exponent);
        self.eob_run = 0;
        for bit in self.corrections.drain(..self.run_corrections) {
            sink.raw(u32::from(bit), 1);
        }
        self.run_corrections = 0;
    }

    /// Codes the correction bits of this block so far; no run of EOBs is pending.
    fn write_corrections(&mut self, sink: &mut impl SymbolSink) {
        for bit in self.corrections.drain(..) {
            sink.raw(u32::from(bit), 1);
        }
    }
}

/// One bit for each coefficient that is not zero.
#[inline(always)]
fn nonzero(block: &[i16; 64]) -> u64 {
    let mut flags = [0u8; 64];
    for (flag, &value) in flags.iter_mut().zip(block) {
        *flag = u8::from(value != 0);
    }
    let mut mask = 0u64;
    for (group, lane) in flags.as_chunks::<8>().0.iter().enumerate() {
        // The product gathers the lowest bits of eight bytes in its highest byte.
        let bits = u64::from_le_bytes(*lane).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (group * 8);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonzero_coefficients_set_their_bits() {
        let mut state = 3u64;
        for _ in 0..500 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mask = state ^ state >> 31;
            let block = std::array::from_fn(|k| (mask >> k & 1) as i16 * -256);
            assert_eq!(nonzero(&block), mask);
        }
    }
}
