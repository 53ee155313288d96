//! A JPEG file taken apart: quantized coefficients by component, and side information.

use super::error::{JpegError, Limits};
use super::side::SideInformation;

/// One colour component of a parsed JPEG file: its quantized DCT coefficients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Component identifier C_i of the frame header.
    pub id: u8,
    /// Horizontal sampling factor H_i, 1..=4.
    pub h: u8,
    /// Vertical sampling factor V_i, 1..=4.
    pub v: u8,
    /// Blocks in a row. With two or more components the rows are padded to whole MCUs of an
    /// interleaved scan; the only component of a frame is not padded (its MCU is one block).
    pub blocks_wide: usize,
    /// Rows of blocks, padded like `blocks_wide`.
    pub blocks_high: usize,
    /// Quantization table in zigzag order, entries 0..=65535 (0 occurs in damaged files only).
    /// All ones where the file holds no table.
    pub quantization: [u16; 64],
    /// `blocks_high * blocks_wide * 64` quantized coefficients: blocks in raster order, zigzag
    /// order inside a block, DC as the value itself (not the difference). Never -32768.
    pub coefficients: Vec<i16>,
}

/// A JPEG file as quantized coefficients plus what else its bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JpegImage {
    /// Width in pixels, 1..=65535.
    pub width: u32,
    /// Height in pixels, 1..=65535.
    pub height: u32,
    /// 1..=4 components in the order of the frame header.
    pub components: Vec<Component>,
    /// Everything that is needed besides the coefficients to get the file's bytes back.
    pub side: SideInformation,
}

impl JpegImage {
    /// The number of coefficients of all components.
    #[must_use]
    pub fn coefficient_count(&self) -> usize {
        self.components.iter().map(|c| c.coefficients.len()).sum()
    }
}

impl SideInformation {
    /// An image with this side information whose coefficients are all zero.
    ///
    /// A decoder calls this first, fills the coefficients in, and calls `write`.
    ///
    /// # Errors
    /// [`JpegError::Limit`] when the image is larger than `limits` allow; nothing is allocated
    /// then. [`JpegError::Malformed`] when the frame header is invalid.
    pub fn skeleton(&self, limits: &Limits) -> Result<JpegImage, JpegError> {
        self.frame.validate(0)?;
        self.frame.check_limits(limits, None)?;
        Ok(self.zeroed())
    }

    /// [`Self::skeleton`] without the checks.
    pub(crate) fn zeroed(&self) -> JpegImage {
        let components = self
            .frame
            .components
            .iter()
            .zip(self.layout())
            .zip(self.quantization_tables())
            .map(|((component, layout), quantization)| Component {
                id: component.id,
                h: component.h,
                v: component.v,
                blocks_wide: layout.blocks_wide,
                blocks_high: layout.blocks_high,
                quantization,
                coefficients: vec![0; layout.blocks() * 64],
            })
            .collect();
        JpegImage {
            width: u32::from(self.frame.width),
            height: u32::from(self.frame.height),
            components,
            side: self.clone(),
        }
    }
}
