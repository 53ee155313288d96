//! What can go wrong in fine-tuning: whatever can in a run.

pub use crate::run::RunError as FinetuneError;
