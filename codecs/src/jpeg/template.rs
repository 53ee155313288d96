//! The marker sequence that libjpeg writes, from a few parameters.
//!
//! Serialized side information stores these parameters and only the differences from the
//! sequence; the encoder for other images uses the sequence as it is.

use super::frame::FrameHeader;
use super::side::{
    Deviations, Element, HuffmanCodes, HuffmanTable, QuantizationTable, Scan, ScanComponent, SideInformation,
};
use super::tables;

/// The parameters of a libjpeg-like marker sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// Which APP segments come first.
    pub application: Application,
    /// libjpeg quality 1..=100 of the Annex K tables; 0: no quantization tables.
    pub quality: u8,
    /// Whether all quantization tables share one DQT segment.
    pub merged_quantization: bool,
    /// Whether all Huffman tables before a scan share one DHT segment.
    pub merged_huffman: bool,
    /// Whether the Huffman tables are optimal rather than those of Annex K.
    pub optimal: bool,
    /// Restart interval in MCUs, 0 for none.
    pub restart_interval: u16,
}

/// The APP segments with which a libjpeg-like file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Application {
    /// None.
    None,
    /// JFIF 1.01, aspect ratio 1:1, no thumbnail.
    JfifAspect,
    /// JFIF 1.01, this number of dots per inch.
    JfifDots(u16),
    /// Adobe APP14 with the given transform flag (0 RGB or CMYK, 1 YCbCr, 2 YCCK).
    Adobe(u8),
}

impl Application {
    /// The payload of the segment and its marker.
    pub(crate) fn segment(self) -> Option<(u8, Vec<u8>)> {
        let jfif = |unit: u8, density: u16| {
            let [high, low] = density.to_be_bytes();
            let payload = [&b"JFIF\0"[..], &[1, 1, unit, high, low, high, low, 0, 0][..]];
            (0xE0, payload.concat())
        };
        match self {
            Self::None => None,
            Self::JfifAspect => Some(jfif(0, 1)),
            Self::JfifDots(density) => Some(jfif(1, density)),
            Self::Adobe(transform) => {
                let payload = [&b"Adobe"[..], &[0, 100, 0, 0, 0, 0, transform][..]];
                Some((0xEE, payload.concat()))
            }
        }
    }
}

/// The Annex K table at libjpeg's `quality`, zigzag order.
pub(crate) fn annex_k(chrominance: bool, quality: u8, baseline: bool) -> [u16; 64] {
    let base = if chrominance { &tables::CHROMINANCE_QUANTIZATION } else { &tables::LUMINANCE_QUANTIZATION };
    tables::natural_to_zigzag(&tables::scaled_table(base, quality, baseline))
}

impl Template {
    /// The elements of a file with this frame.
    pub(crate) fn elements(&self, frame: &FrameHeader) -> Vec<Element> {
        let mut elements = Vec::new();
        if let Some((marker, payload)) = self.application.segment() {
            elements.push(Element::Segment { marker, payload });
        }
        self.quantization(frame, &mut elements);
        elements.push(Element::Frame);
        for (index, mut scan) in scan_script(frame).into_iter().enumerate() {
            self.huffman(frame, &mut scan, index == 0, &mut elements);
            if index == 0 && self.restart_interval != 0 {
                elements.push(Element::RestartInterval(self.restart_interval));
            }
            elements.push(Element::Scan(Box::new(scan)));
        }
        elements.push(Element::Standalone(0xD9));
        elements
    }

    fn quantization(&self, frame: &FrameHeader, elements: &mut Vec<Element>) {
        if self.quality == 0 {
            return;
        }
        let mut selectors: Vec<u8> = Vec::new();
        for component in &frame.components {
            if !selectors.contains(&component.quantization_selector) {
                selectors.push(component.quantization_selector);
            }
        }
        let tables = selectors.iter().map(|&destination| {
            // SOF0 holds 8-bit tables only, so it tells which kind a low quality has made.
            let values = annex_k(destination != 0, self.quality, frame.marker == 0xC0);
            QuantizationTable { destination, wide: values.iter().any(|&v| v > 255), values }
        });
        if self.merged_quantization {
            elements.push(Element::Quantization(tables.collect()));
        } else {
            elements.extend(tables.map(|table| Element::Quantization(vec![table])));
        }
    }

    /// The DHT segments before `scan`; clears the selectors that libjpeg leaves unused.
    fn huffman(&self, frame: &FrameHeader, scan: &mut Scan, first: bool, elements: &mut Vec<Element>) {
        let dc = scan.spectral_start == 0 && scan.approximation_high == 0;
        let ac = scan.spectral_end > 0;
        let mut wanted: Vec<(bool, u8)> = Vec::new();
        for component in &mut scan.components {
            if !dc {
                component.dc_table = 0;
            }
            if !ac {
                component.ac_table = 0;
            }
            if dc && !wanted.contains(&(false, component.dc_table)) {
                wanted.push((false, component.dc_table));
            }
            if ac && !wanted.contains(&(true, component.ac_table)) {
                wanted.push((true, component.ac_table));
            }
        }
        if !(first || self.optimal || frame.is_progressive()) {
            return;
        }
        let tables = wanted.into_iter().map(|(ac, destination)| HuffmanTable {
            ac,
            destination,
            codes: if self.optimal {
                HuffmanCodes::Optimal
            } else {
                HuffmanCodes::Standard(u8::from(ac) * 2 + destination.min(1))
            },
        });
        if self.merged_huffman {
            let tables: Vec<_> = tables.collect();
            if !tables.is_empty() {
                elements.push(Element::Huffman(tables));
            }
        } else {
            elements.extend(tables.map(|table| Element::Huffman(vec![table])));
        }
    }

    /// Side information made of this sequence.
    pub(crate) fn side(&self, frame: FrameHeader) -> SideInformation {
        SideInformation { elements: self.elements(&frame), frame }
    }
}

fn scan(components: &[u8], band: (u8, u8), approximation: (u8, u8)) -> Scan {
    Scan {
        components: components
            .iter()
            .map(|&index| ScanComponent {
                index,
                dc_table: u8::from(index == 1 || index == 2),
                ac_table: u8::from(index == 1 || index == 2),
            })
            .collect(),
        spectral_start: band.0,
        spectral_end: band.1,
        approximation_high: approximation.0,
        approximation_low: approximation.1,
        deviations: Deviations::default(),
    }
}

/// One interleaved scan, or libjpeg's `jpeg_simple_progression`.
fn scan_script(frame: &FrameHeader) -> Vec<Scan> {
    let all: Vec<u8> = (0..frame.components.len() as u8).collect();
    if !frame.is_progressive() {
        return vec![scan(&all, (0, 63), (0, 0))];
    }
    if all.len() == 3 {
        return vec![
            scan(&all, (0, 0), (0, 1)),
            scan(&[0], (1, 5), (0, 2)),
            scan(&[2], (1, 63), (0, 1)),
            scan(&[1], (1, 63), (0, 1)),
            scan(&[0], (6, 63), (0, 2)),
            scan(&[0], (1, 63), (2, 1)),
            scan(&all, (0, 0), (1, 0)),
            scan(&[2], (1, 63), (1, 0)),
            scan(&[1], (1, 63), (1, 0)),
            scan(&[0], (1, 63), (1, 0)),
        ];
    }
    let mut script = vec![scan(&all, (0, 0), (0, 1))];
    let bands = [((1, 5), (0, 2)), ((6, 63), (0, 2)), ((1, 63), (2, 1)), ((1, 63), (1, 0))];
    for (step, (band, approximation)) in bands.into_iter().enumerate() {
        if step == 3 {
            script.push(scan(&all, (0, 0), (1, 0)));
        }
        script.extend(all.iter().map(|&index| scan(&[index], band, approximation)));
    }
    script
}
