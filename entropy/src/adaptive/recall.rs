//! Which symbol came last in a context, and how often in a row.

/// Base-2 logarithm of the entries.
const BITS: u32 = 16;
/// Longest run that is counted.
const MAX_RUN: u32 = 7;

/// A table of the last symbols by hashed context.
#[derive(Debug)]
pub(super) struct Recall {
    /// Check (13 bits), run (3 bits), symbol (16 bits); run 0: nothing there.
    entries: Vec<u32>,
}

impl Recall {
    pub(super) fn new() -> Self {
        Self { entries: vec![0; 1 << BITS] }
    }

    /// The last symbol plus one (0: none), and how often it came in a row, 1..=7.
    #[inline]
    pub(super) fn get(&self, key: u64) -> (u64, u8) {
        let entry = self.entries[place(key)];
        if entry >> 19 != check(key) || entry >> 16 & 7 == 0 {
            return (0, 0);
        }
        (u64::from(entry & 0xFFFF) + 1, (entry >> 16 & 7) as u8)
    }

    #[inline]
    pub(super) fn put(&mut self, key: u64, symbol: u16) {
        let entry = &mut self.entries[place(key)];
        let same = *entry >> 19 == check(key) && *entry & 0xFFFF == u32::from(symbol);
        let run = if same { ((*entry >> 16 & 7) + 1).min(MAX_RUN) } else { 1 };
        *entry = check(key) << 19 | run << 16 | u32::from(symbol);
    }
}

#[inline]
fn place(key: u64) -> usize {
    (key & ((1 << BITS) - 1)) as usize
}

#[inline]
fn check(key: u64) -> u32 {
    (key >> 51) as u32
}
