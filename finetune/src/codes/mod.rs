//! Other codecs on the frame Llama: new embeddings and heads for grids of VQ indices and for RVQ codes, on the blocks of a
//! model that was trained on JPEG coefficients and stays frozen (or, to compare, is trained with them).
//!
//! `config` (the TOML file) → `data` (an array of codes → batches) → `model`, `loss` → `train` → `export` (the integer file of
//! `lmcodec_entropy::code_heads`) → `report` (real bytes of codes that were not trained on).

pub mod blocks;
pub mod config;
pub mod data;
pub mod export;
pub mod loss;
pub mod model;
pub mod report;
pub mod train;
