//! Minimal-width packing: every code in ⌈log2 codebook⌉ bits.

use super::stream::{BitReader, BitWriter, read_head, write_head};
use super::{LatentCoder, LatentCodes, LatentError};

/// The anchor.
#[derive(Debug, Clone, Copy)]
pub struct Packing;

impl LatentCoder for Packing {
    fn name(&self) -> &'static str {
        "packed"
    }

    fn encode(&self, codes: &LatentCodes) -> Result<Vec<u8>, LatentError> {
        let mut bits = BitWriter::after(write_head(codes));
        codes.codes().iter().for_each(|&c| bits.put(c.into(), codes.width()));
        Ok(bits.finish())
    }

    fn decode(&self, stream: &[u8]) -> Result<LatentCodes, LatentError> {
        let (head, rest) = read_head(self.name(), stream)?;
        let mut bits = BitReader::new(self.name(), rest);
        if bits.left() < head.count * head.width() as usize {
            return Err(LatentError::Damaged { coder: self.name(), reason: "it is cut off".into() });
        }
        let codes = (0..head.count).map(|_| Ok(bits.take(head.width())? as u16)).collect::<Result<_, LatentError>>()?;
        bits.finish()?;
        LatentCodes::new(codes, head.layers, head.codebook)
    }
}
