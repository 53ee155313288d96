//! The frame: components, sampling factors and the geometry of their blocks (T.81 A.1, A.2).

use super::error::{JpegError, Limits};

/// A component as the frame header states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameComponent {
    /// Component identifier C_i.
    pub id: u8,
    /// Horizontal sampling factor, 1..=4.
    pub h: u8,
    /// Vertical sampling factor, 1..=4.
    pub v: u8,
    /// Quantization table destination selector Tq_i, 0..=3.
    pub quantization_selector: u8,
}

/// The frame header (B.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    /// Second byte of the SOF marker: 0xC0 baseline, 0xC1 extended sequential, 0xC2 progressive.
    pub marker: u8,
    /// Samples in a line, 1..=65535.
    pub width: u16,
    /// Lines, 1..=65535.
    pub height: u16,
    /// 1..=4 components.
    pub components: Vec<FrameComponent>,
}

/// Geometry of one component in blocks of 8×8 samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentLayout {
    /// Blocks in a row as stored in [`Component::coefficients`](super::Component::coefficients).
    pub blocks_wide: usize,
    /// Rows of blocks as stored.
    pub blocks_high: usize,
    /// Blocks in a row of a non-interleaved scan: those that hold samples of the image.
    pub scan_wide: usize,
    /// Rows of blocks of a non-interleaved scan.
    pub scan_high: usize,
}

impl ComponentLayout {
    /// Stored blocks.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks_wide * self.blocks_high
    }
}

impl FrameHeader {
    /// Whether this is a progressive frame (SOF2).
    #[must_use]
    pub fn is_progressive(&self) -> bool {
        self.marker == 0xC2
    }

    /// The largest sampling factors (Hmax, Vmax).
    #[must_use]
    pub fn max_sampling(&self) -> (usize, usize) {
        let h = self.components.iter().map(|c| c.h).max().unwrap_or(1);
        let v = self.components.iter().map(|c| c.v).max().unwrap_or(1);
        (usize::from(h), usize::from(v))
    }

    /// MCUs of a scan that interleaves several components: (in a row, rows).
    #[must_use]
    pub fn mcus(&self) -> (usize, usize) {
        let (h_max, v_max) = self.max_sampling();
        (usize::from(self.width).div_ceil(8 * h_max), usize::from(self.height).div_ceil(8 * v_max))
    }

    /// The geometry of every component, in the order of the frame header.
    #[must_use]
    pub fn layout(&self) -> Vec<ComponentLayout> {
        let (h_max, v_max) = self.max_sampling();
        let (mcus_wide, mcus_high) = self.mcus();
        let single = self.components.len() == 1;
        self.components
            .iter()
            .map(|component| {
                let (h, v) = (usize::from(component.h), usize::from(component.v));
                let scan_wide = (usize::from(self.width) * h).div_ceil(h_max).div_ceil(8);
                let scan_high = (usize::from(self.height) * v).div_ceil(v_max).div_ceil(8);
                ComponentLayout {
                    blocks_wide: if single { scan_wide } else { mcus_wide * h },
                    blocks_high: if single { scan_high } else { mcus_high * v },
                    scan_wide,
                    scan_high,
                }
            })
            .collect()
    }

    /// Checks the header's own ranges; `offset` is used in errors.
    pub(crate) fn validate(&self, offset: usize) -> Result<(), JpegError> {
        if self.height == 0 {
            return Err(JpegError::unsupported(
                offset,
                "frame of 0 lines (the number of lines comes in a DNL segment)",
            ));
        }
        if self.width == 0 {
            return Err(JpegError::malformed(offset, "frame of width 0"));
        }
        if self.components.is_empty() {
            return Err(JpegError::malformed(offset, "frame without components"));
        }
        if self.components.len() > 4 {
            return Err(JpegError::unsupported(offset, format!("{} components, at most 4", self.components.len())));
        }
        for c in &self.components {
            if !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v) || c.quantization_selector > 3 {
                return Err(JpegError::malformed(
                    offset,
                    format!(
                        "component {}: sampling {}x{}, quantization table {}",
                        c.id, c.h, c.v, c.quantization_selector
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Checks the sizes that this header promises against `limits`; `file_bytes` is the size of
    /// the JPEG file where it is known.
    pub(crate) fn check_limits(&self, limits: &Limits, file_bytes: Option<usize>) -> Result<(), JpegError> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        Limits::check("pixels", pixels, limits.max_pixels)?;
        let blocks: u64 = self.layout().iter().map(|l| l.blocks() as u64).sum();
        let bytes = blocks * 128;
        Limits::check("coefficient bytes", bytes, limits.max_coefficient_bytes)?;
        if let Some(file_bytes) = file_bytes {
            let plausible =
                (file_bytes as u64).saturating_mul(limits.max_coefficient_bytes_per_file_byte).saturating_add(16 << 20);
            Limits::check("coefficient bytes for a file of this size", bytes, plausible)?;
        }
        Ok(())
    }
}
