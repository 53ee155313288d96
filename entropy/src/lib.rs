//! lmcodec-entropy

pub mod arrangement;
