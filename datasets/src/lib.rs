//! lmcodec-datasets
