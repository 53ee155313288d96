//! Side information: the sequence of everything in a JPEG file that is not a coefficient.

use super::frame::{ComponentLayout, FrameHeader};
use super::tables;

/// Everything that is needed besides the coefficients to rewrite a JPEG file byte for byte.
///
/// The elements stand in the order of the file, between the SOI marker and the last byte.
/// Exactly one of them is [`Element::Frame`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideInformation {
    /// The frame header; its place in the file is that of [`Element::Frame`].
    pub frame: FrameHeader,
    /// What follows the SOI marker, in file order.
    pub elements: Vec<Element>,
}

/// One marker segment, scan, or run of other bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// Bytes before the SOI marker; only as the first element.
    Lead(Vec<u8>),
    /// A DQT segment with its tables (B.2.4.1).
    Quantization(Vec<QuantizationTable>),
    /// The SOF segment.
    Frame,
    /// A DHT segment with its tables (B.2.4.2).
    Huffman(Vec<HuffmanTable>),
    /// A DRI segment: MCUs in a restart interval, 0 for none (B.2.4.4).
    RestartInterval(u16),
    /// A SOS segment and the entropy-coded data that follows it (B.2.3).
    Scan(Box<Scan>),
    /// Any other marker segment: the marker's second byte and the bytes after the length field.
    Segment {
        /// Second byte of the marker, e.g. 0xE1 for APP1.
        marker: u8,
        /// The payload without the two length bytes, at most 65533 bytes.
        payload: Vec<u8>,
    },
    /// A marker without a length field: EOI, stray RSTm, TEM, a second SOI.
    Standalone(u8),
    /// Bytes that are no marker: fill bytes, garbage, everything after EOI, a truncated segment.
    Bytes(Vec<u8>),
}

/// One table of a DQT segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantizationTable {
    /// Destination Tq, 0..=3.
    pub destination: u8,
    /// Whether the entries have 16 bits (Pq = 1).
    pub wide: bool,
    /// 64 entries in zigzag order, 0..=255 unless `wide`.
    pub values: [u16; 64],
}

/// One table of a DHT segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuffmanTable {
    /// Whether this is an AC table (Tc = 1).
    pub ac: bool,
    /// Destination Th, 0..=3.
    pub destination: u8,
    /// The codes.
    pub codes: HuffmanCodes,
}

/// What a Huffman table holds, or how it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HuffmanCodes {
    /// Table K.3 (0), K.4 (1), K.5 (2) or K.6 (3) of T.81.
    Standard(u8),
    /// The table that libjpeg's `jpeg_gen_optimal_table` makes for the symbols of the next scan
    /// that uses this destination.
    Optimal,
    /// Any other table, as in the DHT segment.
    Explicit {
        /// The number of codes of each length 1..=16.
        counts: [u8; 16],
        /// The symbols in order of increasing code; as many as `counts` says.
        symbols: Vec<u8>,
    },
}

/// A scan: its header and how its entropy-coded bytes differ from libjpeg's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The components, 1..=4, in the order of the scan header.
    pub components: Vec<ScanComponent>,
    /// Ss: first zigzag index of the band.
    pub spectral_start: u8,
    /// Se: last zigzag index of the band.
    pub spectral_end: u8,
    /// Ah: point transform of the preceding scan of the band, 0 for a first scan.
    pub approximation_high: u8,
    /// Al: point transform of this scan.
    pub approximation_low: u8,
    /// How the entropy-coded data deviates from what libjpeg would write.
    pub deviations: Deviations,
}

/// A component of a scan header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanComponent {
    /// Index into the frame's components (not the identifier).
    pub index: u8,
    /// DC entropy table Td, 0..=3.
    pub dc_table: u8,
    /// AC entropy table Ta, 0..=3.
    pub ac_table: u8,
}

/// How the entropy-coded data of a scan deviates from what libjpeg would write. The default is
/// no deviation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deviations {
    /// The bits that fill the last byte of each restart interval.
    pub padding: Padding,
    /// Restart intervals that are missing at the end of the scan (truncated files).
    pub missing_intervals: u32,
    /// RST markers with an unexpected second byte: (index of the interval that it ends, byte).
    pub wrong_restarts: Vec<(u32, u8)>,
    /// Intervals whose data does not end where their last MCU does, in increasing order.
    pub broken: Vec<BrokenInterval>,
    /// Sequential and progressive first scans: blocks that end in ZRL symbols where EOB alone
    /// would do: (ordinal of the block in the scan, ZRL symbols, whether EOB follows).
    pub zero_runs: Vec<(u32, u8, bool)>,
    /// Progressive AC scans: how runs of EOBs are cut.
    pub eob_runs: EobRuns,
}

/// The bits that fill the last byte of a restart interval.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Padding {
    /// Ones, as T.81 F.1.2.3 asks.
    #[default]
    Ones,
    /// Zeros.
    Zeros,
    /// The bits themselves, interval after interval, packed from the most significant bit.
    Bits(Vec<u8>),
}

/// A restart interval that is coded only in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenInterval {
    /// Index of the interval in the scan.
    pub interval: u32,
    /// The MCUs of the interval that are coded from the coefficients.
    pub mcus: u32,
    /// The entropy-coded bytes that follow the last whole byte of those MCUs, as in the file
    /// (with stuffed zero bytes).
    pub tail: Vec<u8>,
}

/// How a progressive AC scan cuts its runs of EOBs (G.1.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EobRuns {
    /// The longest run that is coded as one symbol, 1..=32767.
    pub longest: u16,
    /// Whether a run also ends when libjpeg's buffer of correction bits is full (refinement).
    pub correction_limit: bool,
    /// Ordinals of further blocks after which a run is cut, in increasing order.
    pub cuts: Vec<u32>,
}

impl Default for EobRuns {
    fn default() -> Self {
        Self { longest: 0x7FFF, correction_limit: true, cuts: Vec::new() }
    }
}

impl HuffmanCodes {
    /// The counts and symbols, unless they have to be derived from the coefficients.
    #[must_use]
    pub fn listed(&self) -> Option<(&[u8; 16], &[u8])> {
        const STANDARD: [tables::StandardHuffman; 4] =
            [tables::LUMINANCE_DC, tables::CHROMINANCE_DC, tables::LUMINANCE_AC, tables::CHROMINANCE_AC];
        match self {
            Self::Standard(which) => {
                let index = usize::from(*which & 3);
                Some((&STANDARD[index].counts, STANDARD[index].symbols))
            }
            Self::Optimal => None,
            Self::Explicit { counts, symbols } => Some((counts, symbols)),
        }
    }

    /// The shortest description of a table.
    #[must_use]
    pub fn of(counts: &[u8; 16], symbols: &[u8]) -> Self {
        for which in 0..4 {
            if Self::Standard(which).listed() == Some((counts, symbols)) {
                return Self::Standard(which);
            }
        }
        Self::Explicit { counts: *counts, symbols: symbols.to_vec() }
    }
}

impl SideInformation {
    /// The geometry of the components, in the order of the frame header.
    #[must_use]
    pub fn layout(&self) -> Vec<ComponentLayout> {
        self.frame.layout()
    }

    /// The quantization table of every component, zigzag order: the one that is in force at the
    /// component's first scan, or all ones where the file holds none.
    #[must_use]
    pub fn quantization_tables(&self) -> Vec<[u16; 64]> {
        let mut current: [Option<[u16; 64]>; 4] = [None; 4];
        let mut of_component: Vec<Option<[u16; 64]>> = vec![None; self.frame.components.len()];
        let selector = |index: usize| usize::from(self.frame.components[index].quantization_selector & 3);
        for element in &self.elements {
            match element {
                Element::Quantization(tables) => {
                    for table in tables {
                        current[usize::from(table.destination & 3)] = Some(table.values);
                    }
                }
                Element::Scan(scan) => {
                    for component in &scan.components {
                        let index = usize::from(component.index);
                        if index < of_component.len() && of_component[index].is_none() {
                            of_component[index] = current[selector(index)];
                        }
                    }
                }
                _ => {}
            }
        }
        of_component
            .iter()
            .enumerate()
            .map(|(index, table)| table.or(current[selector(index)]).unwrap_or([1; 64]))
            .collect()
    }
}
