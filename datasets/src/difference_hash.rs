//! Near-duplicate pictures: a difference hash of 128 bits, and a search for hashes within a few bits.
//!
//! The picture's luma is averaged down to 9×9 cells; 64 bits say whether a cell is brighter than its right neighbour, 64 whether
//! it is brighter than the one below ("dHash": N. Krawetz, "Kind of Like That", 2013, in both directions). Scaling, recompression
//! and small changes of tone flip few bits; a mirrored, turned or strongly cropped copy is not recognised.

use std::collections::HashMap;

use image::RgbImage;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 128-bit difference hash; 32 hexadecimal digits in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DifferenceHash(pub u128);

impl DifferenceHash {
    /// The hash of a picture. An empty picture has hash 0.
    #[must_use]
    pub fn of(pixels: &RgbImage) -> Self {
        const N: usize = 9;
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        if width == 0 || height == 0 {
            return Self(0);
        }
        // Sums over cells, each pixel in the cell that holds it; a picture of fewer than 9 lines repeats some of them.
        let mut cells = [[0u64; N]; N];
        let raw = pixels.as_raw();
        let span = |i: usize, n: usize| {
            let from = (i * n / N).min(n - 1);
            from..((i + 1) * n / N).max(from + 1)
        };
        for (row, line) in cells.iter_mut().enumerate() {
            for (column, cell) in line.iter_mut().enumerate() {
                let (ys, xs) = (span(row, height), span(column, width));
                let count = (ys.len() * xs.len()) as u64;
                let mut sum = 0u64;
                for y in ys {
                    for pixel in raw[3 * (y * width + xs.start)..3 * (y * width + xs.end)].chunks_exact(3) {
                        sum += 299 * u64::from(pixel[0]) + 587 * u64::from(pixel[1]) + 114 * u64::from(pixel[2]);
                    }
                }
                *cell = sum / count;
            }
        }
        let mut bits = 0u128;
        for row in 0..N - 1 {
            for column in 0..N - 1 {
                bits = bits << 1 | u128::from(cells[row][column] > cells[row][column + 1]);
                bits = bits << 1 | u128::from(cells[row][column] > cells[row + 1][column]);
            }
        }
        Self(bits)
    }

    /// Bits in which two hashes differ, 0..=128.
    #[must_use]
    pub fn distance(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }
}

impl Serialize for DifferenceHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for DifferenceHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = (text.len() == 32).then(|| u128::from_str_radix(&text, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{text:?}: a hash is 32 hexadecimal digits")))
    }
}

/// Finds hashes within `limit` bits. Two hashes that differ in at most `limit` bits are equal in one of `limit + 1` bands of
/// bits (the pigeonhole principle), so only the hashes that share a band are compared.
pub struct NearIndex {
    limit: u32,
    bands: Vec<(u32, u128)>,
    buckets: HashMap<(usize, u128), Vec<u32>>,
    hashes: Vec<DifferenceHash>,
}

impl NearIndex {
    /// An index of hashes, to be searched within `limit` bits (at most 32).
    #[must_use]
    pub fn new(hashes: Vec<DifferenceHash>, limit: u32) -> Self {
        let limit = limit.min(32);
        let count = limit + 1;
        let bands: Vec<(u32, u128)> = (0..count)
            .map(|i| {
                let (from, to) = (i * 128 / count, (i + 1) * 128 / count);
                (from, u128::MAX >> (128 - (to - from)))
            })
            .collect();
        let mut buckets: HashMap<(usize, u128), Vec<u32>> = HashMap::new();
        for (index, hash) in hashes.iter().enumerate() {
            for (band, &(shift, mask)) in bands.iter().enumerate() {
                buckets.entry((band, hash.0 >> shift & mask)).or_default().push(index as u32);
            }
        }
        Self { limit, bands, buckets, hashes }
    }

    /// The position of the nearest hash within the limit and its distance; the first of several.
    #[must_use]
    pub fn nearest(&self, hash: DifferenceHash) -> Option<(usize, u32)> {
        let mut best: Option<(u32, usize)> = None;
        for (band, &(shift, mask)) in self.bands.iter().enumerate() {
            for &index in self.buckets.get(&(band, hash.0 >> shift & mask)).into_iter().flatten() {
                let found = (hash.distance(self.hashes[index as usize]), index as usize);
                if found.0 <= self.limit && best.is_none_or(|best| found < best) {
                    best = Some(found);
                }
            }
        }
        best.map(|(distance, index)| (index, distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(width: u32, height: u32, phase: f64) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
            let value = 128.0 + 60.0 * (7.0 * u + phase).sin() + 50.0 * (5.0 * v * u + 2.0 * phase).cos();
            image::Rgb([value as u8, (value * 0.8) as u8, 255 - value as u8])
        })
    }

    #[test]
    fn scaled_copies_are_near_and_other_pictures_are_not() {
        let a = DifferenceHash::of(&picture(320, 240, 0.0));
        let smaller = image::imageops::resize(&picture(320, 240, 0.0), 160, 120, image::imageops::FilterType::Lanczos3);
        assert!(a.distance(DifferenceHash::of(&smaller)) <= 6);
        assert!(a.distance(DifferenceHash::of(&picture(320, 240, 1.7))) > 20);
    }

    #[test]
    fn tiny_pictures_have_a_hash() {
        for (w, h) in [(1, 1), (1, 40), (8, 9), (3, 2)] {
            let _: DifferenceHash = DifferenceHash::of(&picture(w, h, 0.3));
        }
        assert_eq!(DifferenceHash::of(&RgbImage::new(0, 5)), DifferenceHash(0));
    }

    #[test]
    fn json_is_32_digits() {
        let hash = DifferenceHash(0xabc);
        let text = serde_json::to_string(&hash).expect("JSON");
        assert_eq!(text, "\"00000000000000000000000000000abc\"");
        assert_eq!(serde_json::from_str::<DifferenceHash>(&text).expect("hash"), hash);
        assert!(serde_json::from_str::<DifferenceHash>("\"abc\"").is_err());
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_full_search_finds(
            bases in prop::collection::vec(any::<u128>(), 1..6),
            picks in prop::collection::vec((0usize..6, prop::collection::vec(0u32..128, 0..14)), 1..30),
            query in (0usize..6, prop::collection::vec(0u32..128, 0..14)),
            limit in 0u32..12,
        ) {
            let make = |(base, flips): &(usize, Vec<u32>)| {
                DifferenceHash(flips.iter().fold(bases[base % bases.len()], |h, &bit| h ^ 1 << bit))
            };
            let hashes: Vec<_> = picks.iter().map(make).collect();
            let query = make(&query);
            let full = hashes.iter().enumerate().map(|(i, h)| (h.distance(query), i)).filter(|f| f.0 <= limit).min();
            prop_assert_eq!(NearIndex::new(hashes, limit).nearest(query), full.map(|(d, i)| (i, d)));
        }
    }
}
