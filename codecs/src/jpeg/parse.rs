//! A JPEG file → coefficients and side information: the marker segments (T.81 Annex B).

use super::error::{JpegError, Limits};
use super::frame::{ComponentLayout, FrameComponent, FrameHeader};
use super::huffman::{DecodingTable, is_code};
use super::image::JpegImage;
use super::scan_decode::{DecodingTables, ScanInput, decode_scan};
use super::side::{
    Deviations, Element, HuffmanCodes, HuffmanTable, QuantizationTable, Scan, ScanComponent, SideInformation,
};
use super::write::{SOI, recognise_optimal_tables, write_counted};

/// Parses a JPEG file and checks that [`super::write()`] gives the same bytes back.
///
/// Up to 1,024 bytes may precede SOI. Modelled are baseline, extended sequential and progressive Huffman-coded files of 8 bits with
/// 1..=4 components. Truncated and damaged files give the coefficients of the MCUs that decode;
/// their other bytes are kept in the side information.
///
/// # Errors
/// * [`JpegError::Malformed`]: no JPEG file, or headers that contradict themselves.
/// * [`JpegError::Unsupported`]: arithmetic, lossless, hierarchical, 12-bit files, those whose lines only a DNL segment
///   states, and files whose entropy-coded data cannot be written back bit for bit. Store these verbatim.
/// * [`JpegError::Limit`]: larger than `limits` allow.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<JpegImage, JpegError> {
    let mut image = Parser::new(bytes, limits)?.run()?;
    let counted = recognise_optimal_tables(&mut image);
    let rewritten = write_counted(&image, counted)
        .map_err(|error| JpegError::unsupported(0, format!("the file cannot be written back: {error}")))?;
    if rewritten == bytes {
        return Ok(image);
    }
    let offset = rewritten.iter().zip(bytes).position(|(a, b)| a != b).unwrap_or(rewritten.len().min(bytes.len()));
    Err(JpegError::unsupported(offset, "entropy-coded data that is not what the coefficients would be coded as"))
}

/// Most bytes before SOI: a line feed, a byte order mark, the headers of HTTP.
const MOST_LEAD: usize = 1024;

/// Offset of the SOI marker: 0, or that of the first that another marker follows, within the first bytes.
pub fn start(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(&SOI) {
        return Some(0);
    }
    let first = &bytes[..bytes.len().min(MOST_LEAD + 3)];
    first.windows(3).position(|window| window == [0xFF, 0xD8, 0xFF])
}

/// The frame once its header has been read.
struct Frame {
    header: FrameHeader,
    layout: Vec<ComponentLayout>,
    /// By component; allocated at the first scan.
    coefficients: Vec<Vec<i16>>,
    /// Components of sequential frames that a scan has coded.
    coded: Vec<bool>,
}

struct Parser<'a> {
    bytes: &'a [u8],
    limits: &'a Limits,
    at: usize,
    elements: Vec<Element>,
    frame: Option<Frame>,
    tables: DecodingTables,
    restart_interval: u16,
    scans: u32,
    /// Tables in DQT and DHT segments.
    table_count: u64,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8], limits: &'a Limits) -> Result<Self, JpegError> {
        let Some(start) = start(bytes) else {
            return Err(JpegError::malformed(0, "no SOI marker, not a JPEG file"));
        };
        let mut tables = DecodingTables::default();
        // Motion-JPEG frames leave out the DHT segments and mean the tables of Annex K.
        for destination in 0..2u8 {
            let listed = |which: u8| {
                let codes = HuffmanCodes::Standard(which);
                codes.listed().map(|(counts, symbols)| DecodingTable::new(counts, symbols))
            };
            tables.dc[usize::from(destination)] = listed(destination);
            tables.ac[usize::from(destination)] = listed(destination + 2);
        }
        Ok(Self {
            bytes,
            limits,
            at: start + 2,
            elements: if start > 0 { vec![Element::Lead(bytes[..start].to_vec())] } else { Vec::new() },
            frame: None,
            tables,
            restart_interval: 0,
            scans: 0,
            table_count: 0,
        })
    }

    fn run(mut self) -> Result<JpegImage, JpegError> {
        while self.at < self.bytes.len() {
            self.element()?;
            let most = u64::from(self.limits.max_segments);
            let count = self.elements.len() as u64 + self.table_count;
            Limits::check("segments and tables", count, most)?;
        }
        let Some(frame) = self.frame else {
            return Err(JpegError::malformed(self.at, "no frame header (SOF)"));
        };
        if self.scans == 0 || frame.coefficients.is_empty() {
            return Err(JpegError::unsupported(self.at, "a file without scans"));
        }
        let side = SideInformation { frame: frame.header, elements: self.elements };
        let quantization = side.quantization_tables();
        let components = side
            .frame
            .components
            .iter()
            .zip(&frame.layout)
            .zip(quantization)
            .zip(frame.coefficients)
            .map(|(((component, layout), quantization), coefficients)| super::Component {
                id: component.id,
                h: component.h,
                v: component.v,
                blocks_wide: layout.blocks_wide,
                blocks_high: layout.blocks_high,
                quantization,
                coefficients,
            })
            .collect();
        Ok(JpegImage { width: u32::from(side.frame.width), height: u32::from(side.frame.height), components, side })
    }

    /// Bytes from `from` to the end belong to no marker segment.
    fn rest(&mut self, from: usize) {
        if from < self.bytes.len() {
            self.elements.push(Element::Bytes(self.bytes[from..].to_vec()));
        }
        self.at = self.bytes.len();
    }

    /// Reads the bytes up to the next marker, and its segment.
    fn element(&mut self) -> Result<(), JpegError> {
        let start = self.at;
        let mut at = start;
        let marker = loop {
            match self.bytes.get(at..at + 2) {
                Some(&[0xFF, marker]) if marker != 0 && marker != 0xFF => break marker,
                Some(_) => at += 1,
                None => {
                    self.rest(start);
                    return Ok(());
                }
            }
        };
        if at > start {
            self.elements.push(Element::Bytes(self.bytes[start..at].to_vec()));
        }
        if matches!(marker, 0x01 | 0xD0..=0xD9) {
            self.elements.push(Element::Standalone(marker));
            if marker == 0xD9 {
                self.rest(at + 2);
            } else {
                self.at = at + 2;
            }
            return Ok(());
        }
        let payload = match self.bytes.get(at + 2..at + 4) {
            Some(&[high, low]) => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                self.bytes.get(at + 4..at + 2 + length)
            }
            _ => None,
        };
        let Some(payload) = payload else {
            // A length below 2 or beyond the end of the file.
            self.rest(at);
            return Ok(());
        };
        self.at = at + 4 + payload.len();
        match self.segment(marker, payload, at) {
            // What comes before is worth more than the reason why the rest is not understood.
            Err(JpegError::Malformed { .. } | JpegError::Unsupported { .. })
                if self.elements.iter().any(|e| matches!(e, Element::Scan(_))) =>
            {
                self.rest(at);
                Ok(())
            }
            other => other,
        }
    }

    fn segment(&mut self, marker: u8, payload: &[u8], offset: usize) -> Result<(), JpegError> {
        let element = match marker {
            0xC0..=0xC2 => self.frame_header(marker, payload, offset)?,
            0xC4 => self.huffman_tables(payload, offset)?,
            0xDB => quantization_tables(payload, offset)?,
            0xDA => self.scan(payload, offset)?,
            0xDD => match *payload {
                [high, low] => {
                    self.restart_interval = u16::from_be_bytes([high, low]);
                    Element::RestartInterval(self.restart_interval)
                }
                _ => {
                    return Err(JpegError::malformed(
                        offset,
                        format!("DRI segment of {} bytes, expected 2", payload.len()),
                    ));
                }
            },
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xDE | 0xDF => {
                let what = match marker {
                    0xC3 => "lossless coding",
                    0xC9 | 0xCA => "arithmetic coding",
                    0xCB => "lossless arithmetic coding",
                    _ => "hierarchical coding",
                };
                return Err(JpegError::unsupported(offset, format!("{what} (marker 0xFF{marker:02X})")));
            }
            // Among them DNL, which changes nothing where the frame header states the lines.
            _ => Element::Segment { marker, payload: payload.to_vec() },
        };
        self.table_count += match &element {
            Element::Quantization(tables) => tables.len() as u64,
            Element::Huffman(tables) => tables.len() as u64,
            _ => 0,
        };
        self.elements.push(element);
        Ok(())
    }

    fn frame_header(&mut self, marker: u8, payload: &[u8], offset: usize) -> Result<Element, JpegError> {
        if self.frame.is_some() {
            return Err(JpegError::unsupported(offset, "a second frame"));
        }
        let (fixed, listed) = match payload.split_first_chunk::<6>() {
            Some((fixed, listed)) if listed.len() == usize::from(fixed[5]) * 3 => (fixed, listed),
            _ => {
                return Err(JpegError::malformed(offset, format!("SOF segment of {} bytes", payload.len())));
            }
        };
        if fixed[0] != 8 {
            return Err(JpegError::unsupported(offset, format!("{} bits a sample, only 8 are modelled", fixed[0])));
        }
        let header = FrameHeader {
            marker,
            height: u16::from_be_bytes([fixed[1], fixed[2]]),
            width: u16::from_be_bytes([fixed[3], fixed[4]]),
            components: listed
                .as_chunks::<3>()
                .0
                .iter()
                .map(|&[id, sampling, quantization_selector]| FrameComponent {
                    id,
                    h: sampling >> 4,
                    v: sampling & 15,
                    quantization_selector,
                })
                .collect(),
        };
        header.validate(offset)?;
        header.check_limits(self.limits, Some(self.bytes.len()))?;
        let layout = header.layout();
        self.frame = Some(Frame { coefficients: Vec::new(), coded: vec![false; layout.len()], layout, header });
        Ok(Element::Frame)
    }

    fn huffman_tables(&mut self, payload: &[u8], offset: usize) -> Result<Element, JpegError> {
        let mut tables = Vec::new();
        let mut rest = payload;
        while !rest.is_empty() {
            let at = offset + 4 + payload.len() - rest.len();
            let truncated = || JpegError::malformed(at, "DHT segment ends inside a table");
            let (&[class, counts @ ..], after) = rest.split_first_chunk::<17>().ok_or_else(truncated)?;
            let total = counts.iter().map(|&n| usize::from(n)).sum();
            let (symbols, after) = after.split_at_checked(total).ok_or_else(truncated)?;
            if class & 0xEC != 0 || !is_code(&counts, symbols) {
                return Err(JpegError::malformed(
                    at,
                    format!("Huffman table {class:#04x} with {total} codes is no prefix code"),
                ));
            }
            let (ac, destination) = (class >> 4 != 0, class & 3);
            let slots = if ac { &mut self.tables.ac } else { &mut self.tables.dc };
            slots[usize::from(destination)] = Some(DecodingTable::new(&counts, symbols));
            tables.push(HuffmanTable { ac, destination, codes: HuffmanCodes::of(&counts, symbols) });
            rest = after;
        }
        Ok(Element::Huffman(tables))
    }

    fn scan(&mut self, payload: &[u8], offset: usize) -> Result<Element, JpegError> {
        self.scans += 1;
        let scans = u64::from(self.scans);
        Limits::check("scans", scans, u64::from(self.limits.max_scans))?;
        let Some(frame) = self.frame.as_mut() else {
            return Err(JpegError::malformed(offset, "a scan before the frame header"));
        };
        let malformed = || JpegError::malformed(offset, format!("SOS segment of {} bytes", payload.len()));
        let (&count, rest) = payload.split_first().ok_or_else(malformed)?;
        let (listed, rest) = rest.split_at_checked(usize::from(count) * 2).ok_or_else(malformed)?;
        let &[spectral_start, spectral_end, approximation] = rest else {
            return Err(malformed());
        };
        let mut components = Vec::new();
        for &[id, tables] in listed.as_chunks::<2>().0 {
            // Of components with one identifier those that have no part in this scan, nor in an earlier one that took all of
            // them, as libjpeg does.
            let named = |taken: &dyn Fn(usize) -> bool| {
                frame.header.components.iter().enumerate().position(|(index, c)| c.id == id && !taken(index))
            };
            let here = |index: usize| components.iter().any(|c: &ScanComponent| usize::from(c.index) == index);
            let coded = |index: usize| !frame.header.is_progressive() && frame.coded[index];
            let index =
                named(&|index| here(index) || coded(index)).or_else(|| named(&here)).or_else(|| named(&|_| false));
            let Some(index) = index else {
                return Err(JpegError::malformed(
                    offset,
                    format!("scan of component {id}, which the frame does not have"),
                ));
            };
            components.push(ScanComponent { index: index as u8, dc_table: tables >> 4, ac_table: tables & 15 });
            if !frame.header.is_progressive()
                && let Some(coded) = frame.coded.get_mut(index)
                && std::mem::replace(coded, true)
            {
                return Err(JpegError::unsupported(offset, format!("a second sequential scan of component {id}")));
            }
        }
        let mut scan = Scan {
            components,
            spectral_start,
            spectral_end,
            approximation_high: approximation >> 4,
            approximation_low: approximation & 15,
            deviations: Deviations::default(),
        };
        if frame.coefficients.is_empty() {
            frame.coefficients = frame.layout.iter().map(|layout| vec![0; layout.blocks() * 64]).collect();
        }
        let input = ScanInput {
            bytes: self.bytes,
            start: self.at,
            frame: &frame.header,
            layout: &frame.layout,
            restart_interval: self.restart_interval,
            tables: &self.tables,
        };
        let mut coefficients: Vec<&mut [i16]> = frame.coefficients.iter_mut().map(Vec::as_mut_slice).collect();
        self.at = decode_scan(&input, &mut scan, &mut coefficients)?;
        Ok(Element::Scan(Box::new(scan)))
    }
}

fn quantization_tables(payload: &[u8], offset: usize) -> Result<Element, JpegError> {
    let mut tables = Vec::new();
    let mut rest = payload;
    while let Some((&class, after)) = rest.split_first() {
        let at = offset + 4 + payload.len() - rest.len();
        let (wide, destination) = (class >> 4 != 0, class & 15);
        if class >> 4 > 1 || destination > 3 {
            return Err(JpegError::malformed(at, format!("quantization table {class:#04x}")));
        }
        let size = if wide { 128 } else { 64 };
        let Some((entries, after)) = after.split_at_checked(size) else {
            return Err(JpegError::malformed(at, "DQT segment ends inside a table"));
        };
        let values = std::array::from_fn(|k| {
            if wide { u16::from_be_bytes([entries[2 * k], entries[2 * k + 1]]) } else { u16::from(entries[k]) }
        });
        tables.push(QuantizationTable { destination, wide, values });
        rest = after;
    }
    Ok(Element::Quantization(tables))
}
