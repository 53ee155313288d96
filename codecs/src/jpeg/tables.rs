//! The tables of T.81 Annex K and the zigzag order (figure A.6).
//!
//! Order of entries: the quantization tables of this module are in *natural* order (row by
//! row, as Annex K prints them); [`natural_to_zigzag`] turns them into the order of DQT
//! segments and of `Component::quantization`.

/// Zigzag index → natural (row-major) index; T.81 figure A.6.
pub const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Natural (row-major) index → zigzag index; the inverse of [`ZIGZAG`].
pub const INVERSE_ZIGZAG: [u8; 64] = {
    let mut inverse = [0; 64];
    let mut k = 0;
    while k < 64 {
        inverse[ZIGZAG[k] as usize] = k as u8;
        k += 1;
    }
    inverse
};

/// Table K.1, luminance quantization, natural order.
pub const LUMINANCE_QUANTIZATION: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, //
    12, 12, 14, 19, 26, 58, 60, 55, //
    14, 13, 16, 24, 40, 57, 69, 56, //
    14, 17, 22, 29, 51, 87, 80, 62, //
    18, 22, 37, 56, 68, 109, 103, 77, //
    24, 35, 55, 64, 81, 104, 113, 92, //
    49, 64, 78, 87, 103, 121, 120, 101, //
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// Table K.2, chrominance quantization, natural order.
pub const CHROMINANCE_QUANTIZATION: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, //
    18, 21, 26, 66, 99, 99, 99, 99, //
    24, 26, 56, 99, 99, 99, 99, 99, //
    47, 66, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// A base table scaled as libjpeg's `jpeg_set_quality` does, in the order of `base`.
///
/// `quality` is clamped to 1..=100. Entries lie in 1..=255 with `baseline`, else in 1..=32767
/// (such a table needs 16-bit DQT entries and makes libjpeg write SOF1).
#[must_use]
pub fn scaled_table(base: &[u16; 64], quality: u8, baseline: bool) -> [u16; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - quality * 2 };
    let most = if baseline { 255 } else { 32767 };
    base.map(|entry| ((u32::from(entry) * percent + 50) / 100).clamp(1, most) as u16)
}

/// Reorders a natural-order table into zigzag order.
#[must_use]
pub fn natural_to_zigzag<T: Copy>(natural: &[T; 64]) -> [T; 64] {
    std::array::from_fn(|k| natural[usize::from(ZIGZAG[k])])
}

/// Reorders a zigzag-order table into natural order.
#[must_use]
pub fn zigzag_to_natural<T: Copy>(zigzag: &[T; 64]) -> [T; 64] {
    std::array::from_fn(|n| zigzag[usize::from(INVERSE_ZIGZAG[n])])
}

/// A Huffman table as a DHT segment states it (B.2.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandardHuffman {
    /// BITS: the number of codes of each length 1..=16.
    pub counts: [u8; 16],
    /// HUFFVAL: the symbols in order of increasing code.
    pub symbols: &'static [u8],
}

/// Table K.3: luminance DC differences.
pub const LUMINANCE_DC: StandardHuffman = StandardHuffman {
    counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// Table K.4: chrominance DC differences.
pub const CHROMINANCE_DC: StandardHuffman = StandardHuffman {
    counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// Table K.5: luminance AC coefficients.
pub const LUMINANCE_AC: StandardHuffman = StandardHuffman {
    counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
    symbols: &[
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
        0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
        0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
        0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
        0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

/// Table K.6: chrominance AC coefficients.
pub const CHROMINANCE_AC: StandardHuffman = StandardHuffman {
    counts: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
    symbols: &[
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
        0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
        0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
        0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
        0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
        0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
        0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_is_a_permutation_and_orders_convert_back() {
        let natural: [u16; 64] = std::array::from_fn(|n| n as u16);
        let zigzag = natural_to_zigzag(&natural);
        assert_eq!(zigzag[2], 8);
        assert_eq!(zigzag_to_natural(&zigzag), natural);
    }

    #[test]
    fn quality_scaling_matches_libjpeg() {
        let q50 = scaled_table(&LUMINANCE_QUANTIZATION, 50, true);
        assert_eq!(q50, LUMINANCE_QUANTIZATION);
        assert_eq!(scaled_table(&LUMINANCE_QUANTIZATION, 100, true), [1; 64]);
        assert_eq!(scaled_table(&LUMINANCE_QUANTIZATION, 1, true), [255; 64]);
        assert_eq!(scaled_table(&LUMINANCE_QUANTIZATION, 1, false)[0], 800);
        assert_eq!(scaled_table(&LUMINANCE_QUANTIZATION, 75, true)[..3], [8, 6, 5]);
    }

    #[test]
    fn huffman_tables_hold_as_many_symbols_as_codes() {
        for table in [LUMINANCE_DC, CHROMINANCE_DC, LUMINANCE_AC, CHROMINANCE_AC] {
            let codes: usize = table.counts.iter().map(|&n| usize::from(n)).sum();
            assert_eq!(codes, table.symbols.len());
            let mut seen = [false; 256];
            for &symbol in table.symbols {
                assert!(!std::mem::replace(&mut seen[usize::from(symbol)], true));
            }
        }
    }
}
