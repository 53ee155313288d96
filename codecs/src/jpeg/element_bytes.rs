//! Serialized form of one element of the side information, and of a scan's deviations.

use super::byte_reader::ByteReader;
use super::error::JpegError;
use super::side::{
    BrokenInterval, Deviations, Element, EobRuns, HuffmanCodes, HuffmanTable, Padding, QuantizationTable, Scan,
    ScanComponent,
};
use super::tables::{natural_to_zigzag, zigzag_to_natural};
use super::template::annex_k;
use crate::varint::put_varint;

// Tags below 0xC0; a tag from 0xC0 on is the marker of an `Element::Segment`.
const QUANTIZATION: u8 = 0;
const FRAME: u8 = 1;
const HUFFMAN: u8 = 2;
const RESTART_INTERVAL: u8 = 3;
const SCAN: u8 = 4;
const STANDALONE: u8 = 5;
const BYTES: u8 = 6;
/// JFIF APP0 without a thumbnail: minor version, unit, densities.
const JFIF: u8 = 7;
/// A segment whose marker is below 0xC0.
const RESERVED_SEGMENT: u8 = 8;
const LEAD: u8 = 9;

pub(crate) fn put_element(out: &mut Vec<u8>, element: &Element) {
    match element {
        Element::Quantization(tables) => {
            out.push(QUANTIZATION);
            put_varint(out, tables.len() as u64);
            for table in tables {
                put_quantization_table(out, table);
            }
        }
        Element::Frame => out.push(FRAME),
        Element::Huffman(tables) => {
            out.push(HUFFMAN);
            put_varint(out, tables.len() as u64);
            for table in tables {
                put_huffman_table(out, table);
            }
        }
        Element::RestartInterval(mcus) => {
            out.push(RESTART_INTERVAL);
            put_varint(out, u64::from(*mcus));
        }
        Element::Scan(scan) => {
            out.push(SCAN);
            put_scan_header(out, scan);
        }
        Element::Standalone(marker) => out.extend_from_slice(&[STANDALONE, *marker]),
        Element::Bytes(bytes) => {
            out.push(BYTES);
            put_bytes(out, bytes);
        }
        Element::Lead(bytes) => {
            out.push(LEAD);
            put_bytes(out, bytes);
        }
        Element::Segment { marker, payload } => {
            if let (0xE0, &[b'J', b'F', b'I', b'F', 0, 1, minor, unit, xh, xl, yh, yl, 0, 0]) =
                (*marker, payload.as_slice())
            {
                out.extend_from_slice(&[JFIF, minor, unit]);
                put_varint(out, u64::from(u16::from_be_bytes([xh, xl])));
                put_varint(out, u64::from(u16::from_be_bytes([yh, yl])));
                return;
            }
            if *marker < 0xC0 {
                out.push(RESERVED_SEGMENT);
            }
            out.push(*marker);
            put_bytes(out, payload);
        }
    }
}

/// Reads an element; adds the number of its tables to `tables`.
pub(crate) fn read_element(reader: &mut ByteReader<'_>, tables: &mut u64) -> Result<Element, JpegError> {
    Ok(match reader.byte()? {
        QUANTIZATION => {
            let count = reader.varint("tables of a DQT segment", 1008)?;
            *tables += count;
            Element::Quantization((0..count).map(|_| read_quantization_table(reader)).collect::<Result<_, _>>()?)
        }
        FRAME => Element::Frame,
        HUFFMAN => {
            let count = reader.varint("tables of a DHT segment", 3855)?;
            *tables += count;
            Element::Huffman((0..count).map(|_| read_huffman_table(reader)).collect::<Result<_, _>>()?)
        }
        RESTART_INTERVAL => Element::RestartInterval(reader.varint("restart interval", 0xFFFF)? as u16),
        SCAN => Element::Scan(Box::new(read_scan_header(reader)?)),
        STANDALONE => Element::Standalone(reader.byte()?),
        BYTES => Element::Bytes(read_bytes(reader)?),
        LEAD => Element::Lead(read_bytes(reader)?),
        JFIF => {
            let (minor, unit) = (reader.byte()?, reader.byte()?);
            let [xh, xl] = (reader.varint("density", 0xFFFF)? as u16).to_be_bytes();
            let [yh, yl] = (reader.varint("density", 0xFFFF)? as u16).to_be_bytes();
            Element::Segment {
                marker: 0xE0,
                payload: [&b"JFIF\0"[..], &[1, minor, unit, xh, xl, yh, yl, 0, 0][..]].concat(),
            }
        }
        tag => {
            let marker = match tag {
                RESERVED_SEGMENT => reader.byte()?,
                0xC0.. => tag,
                _ => return Err(reader.error(format!("element tag {tag}"))),
            };
            Element::Segment { marker, payload: read_bytes(reader)? }
        }
    })
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn read_bytes(reader: &mut ByteReader<'_>) -> Result<Vec<u8>, JpegError> {
    let count = reader.count("length")?;
    Ok(reader.take(count)?.to_vec())
}

/// The one-byte reference to an Annex K table: quality 1..=100, +128 for chrominance, and +100
/// for qualities 1..=24 whose entries exceed 255.
fn annex_k_reference(values: &[u16; 64]) -> Option<u8> {
    for (chrominance, offset) in [(false, 0), (true, 128)] {
        if let Some(quality) = (1..=100).find(|&q| annex_k(chrominance, q, true) == *values) {
            return Some(offset + quality);
        }
        if let Some(quality) = (1..=24).find(|&q| annex_k(chrominance, q, false) == *values) {
            return Some(offset + 100 + quality);
        }
    }
    None
}

/// The reference that says: the transposed table of the reference that follows (rotated photos).
const TRANSPOSED: u8 = 125;

fn transposed(values: &[u16; 64]) -> [u16; 64] {
    let natural = zigzag_to_natural(values);
    natural_to_zigzag(&std::array::from_fn(|n| natural[n % 8 * 8 + n / 8]))
}

fn put_quantization_table(out: &mut Vec<u8>, table: &QuantizationTable) {
    out.push(u8::from(table.wide) << 4 | table.destination);
    let reference = annex_k_reference(&table.values);
    match reference.or_else(|| annex_k_reference(&transposed(&table.values))) {
        Some(of) if reference.is_none() => out.extend_from_slice(&[TRANSPOSED, of]),
        Some(reference) => out.push(reference),
        None => {
            out.push(0);
            let mut previous = 0;
            for value in table.values {
                let difference = i64::from(value) - previous;
                put_varint(out, ((difference << 1) ^ (difference >> 63)) as u64);
                previous = i64::from(value);
            }
        }
    }
}

fn read_quantization_table(reader: &mut ByteReader<'_>) -> Result<QuantizationTable, JpegError> {
    let class = reader.byte()?;
    let (wide, destination) = (class >> 4 != 0, class & 15);
    if class >> 4 > 1 || destination > 3 {
        return Err(reader.error(format!("quantization table {class:#04x}")));
    }
    let mut reference = reader.byte()?;
    let transpose = reference == TRANSPOSED;
    if transpose {
        reference = reader.byte()?;
    }
    let (chrominance, quality) = (reference >= 128, reference & 127);
    let mut values = match quality {
        125.. => return Err(reader.error(format!("quantization reference {reference}"))),
        0 if chrominance => return Err(reader.error("quantization table of quality 0")),
        0 => {
            let mut values = [0; 64];
            let mut previous = 0i64;
            for value in &mut values {
                let coded = reader.varint("quantization difference", 1 << 17)? as i64;
                previous += (coded >> 1) ^ -(coded & 1);
                *value = u16::try_from(previous)
                    .ok()
                    .filter(|&value| wide || value < 256)
                    .ok_or_else(|| reader.error(format!("quantization entry {previous}")))?;
            }
            values
        }
        1..=100 => annex_k(chrominance, quality, true),
        _ => annex_k(chrominance, quality - 100, false),
    };
    if transpose {
        values = transposed(&values);
    }
    if !wide && values.iter().any(|&value| value > 255) {
        return Err(reader.error("an 8-bit quantization table with larger entries"));
    }
    Ok(QuantizationTable { destination, wide, values })
}

// Kinds of Huffman tables, in bits 3.. of the byte that names class and destination.
const USUAL: u8 = 0;
const OPTIMAL: u8 = 1;
const STANDARD: u8 = 2;
const EXPLICIT: u8 = 3;

/// The Annex K table that a destination usually holds.
fn usual_table(ac: bool, destination: u8) -> u8 {
    u8::from(ac) * 2 + destination.min(1)
}

fn put_huffman_table(out: &mut Vec<u8>, table: &HuffmanTable) {
    let slot = u8::from(table.ac) << 2 | table.destination;
    match &table.codes {
        HuffmanCodes::Standard(which) if *which == usual_table(table.ac, table.destination) => {
            out.push(USUAL << 3 | slot);
        }
        HuffmanCodes::Standard(which) => out.extend_from_slice(&[STANDARD << 3 | slot, *which]),
        HuffmanCodes::Optimal => out.push(OPTIMAL << 3 | slot),
        HuffmanCodes::Explicit { counts, symbols } => {
            out.push(EXPLICIT << 3 | slot);
            let lengths = counts.iter().rposition(|&n| n != 0).map_or(0, |at| at + 1);
            out.push(lengths as u8);
            out.extend_from_slice(&counts[..lengths]);
            out.extend_from_slice(symbols);
        }
    }
}

fn read_huffman_table(reader: &mut ByteReader<'_>) -> Result<HuffmanTable, JpegError> {
    let byte = reader.byte()?;
    let (ac, destination) = (byte >> 2 & 1 != 0, byte & 3);
    let codes = match byte >> 3 {
        USUAL => HuffmanCodes::Standard(usual_table(ac, destination)),
        OPTIMAL => HuffmanCodes::Optimal,
        STANDARD => match reader.byte()? {
            which @ 0..=3 => HuffmanCodes::Standard(which),
            which => return Err(reader.error(format!("standard Huffman table {which}"))),
        },
        EXPLICIT => {
            let lengths = usize::from(reader.byte()?);
            let mut counts = [0; 16];
            let Some(listed) = counts.get_mut(..lengths) else {
                return Err(reader.error(format!("Huffman codes of {lengths} bits")));
            };
            listed.copy_from_slice(reader.take(lengths)?);
            let total = counts.iter().map(|&n| usize::from(n)).sum();
            HuffmanCodes::Explicit { counts, symbols: reader.take(total)?.to_vec() }
        }
        _ => return Err(reader.error(format!("Huffman table {byte:#04x}"))),
    };
    Ok(HuffmanTable { ac, destination, codes })
}

fn put_scan_header(out: &mut Vec<u8>, scan: &Scan) {
    out.push(scan.components.len() as u8);
    for component in &scan.components {
        out.push(component.index);
        out.push(component.dc_table << 4 | component.ac_table);
    }
    out.extend_from_slice(&[
        scan.spectral_start,
        scan.spectral_end,
        scan.approximation_high << 4 | scan.approximation_low,
    ]);
}

fn read_scan_header(reader: &mut ByteReader<'_>) -> Result<Scan, JpegError> {
    let count = reader.varint("components of a scan", 4)?;
    let mut components = Vec::new();
    for _ in 0..count {
        let (index, tables) = (reader.byte()?, reader.byte()?);
        components.push(ScanComponent { index, dc_table: tables >> 4, ac_table: tables & 15 });
    }
    let (spectral_start, spectral_end) = (reader.byte()?, reader.byte()?);
    let approximation = reader.byte()?;
    Ok(Scan {
        components,
        spectral_start,
        spectral_end,
        approximation_high: approximation >> 4,
        approximation_low: approximation & 15,
        deviations: Deviations::default(),
    })
}

// Which deviations follow.
const ZERO_PADDING: u8 = 1;
const PADDING_BITS: u8 = 2;
const MISSING_INTERVALS: u8 = 4;
const WRONG_RESTARTS: u8 = 8;
const BROKEN: u8 = 16;
const ZERO_RUNS: u8 = 32;
const EOB_RUNS: u8 = 64;

/// Appends an increasing list of numbers as differences.
fn put_step(out: &mut Vec<u8>, previous: &mut u32, value: u32) {
    put_varint(out, u64::from(value.wrapping_sub(*previous)));
    *previous = value;
}

fn read_step(reader: &mut ByteReader<'_>, what: &str, previous: &mut u32) -> Result<u32, JpegError> {
    *previous = previous.wrapping_add(reader.varint_u32(what)?);
    Ok(*previous)
}

pub(crate) fn put_deviations(out: &mut Vec<u8>, deviations: &Deviations) {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.push(
        flag(deviations.padding == Padding::Zeros, ZERO_PADDING)
            | flag(matches!(deviations.padding, Padding::Bits(_)), PADDING_BITS)
            | flag(deviations.missing_intervals != 0, MISSING_INTERVALS)
            | flag(!deviations.wrong_restarts.is_empty(), WRONG_RESTARTS)
            | flag(!deviations.broken.is_empty(), BROKEN)
            | flag(!deviations.zero_runs.is_empty(), ZERO_RUNS)
            | flag(deviations.eob_runs != EobRuns::default(), EOB_RUNS),
    );
    if let Padding::Bits(bits) = &deviations.padding {
        put_bytes(out, bits);
    }
    if deviations.missing_intervals != 0 {
        put_varint(out, u64::from(deviations.missing_intervals));
    }
    if !deviations.wrong_restarts.is_empty() {
        put_varint(out, deviations.wrong_restarts.len() as u64);
        let mut previous = 0;
        for &(interval, marker) in &deviations.wrong_restarts {
            put_step(out, &mut previous, interval);
            out.push(marker);
        }
    }
    if !deviations.broken.is_empty() {
        put_varint(out, deviations.broken.len() as u64);
        let mut previous = 0;
        for broken in &deviations.broken {
            put_step(out, &mut previous, broken.interval);
            put_varint(out, u64::from(broken.mcus));
            put_bytes(out, &broken.tail);
        }
    }
    if !deviations.zero_runs.is_empty() {
        put_varint(out, deviations.zero_runs.len() as u64);
        let mut previous = 0;
        for &(ordinal, symbols, eob) in &deviations.zero_runs {
            put_step(out, &mut previous, ordinal);
            out.push(symbols << 1 | u8::from(eob));
        }
    }
    if deviations.eob_runs != EobRuns::default() {
        let runs = &deviations.eob_runs;
        put_varint(out, u64::from(runs.longest) << 1 | u64::from(runs.correction_limit));
        put_varint(out, runs.cuts.len() as u64);
        let mut previous = 0;
        for &ordinal in &runs.cuts {
            put_step(out, &mut previous, ordinal);
        }
    }
}

pub(crate) fn read_deviations(reader: &mut ByteReader<'_>) -> Result<Deviations, JpegError> {
    let mut deviations = Deviations::default();
    let flags = reader.byte()?;
    if flags & ZERO_PADDING != 0 {
        deviations.padding = Padding::Zeros;
    }
    if flags & PADDING_BITS != 0 {
        deviations.padding = Padding::Bits(read_bytes(reader)?);
    }
    if flags & MISSING_INTERVALS != 0 {
        deviations.missing_intervals = reader.varint_u32("missing intervals")?;
    }
    if flags & WRONG_RESTARTS != 0 {
        let mut previous = 0;
        for _ in 0..reader.count("wrong restart markers")? {
            let interval = read_step(reader, "restart interval", &mut previous)?;
            deviations.wrong_restarts.push((interval, reader.byte()?));
        }
    }
    if flags & BROKEN != 0 {
        let mut previous = 0;
        for _ in 0..reader.count("broken intervals")? {
            deviations.broken.push(BrokenInterval {
                interval: read_step(reader, "restart interval", &mut previous)?,
                mcus: reader.varint_u32("MCUs")?,
                tail: read_bytes(reader)?,
            });
        }
    }
    if flags & ZERO_RUNS != 0 {
        let mut previous = 0;
        for _ in 0..reader.count("zero runs")? {
            let ordinal = read_step(reader, "block", &mut previous)?;
            let byte = reader.byte()?;
            deviations.zero_runs.push((ordinal, byte >> 1, byte & 1 != 0));
        }
    }
    if flags & EOB_RUNS != 0 {
        let coded = reader.varint("longest run of EOBs", 0xFFFF)?;
        let mut runs = EobRuns { longest: (coded >> 1) as u16, correction_limit: coded & 1 != 0, cuts: Vec::new() };
        let mut previous = 0;
        for _ in 0..reader.count("cuts of EOB runs")? {
            runs.cuts.push(read_step(reader, "block", &mut previous)?);
        }
        deviations.eob_runs = runs;
    }
    Ok(deviations)
}
