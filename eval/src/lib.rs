//! lmcodec-eval
