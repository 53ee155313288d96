//! The frame Llama: crops of photos → batches → model and loss → training, and what a finished run leaves behind.
//!
//! `config` (the TOML file) → `batch` (features and symbols of a step) → `model`, `loss` → `train` → `card` (the exported model
//! with its `parity` report). `growth` begins with a smaller model, `ablation` leaves parts out.

pub mod ablation;
pub mod batch;
pub mod card;
pub mod config;
pub mod export;
mod growth;
pub mod loss;
pub mod model;
pub mod parity;
pub mod train;
