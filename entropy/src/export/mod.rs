//! From floating-point models to integer files.
//!
//! Nothing here runs while coding: what the exporter rounds, by floats, goes into the files, and from there on every number
//! is an integer.
//!
//! ```text
//! rows of a frame Llama or code heads ─[FrameWriter]─▶ model file
//! Hugging Face tensors ─[export_backbone]─▶ integer backbone        head set ─[export_head_set]─▶ integer head set
//! ```
//!
//! Both round a row of weights with the same quantizer ([`quantize_row`]).

mod backbone;
mod error;
mod frame;
mod heads;
mod quantize;
mod shape;
mod tensor;

pub use backbone::export_backbone;
pub use error::ExportError;
pub use frame::{BlockRows, FrameWriter, LOG2_E, Q_FEATURE, Q_LOGIT, Q_NORM, Q_RESIDUAL, Rows, Scaling};
pub use heads::{HeadSet, export_head_set, export_heads};
pub use quantize::{Rounding, quantize_row};
pub use shape::{Llama3Scaling, LlamaShape, RopeScaling};
pub use tensor::{CheckpointTensors, Tensor};
