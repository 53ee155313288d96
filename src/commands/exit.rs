//! Exit codes, and failures that carry one.

use lmcodec::{CodesError, Error};

/// The exit codes: part of the interface (`docs/CLI.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything worked.
    Success = 0,
    /// A failure that has no code of its own.
    Failure = 1,
    /// The command line asks for something impossible.
    Usage = 2,
    /// A file cannot be read or written, or exists already.
    Io = 3,
    /// A file is damaged, malformed, or no image.
    Malformed = 4,
    /// Another format version, or a model that is not at hand.
    Unsupported = 5,
    /// A size beyond the limits.
    Limit = 6,
    /// What was decoded is not what was encoded.
    Mismatch = 7,
}

/// The table for `--help`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  success; also where a file is kept as it is, or done before
  1  a failure without a code of its own
  2  usage: the command line asks for something impossible
  3  input/output: a file cannot be read or written, or exists already and is of another (--force)
  4  a file is damaged, malformed, or no image
  5  another format version, or a model that is not at hand
  6  a size beyond the limits (--max-pixels)
  7  mismatch: what was decoded is not what was encoded
With several files: the code of the first that failed; the others are still worked on.";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error {
            Error::Io { .. } | Error::Stream { .. } => Self::Io,
            Error::Codes(CodesError::Tensor { .. }) => Self::Usage,
            Error::Malformed { .. }
            | Error::DamagedSegments { .. }
            | Error::NotAnImage { .. }
            | Error::Codes(_)
            | Error::Image(_) => Self::Malformed,
            Error::Unsupported { .. }
            | Error::UnknownModel { .. }
            | Error::ModelNotFound { .. }
            | Error::MissingBackbone { .. }
            | Error::Arrangement { .. }
            | Error::Model { .. } => Self::Unsupported,
            Error::Limit { .. } => Self::Limit,
            Error::InvalidOption(_) | Error::Lossy { .. } => Self::Usage,
            Error::Mismatch { .. } => Self::Mismatch,
            _ => Self::Failure,
        }
    }
}

/// A message and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// The reader of standard output has gone away.
    pub(crate) broken_pipe: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), broken_pipe: false }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(Exit::from(&error), error.to_string())
    }
}
