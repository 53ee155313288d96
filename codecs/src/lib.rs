//! Media ⇄ quantized latents.
//!
//! This crate knows file formats and transforms and nothing about probabilities: it turns a
//! medium into integers ("latents") plus the side information that is needed to get the
//! identical bytes back, and the integers into the medium again.
//!
//! * [`codes`]: `.npy` and `.safetensors` files of codebook indices (VQ, RVQ) to codes and back, byte for byte;
//! * [`jpeg`]: JPEG files to quantized DCT coefficients and back, byte for byte; the forward
//!   DCT and quantization that turn any other image into such coefficients;
//! * [`packing`]: brotli, for side information and what is stored;
//! * [`varint`]: the variable-length integers of side information and headers.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod codes;
pub mod jpeg;
pub mod packing;
pub mod varint;
