//! The sequence Llama on small checkpoints, in one program (linking burn takes its time).
#![cfg(feature = "flex")]

mod export;
mod parity;
mod training;
