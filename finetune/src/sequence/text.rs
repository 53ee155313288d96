//! The checkpoint as it came, over text: its own embedding and head. For parity with other implementations and for bits per byte of
//! text.

use burn::tensor::{Int, Tensor, TensorData};

use super::model::Backbone;
use crate::checkpoint::{Checkpoint, Tokenizer};
use crate::run::{RunError, SequenceError};

/// A pretrained Llama with its own tables.
#[derive(Debug)]
pub struct TextModel {
    backbone: Backbone,
    /// [vocabulary, D]
    embed: Tensor<2>,
    /// [vocabulary, D]
    head: Tensor<2>,
}

/// Size of a text under a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextBits {
    /// Ideal code length in bits.
    pub bits: f64,
    /// Tokens.
    pub tokens: usize,
    /// Bytes of the text.
    pub bytes: usize,
}

impl TextBits {
    /// Bits per byte.
    pub fn per_byte(&self) -> f64 {
        self.bits / self.bytes.max(1) as f64
    }
}

impl TextModel {
    /// Reads the tables of the checkpoint that the backbone is from.
    ///
    /// # Errors
    /// [`RunError`] if they cannot be read.
    pub fn load(checkpoint: &Checkpoint, backbone: Backbone) -> Result<Self, RunError> {
        let table = |name: &str| {
            let t = checkpoint.tensor(name)?;
            let shape = [t.shape[0], t.shape[1]];
            Ok::<_, RunError>(Tensor::from_data(TensorData::new(t.values, shape), backbone.device()))
        };
        Ok(Self { embed: table("model.embed_tokens.weight")?, head: table("lm_head.weight")?, backbone })
    }

    /// Logits [T, vocabulary] of the token after each of the given ones.
    ///
    /// # Errors
    /// [`SequenceError`] for a token outside the vocabulary or a sequence beyond the context.
    pub fn logits(&self, tokens: &[u32]) -> Result<Tensor<2>, SequenceError> {
        let vocabulary = self.embed.dims()[0] as u32;
        if let Some(position) = tokens.iter().position(|&t| t >= vocabulary) {
            return Err(SequenceError::Symbol { symbol: tokens[position], position, layer: 0, vocabulary });
        }
        let index: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
        let index = Tensor::<1, Int>::from_data(TensorData::new(index, [tokens.len()]), self.backbone.device());
        let (states, _) = self.backbone.forward(self.embed.clone().select(0, index), 1, None, false)?;
        Ok(states.matmul(self.head.clone().transpose()))
    }

    /// Ideal code length of a text, cut into chunks of `chunk` tokens that see nothing of each other; the first token of a
    /// chunk costs log2 of the vocabulary's size.
    ///
    /// # Errors
    /// [`RunError`] if the text cannot be tokenized, or as [`Self::logits`].
    pub fn bits(&self, tokenizer: &Tokenizer, text: &str, chunk: usize) -> Result<TextBits, RunError> {
        let tokens = tokenizer.tokens(text).map_err(|message| RunError::Invalid { path: "text".into(), message })?;
        let mut bits = 0.0;
        for tokens in tokens.chunks(chunk.max(1)) {
            bits += (self.embed.dims()[0] as f64).log2();
            let (seen, targets) = (&tokens[..tokens.len() - 1], &tokens[1..]);
            if !seen.is_empty() {
                let weights = vec![0.0; targets.len()];
                let (nats, _) = self.backbone.kernels().cross_entropy(self.logits(seen)?, targets, &weights);
                bits += nats.iter().map(|&n| f64::from(n)).sum::<f64>() * std::f64::consts::LOG2_E;
            }
        }
        Ok(TextBits { bits, tokens: tokens.len(), bytes: text.len() })
    }
}
