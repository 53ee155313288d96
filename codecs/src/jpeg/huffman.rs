//! Huffman codes: decoding tables, encoding tables, and libjpeg's optimal code
//! (T.81 Annex C, F.2.2.3, K.2).

use super::bits::BitReader;

/// Bits that index the fast table.
const FAST_BITS: u32 = 11;

/// Whether `counts` codes of lengths 1..=16 exist and `symbols` has as many entries.
pub(crate) fn is_code(counts: &[u8; 16], symbols: &[u8]) -> bool {
    let total: usize = counts.iter().map(|&n| usize::from(n)).sum();
    let mut free = 1i32;
    for &count in counts {
        free = free * 2 - i32::from(count);
        if free < 0 {
            return false;
        }
    }
    total == symbols.len() && total <= 256
}

/// A table that decodes one symbol, and its coefficient where that is short, with one look-up.
pub(crate) struct DecodingTable {
    /// By the next 11 bits: code length (bits 0..4; 0: longer than 11 bits or no code), length
    /// with magnitude bits (4..8; 0: magnitude not included), symbol (8..16), coefficient
    /// (16..32).
    fast: Vec<u32>,
    /// For each length: codes of this length, left-aligned to 16 bits, are below this bound.
    bound: [u32; 17],
    /// For each length: add the code to get the index of its symbol.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

/// The result of one look-up.
pub(crate) enum Decoded {
    /// A symbol; its magnitude bits, if any, follow.
    Symbol(u8),
    /// A symbol RS with its coefficient.
    Coefficient {
        /// Zeros before the coefficient.
        run: u8,
        /// The coefficient, never zero.
        value: i16,
    },
    /// No code begins like this.
    Invalid,
}

impl DecodingTable {
    /// A table for a valid code ([`is_code`]).
    pub(crate) fn new(counts: &[u8; 16], symbols: &[u8]) -> Self {
        let mut table =
            Self { fast: vec![0; 1 << FAST_BITS], bound: [0; 17], offset: [0; 17], symbols: symbols.to_vec() };
        let mut code = 0u32;
        let mut index = 0usize;
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            table.offset[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                if length <= FAST_BITS
                    && let Some(&symbol) = symbols.get(index)
                {
                    table.fill(code, length, symbol);
                }
                code += 1;
                index += 1;
            }
            table.bound[length as usize] = code << (16 - length);
            code <<= 1;
        }
        table
    }

    fn fill(&mut self, code: u32, length: u32, symbol: u8) {
        let spare = FAST_BITS - length;
        let size = u32::from(symbol & 15);
        for rest in 0..1u32 << spare {
            let mut entry = length | u32::from(symbol) << 8;
            if size != 0 && size <= spare {
                let value = extend(rest >> (spare - size), size);
                entry |= (length + size) << 4 | u32::from(value as u16) << 16;
            }
            if let Some(slot) = self.fast.get_mut((code << spare | rest) as usize) {
                *slot = entry;
            }
        }
    }

    /// Reads a symbol; at least 16 bits must be available.
    #[inline(always)]
    pub(crate) fn symbol(&self, reader: &mut BitReader<'_>) -> Option<u8> {
        let entry = self.entry(reader);
        let length = entry & 15;
        if length != 0 {
            reader.skip(length);
            return Some((entry >> 8) as u8);
        }
        self.long_symbol(reader)
    }

    /// Reads a symbol RS and, where it is short, its coefficient; at least 16 bits must be
    /// available.
    #[inline(always)]
    pub(crate) fn coefficient(&self, reader: &mut BitReader<'_>) -> Decoded {
        let entry = self.entry(reader);
        let total = entry >> 4 & 15;
        if total != 0 {
            reader.skip(total);
            return Decoded::Coefficient { run: (entry >> 12 & 15) as u8, value: (entry >> 16) as i16 };
        }
        let length = entry & 15;
        if length != 0 {
            reader.skip(length);
            return Decoded::Symbol((entry >> 8) as u8);
        }
        self.long_symbol(reader).map_or(Decoded::Invalid, Decoded::Symbol)
    }

    #[inline(always)]
    fn entry(&self, reader: &BitReader<'_>) -> u32 {
        let index = reader.peek(FAST_BITS) as usize;
        self.fast.get(index).copied().unwrap_or(0)
    }

    #[cold]
    #[inline(never)]
    fn long_symbol(&self, reader: &mut BitReader<'_>) -> Option<u8> {
        let bits = reader.peek(16);
        let length = (1..=16u32).find(|&length| bits < self.bound[length as usize])?;
        let index = (bits >> (16 - length)) as i32 + self.offset[length as usize];
        reader.skip(length);
        self.symbols.get(usize::try_from(index).ok()?).copied()
    }
}

/// EXTEND of T.81 F.2.2.1: the signed value of `size` (1..=15) magnitude bits.
#[inline(always)]
pub(crate) fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}

/// The magnitude category of a value and its magnitude bits (F.1.2.1); inverse of [`extend`].
#[inline(always)]
pub(crate) fn magnitude(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = (value + (value >> 31)) as u32 & ((1u32 << size) - 1);
    (size, bits)
}

/// Codes by symbol.
#[derive(Clone)]
pub(crate) struct EncodingTable {
    /// Code in the high 16 bits, length (0: no code) in the low ones.
    codes: [u32; 256],
}

impl EncodingTable {
    /// A table for a valid code ([`is_code`]).
    pub(crate) fn new(counts: &[u8; 16], symbols: &[u8]) -> Self {
        let mut codes = [0; 256];
        let mut code = 0u32;
        let mut symbols = symbols.iter();
        for (length, &count) in (1u32..).zip(counts) {
            for symbol in symbols.by_ref().take(usize::from(count)) {
                codes[usize::from(*symbol)] = (code & 0xFFFF) << 16 | length;
                code += 1;
            }
            code <<= 1;
        }
        Self { codes }
    }

    /// (code, length in bits); length 0 where the symbol has no code.
    #[inline(always)]
    pub(crate) fn code(&self, symbol: u8) -> (u32, u32) {
        let entry = self.codes[usize::from(symbol)];
        (entry >> 16, entry & 0xFFFF)
    }
}

/// The code that libjpeg's `jpeg_gen_optimal_table` makes for these symbol counts.
///
/// `None` when no symbol occurs or a code would be longer than 32 bits before it is shortened.
pub(crate) fn optimal_code(histogram: &[u32; 256]) -> Option<([u8; 16], Vec<u8>)> {
    // The 257th symbol takes the code of all ones (K.2).
    let mut weight = [0u64; 257];
    for (slot, &count) in weight.iter_mut().zip(histogram) {
        *slot = u64::from(count);
    }
    weight[256] = 1;
    let mut present: Vec<usize> = (0..257).filter(|&symbol| weight[symbol] != 0).collect();
    if present.len() < 2 {
        return None;
    }
    let mut depth = [0usize; 257];
    let mut chain = [None::<usize>; 257];
    while present.len() > 1 {
        // The two least frequent; of equals the larger symbol, as libjpeg picks them.
        let mut first = 0;
        for at in 1..present.len() {
            if weight[present[at]] <= weight[present[first]] {
                first = at;
            }
        }
        let mut second = usize::from(first == 0);
        for at in second + 1..present.len() {
            if at != first && weight[present[at]] <= weight[present[second]] {
                second = at;
            }
        }
        let (a, b) = (present[first], present[second]);
        weight[a] += weight[b];
        present.remove(second);
        let mut last = a;
        depth[last] += 1;
        while let Some(next) = chain[last] {
            last = next;
            depth[last] += 1;
        }
        chain[last] = Some(b);
        let mut next = Some(b);
        while let Some(symbol) = next {
            depth[symbol] += 1;
            next = chain[symbol];
        }
    }
    let mut bits = [0u32; 33];
    for &length in depth.iter().filter(|&&length| length != 0) {
        *bits.get_mut(length)? += 1;
    }
    // Adjust_BITS (figure K.3): shorten codes to 16 bits.
    for length in (17..=32).rev() {
        while bits[length] > 0 {
            let shorter = (1..length - 1).rev().find(|&j| bits[j] != 0)?;
            bits[length] -= 2;
            bits[length - 1] += 1;
            bits[shorter + 1] += 2;
            bits[shorter] -= 1;
        }
    }
    let longest = (1..=16).rev().find(|&length| bits[length] != 0)?;
    bits[longest] -= 1;
    let mut counts = [0u8; 16];
    for (slot, &count) in counts.iter_mut().zip(&bits[1..=16]) {
        *slot = u8::try_from(count).ok()?;
    }
    let mut symbols: Vec<u8> = (0..=255).filter(|&s| depth[usize::from(s)] != 0).collect();
    symbols.sort_by_key(|&symbol| depth[usize::from(symbol)]);
    is_code(&counts, &symbols).then_some((counts, symbols))
}

#[cfg(test)]
mod tests {
    use super::super::tables;
    use super::*;

    #[test]
    fn magnitudes_extend_back() {
        for value in -32767..=32767 {
            let (size, bits) = magnitude(value);
            if value == 0 {
                assert_eq!((size, bits), (0, 0));
            } else {
                assert_eq!(extend(bits, size), value);
            }
        }
    }

    #[test]
    fn codes_decode_to_their_symbols() {
        for table in [tables::LUMINANCE_DC, tables::CHROMINANCE_DC, tables::LUMINANCE_AC, tables::CHROMINANCE_AC] {
            assert!(is_code(&table.counts, table.symbols));
            let decoding = DecodingTable::new(&table.counts, table.symbols);
            let encoding = EncodingTable::new(&table.counts, table.symbols);
            for &symbol in table.symbols {
                let (code, length) = encoding.code(symbol);
                let bytes = (u64::from(code) << (64 - length)).to_be_bytes();
                let mut reader = BitReader::new(&bytes);
                reader.refill();
                assert_eq!(decoding.symbol(&mut reader), Some(symbol));
                assert_eq!(reader.position(), length as usize);
            }
        }
    }

    #[test]
    fn optimal_code_is_prefix_free_and_short_for_frequent_symbols() {
        let mut histogram = [0u32; 256];
        let (mut a, mut b) = (1, 1);
        for slot in histogram.iter_mut().take(30) {
            *slot = a;
            (a, b) = (b, a + b);
        }
        let (counts, symbols) = optimal_code(&histogram).unwrap();
        assert_eq!(symbols.len(), 30);
        assert!(symbols[..2].contains(&29));
        assert!(is_code(&counts, &symbols));
        assert_eq!(optimal_code(&[0; 256]), None);
    }

    #[test]
    fn overfull_codes_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(!is_code(&counts, &[1, 2, 3]));
        counts[0] = 1;
        assert!(!is_code(&counts, &[1, 2]));
        assert!(is_code(&counts, &[1]));
    }
}
