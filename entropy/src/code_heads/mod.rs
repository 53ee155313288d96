//! Other codecs on the same backbone: grids of vector-quantization indices and residual vector quantization.
//!
//! A frame of VQ is one position of a grid and holds one code; a frame of RVQ is one time step, whose layers are steps of the
//! depth decoder. A *frame-heads* file holds a new embedding (a small vector a code, one linear layer over the vectors of
//! the codes around the frame) and new heads; the blocks are those of the model for JPEG coefficients, named by SHA-256, or
//! the file's own. All arithmetic is that of `docs/MODEL.md`.
//!
//! ```text
//! codes around a frame ─[Context]─▶ rows of the table ─[embed]─▶ blocks ─▶ state
//! VQ:  state ─[codes + copies of neighbours]─▶ logits        RVQ: state, codes before ─[depth blocks]─▶ logits a layer
//! ```

pub mod config;
pub mod context;
mod engine;
mod model;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod walk;

pub use context::{Place, Shape};
pub use model::{CodeHeads, padded};
pub use walk::{
    CodeHeadsError, Codes, GROUP, MAX_CODES, SEGMENT, count, decode, decode_from, decode_in_batches,
    decode_signals_from, encode, encode_in_batches, encode_into, encode_signals_into, memory_bytes,
};
