//! The sequence Llama on small checkpoints.

mod export;
mod parity;
mod training;
