//! The sequence Llama in integers: the same for every kernel, batch and order; close to the same Llama in f64; files that
//! are damaged give typed errors.

mod accuracy;
mod export;
mod files;
mod reference;
mod sameness;

use lmcodec_entropy::sequence_llama::SequenceLlama;
use lmcodec_entropy::sequence_llama::testing::RandomCheckpoint;

fn load(checkpoint: &RandomCheckpoint, vocabularies: &[u32]) -> SequenceLlama {
    let (backbone, heads) = checkpoint.export(vocabularies).unwrap();
    SequenceLlama::from_bytes(&backbone, &heads).unwrap()
}
