//! Where the bits of a modelled file go: by component and by coefficient.

use lmcodec_codecs::jpeg;
use lmcodec_entropy::segment::{SegmentBits, SymbolKind};

use crate::error::Error;
use crate::media::jpeg::frame;
use crate::options::EncodeOptions;

/// What [`bit_cost`] tells: ideal code lengths in bits, which the range coder meets to a few bytes a segment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BitCost {
    /// The components in the order of the frame header.
    pub components: Vec<ComponentCost>,
    /// Bits of the side information (markers, tables, metadata), as serialized into the header.
    pub side_information_bits: f64,
}

/// The bits of one component.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ComponentCost {
    /// `Y`, `Cb`, `Cr` for one or three components, `C` and the identifier for others.
    pub name: String,
    /// Bits that say which coefficient of a block is the last nonzero one.
    pub last_bits: f64,
    /// Bits by zigzag position, the DC first; escapes included.
    pub position_bits: [f64; 64],
}

/// Counts the bits that encoding a JPEG file with the model takes, without writing them.
///
/// # Errors
/// [`Error::Image`] if the bytes are no JPEG file that can be modelled, [`Error::Limit`], [`Error::Model`].
pub fn bit_cost(bytes: &[u8], options: &EncodeOptions) -> Result<BitCost, Error> {
    Error::limit("bytes of the input", bytes.len() as u64, options.limits.max_original_bytes)?;
    let image = jpeg::parse(bytes, &options.limits.jpeg).map_err(|error| Error::Image(error.to_string()))?;
    let counts = frame::count(&image, &*options.jpeg_model()?, options)?;
    let names = ["Y", "Cb", "Cr"];
    let components = image.components.iter().enumerate().map(|(index, component)| {
        let name = match names.get(index) {
            Some(name) if matches!(image.components.len(), 1 | 3) => (*name).to_string(),
            _ => format!("C{}", component.id),
        };
        let last = |segment: &SegmentBits| segment.by_component[index][SymbolKind::Last as usize];
        let mut position_bits = [0.0; 64];
        for segment in &counts {
            position_bits.iter_mut().zip(&segment.by_position[index]).for_each(|(sum, bits)| *sum += bits);
        }
        ComponentCost { name, last_bits: counts.iter().map(last).sum(), position_bits }
    });
    Ok(BitCost { components: components.collect(), side_information_bits: 8.0 * image.side.to_bytes().len() as f64 })
}
