//! Runs of EOBs in progressive AC scans as a decoder meets them (T.81 G.1.2.2), and the rule that
//! explains where an encoder has cut them.

use super::bits::BitReader;
use super::scan::CORRECTION_LIMIT;
use super::side::EobRuns;

/// Runs of EOBs in a progressive AC scan, and where they are cut short.
#[derive(Default)]
pub(crate) struct EobState {
    /// Blocks of the current run after this one.
    pub run: u32,
    /// Length of the last run, whether it has ended in the preceding block, its last block.
    length: u32,
    ended: bool,
    last_block: u32,
    /// Correction bits of the last run.
    corrections: u32,
    /// Runs cut although the next block continues them: (last block, length, whether libjpeg's
    /// buffer of correction bits was full).
    cuts: Vec<(u32, u16, bool)>,
    /// Runs that went on although that buffer was full.
    overfull: u32,
    longest: u32,
}

impl EobState {
    pub(crate) fn begin_interval(&mut self) {
        self.run = 0;
        self.ended = false;
    }

    pub(crate) fn mark(&self) -> (usize, u32, u32) {
        (self.cuts.len(), self.overfull, self.longest)
    }

    pub(crate) fn reset_to(&mut self, mark: (usize, u32, u32)) {
        self.cuts.truncate(mark.0);
        self.overfull = mark.1;
        self.longest = mark.2;
        self.run = 0;
    }

    /// Symbol EOBn has been read in block `ordinal`, after other symbols of it or (`!coded`) as
    /// the first. At least 14 bits must be available.
    pub(crate) fn begin_run(
        &mut self,
        exponent: u8,
        ordinal: u32,
        coded: bool,
        corrections: u32,
        reader: &mut BitReader<'_>,
    ) {
        if self.ended && !coded {
            let full = self.corrections > CORRECTION_LIMIT;
            self.cuts.push((self.last_block, self.length as u16, full));
        }
        let exponent = u32::from(exponent);
        let extra = if exponent == 0 { 0 } else { reader.take(exponent) };
        self.length = (1 << exponent) + extra;
        self.longest = self.longest.max(self.length);
        self.run = self.length - 1;
        self.last_block = ordinal.saturating_add(self.run);
        self.corrections = corrections;
        self.ended = self.run == 0;
    }

    pub(crate) fn add_corrections(&mut self, corrections: u32) {
        self.corrections += corrections;
        if self.run > 0 && self.corrections > CORRECTION_LIMIT {
            self.overfull += 1;
        }
    }

    pub(crate) fn continue_run(&mut self, corrections: u32) {
        self.run -= 1;
        self.ended = self.run == 0;
        self.add_corrections(corrections);
    }

    /// A block has ended without EOB.
    pub(crate) fn no_run(&mut self) {
        self.ended = false;
    }

    /// The parameters that explain the cuts with the shortest list.
    pub(crate) fn finish(self) -> EobRuns {
        let limit = self.overfull == 0;
        let unexplained = |longest: u32| -> Vec<u32> {
            self.cuts
                .iter()
                .filter(|&&(_, length, full)| u32::from(length) != longest && !(limit && full))
                .map(|&(block, ..)| block)
                .collect()
        };
        let usual = unexplained(0x7FFF);
        let observed = unexplained(self.longest);
        let (longest, cuts) =
            if observed.len() < usual.len() { (self.longest as u16, observed) } else { (0x7FFF, usual) };
        EobRuns { longest, correction_limit: limit, cuts }
    }
}
