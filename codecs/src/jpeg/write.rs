//! Coefficients and side information → the JPEG file (T.81 Annex B).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::error::JpegError;
use super::frame::{ComponentLayout, FrameHeader};
use super::huffman::{EncodingTable, is_code, optimal_code};
use super::image::JpegImage;
use super::scan::Procedure;
use super::scan_encode::{Histogram, ScanSource, ScanWriter, count_symbols, encode_scan};
use super::side::{Element, HuffmanCodes, HuffmanTable, QuantizationTable, Scan};

/// The marker that a JPEG file begins with (B.1.1.3).
pub(super) const SOI: [u8; 2] = [0xFF, 0xD8];

/// Writes the JPEG file that an image describes; the inverse of [`super::parse`].
///
/// # Errors
/// [`JpegError::Uncodable`] when the coefficients do not fit the side information: wrong
/// counts, values without a Huffman code, too few padding bits. [`JpegError::Malformed`] when
/// the side information contradicts itself.
pub fn write(image: &JpegImage) -> Result<Vec<u8>, JpegError> {
    write_counted(image, Counted::new())
}

/// [`write`] with symbol counts that are known already.
pub(crate) fn write_counted(image: &JpegImage, counted: Counted) -> Result<Vec<u8>, JpegError> {
    let frame = &image.side.frame;
    frame.validate(0)?;
    let layout = frame.layout();
    let fits = image.components.len() == layout.len()
        && image
            .components
            .iter()
            .zip(&layout)
            .all(|(component, layout)| component.coefficients.len() == layout.blocks() * 64);
    if !fits {
        return Err(JpegError::uncodable("coefficients do not fit the frame"));
    }
    let mut writer = FileWriter {
        image,
        layout,
        bytes: match image.side.elements.first() {
            Some(Element::Lead(lead)) => [lead, SOI.as_slice()].concat(),
            _ => SOI.to_vec(),
        },
        dc: Default::default(),
        ac: Default::default(),
        restart_interval: 0,
        counted,
    };
    // Motion-JPEG frames leave out the DHT segments and mean the tables of Annex K.
    for destination in 0..2u8 {
        let table = |which: u8| {
            let codes = HuffmanCodes::Standard(which);
            codes.listed().map(|(counts, symbols)| EncodingTable::new(counts, symbols))
        };
        writer.dc[usize::from(destination)] = table(destination);
        writer.ac[usize::from(destination)] = table(destination + 2);
    }
    let blocks: usize = writer.layout.iter().map(ComponentLayout::blocks).sum();
    writer.bytes.reserve(blocks * 8);
    for index in 0..image.side.elements.len() {
        writer.element(index)?;
    }
    Ok(writer.bytes)
}

/// Replaces explicit Huffman tables by [`HuffmanCodes::Optimal`] where that gives the same
/// table. Returns the symbol counts of the scans that have been looked at.
pub(crate) fn recognise_optimal_tables(image: &mut JpegImage) -> Counted {
    let layout = image.side.frame.layout();
    let mut counted = Counted::new();
    let mut found = Vec::new();
    for (index, element) in image.side.elements.iter().enumerate() {
        let Element::Huffman(tables) = element else {
            continue;
        };
        for (position, table) in tables.iter().enumerate() {
            let HuffmanCodes::Explicit { counts, symbols } = &table.codes else {
                continue;
            };
            let optimal = optimal_table(image, &layout, index, position, &mut counted);
            if let Ok((optimal_counts, optimal_symbols)) = optimal
                && optimal_counts == *counts
                && optimal_symbols == *symbols
            {
                found.push((index, position));
            }
        }
    }
    for (index, position) in found {
        if let Some(Element::Huffman(tables)) = image.side.elements.get_mut(index)
            && let Some(table) = tables.get_mut(position)
        {
            table.codes = HuffmanCodes::Optimal;
        }
    }
    counted
}

/// The symbol counts of scans, by the index of their element.
pub(crate) type Counted = BTreeMap<usize, Box<Histogram>>;

/// The optimal code for table `position` of the DHT element `index`: that of the next scan that
/// uses its destination before another definition.
fn optimal_table(
    image: &JpegImage,
    layout: &[ComponentLayout],
    index: usize,
    position: usize,
    counted: &mut Counted,
) -> Result<([u8; 16], Vec<u8>), JpegError> {
    let elements = &image.side.elements;
    let unused = || JpegError::uncodable("no scan uses an optimal Huffman table");
    let (ac, destination) = match elements.get(index) {
        Some(Element::Huffman(tables)) => {
            let table = tables.get(position).ok_or_else(unused)?;
            let redefined = tables[position + 1..]
                .iter()
                .any(|later| (later.ac, later.destination) == (table.ac, table.destination));
            if redefined {
                return Err(unused());
            }
            (table.ac, table.destination)
        }
        _ => return Err(unused()),
    };
    let mut user = None;
    for (later, element) in elements.iter().enumerate().skip(index + 1) {
        match element {
            Element::Huffman(tables)
                if tables.iter().any(|table| (table.ac, table.destination) == (ac, destination)) =>
            {
                break;
            }
            Element::Scan(scan) if uses(&image.side.frame, scan, ac, destination)? => {
                user = Some((later, scan));
                break;
            }
            _ => {}
        }
    }
    let (later, scan) = user.ok_or_else(unused)?;
    let histogram = match counted.entry(later) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => {
            let restart_interval = elements[..later].iter().rev().find_map(|e| match e {
                Element::RestartInterval(mcus) => Some(*mcus),
                _ => None,
            });
            unknown.insert(count_symbols(&ScanSource {
                frame: &image.side.frame,
                layout,
                components: &image.components,
                restart_interval: restart_interval.unwrap_or(0),
                scan,
            })?)
        }
    };
    let tables = if ac { &histogram.ac } else { &histogram.dc };
    optimal_code(&tables[usize::from(destination & 3)])
        .ok_or_else(|| JpegError::uncodable("an optimal Huffman table without symbols"))
}

fn uses(frame: &FrameHeader, scan: &Scan, ac: bool, destination: u8) -> Result<bool, JpegError> {
    let (needs_dc, needs_ac) = Procedure::of(frame, scan, 0)?.tables();
    Ok(scan.components.iter().any(|component| {
        if ac { needs_ac && component.ac_table == destination } else { needs_dc && component.dc_table == destination }
    }))
}

struct FileWriter<'a> {
    image: &'a JpegImage,
    layout: Vec<ComponentLayout>,
    bytes: Vec<u8>,
    dc: [Option<EncodingTable>; 4],
    ac: [Option<EncodingTable>; 4],
    restart_interval: u16,
    counted: Counted,
}

impl FileWriter<'_> {
    fn element(&mut self, index: usize) -> Result<(), JpegError> {
        let image = self.image;
        match &image.side.elements[index] {
            Element::Quantization(tables) => self.segment(0xDB, &quantization_payload(tables)),
            Element::Frame => {
                let payload = frame_payload(&image.side.frame);
                self.segment(image.side.frame.marker, &payload)
            }
            Element::Huffman(tables) => {
                let payload = self.define_huffman_tables(index, tables)?;
                self.segment(0xC4, &payload)
            }
            Element::RestartInterval(mcus) => {
                self.restart_interval = *mcus;
                self.segment(0xDD, &mcus.to_be_bytes())
            }
            Element::Scan(scan) => self.scan(scan),
            Element::Segment { marker, payload } => self.segment(*marker, payload),
            Element::Standalone(marker) => {
                self.bytes.extend_from_slice(&[0xFF, *marker]);
                Ok(())
            }
            Element::Bytes(bytes) => {
                self.bytes.extend_from_slice(bytes);
                Ok(())
            }
            // Written already.
            Element::Lead(_) if index == 0 => Ok(()),
            Element::Lead(_) => Err(JpegError::uncodable("bytes before SOI, in another place")),
        }
    }

    fn segment(&mut self, marker: u8, payload: &[u8]) -> Result<(), JpegError> {
        let length = u16::try_from(payload.len() + 2).map_err(|_| {
            JpegError::uncodable(format!("segment 0xFF{marker:02X} of {} bytes, at most 65533", payload.len()))
        })?;
        self.bytes.extend_from_slice(&[0xFF, marker]);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(payload);
        Ok(())
    }

    /// Puts tables in force; returns the payload of their DHT segment.
    fn define_huffman_tables(&mut self, index: usize, tables: &[HuffmanTable]) -> Result<Vec<u8>, JpegError> {
        let mut payload = Vec::new();
        for (position, table) in tables.iter().enumerate() {
            let derived;
            let (counts, symbols) = match table.codes.listed() {
                Some(listed) => listed,
                None => {
                    derived = optimal_table(self.image, &self.layout, index, position, &mut self.counted)?;
                    (&derived.0, derived.1.as_slice())
                }
            };
            if !is_code(counts, symbols) || table.destination > 3 {
                return Err(JpegError::uncodable("a Huffman table that is no prefix code"));
            }
            payload.push(u8::from(table.ac) << 4 | table.destination);
            payload.extend_from_slice(counts);
            payload.extend_from_slice(symbols);
            let slots = if table.ac { &mut self.ac } else { &mut self.dc };
            slots[usize::from(table.destination)] = Some(EncodingTable::new(counts, symbols));
        }
        Ok(payload)
    }

    fn scan(&mut self, scan: &Scan) -> Result<(), JpegError> {
        let image = self.image;
        Procedure::of(&image.side.frame, scan, 0)?;
        let mut payload = vec![scan.components.len() as u8];
        for component in &scan.components {
            let id = image.side.frame.components[usize::from(component.index)].id;
            payload.extend_from_slice(&[id, component.dc_table << 4 | component.ac_table]);
        }
        payload.extend_from_slice(&[
            scan.spectral_start,
            scan.spectral_end,
            scan.approximation_high << 4 | scan.approximation_low & 15,
        ]);
        self.segment(0xDA, &payload)?;
        let source = ScanSource {
            frame: &image.side.frame,
            layout: &self.layout,
            components: &image.components,
            restart_interval: self.restart_interval,
            scan,
        };
        let bytes = std::mem::take(&mut self.bytes);
        let writer =
            ScanWriter::new(bytes, self.dc.each_ref().map(Option::as_ref), self.ac.each_ref().map(Option::as_ref));
        self.bytes = encode_scan(&source, writer)?;
        Ok(())
    }
}

fn quantization_payload(tables: &[QuantizationTable]) -> Vec<u8> {
    let mut payload = Vec::new();
    for table in tables {
        payload.push(u8::from(table.wide) << 4 | table.destination & 15);
        for value in table.values {
            if table.wide {
                payload.extend_from_slice(&value.to_be_bytes());
            } else {
                payload.push(value as u8);
            }
        }
    }
    payload
}

fn frame_payload(frame: &FrameHeader) -> Vec<u8> {
    let mut payload = vec![8];
    payload.extend_from_slice(&frame.height.to_be_bytes());
    payload.extend_from_slice(&frame.width.to_be_bytes());
    payload.push(frame.components.len() as u8);
    for component in &frame.components {
        payload.extend_from_slice(&[component.id, component.h << 4 | component.v, component.quantization_selector]);
    }
    payload
}
