//! Benchmarks of the codec's crates, in a package of their own, so that tests compile without criterion:
//! `cargo bench -p lmcodec-bench`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
