//! What is trained: the embedding and the heads of the latents' alphabets, and LoRA pairs if wanted.
//!
//! The embedding table has the rows of layer 0's alphabet, then those of layer 1 and so on, then a start row for each layer; the
//! head has the same rows without the start rows. Position i of a chunk sees the embedding of symbol i − 1 (of that symbol's own
//! layer), position 0 the start row of its own layer; its logits are the head's rows of its own layer. There is no bias.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::lora::{Lora, LoraConfig};
use crate::checkpoint::LlamaConfig;
use crate::run::SequenceError;
use lmcodec_entropy::arrangement::flat::Chunk;

/// Trained parameters, on a device with autodiff (which burn's optimizers expect).
#[derive(Module, Debug)]
pub struct Heads {
    /// [ΣV + layers, D]
    pub embed: Param<Tensor<2>>,
    /// [ΣV, D]
    pub head: Param<Tensor<2>>,
    /// Low-rank updates of the backbone.
    pub lora: Option<Lora>,
}

/// Rows of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    vocabularies: Vec<u32>,
    offsets: Vec<u32>,
}

impl Rows {
    /// Rows for alphabets of these sizes.
    pub fn new(vocabularies: &[u32]) -> Self {
        let mut total = 0;
        let offsets = vocabularies.iter().map(|v| (total, total += v).0).collect();
        Self { vocabularies: vocabularies.to_vec(), offsets }
    }

    /// Alphabets.
    pub fn vocabularies(&self) -> &[u32] {
        &self.vocabularies
    }

    /// ΣV: rows of the head.
    pub fn symbols(&self) -> usize {
        self.vocabularies.iter().map(|&v| v as usize).sum()
    }

    /// Rows of the embedding.
    pub fn embeddings(&self) -> usize {
        self.symbols() + self.vocabularies.len()
    }

    /// Rows of a layer's alphabet: first and number.
    pub fn layer(&self, layer: usize) -> (usize, usize) {
        (self.offsets[layer] as usize, self.vocabularies[layer] as usize)
    }

    /// Row of the embedding of a symbol.
    pub fn symbol(&self, layer: usize, symbol: u32) -> u32 {
        self.offsets[layer] + symbol
    }

    /// Row of the embedding that starts a chunk.
    pub fn start(&self, layer: usize) -> u32 {
        (self.symbols() + layer) as u32
    }
}

/// Chunks side by side, padded to the longest.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Chunks.
    pub sequences: usize,
    /// Positions of the longest.
    pub length: usize,
    /// Row of the embedding at every position, [B·T].
    pub inputs: Vec<u32>,
    /// Symbol at every position; 0 where there is none.
    pub targets: Vec<u32>,
    /// Layer of every position, `u16::MAX` where there is no symbol.
    pub layers: Vec<u16>,
}

impl Batch {
    /// Puts chunks side by side.
    ///
    /// # Errors
    /// [`SequenceError::Symbol`] for a symbol or layer that the tables have no row for.
    pub fn new(chunks: &[&Chunk], rows: &Rows) -> Result<Self, SequenceError> {
        let length = chunks.iter().map(|c| c.symbols.len()).max().unwrap_or(0);
        let n = chunks.len() * length;
        let mut batch = Self {
            sequences: chunks.len(),
            length,
            inputs: vec![0; n],
            targets: vec![0; n],
            layers: vec![u16::MAX; n],
        };
        for (c, chunk) in chunks.iter().enumerate() {
            let mut previous = None;
            for (i, &symbol) in chunk.symbols.iter().enumerate() {
                let (layer, at) = (chunk.layer(i), c * length + i);
                let vocabulary = rows.vocabularies.get(usize::from(layer)).copied().unwrap_or(0);
                let symbol = u32::from(symbol);
                if symbol >= vocabulary {
                    let layer = usize::from(layer);
                    return Err(SequenceError::Symbol { symbol, position: i, layer, vocabulary });
                }
                batch.inputs[at] = previous.unwrap_or_else(|| rows.start(usize::from(layer)));
                batch.targets[at] = symbol;
                batch.layers[at] = layer;
                previous = Some(rows.symbol(usize::from(layer), symbol));
            }
        }
        Ok(batch)
    }

    /// Symbols, without padding.
    pub fn symbols(&self) -> usize {
        self.layers.iter().filter(|&&l| l != u16::MAX).count()
    }

    /// Positions of every layer that occurs.
    pub fn positions_by_layer(&self, layers: usize) -> Vec<(usize, Vec<u32>)> {
        let mut all = vec![Vec::new(); layers];
        for (at, &layer) in self.layers.iter().enumerate() {
            if layer != u16::MAX {
                all[usize::from(layer)].push(at as u32);
            }
        }
        all.into_iter().enumerate().filter(|(_, positions)| !positions.is_empty()).collect()
    }
}

impl Heads {
    /// Random rows with the given standard deviations, on a device with autodiff (its random state is used).
    pub fn random(
        rows: &Rows,
        llama: &LlamaConfig,
        (embed_std, head_std): (f64, f64),
        lora: Option<&LoraConfig>,
        device: &Device,
    ) -> Self {
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        Self {
            embed: normal(embed_std).init([rows.embeddings(), llama.d_model], device),
            head: normal(head_std).init([rows.symbols(), llama.d_model], device),
            lora: lora.map(|config| Lora::new(config, llama, device)),
        }
    }

    /// Tables with given values.
    ///
    /// # Panics
    /// If their lengths are no multiple of the width.
    pub fn from_tables(embed: Vec<f32>, head: Vec<f32>, width: usize, lora: Option<Lora>, device: &Device) -> Self {
        let table = |v: Vec<f32>| {
            let shape = [v.len() / width, width];
            Param::from_tensor(Tensor::<2>::from_data(TensorData::new(v, shape), device))
        };
        Self { embed: table(embed), head: table(head), lora }
    }

    /// The embedding's values without autodiff.
    pub fn embed(&self) -> Tensor<2> {
        self.embed.val().inner()
    }

    /// The head's values without autodiff.
    pub fn head(&self) -> Tensor<2> {
        self.head.val().inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lmcodec_entropy::arrangement::flat::LayerPattern;

    #[test]
    fn rows_of_interleaved_layers() {
        let rows = Rows::new(&[3, 2]);
        let chunk = |symbols: Vec<u16>, first_layer| Chunk {
            first_layer,
            layers: LayerPattern::Cycle(2),
            symbols,
            escapes: vec![],
        };
        let (a, b) = (chunk(vec![2, 1, 0, 0], 0), chunk(vec![1, 2], 1));
        let batch = Batch::new(&[&a, &b], &rows).unwrap();
        assert_eq!((batch.sequences, batch.length, batch.symbols()), (2, 4, 6));
        // Symbols of layer 0 are rows 0..3, of layer 1 rows 3..5, start rows 5 and 6.
        assert_eq!(batch.inputs, [5, 2, 4, 0, 6, 4, 0, 0]);
        assert_eq!(batch.targets, [2, 1, 0, 0, 1, 2, 0, 0]);
        assert_eq!(batch.positions_by_layer(2), [(0, vec![0, 2, 5]), (1, vec![1, 3, 4])]);
        let wrong = Batch::new(&[&chunk(vec![0, 2], 0)], &rows).unwrap_err();
        assert_eq!(wrong, SequenceError::Symbol { symbol: 2, position: 1, layer: 1, vocabulary: 2 });
    }
}
