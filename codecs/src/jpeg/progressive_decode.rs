//! Decoding of progressive scans: AC bands and their refinement (T.81 G.1.2, G.2).

use super::bits::BitReader;
use super::huffman::{Decoded, extend};
use super::scan_decode::ScanState;

impl ScanState<'_> {
    /// Changes a coefficient of a progressive scan.
    #[inline(always)]
    pub(crate) fn set(&mut self, place: (usize, usize), block: &mut [i16; 64], k: usize, value: i16) {
        let index = (place.1 * 64 + k) as u32;
        self.undo.push((place.0 as u8, index, block[k]));
        block[k] = value;
    }

    pub(crate) fn ac_first(
        &mut self,
        place: (usize, usize),
        block: &mut [i16; 64],
        reader: &mut BitReader<'_>,
    ) -> Option<()> {
        if self.eob.run > 0 {
            self.eob.continue_run(0);
            return Some(());
        }
        let table = *self.ac_tables.first()?;
        let (mut k, end) = self.band;
        let mut zero_runs = 0;
        let mut coded = false;
        while k <= end {
            reader.ensure_32();
            let (run, value) = match table.coefficient(reader) {
                Decoded::Coefficient { run, value } => (run, i32::from(value)),
                Decoded::Symbol(0xF0) => {
                    k += 16;
                    zero_runs += 1;
                    coded = true;
                    continue;
                }
                Decoded::Symbol(symbol) => {
                    let size = u32::from(symbol & 15);
                    if size == 0 {
                        if zero_runs != 0 {
                            self.zero_runs.push((self.ordinal, zero_runs, true));
                        }
                        self.eob.begin_run(symbol >> 4, self.ordinal, coded, 0, reader);
                        return Some(());
                    }
                    (symbol >> 4, extend(reader.take(size), size))
                }
                Decoded::Invalid => return None,
            };
            k += usize::from(run);
            if k > end {
                return None;
            }
            let value = i16::try_from(value << self.low).ok()?;
            if value == i16::MIN {
                return None;
            }
            self.set(place, block, k, value);
            k += 1;
            zero_runs = 0;
            coded = true;
        }
        if zero_runs != 0 {
            if k != end + 1 {
                return None;
            }
            self.zero_runs.push((self.ordinal, zero_runs, false));
        }
        self.eob.no_run();
        Some(())
    }

    pub(crate) fn ac_refine(
        &mut self,
        place: (usize, usize),
        block: &mut [i16; 64],
        reader: &mut BitReader<'_>,
    ) -> Option<()> {
        let (start, end) = self.band;
        if self.eob.run > 0 {
            let corrections = self.correct(place, block, start, reader)?;
            self.eob.continue_run(corrections);
            return Some(());
        }
        let table = *self.ac_tables.first()?;
        let mut k = start;
        let mut coded = false;
        while k <= end {
            reader.ensure_32();
            let symbol = table.symbol(reader)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let new = match size {
                0 if run < 15 => {
                    self.eob.begin_run(run, self.ordinal, coded, 0, reader);
                    let corrections = self.correct(place, block, k, reader)?;
                    self.eob.add_corrections(corrections);
                    return Some(());
                }
                0 => 0,
                1 => {
                    if reader.take(1) != 0 {
                        1i16 << self.low
                    } else {
                        -1 << self.low
                    }
                }
                _ => return None,
            };
            coded = true;
            // Skip `run` coefficients without history, correct those with one on the way.
            while k <= end {
                if block[k] != 0 {
                    self.correct_one(place, block, k, reader)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
            if k > end {
                // Neither a new coefficient nor a ZRL may lie behind the band.
                return None;
            }
            if new != 0 {
                self.set(place, block, k, new);
            }
            k += 1;
        }
        self.eob.no_run();
        Some(())
    }

    /// Reads the correction bits of the coefficients with history from `k` to the end of the
    /// band; returns how many there were.
    fn correct(
        &mut self,
        place: (usize, usize),
        block: &mut [i16; 64],
        k: usize,
        reader: &mut BitReader<'_>,
    ) -> Option<u32> {
        let mut corrections = 0;
        for k in k..=self.band.1 {
            if block[k] != 0 {
                self.correct_one(place, block, k, reader)?;
                corrections += 1;
            }
        }
        Some(corrections)
    }

    #[inline(always)]
    fn correct_one(
        &mut self,
        place: (usize, usize),
        block: &mut [i16; 64],
        k: usize,
        reader: &mut BitReader<'_>,
    ) -> Option<()> {
        reader.ensure_32();
        if reader.take(1) != 0 {
            let bit = 1i16 << self.low;
            // A bit that is set already would be lost.
            if block[k].unsigned_abs() & bit as u16 != 0 {
                return None;
            }
            let value = if block[k] > 0 { block[k].checked_add(bit)? } else { block[k].checked_sub(bit)? };
            if value == i16::MIN {
                return None;
            }
            self.set(place, block, k, value);
        }
        Some(())
    }
}
