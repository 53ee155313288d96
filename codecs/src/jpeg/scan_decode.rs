//! Entropy-coded data → coefficients, one scan at a time (T.81 F.2, G.2).
//!
//! Bytes that do not decode are kept in [`Deviations::broken`], so a truncated or damaged scan
//! still gives the coefficients of its whole MCUs and all its bytes back.

use super::bits::{BitReader, stuffed_position, unstuff};
use super::eob_runs::EobState;
use super::error::JpegError;
use super::frame::{ComponentLayout, FrameHeader};
use super::huffman::{Decoded, DecodingTable, extend};
use super::scan::{Procedure, ScanGeometry};
use super::side::{BrokenInterval, Deviations, Padding, Scan};

/// The Huffman tables in force: DC and AC, four destinations each.
#[derive(Default)]
pub(crate) struct DecodingTables {
    pub dc: [Option<DecodingTable>; 4],
    pub ac: [Option<DecodingTable>; 4],
}

/// What a scan is decoded from.
pub(crate) struct ScanInput<'a> {
    pub bytes: &'a [u8],
    /// First byte after the SOS segment.
    pub start: usize,
    pub frame: &'a FrameHeader,
    pub layout: &'a [ComponentLayout],
    pub restart_interval: u16,
    pub tables: &'a DecodingTables,
}

/// Decodes the data of `scan` into `coefficients` (one vector a component) and fills in
/// `scan.deviations`. Returns the position of the marker after the scan.
pub(crate) fn decode_scan(
    input: &ScanInput<'_>,
    scan: &mut Scan,
    coefficients: &mut [&mut [i16]],
) -> Result<usize, JpegError> {
    let procedure = Procedure::of(input.frame, scan, input.start)?;
    let geometry = ScanGeometry::new(input.frame, input.layout, scan, input.restart_interval);
    let (needs_dc, needs_ac) = procedure.tables();
    let mut dc_tables = Vec::new();
    let mut ac_tables = Vec::new();
    for component in &scan.components {
        let missing = |class: &str, destination: u8| {
            JpegError::malformed(input.start, format!("scan uses {class} table {destination}, which is not defined"))
        };
        if needs_dc {
            let table = input.tables.dc[usize::from(component.dc_table)].as_ref();
            dc_tables.push(table.ok_or_else(|| missing("DC", component.dc_table))?);
        }
        if needs_ac {
            let table = input.tables.ac[usize::from(component.ac_table)].as_ref();
            ac_tables.push(table.ok_or_else(|| missing("AC", component.ac_table))?);
        }
    }
    let mut state = ScanState {
        procedure,
        dc_tables,
        ac_tables,
        band: (usize::from(scan.spectral_start), usize::from(scan.spectral_end)),
        low: u32::from(scan.approximation_low),
        predictions: [0; 4],
        eob: EobState::default(),
        ordinal: 0,
        zero_runs: Vec::new(),
        undo: Vec::new(),
    };
    let mut padding = PaddingBits::default();
    let mut deviations = Deviations::default();
    let mut unstuffed = Vec::new();
    let mut at = input.start;
    let blocks_per_mcu = geometry.blocks_per_mcu();
    for interval in 0..geometry.intervals() {
        let mut end = unstuff(input.bytes, at, &mut unstuffed);
        if interval + 1 < geometry.intervals() {
            end.marker = next_restart(input.bytes, end.marker);
        }
        let mcus = geometry.mcus_of(interval);
        let mcu_count = mcus.len();
        state.ordinal = (mcus.start * blocks_per_mcu) as u32;
        let mut reader = BitReader::new(&unstuffed);
        let done = state.interval(&geometry, mcus, &mut reader, coefficients);
        if done.mcus == mcu_count && reader.remaining() < 8 && end.data == end.marker {
            let bits = reader.remaining() as u32;
            reader.refill();
            padding.push(if bits == 0 { 0 } else { reader.peek(bits) }, bits);
        } else {
            let tail = stuffed_position(input.bytes, at, done.position / 8);
            deviations.broken.push(BrokenInterval {
                interval: interval as u32,
                mcus: done.mcus as u32,
                tail: input.bytes[tail..end.marker].to_vec(),
            });
        }
        at = end.marker;
        if interval + 1 == geometry.intervals() {
            break;
        }
        match input.bytes.get(at + 1) {
            Some(&marker @ 0xD0..=0xD7) => {
                if usize::from(marker & 7) != interval % 8 {
                    deviations.wrong_restarts.push((interval as u32, marker));
                }
                at += 2;
            }
            _ => {
                deviations.missing_intervals = (geometry.intervals() - interval - 1) as u32;
                break;
            }
        }
    }
    deviations.padding = padding.finish();
    deviations.zero_runs = state.zero_runs;
    deviations.eob_runs = state.eob.finish();
    scan.deviations = deviations;
    Ok(at)
}

/// Where a damaged interval ends: passes over markers at `at` that no file has inside or between
/// scans (data was overwritten) if an RST marker follows them.
fn next_restart(bytes: &[u8], at: usize) -> usize {
    let mut next = at;
    while let Some(&marker) = bytes.get(next + 1) {
        match marker {
            0xD0..=0xD7 => return next,
            0x02..=0xBF | 0xF0..=0xFD => next = marker_after(bytes, next + 2),
            _ => return at,
        }
    }
    at
}

/// The next marker from `at` on, or the end.
fn marker_after(bytes: &[u8], at: usize) -> usize {
    let mut pairs = bytes.get(at..).unwrap_or_default().windows(2);
    pairs.position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF)).map_or(bytes.len(), |distance| at + distance)
}

/// How far the decoding of an interval came.
struct Progress {
    /// MCUs that are whole.
    mcus: usize,
    /// Bit position after them.
    position: usize,
}

pub(crate) struct ScanState<'a> {
    pub procedure: Procedure,
    /// By position in the scan header; empty where the procedure needs none.
    pub dc_tables: Vec<&'a DecodingTable>,
    pub ac_tables: Vec<&'a DecodingTable>,
    pub band: (usize, usize),
    pub low: u32,
    pub predictions: [i32; 4],
    pub eob: EobState,
    /// Ordinal of the next block in the scan.
    pub ordinal: u32,
    pub zero_runs: Vec<(u32, u8, bool)>,
    /// Coefficients changed since the last MCU boundary at which nothing was pending:
    /// (component, index, old value).
    pub undo: Vec<(u8, u32, i16)>,
}

impl ScanState<'_> {
    /// Decodes MCUs until one fails; the coefficients of those after the last sound position
    /// are restored.
    fn interval(
        &mut self,
        geometry: &ScanGeometry,
        mcus: std::ops::Range<usize>,
        reader: &mut BitReader<'_>,
        coefficients: &mut [&mut [i16]],
    ) -> Progress {
        self.predictions = [0; 4];
        self.eob.begin_interval();
        let mut sound = Progress { mcus: 0, position: 0 };
        let mut sound_lists = (self.zero_runs.len(), self.eob.mark());
        let first = mcus.start;
        for mcu in mcus {
            let whole = geometry.visit(mcu, |at| {
                let Some(block) =
                    coefficients.get_mut(at.component).and_then(|all| all.as_chunks_mut::<64>().0.get_mut(at.block))
                else {
                    return false;
                };
                let decoded = self.block(at.position, (at.component, at.block), block, reader);
                self.ordinal += 1;
                decoded.is_some()
            });
            if !whole || reader.overrun() {
                if self.procedure == Procedure::Sequential {
                    clear_mcu(geometry, mcu, coefficients);
                }
                break;
            }
            if self.eob.run == 0 {
                sound = Progress { mcus: mcu + 1 - first, position: reader.position() };
                sound_lists = (self.zero_runs.len(), self.eob.mark());
                self.undo.clear();
            }
        }
        self.zero_runs.truncate(sound_lists.0);
        self.eob.reset_to(sound_lists.1);
        for (component, index, old) in self.undo.drain(..).rev() {
            coefficients[usize::from(component)][index as usize] = old;
        }
        sound
    }

    #[inline(always)]
    fn block(
        &mut self,
        position: usize,
        place: (usize, usize),
        block: &mut [i16; 64],
        reader: &mut BitReader<'_>,
    ) -> Option<()> {
        match self.procedure {
            Procedure::Sequential => self.sequential(position, block, reader),
            Procedure::DcFirst => {
                let value = i64::from(self.dc(position, reader)?) << self.low;
                self.set(place, block, 0, i16::try_from(value).ok()?);
                (block[0] != i16::MIN).then_some(())
            }
            Procedure::DcRefine => {
                reader.ensure_32();
                if reader.take(1) != 0 {
                    let value = block[0] | 1 << self.low;
                    self.set(place, block, 0, value);
                }
                Some(())
            }
            Procedure::AcFirst => self.ac_first(place, block, reader),
            Procedure::AcRefine => self.ac_refine(place, block, reader),
        }
    }
}

/// Zeroes the blocks of an MCU.
fn clear_mcu(geometry: &ScanGeometry, mcu: usize, coefficients: &mut [&mut [i16]]) {
    geometry.visit(mcu, |at| {
        if let Some(all) = coefficients.get_mut(at.component)
            && let Some(block) = all.as_chunks_mut::<64>().0.get_mut(at.block)
        {
            *block = [0; 64];
        }
        true
    });
}

impl ScanState<'_> {
    /// Reads a DC difference and returns the DC value before the point transform.
    #[inline(always)]
    fn dc(&mut self, position: usize, reader: &mut BitReader<'_>) -> Option<i32> {
        reader.ensure_32();
        let size = u32::from(self.dc_tables.get(position)?.symbol(reader)?);
        if size > 15 {
            return None;
        }
        let difference = if size == 0 { 0 } else { extend(reader.take(size), size) };
        let prediction = self.predictions.get_mut(position)?;
        let value = *prediction + difference;
        if !(-32767..=32767).contains(&value) {
            return None;
        }
        *prediction = value;
        Some(value)
    }

    #[inline(always)]
    fn sequential(&mut self, position: usize, block: &mut [i16; 64], reader: &mut BitReader<'_>) -> Option<()> {
        block[0] = self.dc(position, reader)? as i16;
        let table = *self.ac_tables.get(position)?;
        let mut k = 1;
        let mut zero_runs = 0;
        while k < 64 {
            reader.ensure_32();
            let (run, value) = match table.coefficient(reader) {
                Decoded::Coefficient { run, value } => (run, value),
                Decoded::Symbol(0) => {
                    if zero_runs != 0 {
                        self.zero_runs.push((self.ordinal, zero_runs, true));
                    }
                    return Some(());
                }
                Decoded::Symbol(0xF0) => {
                    k += 16;
                    zero_runs += 1;
                    continue;
                }
                Decoded::Symbol(symbol) => {
                    let size = u32::from(symbol & 15);
                    if size == 0 {
                        return None;
                    }
                    (symbol >> 4, extend(reader.take(size), size) as i16)
                }
                Decoded::Invalid => return None,
            };
            k += usize::from(run);
            *block.get_mut(k)? = value;
            k += 1;
            zero_runs = 0;
        }
        if zero_runs != 0 {
            if k > 64 {
                return None;
            }
            self.zero_runs.push((self.ordinal, zero_runs, false));
        }
        Some(())
    }
}

/// Collects the padding bits of intervals.
#[derive(Default)]
struct PaddingBits {
    bits: Vec<u8>,
    count: usize,
    any_zero: bool,
    any_one: bool,
}

impl PaddingBits {
    fn push(&mut self, value: u32, bits: u32) {
        for at in (0..bits).rev() {
            let bit = (value >> at & 1) as u8;
            if self.count.is_multiple_of(8) {
                self.bits.push(0);
            }
            if let Some(last) = self.bits.last_mut() {
                *last |= bit << (7 - self.count % 8);
            }
            self.count += 1;
            self.any_one |= bit != 0;
            self.any_zero |= bit == 0;
        }
    }

    fn finish(self) -> Padding {
        match (self.any_zero, self.any_one) {
            (false, _) => Padding::Ones,
            (true, false) => Padding::Zeros,
            (true, true) => Padding::Bits(self.bits),
        }
    }
}
