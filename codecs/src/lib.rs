//! lmcodec-codecs
