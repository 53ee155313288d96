//! lmcodec-entropy
