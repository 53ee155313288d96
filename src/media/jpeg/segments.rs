//! Segments of an image: whole rows of MCUs, all components of them.

use std::num::NonZeroUsize;
use std::ops::Range;

use lmcodec_codecs::jpeg::{Component, JpegImage};
use lmcodec_entropy::arrangement::plane::CoefficientPlane;

/// How an image is cut into segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSegments {
    mcu_rows: usize,
    rows_per_segment: usize,
    /// Lines of the image in a row of MCUs.
    lines_per_row: u32,
    lines: u32,
    components: Vec<Rows>,
}

/// The rows of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows {
    /// Rows of blocks in a row of MCUs.
    in_mcu: usize,
    blocks_wide: usize,
    blocks_high: usize,
    quantization: [u16; 64],
}

impl RowSegments {
    /// Segments of `rows_per_segment` rows of MCUs (at least 1), the last one with the rest.
    pub(crate) fn new(image: &JpegImage, rows_per_segment: usize) -> Self {
        let single = image.components.len() == 1;
        let v_max = image.components.iter().map(|c| usize::from(c.v)).max().unwrap_or(1);
        let rows = |component: &Component| Rows {
            // The only component of a frame is never interleaved: its MCU is one block (T.81, A.2.2).
            in_mcu: if single { 1 } else { usize::from(component.v).max(1) },
            blocks_wide: component.blocks_wide,
            blocks_high: component.blocks_high,
            // Damaged files have steps of 0; the model's features need at least 1.
            quantization: component.quantization.map(|step| step.max(1)),
        };
        let components: Vec<Rows> = image.components.iter().map(rows).collect();
        Self {
            mcu_rows: components.first().map_or(0, |rows| rows.blocks_high.div_ceil(rows.in_mcu)),
            rows_per_segment: rows_per_segment.max(1),
            lines_per_row: if single { 8 } else { 8 * v_max as u32 },
            lines: image.height,
            components,
        }
    }

    /// The whole image as one segment.
    pub(crate) fn whole(image: &JpegImage) -> Self {
        Self::new(image, usize::MAX)
    }

    /// Segments in which the first component has about `target` rows of blocks: as many segments as make the mean come
    /// nearest, all alike but for the last.
    pub(crate) fn balanced(image: &JpegImage, target: NonZeroUsize) -> Self {
        let mut segments = Self::new(image, 1);
        let blocks = segments.mcu_rows * segments.components.first().map_or(1, |rows| rows.in_mcu);
        let target = target.get();
        let count = ((2 * blocks + target) / (2 * target)).max(1);
        segments.rows_per_segment = segments.mcu_rows.div_ceil(count).max(1);
        segments
    }

    /// Segments.
    pub(crate) fn count(&self) -> usize {
        self.mcu_rows.div_ceil(self.rows_per_segment)
    }

    /// Rows of MCUs of every segment but the last.
    pub(crate) fn rows_per_segment(&self) -> usize {
        self.rows_per_segment
    }

    /// Rows of MCUs of a segment.
    pub(crate) fn rows(&self, segment: usize) -> Range<usize> {
        let start = segment * self.rows_per_segment;
        start.min(self.mcu_rows)..start.saturating_add(self.rows_per_segment).min(self.mcu_rows)
    }

    /// Lines of the image of a segment.
    pub(crate) fn lines(&self, segment: usize) -> Range<u32> {
        let rows = self.rows(segment);
        let line = |row: usize| (row as u32).saturating_mul(self.lines_per_row).min(self.lines);
        line(rows.start)..line(rows.end)
    }

    /// Rows of blocks of a component that belong to a segment.
    pub(crate) fn block_rows(&self, segment: usize, component: usize) -> Range<usize> {
        let (rows, of) = (self.rows(segment), &self.components[component]);
        let block_row = |row: usize| (row * of.in_mcu).min(of.blocks_high);
        block_row(rows.start)..block_row(rows.end)
    }

    /// The coefficients of a component that belong to a segment, as a range of [`Component::coefficients`].
    fn coefficients(&self, segment: usize, component: usize) -> Range<usize> {
        let (rows, stride) = (self.block_rows(segment, component), self.components[component].blocks_wide * 64);
        rows.start * stride..rows.end * stride
    }

    /// The planes of a segment, filled from the image.
    pub(crate) fn planes(&self, segment: usize, image: &JpegImage) -> Vec<CoefficientPlane> {
        let mut planes = self.zeroed(segment);
        for (index, (plane, component)) in planes.iter_mut().zip(&image.components).enumerate() {
            let range = self.coefficients(segment, index);
            plane.blocks.copy_from_slice(component.coefficients[range].as_chunks().0);
        }
        planes
    }

    /// The planes of a segment, all zero.
    pub(crate) fn zeroed(&self, segment: usize) -> Vec<CoefficientPlane> {
        let plane = |(index, rows): (usize, &Rows)| {
            // A component without blocks in a row has no rows either.
            let high = if rows.blocks_wide == 0 { 0 } else { self.block_rows(segment, index).len() };
            CoefficientPlane::zeroed(rows.blocks_wide, high, rows.quantization)
        };
        self.components.iter().enumerate().map(plane).collect()
    }

    /// Copies a segment's planes into the image.
    pub(crate) fn fill(&self, segment: usize, planes: &[CoefficientPlane], image: &mut JpegImage) {
        for (index, (plane, component)) in planes.iter().zip(&mut image.components).enumerate() {
            let range = self.coefficients(segment, index);
            component.coefficients[range].copy_from_slice(plane.blocks.as_flattened());
        }
    }
}
