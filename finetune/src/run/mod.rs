//! A training run: what the trainings of frames, of codes and of flat sequences have in common.
//!
//! A `Training` knows its model, its batches and one step of its optimizer. `drive` takes the steps: batches come from a
//! thread of their own (`prefetch`), bits that are no number end the run, the log, validations and checkpoints come when they
//! are due, and a resumed run ends in the bits of one that was never interrupted ([`folder`]).

mod error;
pub mod folder;
mod log;
mod observer;
mod optimizer;
mod prefetch;
mod schedule;
#[cfg(all(test, feature = "flex"))]
mod tests;
mod training;

pub use error::{Part, RunError, SequenceError};
pub use folder::{Identity, RunState};
pub use observer::{Course, Observer, Unit, Unobserved};
pub use optimizer::OptimizerConfig;

pub(crate) use optimizer::worker_gradients;
pub(crate) use prefetch::Source;
pub(crate) use schedule::WarmRestarts;
pub(crate) use training::{Fields, Measured, Rhythm, Training, Validation, drive};
