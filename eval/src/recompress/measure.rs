//! Whole-file recompression: every JPEG of a set through every codec and back, measured and compared byte by byte.
//!
//! In: named sets (folders of `.jpg`) and [`Recompressor`]s. Out: a [`RecompressionTable`] with source and coded bytes, the byte-exact
//! round trip, CPU and wall seconds of each file. Sizes are those of whole files, all headers included.

use super::codec::Recompressor;
use super::jpeg_size::jpeg_size;
use super::table::{CodecResult, Measurement, Origin, RecompressionTable, SetResult, SourceFile};
use crate::report::environment::Environment;
use rayon::prelude::*;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a run could not start or go on.
#[derive(Debug, Error)]
pub enum RecompressionError {
    /// A source file or folder cannot be read.
    #[error("set {set}: {what}: {source}")]
    Read {
        /// Name of the set.
        set: String,
        /// File name.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A folder without `.jpg` files.
    #[error("set {set}: no .jpg or .jpeg file in the folder")]
    Empty {
        /// Name of the set.
        set: String,
    },
    /// Two files that differ in their extension only; results go by the name without it.
    #[error("set {set}: two files are called {image}")]
    Duplicate {
        /// Name of the set.
        set: String,
        /// File name without extension.
        image: String,
    },
    /// The worker threads could not be started.
    #[error("{0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// A named list of JPEG files.
#[derive(Debug, Clone)]
pub struct SourceSet {
    /// Name in tables, such as `a50`.
    pub name: String,
    /// The files, sorted by name.
    pub files: Vec<PathBuf>,
}

impl SourceSet {
    /// The `.jpg` and `.jpeg` files of a folder (any case; not of its subfolders).
    pub fn from_folder(name: &str, folder: &Path) -> Result<Self, RecompressionError> {
        let read_error = |source| RecompressionError::Read { set: name.into(), what: "the folder".into(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(read_error)? {
            let path = entry.map_err(read_error)?.path();
            let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
            if path.is_file() && matches!(extension.as_deref(), Some("jpg" | "jpeg")) {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(RecompressionError::Empty { set: name.into() });
        }
        files.sort();
        if let Some(pair) = files.windows(2).find(|w| w[0].file_stem() == w[1].file_stem()) {
            let image = pair[0].file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Err(RecompressionError::Duplicate { set: name.into(), image });
        }
        Ok(Self { name: name.into(), files })
    }
}

/// Runs every codec on every file of every set.
///
/// `threads` files are worked on side by side (0 counts as 1); with more than one the CPU seconds of codecs in this
/// process are unknown, as their clocks mix. `progress` is called after each file of each codec. A codec's failure is
/// recorded in the table; an unreadable source ends the run.
pub fn measure(
    sets: &[SourceSet],
    codecs: &[&dyn Recompressor],
    threads: usize,
    progress: &(dyn Fn() + Sync),
) -> Result<RecompressionTable, RecompressionError> {
    let threads = threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let sets = sets
        .iter()
        .map(|set| {
            let rows: Vec<(SourceFile, Vec<Measurement>)> = pool.install(|| {
                set.files
                    .par_iter()
                    .map(|path| measure_file(&set.name, path, codecs, threads, progress))
                    .collect::<Result<_, _>>()
            })?;
            let (images, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let codecs = codecs
                .iter()
                .enumerate()
                .map(|(c, codec)| {
                    let files = rows.iter().map(|row| row[c].clone()).collect();
                    CodecResult::new(codec.name(), codec.version(), Origin::Measured, &images, files)
                })
                .collect();
            Ok(SetResult::new(&set.name, images, codecs))
        })
        .collect::<Result<_, RecompressionError>>()?;
    Ok(RecompressionTable { environment: Environment::current(threads), sets })
}

fn measure_file(
    set: &str,
    path: &Path,
    codecs: &[&dyn Recompressor],
    threads: usize,
    progress: &(dyn Fn() + Sync),
) -> Result<(SourceFile, Vec<Measurement>), RecompressionError> {
    let name = |os: Option<&std::ffi::OsStr>| os.unwrap_or_default().to_string_lossy().into_owned();
    let jpeg = std::fs::read(path).map_err(|source| RecompressionError::Read {
        set: set.into(),
        what: name(path.file_name()),
        source,
    })?;
    let image = name(path.file_stem());
    let size = jpeg_size(&jpeg);
    let measurements = codecs
        .iter()
        .map(|codec| {
            let mut result = measure_one(*codec, &image, &jpeg);
            if codec.in_process() && threads > 1 {
                result.encode_cpu_s = None;
                result.decode_cpu_s = None;
            }
            progress();
            result
        })
        .collect();
    let source =
        SourceFile { image, source_bytes: jpeg.len() as u64, width: size.map(|s| s.0), height: size.map(|s| s.1) };
    Ok((source, measurements))
}

/// One file through one codec and back.
fn measure_one(codec: &dyn Recompressor, image: &str, jpeg: &[u8]) -> Measurement {
    let mut result = Measurement { image: image.into(), ..Measurement::default() };
    let encoded = match codec.encode_measured(jpeg) {
        Ok(encoded) => encoded,
        Err(error) => {
            result.error = Some(format!("encode: {error}"));
            return result;
        }
    };
    result.coded_bytes = Some(encoded.bytes.len() as u64);
    result.encode_cpu_s = encoded.cpu_s;
    result.encode_wall_s = Some(encoded.wall_s);
    result.encode_peak_bytes = encoded.peak_bytes;
    match codec.decode_measured(&encoded.bytes) {
        Ok(decoded) => {
            result.byte_exact = Some(decoded.bytes == jpeg);
            result.decode_cpu_s = decoded.cpu_s;
            result.decode_wall_s = Some(decoded.wall_s);
            result.decode_peak_bytes = decoded.peak_bytes;
        }
        Err(error) => {
            result.byte_exact = Some(false);
            result.error = Some(format!("decode: {error}"));
        }
    }
    result
}
