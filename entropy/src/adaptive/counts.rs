//! Adaptive counts: probabilities of a bit, one for each context, in a table of hashed contexts.

/// A probability in Q22 (upper bits) and the number of bits seen, up to 1023 (lower 10 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(u32);

/// 2^16 / (n + 1.5).
static RATE: [u32; 1024] = {
    let mut table = [0; 1024];
    let mut n = 0;
    while n < 1024 {
        table[n as usize] = (1 << 17) / (2 * n + 3);
        n += 1;
    }
    table
};

impl Count {
    /// Nothing seen: one half.
    pub(super) const NEW: Self = Self(1 << 31);

    /// A probability in Q16, as if seen `n` times.
    pub(super) const fn with(p: u32, n: u32) -> Self {
        Self(p << 16 | n)
    }

    /// Probability of a one in Q16, below 65536.
    #[inline]
    pub(super) fn p(self) -> u32 {
        self.0 >> 16
    }

    /// Bits seen, as far as they are counted.
    #[inline]
    pub(super) fn seen(self) -> u32 {
        self.0 & 1023
    }

    /// Moves the probability towards a bit by 1 / (n + 1.5), where n is cut at `limit` < 1024.
    #[inline]
    pub(super) fn update(&mut self, bit: bool, limit: u32) {
        let n = self.seen();
        let p = i64::from(self.0 >> 10);
        let target = if bit { (1 << 22) - 1 } else { 0 };
        // p stays within 0..2^22, since the rate is below 1.
        let p = p + (((target - p) * i64::from(RATE[n as usize])) >> 16);
        self.0 = (p as u32) << 10 | (n + 1).min(limit);
    }
}

/// The counts of the 15 nodes of four bits under one context: a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Bucket {
    check: u32,
    pub(super) nodes: [Count; 15],
}

impl Bucket {
    const EMPTY: Self = Self { check: 0, nodes: [Count::NEW; 15] };
}

/// A hash table of buckets. A context takes one of two places; a new one replaces the less used.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Vec<Bucket>,
    mask: usize,
}

impl Table {
    /// A table of 2^bits buckets.
    pub(super) fn new(bits: u32) -> Self {
        Self { buckets: vec![Bucket::EMPTY; 1 << bits], mask: (1 << bits) - 1 }
    }

    /// Reads what [`find`](Self::find) will need. Calls for several tables in a row wait for memory together.
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> u32 {
        self.buckets[hash as usize & self.mask].check
    }

    /// The place of a context's bucket, which is made if it is not there; `peeked` is [`peek`](Self::peek)'s.
    #[inline]
    pub(super) fn find(&mut self, hash: u64, peeked: u32) -> usize {
        let (check, place) = (check(hash), hash as usize & self.mask);
        if peeked == check {
            return place;
        }
        let other = place ^ (1 & self.mask);
        if self.buckets[other].check == check {
            return other;
        }
        let use_of = |place: usize| self.buckets[place].nodes[0].seen();
        let place = if use_of(other) < use_of(place) { other } else { place };
        self.buckets[place] = Bucket { check, ..Bucket::EMPTY };
        place
    }

    #[inline]
    pub(super) fn count(&mut self, place: usize, node: usize) -> &mut Count {
        &mut self.buckets[place].nodes[node]
    }
}

/// What tells contexts of the same place apart; never 0, which an empty bucket has.
#[inline]
fn check(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

/// Mixes the bits of a context's parts (the finalizer of splitmix64).
#[inline]
pub(super) fn hash(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Hash of a context: its number and the symbols it consists of.
#[inline]
pub(super) fn key(context: u64, parts: &[u64]) -> u64 {
    hash(parts.iter().fold(context, |sum, &part| (sum.rotate_left(23) ^ part).wrapping_mul(0x9FB2_1C65_1E98_DF25)))
}
