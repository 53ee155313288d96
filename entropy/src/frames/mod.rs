//! Other codecs on the same backbone: grids of vector-quantization indices and residual vector quantization.

pub mod config;
pub mod context;
