//! Serialized side information: the differences from what libjpeg would write.
//!
//! ```text
//! byte 0   bits 0..1  0: what follows is plain, 1: it is a brotli stream
//!          bit 2      the template matches exactly: no edits, no deviations follow
//!          bit 3      optimal Huffman tables         bit 5  one DHT segment a scan
//!          bit 4      one DQT segment for all tables bit 6  a restart interval follows
//! byte 1   bits 0..2  APP segment of the template    bits 3..7  kind of frame (0: listed)
//! byte 2   quality of the template's quantization tables, 0 for none
//! varints  [dots per inch]; width, height; [frame]; [restart interval]; [edits; deviations]
//! ```
//! Edits turn the template's elements into the file's: their number, then for each: elements
//! copied, elements left out, elements inserted, and these. The rest is copied. Deviations are
//! those of the scans that have some: their number, then for each: scans passed over, deviations.

use super::byte_reader::ByteReader;
use super::element_bytes::{put_deviations, put_element, read_deviations, read_element};
use super::error::{JpegError, Limits};
use super::frame::{FrameComponent, FrameHeader};
use super::side::{Deviations, Element, HuffmanCodes, SideInformation};
use super::template::{Application, Template, annex_k};
use crate::packing::{pack, unpack};
use crate::varint::put_varint;

const BROTLI: u8 = 1;
const EXACT: u8 = 4;
const OPTIMAL: u8 = 8;
const MERGED_QUANTIZATION: u8 = 16;
const MERGED_HUFFMAN: u8 = 32;
const RESTART: u8 = 64;

const APPLICATIONS: [Application; 6] = [
    Application::None,
    Application::JfifAspect,
    Application::JfifDots(72),
    Application::Adobe(0),
    Application::Adobe(1),
    Application::Adobe(2),
];

/// Number of the APP segment JFIF with any number of dots per inch, which follows.
const JFIF_DOTS: u8 = 6;

/// Components of the frames that have a number: first identifier, then for each component
/// sampling factors (h, v) and quantization table.
type KnownFrame = (u8, &'static [(u8, u8, u8)]);
const FRAMES: [KnownFrame; 10] = [
    (1, &[(1, 1, 0)]),
    (1, &[(2, 2, 0)]),
    (1, &[(1, 1, 0), (1, 1, 1), (1, 1, 1)]),
    (1, &[(2, 1, 0), (1, 1, 1), (1, 1, 1)]),
    (1, &[(2, 2, 0), (1, 1, 1), (1, 1, 1)]),
    (1, &[(1, 2, 0), (1, 1, 1), (1, 1, 1)]),
    (1, &[(4, 1, 0), (1, 1, 1), (1, 1, 1)]),
    (0, &[(2, 2, 0), (1, 1, 1), (1, 1, 1)]),
    (1, &[(1, 1, 0), (1, 1, 0), (1, 1, 0), (1, 1, 0)]),
    (1, &[(2, 2, 0), (1, 1, 1), (1, 1, 1), (2, 2, 0)]),
];
const MARKERS: [u8; 3] = [0xC0, 0xC1, 0xC2];

/// Comparing more pairs of elements than this is not worth the time.
const MAX_COMPARISONS: usize = 1 << 20;

impl SideInformation {
    /// The serialized form: some ten bytes for what libjpeg writes, more for whatever else the
    /// file holds. The coefficients are not part of it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let template = self.guess_template();
        let predicted = template.elements(&self.frame);
        let edits = edits(&predicted, &self.elements);
        let deviating = self.deviations().any(|d| *d != Deviations::default());
        let exact = edits.is_empty() && !deviating;

        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(exact, EXACT)
            | flag(template.optimal, OPTIMAL)
            | flag(template.merged_quantization, MERGED_QUANTIZATION)
            | flag(template.merged_huffman, MERGED_HUFFMAN)
            | flag(template.restart_interval != 0, RESTART);
        let mut body = Vec::new();
        let application = APPLICATIONS.iter().position(|a| *a == template.application);
        let kind = frame_kind(&self.frame);
        let application = application.map_or(JFIF_DOTS, |known| known as u8);
        body.push(application | kind << 3);
        body.push(template.quality);
        if application == JFIF_DOTS {
            let dots = match template.application {
                Application::JfifDots(dots) => dots,
                _ => 72,
            };
            put_varint(&mut body, u64::from(dots));
        }
        put_varint(&mut body, u64::from(self.frame.width));
        put_varint(&mut body, u64::from(self.frame.height));
        if kind == 0 {
            body.extend_from_slice(&[self.frame.marker, self.frame.components.len() as u8]);
            for c in &self.frame.components {
                body.extend_from_slice(&[c.id, c.h << 4 | c.v, c.quantization_selector]);
            }
        }
        if template.restart_interval != 0 {
            put_varint(&mut body, u64::from(template.restart_interval));
        }
        if !exact {
            put_varint(&mut body, edits.len() as u64);
            for edit in &edits {
                put_varint(&mut body, edit.copied as u64);
                put_varint(&mut body, edit.left_out as u64);
                put_varint(&mut body, edit.inserted.len() as u64);
                for element in edit.inserted {
                    put_element(&mut body, element);
                }
            }
            let count = self.deviations().filter(|d| **d != Deviations::default());
            put_varint(&mut body, count.count() as u64);
            let mut passed = 0;
            for deviations in self.deviations() {
                if *deviations == Deviations::default() {
                    passed += 1;
                } else {
                    put_varint(&mut body, passed);
                    put_deviations(&mut body, deviations);
                    passed = 0;
                }
            }
        }
        let packed = compress(&body).filter(|packed| packed.len() < body.len());
        match packed {
            Some(packed) => [&[flags | BROTLI], packed.as_slice()].concat(),
            None => [&[flags], body.as_slice()].concat(),
        }
    }

    /// Reads what [`Self::to_bytes`] has written.
    ///
    /// # Errors
    /// [`JpegError::Malformed`] where the bytes are damaged, [`JpegError::Limit`] where they
    /// describe more than `limits` allow. Any bytes may be given.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, JpegError> {
        Limits::check("side information bytes", bytes.len() as u64, limits.max_side_bytes)?;
        let Some((&flags, body)) = bytes.split_first() else {
            return Err(JpegError::malformed(0, "empty side information"));
        };
        let unpacked;
        let body = match flags & 3 {
            0 => body,
            BROTLI => {
                unpacked = decompress(body, limits.max_side_bytes)?;
                unpacked.as_slice()
            }
            packing => {
                return Err(JpegError::malformed(0, format!("side information: packing {packing}")));
            }
        };
        if flags & 0x80 != 0 {
            return Err(JpegError::malformed(0, "side information: unknown flag"));
        }
        read_body(flags, &mut ByteReader::new(body), limits)
    }

    fn deviations(&self) -> impl Iterator<Item = &Deviations> {
        self.elements.iter().filter_map(|element| match element {
            Element::Scan(scan) => Some(&scan.deviations),
            _ => None,
        })
    }

    /// The template that probably differs least.
    fn guess_template(&self) -> Template {
        let mut template = Template {
            application: Application::None,
            quality: 0,
            merged_quantization: false,
            merged_huffman: false,
            optimal: false,
            restart_interval: 0,
        };
        let luma = self.frame.components.first();
        let luma = luma.map_or(0, |component| component.quantization_selector);
        for element in self.elements.iter().rev() {
            match element {
                Element::Segment { marker, payload } if [0xE0, 0xEE].contains(marker) => {
                    let dots = match payload.as_slice() {
                        [.., high, low, 0, 0] => u16::from_be_bytes([*high, *low]),
                        _ => 0,
                    };
                    let with_dots = [Application::JfifDots(dots)];
                    let known = APPLICATIONS.iter().chain(&with_dots).find(|application| {
                        application.segment().is_some_and(|(known, bytes)| known == *marker && bytes == *payload)
                    });
                    template.application = known.copied().unwrap_or(template.application);
                }
                Element::Quantization(tables) => {
                    template.merged_quantization |= tables.len() > 1;
                    for table in tables.iter().filter(|table| table.destination == luma) {
                        let baseline = self.frame.marker == 0xC0;
                        let quality = (1..=100).find(|&q| annex_k(false, q, baseline) == table.values);
                        template.quality = quality.unwrap_or(0);
                    }
                }
                Element::Huffman(tables) => {
                    template.merged_huffman |= tables.len() > 1;
                    if let Some(table) = tables.first() {
                        template.optimal = table.codes == HuffmanCodes::Optimal;
                    }
                }
                Element::RestartInterval(mcus) => template.restart_interval = *mcus,
                _ => {}
            }
        }
        template
    }
}

/// The number of a frame's kind: 0 for one that has to be listed.
fn frame_kind(frame: &FrameHeader) -> u8 {
    let marker = MARKERS.iter().position(|marker| *marker == frame.marker);
    let kind = (0..FRAMES.len()).find(|&kind| known_components(kind) == frame.components);
    match (marker, kind) {
        (Some(marker), Some(kind)) => (kind * MARKERS.len() + marker + 1) as u8,
        _ => 0,
    }
}

fn known_components(kind: usize) -> Vec<FrameComponent> {
    let (first, listed) = FRAMES[kind % FRAMES.len()];
    (first..)
        .zip(listed)
        .map(|(id, &(h, v, quantization_selector))| FrameComponent { id, h, v, quantization_selector })
        .collect()
}

fn read_body(flags: u8, reader: &mut ByteReader<'_>, limits: &Limits) -> Result<SideInformation, JpegError> {
    let kinds = reader.byte()?;
    let quality = reader.byte()?;
    if quality > 100 {
        return Err(reader.error(format!("quality {quality}, at most 100")));
    }
    let application = match kinds & 7 {
        JFIF_DOTS => Application::JfifDots(reader.varint("dots per inch", 0xFFFF)? as u16),
        number => {
            *APPLICATIONS.get(usize::from(number)).ok_or_else(|| reader.error(format!("APP segment {number}")))?
        }
    };
    let width = reader.varint("width", 0xFFFF)? as u16;
    let height = reader.varint("height", 0xFFFF)? as u16;
    let (marker, components) = match kinds >> 3 {
        0 => {
            let marker = reader.byte()?;
            if !MARKERS.contains(&marker) {
                return Err(reader.error(format!("frame marker {marker:#04x}")));
            }
            let count = reader.varint("components", 4)?;
            let mut components = Vec::new();
            for _ in 0..count {
                let (id, sampling) = (reader.byte()?, reader.byte()?);
                components.push(FrameComponent {
                    id,
                    h: sampling >> 4,
                    v: sampling & 15,
                    quantization_selector: reader.byte()?,
                });
            }
            (marker, components)
        }
        kind @ 1..=30 => {
            let kind = usize::from(kind) - 1;
            (MARKERS[kind % MARKERS.len()], known_components(kind / MARKERS.len()))
        }
        kind => return Err(reader.error(format!("kind of frame {kind}"))),
    };
    let frame = FrameHeader { marker, width, height, components };
    frame.validate(0)?;
    let restart_interval = if flags & RESTART != 0 { reader.varint("restart interval", 0xFFFF)? as u16 } else { 0 };
    let template = Template {
        application,
        quality,
        merged_quantization: flags & MERGED_QUANTIZATION != 0,
        merged_huffman: flags & MERGED_HUFFMAN != 0,
        optimal: flags & OPTIMAL != 0,
        restart_interval,
    };
    let mut elements = template.elements(&frame);
    if flags & EXACT == 0 {
        elements = read_edits(reader, elements, limits)?;
        read_all_deviations(reader, &mut elements)?;
    }
    if !reader.is_empty() {
        return Err(reader.error("bytes follow its end"));
    }
    let count = |wanted: fn(&Element) -> bool| elements.iter().filter(|e| wanted(e)).count();
    if count(|element| matches!(element, Element::Frame)) != 1 {
        return Err(reader.error("it does not hold exactly one frame"));
    }
    let scans = count(|element| matches!(element, Element::Scan(_)));
    Limits::check("scans", scans as u64, u64::from(limits.max_scans))?;
    Ok(SideInformation { frame, elements })
}

fn read_edits(
    reader: &mut ByteReader<'_>,
    predicted: Vec<Element>,
    limits: &Limits,
) -> Result<Vec<Element>, JpegError> {
    let mut predicted = predicted.into_iter();
    let mut elements = Vec::new();
    let mut tables = 0;
    for _ in 0..reader.count("edits")? {
        let copied = reader.varint("copied elements", predicted.len() as u64)?;
        elements.extend(predicted.by_ref().take(copied as usize));
        let left_out = reader.varint("elements left out", predicted.len() as u64)?;
        predicted.by_ref().take(left_out as usize).for_each(drop);
        for _ in 0..reader.count("inserted elements")? {
            elements.push(read_element(reader, &mut tables)?);
            let segments = elements.len() as u64 + tables;
            Limits::check("segments and tables", segments, u64::from(limits.max_segments))?;
        }
    }
    elements.extend(predicted);
    Ok(elements)
}

fn read_all_deviations(reader: &mut ByteReader<'_>, elements: &mut [Element]) -> Result<(), JpegError> {
    let mut scans = elements.iter_mut().filter_map(|element| match element {
        Element::Scan(scan) => Some(scan),
        _ => None,
    });
    for _ in 0..reader.count("deviating scans")? {
        let passed = reader.varint("scans passed over", 1 << 20)?;
        let Some(scan) = scans.nth(passed as usize) else {
            return Err(reader.error("deviations of a scan that does not exist"));
        };
        scan.deviations = read_deviations(reader)?;
    }
    Ok(())
}

/// One change of the template's elements.
struct Edit<'a> {
    copied: usize,
    left_out: usize,
    inserted: &'a [Element],
}

/// Whether elements are equal but for the deviations of a scan.
fn alike(a: &Element, b: &Element) -> bool {
    match (a, b) {
        (Element::Scan(a), Element::Scan(b)) => {
            a.components == b.components
                && (a.spectral_start, a.spectral_end) == (b.spectral_start, b.spectral_end)
                && a.approximation_high == b.approximation_high
                && a.approximation_low == b.approximation_low
        }
        _ => a == b,
    }
}

/// The edits along a longest common subsequence.
fn edits<'a>(predicted: &[Element], actual: &'a [Element]) -> Vec<Edit<'a>> {
    let head = predicted.iter().zip(actual).take_while(|(p, a)| alike(p, a)).count();
    let (p, a) = (&predicted[head..], &actual[head..]);
    if p.is_empty() && a.is_empty() {
        return Vec::new();
    }
    if p.len().saturating_mul(a.len()) > MAX_COMPARISONS {
        return vec![Edit { copied: head, left_out: p.len(), inserted: a }];
    }
    // longest[i][j]: length of the longest common subsequence of p[i..] and a[j..].
    let stride = a.len() + 1;
    let mut longest = vec![0u32; (p.len() + 1) * stride];
    for i in (0..p.len()).rev() {
        for j in (0..a.len()).rev() {
            longest[i * stride + j] = if alike(&p[i], &a[j]) {
                longest[(i + 1) * stride + j + 1] + 1
            } else {
                longest[(i + 1) * stride + j].max(longest[i * stride + j + 1])
            };
        }
    }
    let mut edits = Vec::new();
    let (mut i, mut j, mut copied) = (0, 0, head);
    while i < p.len() || j < a.len() {
        if i < p.len() && j < a.len() && alike(&p[i], &a[j]) {
            (i, j, copied) = (i + 1, j + 1, copied + 1);
            continue;
        }
        let (first_i, first_j) = (i, j);
        while (i < p.len() || j < a.len()) && !(i < p.len() && j < a.len() && alike(&p[i], &a[j])) {
            let (skip, insert) =
                (longest.get((i + 1) * stride + j).copied(), longest[i * stride..].get(j + 1).copied());
            if j == a.len() || (i < p.len() && skip >= insert) {
                i += 1;
            } else {
                j += 1;
            }
        }
        edits.push(Edit { copied, left_out: i - first_i, inserted: &a[first_j..j] });
        copied = 0;
    }
    edits
}

/// The brotli stream of `body`; `None` where it cannot be smaller.
fn compress(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < 16 {
        return None;
    }
    // Beyond a few MiB (truncated files, long trailers) the best effort takes too long.
    let quality = if body.len() > 4 << 20 { 9 } else { 11 };
    Some(pack(body, quality, (body.len().max(1).ilog2() as i32 + 1).clamp(10, 24)))
}

fn decompress(packed: &[u8], most: u64) -> Result<Vec<u8>, JpegError> {
    let body = unpack(packed, most);
    let body = body.map_err(|error| JpegError::malformed(1, format!("side information: {error}")))?;
    Limits::check("side information bytes", body.len() as u64, most)?;
    Ok(body)
}
