//! Values of any size ⇄ symbols below 65,536, which is what models code.
//!
//! Codes are small numbers from 0 on and stand for themselves. Padding (−1, −100), a few outliers and sparse large values go
//! into *runs* of consecutive values, numbered one run after the other. What has no such runs, as the indices of a codebook of
//! 2^18 of which nearly all occur once, is cut into *digits* after subtracting the least value, the upper one first.

use std::collections::HashSet;

use super::CodesError;

/// Symbols that models code at most.
const MAX_SYMBOLS: u64 = 1 << 16;
/// Values that do not occur, as many in a row, get symbols all the same: a run less to be listed.
const MAX_GAP: i128 = 1024;
/// A run takes about so many bits in the side information.
const RUN_BITS: u64 = 24;
/// A table of runs may take this part of the codes' bits.
const TABLE_SHARE: u64 = 16;
/// Most digits of a value.
const MAX_DIGITS: u32 = 4;
/// Most bytes of a number of a table: 70 bits.
const MAX_BYTES: usize = 10;

/// How the values of an array become symbols.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ValueMap {
    /// A value is its symbol: 0..=65535.
    #[default]
    Same,
    /// Runs of consecutive values, in the order of their symbols.
    Runs(Vec<Run>),
    /// The array has no symbols: it is the start of the array of this number, whose symbols it shares.
    Start(usize),
    /// Value − `low` in `digits` digits of `bits` bits, the most significant first: each is a symbol.
    Digits {
        /// The least value.
        low: i128,
        /// 2..=4.
        digits: u32,
        /// 9..=16.
        bits: u32,
    },
}

/// Consecutive values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub start: i128,
    /// How many, at least 1.
    pub length: u64,
}

impl Run {
    fn holds(&self, value: i128) -> bool {
        (self.start..self.start + i128::from(self.length)).contains(&value)
    }
}

impl ValueMap {
    /// The map for some values, which `each` goes through from first to last, any number of times.
    pub(super) fn of<F>(each: F) -> Result<Self, CodesError>
    where
        F: Fn(&mut dyn FnMut(i128)) -> Result<(), CodesError>,
    {
        let (mut low, mut high, mut count) = (0, 0, 0u64);
        each(&mut |value| {
            (low, high) = if count == 0 { (value, value) } else { (value.min(low), value.max(high)) };
            count += 1;
        })?;
        if low >= 0 && high < i128::from(MAX_SYMBOLS) {
            return Ok(Self::Same);
        }
        let mut distinct = HashSet::new();
        each(&mut |value| {
            if distinct.len() as u64 <= MAX_SYMBOLS {
                distinct.insert(value);
            }
        })?;
        // 64 bits hold the difference of any two elements of one type.
        let bits = 128 - ((high - low) as u128).leading_zeros();
        let worth = |runs: usize| bits <= 16 || runs as u64 * RUN_BITS <= count * u64::from(bits) / TABLE_SHARE;
        match runs(distinct) {
            Some(runs) if runs.len() <= 8 || worth(runs.len()) => Ok(Self::Runs(runs)),
            _ => {
                let digits = bits.div_ceil(16).max(2);
                Ok(Self::Digits { low, digits, bits: bits.div_ceil(digits) })
            }
        }
    }

    /// Symbols of a value.
    pub fn digits(&self) -> usize {
        match self {
            Self::Same | Self::Runs(_) | Self::Start(_) => 1,
            Self::Digits { digits, .. } => *digits as usize,
        }
    }

    /// What maps values to symbols.
    pub(super) fn mapper(&self) -> impl Fn(i128, &mut Vec<u16>) + use<> {
        // Runs in the order of their values, each with the symbol of its first.
        let mut sorted = Vec::new();
        let mut symbol = 0;
        for run in self.runs() {
            sorted.push((run.start, symbol));
            symbol += run.length;
        }
        sorted.sort_unstable();
        let map = self.clone();
        move |value, symbols| match map {
            Self::Same | Self::Start(_) => symbols.push(value as u16),
            Self::Runs(_) => {
                let (start, symbol) = sorted[sorted.partition_point(|&(start, _)| start <= value) - 1];
                symbols.push((symbol as i128 + value - start) as u16);
            }
            Self::Digits { low, digits, bits } => {
                let value = (value - low) as u64;
                symbols.extend((0..digits).rev().map(|digit| (value >> (digit * bits) & ((1 << bits) - 1)) as u16));
            }
        }
    }

    /// What gives the value of some symbols, as many as a value has; none for symbols that stand for nothing.
    pub fn reader(&self) -> impl Fn(&[u16]) -> Option<i128> + use<> {
        let mut end = 0;
        let first = |run: &Run| {
            end += run.length;
            (end - run.length, *run)
        };
        let runs: Vec<(u64, Run)> = self.runs().iter().map(first).collect();
        let map = self.clone();
        move |symbols| match map {
            Self::Same | Self::Start(_) => Some(i128::from(symbols[0])),
            Self::Runs(_) => {
                let symbol = u64::from(symbols[0]);
                let (first, run) = runs[runs.partition_point(|&(first, _)| first <= symbol) - 1];
                (symbol - first < run.length).then(|| run.start + i128::from(symbol - first))
            }
            Self::Digits { low, bits, .. } => {
                Some(low + symbols.iter().fold(0, |sum, &digit| sum << bits | i128::from(digit)))
            }
        }
    }

    /// Symbols below which those of the map are; for digits each of them.
    pub fn alphabet(&self) -> u32 {
        match self {
            Self::Same | Self::Start(_) => MAX_SYMBOLS as u32,
            Self::Runs(runs) => runs.iter().map(|run| run.length).sum::<u64>() as u32,
            Self::Digits { bits, .. } => 1 << bits,
        }
    }

    fn runs(&self) -> &[Run] {
        if let Self::Runs(runs) = self { runs } else { &[] }
    }

    /// Number of the kind in side information.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Same => 0,
            Self::Runs(_) => 1,
            Self::Digits { .. } => 2,
            Self::Start(_) => 3,
        }
    }

    /// The rest of it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut end = 0;
        for run in self.runs() {
            put_signed(&mut out, run.start - end);
            put_wide(&mut out, u128::from(run.length - 1));
            end = run.start + i128::from(run.length);
        }
        match *self {
            Self::Digits { low, digits, bits } => {
                put_signed(&mut out, low);
                out.extend([digits as u8, bits as u8]);
            }
            Self::Start(array) => put_wide(&mut out, array as u128),
            Self::Same | Self::Runs(_) => {}
        }
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written; none if it is something else.
    pub(super) fn from_bytes(kind: u8, mut bytes: &[u8]) -> Option<Self> {
        match kind {
            0 => bytes.is_empty().then_some(Self::Same),
            1 => {
                let (mut runs, mut end, mut symbols) = (Vec::new(), 0i128, 0u64);
                while !bytes.is_empty() {
                    let start = end.checked_add(get_signed(&mut bytes)?)?;
                    let length = u64::try_from(get_wide(&mut bytes)?).ok().filter(|&length| length < MAX_SYMBOLS)? + 1;
                    symbols += length;
                    end = start.checked_add(i128::from(length)).filter(|end| end.unsigned_abs() < 1 << 80)?;
                    runs.push(Run { start, length });
                    if symbols > MAX_SYMBOLS {
                        return None;
                    }
                }
                (!runs.is_empty()).then_some(Self::Runs(runs))
            }
            2 => {
                let low = get_signed(&mut bytes)?;
                let &[digits, bits] = bytes else { return None };
                let (digits, bits) = (u32::from(digits), u32::from(bits));
                let fits = (2..=MAX_DIGITS).contains(&digits) && (1..=16).contains(&bits);
                fits.then_some(Self::Digits { low, digits, bits })
            }
            3 => {
                let array = get_wide(&mut bytes)?;
                bytes.is_empty().then(|| usize::try_from(array).ok().map(Self::Start))?
            }
            _ => None,
        }
    }
}

/// The fewest runs that hold all values and number at most [`MAX_SYMBOLS`]: those from 0 on first, then the negative ones.
fn runs(mut distinct: HashSet<i128>) -> Option<Vec<Run>> {
    // Codes begin at 0, whether that occurs or not, so that they stand for themselves.
    if (distinct.len() as u64) < MAX_SYMBOLS && distinct.iter().any(|&value| (0..=MAX_GAP).contains(&value)) {
        distinct.insert(0);
    }
    if distinct.len() as u64 > MAX_SYMBOLS {
        return None;
    }
    let mut values: Vec<i128> = distinct.into_iter().collect();
    values.sort_unstable_by_key(|&value| (value < 0, value));
    (0..=MAX_GAP.ilog2()).rev().find_map(|gap| {
        let mut runs: Vec<Run> = Vec::new();
        for &value in &values {
            match runs.last_mut() {
                Some(run) if value > run.start && value - run.start - i128::from(run.length) < 1 << gap => {
                    run.length = (value - run.start) as u64 + 1;
                }
                _ => runs.push(Run { start: value, length: 1 }),
            }
        }
        debug_assert!(values.iter().all(|&value| runs.iter().any(|run| run.holds(value))));
        // Without gaps they number what occurs.
        (runs.iter().map(|run| run.length).sum::<u64>() <= MAX_SYMBOLS).then_some(runs)
    })
}

/// A number of any size, as a varint of at most ten bytes.
fn put_wide(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn get_wide(bytes: &mut &[u8]) -> Option<u128> {
    let mut value = 0;
    for index in 0..MAX_BYTES {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u128::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// 0, −1, 1, −2, …
fn put_signed(out: &mut Vec<u8>, value: i128) {
    put_wide(out, (value << 1 ^ value >> 127) as u128);
}

fn get_signed(bytes: &mut &[u8]) -> Option<i128> {
    get_wide(bytes).map(|value| (value >> 1) as i128 ^ -((value & 1) as i128))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn map(values: &[i128]) -> ValueMap {
        let map = ValueMap::of(|each| {
            values.iter().copied().for_each(each);
            Ok(())
        });
        let map = map.expect("values");
        let (mapper, mut symbols) = (map.mapper(), Vec::new());
        values.iter().for_each(|&value| mapper(value, &mut symbols));
        let found: Vec<_> = symbols.chunks(map.digits()).map(map.reader()).collect();
        assert_eq!(found, values.iter().map(|&value| Some(value)).collect::<Vec<_>>());
        assert_eq!(ValueMap::from_bytes(map.kind(), &map.to_bytes()), Some(map.clone()));
        map
    }

    fn runs_of(pairs: &[(i128, u64)]) -> ValueMap {
        ValueMap::Runs(pairs.iter().map(|&(start, length)| Run { start, length }).collect())
    }

    #[test]
    fn padding_comes_after_the_codes_which_stand_for_themselves() {
        assert_eq!(map(&[0, 65_535, 3]), ValueMap::Same);
        assert_eq!(map(&[]), ValueMap::Same);
        assert_eq!(map(&[-1, 5, 1023, -1]), runs_of(&[(0, 1024), (-1, 1)]));
        assert_eq!(map(&[-100, 5, 700]), runs_of(&[(0, 701), (-100, 1)]));
        assert_eq!(map(&[-100, -1, 5]), runs_of(&[(0, 6), (-100, 100)]));
        assert_eq!(map(&[i128::from(i64::MIN), 9, i128::from(i64::MAX)]), {
            runs_of(&[(0, 10), (i128::from(i64::MAX), 1), (i128::from(i64::MIN), 1)])
        });
        assert_eq!(map(&[70_000, 70_001]), runs_of(&[(70_000, 2)]));
        assert_eq!(map(&[-1, 5, 1023]).to_bytes().len(), 6);
    }

    #[test]
    fn indices_of_a_large_codebook_are_cut_in_two() {
        let noise: Vec<i128> = (0..5000u32).map(|i| i128::from(i.wrapping_mul(2_654_435_761) >> 14)).collect();
        assert!(matches!(map(&noise), ValueMap::Digits { digits: 2, bits: 9, .. }));
        let wide: Vec<i128> = (0..5000u64).map(|i| i128::from(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
        assert!(matches!(map(&wide), ValueMap::Digits { digits: 4, bits: 16, .. }));
        let more: Vec<i128> = (0..140_000).chain(-5..0).collect();
        assert!(matches!(map(&more), ValueMap::Digits { low: -5, digits: 2, bits: 9 }));
        // Few of many, again and again: they are listed.
        let few: Vec<i128> = (0..30_000u32).map(|i| i128::from((i * i % 1009) * 127)).collect();
        assert!(matches!(map(&few), ValueMap::Runs(_)));
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in vec(any::<i64>(), 0..60), shift in 0u32..63, spread in vec(-300i64..70_000, 0..200)) {
            map(&values.iter().map(|&value| i128::from(value >> shift)).collect::<Vec<_>>());
            map(&spread.iter().map(|&value| i128::from(value)).collect::<Vec<_>>());
            map(&values.iter().map(|&value| i128::from(value as u64)).collect::<Vec<_>>());
        }

        #[test]
        fn arbitrary_tables_never_panic(kind in 0u8..4, bytes in vec(any::<u8>(), 0..40), symbols: [u16; 4]) {
            if let Some(map) = ValueMap::from_bytes(kind, &bytes) {
                let _ = map.reader()(&symbols[..map.digits()]);
                prop_assert!(map.alphabet() <= 65_536);
            }
        }
    }
}
