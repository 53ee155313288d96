//! Rotary positions with whole harmonics of a circle of 128 positions.

use super::QK_LIMIT;

/// Positions after which the angles repeat.
const PERIOD: usize = 128;

/// Turns per [`PERIOD`] positions of the pairs of an axis; pair j of an axis turns with `HARMONICS[j % 8]`.
const HARMONICS: [usize; 8] = [1, 2, 4, 8, 12, 16, 24, 32];

/// cos(2πp / 128) in Q14 for the first quarter, p = 0..=32. Part of the format.
#[rustfmt::skip]
const QUARTER: [i16; 33] = [
    16384, 16364, 16305, 16207, 16069, 15893, 15679, 15426, 15137, 14811, 14449, 14053, 13623, 13160, 12665, 12140, 11585,
    11003, 10394, 9760, 9102, 8423, 7723, 7005, 6270, 5520, 4756, 3981, 3196, 2404, 1606, 804, 0,
];

/// cos(2πp / 128), Q14, any p.
const fn cos(p: usize) -> i16 {
    match p % PERIOD {
        p @ 0..=32 => QUARTER[p],
        p @ 33..=64 => -QUARTER[64 - p],
        p @ 65..=96 => -QUARTER[p - 64],
        p => QUARTER[PERIOD - p],
    }
}

/// Cosines and sines (Q14) of the pairs of one head at one position; pairs beyond the head's are unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Angles {
    /// Cosines, Q14.
    pub cos: [i32; 16],
    /// Sines, Q14.
    pub sin: [i32; 16],
}

/// The angles of every position of one axis.
#[derive(Debug, Clone)]
pub struct RopeTable {
    positions: Vec<Angles>,
}

impl Default for RopeTable {
    fn default() -> Self {
        Self::new()
    }
}

impl RopeTable {
    /// The table: pair j turns `HARMONICS[j % 8]` times in 128 positions.
    pub fn new() -> Self {
        let positions = (0..PERIOD)
            .map(|p| Angles {
                cos: std::array::from_fn(|j| i32::from(cos(HARMONICS[j % 8] * p))),
                sin: std::array::from_fn(|j| i32::from(cos(HARMONICS[j % 8] * p + 3 * PERIOD / 4))),
            })
            .collect();
        Self { positions }
    }

    /// One axis: every pair turns with `position`.
    #[inline]
    pub fn at(&self, position: usize) -> &Angles {
        &self.positions[position % PERIOD]
    }

    /// Two axes for a head of `2·half` elements: the first half of the pairs turn with the column, pair j of them with
    /// `HARMONICS[j]`; the others with the row, in the same way.
    #[inline]
    pub fn at_2d(&self, row: usize, column: usize, half: usize) -> Angles {
        let (mut angles, row) = (*self.at(column), self.at(row));
        for j in half / 2..half {
            angles.cos[j] = row.cos[j - half / 2];
            angles.sin[j] = row.sin[j - half / 2];
        }
        angles
    }
}

/// Turns the pair (a, b) (Q9, ±8191) by the angle with this cosine and sine (Q14); the result is clamped to ±8191.
/// |a·cos| + |b·sin| ≤ 2·8191·16384 < 2^28.
#[inline(always)]
pub fn rotate(a: i32, b: i32, cos: i32, sin: i32) -> (i32, i32) {
    let x = (a * cos - b * sin + (1 << 13)) >> 14;
    let y = (a * sin + b * cos + (1 << 13)) >> 14;
    (x.clamp(-QK_LIMIT, QK_LIMIT), y.clamp(-QK_LIMIT, QK_LIMIT))
}
