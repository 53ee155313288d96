//! A codec under test: what it is called, how it runs, what one run gives.
//!
//! [`Recompressor`] is what a codec gives to be measured: a whole JPEG file in, bytes out, and back. Codecs in this process are
//! measured by its clocks; those that run as processes of their own ([`super::peers`]) bring their own measurement.

use super::bit_cost::BitCost;
use super::process::{ProcessError, own_cpu_seconds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::time::Instant;
use thiserror::Error;

/// Why a codec failed on one file. It is recorded in the table, the run goes on.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A codec that runs as a process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A codec in this process failed.
    #[error(transparent)]
    Codec(Box<dyn std::error::Error + Send + Sync>),
}

/// Both command lines of a codec, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// Encoding.
    pub encode: String,
    /// Decoding.
    pub decode: String,
}

/// The output of one measured run of a codec.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What came out.
    pub bytes: Vec<u8>,
    /// CPU seconds over all threads, where known.
    pub cpu_s: Option<f64>,
    /// Wall-clock seconds.
    pub wall_s: f64,
    /// Peak resident bytes, where the codec runs as a process of its own.
    pub peak_bytes: Option<u64>,
}

/// A codec that turns a JPEG file into fewer bytes and back.
pub trait Recompressor: Sync {
    /// Name in tables, without spaces.
    fn name(&self) -> &str;

    /// Version, as the codec states it.
    fn version(&self) -> &str {
        ""
    }

    /// Facts about the codec that a reader of results needs, such as the model's name.
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The command lines of encoding and decoding, for codecs that run as processes.
    fn commands(&self) -> Option<Commands> {
        None
    }

    /// Where the bits of a coded file go, for codecs that can tell.
    fn bit_cost(&self, _jpeg: &[u8]) -> Option<Result<BitCost, CodecError>> {
        None
    }

    /// Codes a whole JPEG file.
    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError>;

    /// Restores a JPEG file from what [`Recompressor::encode`] gave.
    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError>;

    /// True where the work is done in this process, so that CPU time can be told apart only while nothing else runs.
    fn in_process(&self) -> bool {
        true
    }

    /// [`Recompressor::encode`] with its cost; here by the clocks of this process.
    fn encode_measured(&self, jpeg: &[u8]) -> Result<Measured, CodecError> {
        measure_here(|| self.encode(jpeg))
    }

    /// [`Recompressor::decode`] with its cost; here by the clocks of this process.
    fn decode_measured(&self, coded: &[u8]) -> Result<Measured, CodecError> {
        measure_here(|| self.decode(coded))
    }
}

pub(crate) fn measure_here(work: impl FnOnce() -> Result<Vec<u8>, CodecError>) -> Result<Measured, CodecError> {
    let (cpu, wall) = (own_cpu_seconds(), Instant::now());
    let bytes = work()?;
    let wall_s = wall.elapsed().as_secs_f64();
    let cpu_s = own_cpu_seconds().zip(cpu).map(|(end, start)| end - start);
    Ok(Measured { bytes, cpu_s, wall_s, peak_bytes: None })
}

/// Keeps the file as it is: the zero of every table, and the codec of the tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Store;

impl Recompressor for Store {
    fn name(&self) -> &str {
        "store"
    }
    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(jpeg.to_vec())
    }
    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(coded.to_vec())
    }
}
