//! Coded and latent size of what is held out.

use lmcodec_entropy::arrangement::flat::{Chunk, FlatArrangement};

use super::data::{escape_bits, latent_bits};
use super::heads::{Batch, Heads, Rows};
use super::model::Backbone;
use super::step::{Bits, evaluate};
use crate::run::RunError;

/// Coded and latent size of some chunks.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Bits of the model, by layer.
    pub bits: Bits,
    /// Raw bits of escaped values.
    pub escape_bits: f64,
    /// Bits of the latents as they are.
    pub latent_bits: f64,
}

impl Validation {
    /// Bits a symbol, escapes included.
    pub fn bits_per_symbol(&self) -> f64 {
        (self.bits.total() + self.escape_bits) / self.bits.count().max(1) as f64
    }

    /// Coded size in percent of the latent size.
    pub fn cr_percent(&self) -> f64 {
        100.0 * (self.bits.total() + self.escape_bits) / self.latent_bits.max(f64::MIN_POSITIVE)
    }
}

/// Bits of chunks under the heads.
///
/// # Errors
/// [`RunError`] for chunks that the model cannot take.
pub fn validate(
    backbone: &Backbone,
    heads: &Heads,
    arrangement: &FlatArrangement,
    chunks: &[Chunk],
    batch: usize,
) -> Result<Validation, RunError> {
    let rows = Rows::new(&arrangement.vocabularies);
    let mut all = Validation { bits: Bits::new(arrangement.layers()), escape_bits: 0.0, latent_bits: 0.0 };
    for chunks in chunks.chunks(batch.max(1)) {
        let refs: Vec<&Chunk> = chunks.iter().collect();
        all.bits += &evaluate(backbone, heads, &rows, &Batch::new(&refs, &rows)?)?;
        all.escape_bits += chunks.iter().map(|c| escape_bits(c, arrangement)).sum::<f64>();
    }
    let layers = all.bits.symbols.iter().enumerate();
    all.latent_bits = layers.map(|(layer, &n)| n as f64 * latent_bits(arrangement, layer)).sum();
    Ok(all)
}
