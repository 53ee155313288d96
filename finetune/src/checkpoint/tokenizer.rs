//! The checkpoint's tokenizer: text → tokens, for bits per byte of text and for initial embeddings of numbers.

use std::path::Path;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

use super::CheckpointError;

/// Text to tokens.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    pub(super) fn from_file(path: &Path) -> Result<Self, CheckpointError> {
        let inner = tokenizers::Tokenizer::from_file(path)
            .map_err(|e| CheckpointError::Tokenizer { path: path.into(), message: e.to_string() })?;
        Ok(Self { inner })
    }

    /// A byte-level BPE from the lists in a GGUF file; `kind` is (`tokenizer.ggml.model`, `tokenizer.ggml.pre`).
    pub(super) fn from_gguf(
        path: &Path,
        kind: (&str, &str),
        tokens: &[String],
        merges: &[String],
    ) -> Result<Self, CheckpointError> {
        let fault = |message: String| CheckpointError::Tokenizer { path: path.into(), message };
        let gpt2 = ByteLevel::new(false, true, true);
        let splits = match kind {
            // SmolLM splits numbers into single digits first.
            ("gpt2", "smollm") => vec![Digits::new(true).into(), gpt2.into()],
            ("gpt2", "gpt-2" | "default") => vec![gpt2.into()],
            (model, pre) => {
                return Err(fault(format!(
                    "{model} with the splitting {pre} is not supported; put a tokenizer.json beside a Hugging Face checkpoint"
                )));
            }
        };
        let vocabulary: Vocab = tokens.iter().zip(0u32..).map(|(t, i)| (t.clone(), i)).collect();
        let pairs = merges
            .iter()
            .map(|m| m.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| fault("tokenizer.ggml.merges has an entry that is no pair".into()))?;
        let bpe = BPE::builder().vocab_and_merges(vocabulary, pairs).build().map_err(|e| fault(e.to_string()))?;
        let mut inner = tokenizers::Tokenizer::new(bpe);
        inner.with_pre_tokenizer(Some(Sequence::new(splits)));
        Ok(Self { inner })
    }

    /// Tokens of a text, without any that the tokenizer would add around it.
    ///
    /// # Errors
    /// A message if the text cannot be tokenized.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, String> {
        Ok(self.inner.encode_fast(text, false).map_err(|e| e.to_string())?.get_ids().to_vec())
    }
}
