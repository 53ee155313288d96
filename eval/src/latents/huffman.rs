//! Static Huffman coding of order 0 (D. A. Huffman, 1952), canonical codes; the tables are part of the stream.
//!
//! A table is five bits for the width of the lengths, then a length for each entry of the codebook (0: not used).
//! A layer of a single used code spends no bits on its codes.

use super::stream::{BitReader, BitWriter, read_head, write_head};
use super::{LatentCoder, LatentCodes, LatentError};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The anchor: one table for all layers, or one for each.
#[derive(Debug, Clone, Copy)]
pub struct Huffman {
    /// One table for each layer.
    pub per_layer: bool,
}

impl Huffman {
    fn tables(&self, layers: usize) -> usize {
        if self.per_layer { layers } else { 1 }
    }
}

impl LatentCoder for Huffman {
    fn name(&self) -> &'static str {
        if self.per_layer { "huffman-per-layer" } else { "huffman" }
    }

    fn encode(&self, codes: &LatentCodes) -> Result<Vec<u8>, LatentError> {
        let tables = self.tables(codes.layers());
        let mut counts = vec![vec![0u64; codes.codebook() as usize]; tables];
        codes.codes().iter().enumerate().for_each(|(i, &c)| counts[i % tables][c as usize] += 1);
        let mut bits = BitWriter::after(write_head(codes));
        let mut canonical = Vec::with_capacity(tables);
        for counts in &counts {
            let lengths = code_lengths(counts);
            let longest = lengths.iter().copied().max().unwrap_or(0);
            let width = u32::BITS - longest.leading_zeros();
            bits.put(width, 5);
            lengths.iter().for_each(|&l| bits.put(l, width));
            canonical.push(canonical_codes(&lengths));
        }
        for (i, &c) in codes.codes().iter().enumerate() {
            let (code, length) = canonical[i % tables][c as usize];
            bits.put(code, length);
        }
        Ok(bits.finish())
    }

    fn decode(&self, stream: &[u8]) -> Result<LatentCodes, LatentError> {
        let (head, rest) = read_head(self.name(), stream)?;
        let damaged = |reason: &str| LatentError::Damaged { coder: self.name(), reason: reason.into() };
        let mut bits = BitReader::new(self.name(), rest);
        let mut tables = Vec::new();
        for _ in 0..self.tables(head.layers) {
            let width = bits.take(5)?;
            if bits.left() < width as usize * head.codebook as usize {
                return Err(damaged("it is cut off"));
            }
            let lengths = (0..head.codebook).map(|_| bits.take(width)).collect::<Result<Vec<_>, _>>()?;
            tables.push(CodeTable::new(&lengths).ok_or_else(|| damaged("code lengths that are no prefix code"))?);
        }
        let mut codes = Vec::new();
        for i in 0..head.count {
            let table = &tables[i % tables.len()];
            if table.longest == 0 && table.symbols.is_empty() {
                return Err(damaged("a code without a table"));
            }
            codes.push(table.read(&mut bits)?.ok_or_else(|| damaged("bits that are no code"))?);
        }
        bits.finish()?;
        LatentCodes::new(codes, head.layers, head.codebook)
    }
}

/// Length of each symbol's code; a lone symbol gets length 1 in the table (and no bits, see [`canonical_codes`]).
///
/// With at most 2^28 codes no length passes 40 (Fibonacci); lengths stay far below the 32 bits of [`BitWriter::put`] unless
/// the counts are Fibonacci numbers themselves, so those are flattened until they fit.
fn code_lengths(counts: &[u64]) -> Vec<u32> {
    let mut counts = counts.to_vec();
    loop {
        let lengths = unlimited_lengths(&counts);
        if lengths.iter().all(|&l| l <= 31) {
            return lengths;
        }
        counts.iter_mut().filter(|c| **c > 0).for_each(|c| *c = *c / 2 + 1);
    }
}

fn unlimited_lengths(counts: &[u64]) -> Vec<u32> {
    let mut lengths = vec![0; counts.len()];
    let used: Vec<usize> = (0..counts.len()).filter(|&s| counts[s] > 0).collect();
    if let [only] = used[..] {
        lengths[only] = 1;
        return lengths;
    }
    // Nodes: the used symbols, then the joints in the order of their making.
    let mut parent = vec![usize::MAX; used.len()];
    let mut heap: BinaryHeap<_> = used.iter().enumerate().map(|(node, &s)| Reverse((counts[s], node))).collect();
    while let (Some(Reverse(a)), Some(Reverse(b))) = (heap.pop(), heap.pop()) {
        let joint = parent.len();
        parent.push(usize::MAX);
        parent[a.1] = joint;
        parent[b.1] = joint;
        heap.push(Reverse((a.0 + b.0, joint)));
        if heap.len() == 1 {
            break;
        }
    }
    let mut depth = vec![0; parent.len()];
    for node in (0..parent.len()).rev() {
        if parent[node] != usize::MAX {
            depth[node] = depth[parent[node]] + 1;
        }
    }
    used.iter().enumerate().for_each(|(node, &s)| lengths[s] = depth[node]);
    lengths
}

fn is_lone(lengths: &[u32]) -> bool {
    lengths.iter().filter(|&&l| l > 0).count() == 1
}

/// Code and length of each symbol: by length, then by symbol.
fn canonical_codes(lengths: &[u32]) -> Vec<(u32, u32)> {
    if is_lone(lengths) {
        return vec![(0, 0); lengths.len()];
    }
    let mut out = vec![(0, 0); lengths.len()];
    let mut code = 0u64;
    for length in 1..=lengths.iter().copied().max().unwrap_or(0) {
        code <<= 1;
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == length) {
            out[symbol] = (code as u32, length);
            code += 1;
        }
    }
    out
}

/// Canonical decoding.
struct CodeTable {
    longest: u32,
    /// Number of codes of each length.
    counts: Vec<u64>,
    symbols: Vec<u16>,
}

impl CodeTable {
    /// `None` unless the lengths make a complete prefix code, a lone code of length 1, or no code at all.
    fn new(lengths: &[u32]) -> Option<Self> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut order: Vec<usize> = (0..lengths.len()).filter(|&s| lengths[s] > 0).collect();
        order.sort_by_key(|&s| (lengths[s], s));
        let symbols: Vec<u16> = order.iter().map(|&s| s as u16).collect();
        if is_lone(lengths) {
            return (longest == 1).then_some(Self { longest: 0, counts: vec![], symbols });
        }
        let mut counts = vec![0u64; longest as usize + 1];
        lengths.iter().filter(|l| **l > 0).for_each(|&l| counts[l as usize] += 1);
        let kraft: u64 = (1..=longest).map(|l| counts[l as usize] << (32 - l.min(32))).sum();
        (symbols.is_empty() || (longest <= 31 && kraft == 1 << 32)).then_some(Self { longest, counts, symbols })
    }

    fn read(&self, bits: &mut BitReader) -> Result<Option<u16>, LatentError> {
        if self.longest == 0 {
            return Ok(self.symbols.first().copied());
        }
        let (mut code, mut first, mut index) = (0u64, 0u64, 0u64);
        for length in 1..=self.longest as usize {
            code = (code << 1) | u64::from(bits.bit()?);
            first <<= 1;
            if code < first + self.counts[length] {
                return Ok(Some(self.symbols[(index + code - first) as usize]));
            }
            first += self.counts[length];
            index += self.counts[length];
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_optimal() {
        // 5·1 + 2·2 + 1·3 + 1·3 bits
        assert_eq!(code_lengths(&[5, 1, 0, 2, 1]), [1, 3, 0, 2, 3]);
        assert_eq!(code_lengths(&[0, 9, 0]), [0, 1, 0]);
        assert_eq!(code_lengths(&[0, 0]), [0, 0]);
        let mut fibonacci = vec![1u64, 1];
        while fibonacci.len() < 40 {
            fibonacci.push(fibonacci[fibonacci.len() - 1] + fibonacci[fibonacci.len() - 2]);
        }
        assert!(code_lengths(&fibonacci).into_iter().all(|l| l <= 31));
    }
}
