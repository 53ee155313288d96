//! Bits of entropy-coded segments: reading after unstuffing, writing with byte stuffing
//! (T.81 B.1.1.5, F.1.2.3).

/// Where a run of entropy-coded bytes ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEnd {
    /// First byte that is not decodable data: the first 0xFF that no 0x00 follows.
    pub data: usize,
    /// The 0xFF of the marker that ends the segment, or the end of the file.
    pub marker: usize,
}

/// Copies the entropy-coded bytes from `start` into `unstuffed` (cleared first) without the
/// stuffed zero bytes and says where they end.
pub(crate) fn unstuff(bytes: &[u8], start: usize, unstuffed: &mut Vec<u8>) -> SegmentEnd {
    unstuffed.clear();
    let mut from = start;
    let data = loop {
        let ff = match find_ff(&bytes[from..]) {
            Some(distance) => from + distance,
            None => {
                unstuffed.extend_from_slice(&bytes[from..]);
                break bytes.len();
            }
        };
        if bytes.get(ff + 1) == Some(&0) {
            unstuffed.extend_from_slice(&bytes[from..=ff]);
            from = ff + 2;
        } else {
            unstuffed.extend_from_slice(&bytes[from..ff]);
            break ff;
        }
    };
    let mut marker = data;
    while marker < bytes.len() {
        if bytes[marker] == 0xFF {
            match bytes.get(marker + 1) {
                None => {
                    marker = bytes.len();
                    break;
                }
                Some(0 | 0xFF) => {}
                Some(_) => break,
            }
        }
        marker += 1;
    }
    SegmentEnd { data, marker }
}

/// The position in the file of byte `index` of the unstuffed data that starts at `start`.
pub(crate) fn stuffed_position(bytes: &[u8], start: usize, index: usize) -> usize {
    let mut at = start;
    for _ in 0..index {
        at += if bytes.get(at) == Some(&0xFF) { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn find_ff(bytes: &[u8]) -> Option<usize> {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest byte of 0xFF gives the lowest set bit; borrows only reach higher bytes.
        let hit = (!word).wrapping_sub(HIGH >> 7) & word & HIGH;
        if hit != 0 {
            return Some(index * 8 + (hit.trailing_zeros() / 8) as usize);
        }
    }
    tail.iter().position(|&byte| byte == 0xFF).map(|at| words.len() * 8 + at)
}

/// Reads bits, most significant first, from unstuffed bytes; zeros follow the last byte.
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    /// Next byte to load; runs past the end of the data when zeros are supplied.
    next: usize,
    /// Loaded bits, left-aligned.
    window: u64,
    /// How many of them count.
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, next: 0, window: 0, count: 0 }
    }

    /// Makes at least 56 bits available.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        if let Some(word) = self.data.get(self.next..self.next + 8)
            && let Ok(word) = <[u8; 8]>::try_from(word)
        {
            self.window |= u64::from_be_bytes(word) >> self.count;
            self.next += ((63 - self.count) >> 3) as usize;
            self.count |= 56;
        } else {
            self.refill_slowly();
        }
    }

    #[cold]
    #[inline(never)]
    fn refill_slowly(&mut self) {
        while self.count < 56 {
            let byte = self.data.get(self.next).copied().unwrap_or(0);
            self.window |= u64::from(byte) << (56 - self.count);
            self.next += 1;
            self.count += 8;
        }
    }

    /// Refills when fewer than 32 bits are left.
    #[inline(always)]
    pub(crate) fn ensure_32(&mut self) {
        if self.count < 32 {
            self.refill();
        }
    }

    /// The next `bits` bits (1..=32), which must be available.
    #[inline(always)]
    pub(crate) fn peek(&self, bits: u32) -> u32 {
        (self.window >> (64 - bits)) as u32
    }

    /// Drops `bits` available bits.
    #[inline(always)]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.window <<= bits;
        self.count -= bits;
    }

    /// Reads 1..=16 available bits.
    #[inline(always)]
    pub(crate) fn take(&mut self, bits: u32) -> u32 {
        let value = self.peek(bits);
        self.skip(bits);
        value
    }

    /// Bits read so far, including supplied zeros.
    #[inline(always)]
    pub(crate) fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Whether more bits have been read than there are.
    #[inline(always)]
    pub(crate) fn overrun(&self) -> bool {
        self.position() > self.data.len() * 8
    }

    /// Bits that are left.
    pub(crate) fn remaining(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.position())
    }
}

/// Writes bits, most significant first, and stuffs a zero byte after each 0xFF.
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Pending bits, right-aligned; fewer than 32 between calls.
    window: u64,
    count: u32,
}

impl BitWriter {
    /// A writer that appends to `bytes`.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, window: 0, count: 0 }
    }

    /// Appends the low `bits` bits of `value` (0..=32); higher bits of `value` must be zero.
    #[inline(always)]
    pub(crate) fn put(&mut self, value: u32, bits: u32) {
        self.window = (self.window << bits) | u64::from(value);
        self.count += bits;
        if self.count >= 32 {
            self.count -= 32;
            let word = (self.window >> self.count) as u32;
            if (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
                self.bytes.extend_from_slice(&word.to_be_bytes());
            } else {
                self.stuffed(word);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn stuffed(&mut self, word: u32) {
        for byte in word.to_be_bytes() {
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
        if byte == 0xFF {
            self.bytes.push(0);
        }
    }

    /// How many bits are missing to a whole byte, 0..=7.
    pub(crate) fn missing(&self) -> u32 {
        (8 - self.count % 8) % 8
    }

    /// Writes the whole bytes, drops the bits of the last incomplete one, and gives access to
    /// the bytes.
    pub(crate) fn truncate(&mut self) -> &mut Vec<u8> {
        while self.count >= 8 {
            self.count -= 8;
            self.byte((self.window >> self.count) as u8);
        }
        self.count = 0;
        &mut self.bytes
    }

    /// The bytes; incomplete ones are dropped.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.truncate();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_ff() {
        for length in 0..40 {
            for at in 0..length {
                for other in [0x00, 0x7F, 0x80, 0xFE] {
                    let mut bytes = vec![other; length];
                    assert_eq!(find_ff(&bytes), None);
                    bytes[at] = 0xFF;
                    assert_eq!(find_ff(&bytes), Some(at));
                }
            }
        }
    }

    #[test]
    fn segments_end_at_markers() {
        let mut out = Vec::new();
        let bytes = [1, 0xFF, 0, 2, 0xFF, 0xD9, 3];
        assert_eq!(unstuff(&bytes, 0, &mut out), SegmentEnd { data: 4, marker: 4 });
        assert_eq!(out, [1, 0xFF, 2]);
        assert_eq!(stuffed_position(&bytes, 0, 2), 3);
        let fill = [1, 0xFF, 0xFF, 0xD0];
        assert_eq!(unstuff(&fill, 0, &mut out), SegmentEnd { data: 1, marker: 2 });
        let lone = [1, 0xFF];
        assert_eq!(unstuff(&lone, 0, &mut out), SegmentEnd { data: 1, marker: 2 });
        assert_eq!(unstuff(&[1, 2], 2, &mut out), SegmentEnd { data: 2, marker: 2 });
    }

    #[test]
    fn what_is_written_is_read() {
        let mut state = 7u32;
        let items: Vec<(u32, u32)> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let bits = (state >> 28) + 1;
                let value = if state & 0x100 == 0 { u32::MAX } else { state >> 8 };
                (value & ((1 << bits) - 1), bits)
            })
            .collect();
        let mut writer = BitWriter::new(Vec::new());
        for &(value, bits) in &items {
            writer.put(value, bits);
        }
        let missing = writer.missing();
        writer.put((1 << missing) - 1, missing);
        let bytes = writer.finish();
        let mut data = Vec::new();
        let end = unstuff(&bytes, 0, &mut data);
        assert_eq!(end.data, bytes.len());
        let mut reader = BitReader::new(&data);
        for &(value, bits) in &items {
            reader.ensure_32();
            assert_eq!(reader.take(bits), value);
        }
        assert_eq!(reader.remaining(), missing as usize);
        assert!(!reader.overrun());
    }
}
