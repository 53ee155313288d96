//! The recompression table as data (JSON through serde), and how files are summed up.
//!
//! Definitions: *bpp* = 8 · coded bytes of the whole file / pixels of the image; *mean bpp* = mean of the files' bpp;
//! *saving %* = 100 · (1 − Σ coded / Σ source) over the files a codec coded; *MP/s* = Σ pixels / Σ seconds / 10⁶.
//! A file that a codec refused is counted in `failed` and left out of the codec's sums, source bytes included.
//! No path of the measuring machine enters the table.

use crate::report::environment::Environment;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// All sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecompressionTable {
    /// Where it was measured.
    pub environment: Environment,
    /// One entry a set, in the caller's order.
    pub sets: Vec<SetResult>,
}

/// One set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetResult {
    /// Name of the set.
    pub name: String,
    /// Bytes of all source files.
    pub source_bytes: u64,
    /// Mean bits per pixel of the source files whose size in pixels is known.
    pub source_mean_bpp: Option<f64>,
    /// The source files.
    pub images: Vec<SourceFile>,
    /// One entry a codec.
    pub codecs: Vec<CodecResult>,
}

/// One source file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceFile {
    /// File name without extension.
    pub image: String,
    /// Size of the file in bytes.
    pub source_bytes: u64,
    /// Pixels a row, from the frame header.
    pub width: Option<u32>,
    /// Rows, from the frame header.
    pub height: Option<u32>,
}

impl SourceFile {
    /// Pixels, where a frame header was found.
    pub fn pixels(&self) -> Option<u64> {
        Some(u64::from(self.width?) * u64::from(self.height?))
    }
}

/// Where sizes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Measured in this run, or by the same program in the run that [`CodecResult::source`] tells of.
    Measured,
    /// Taken from a list of published sizes; nothing was run.
    Published,
}

/// One file through one codec. Seconds and memory are `None` where they were not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// File name without extension.
    pub image: String,
    /// Size of the coded file; `None` where encoding failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coded_bytes: Option<u64>,
    /// Whether decoding gave the source file byte for byte; `None` where it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_exact: Option<bool>,
    /// CPU seconds of encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode_cpu_s: Option<f64>,
    /// Wall seconds of encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode_wall_s: Option<f64>,
    /// CPU seconds of decoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_cpu_s: Option<f64>,
    /// Wall seconds of decoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_wall_s: Option<f64>,
    /// Peak resident bytes of the encoding process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode_peak_bytes: Option<u64>,
    /// Peak resident bytes of the decoding process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_peak_bytes: Option<u64>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One codec on one set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodecResult {
    /// Name of the codec.
    pub codec: String,
    /// Its version; empty where unknown.
    pub version: String,
    /// Measured here or published.
    pub origin: Origin,
    /// Where sizes that were not measured in this run come from, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Files coded.
    pub coded_files: usize,
    /// Files that the codec failed to code (a decoding failure is a file that is not byte exact).
    pub failed: usize,
    /// Files that came back byte for byte; `None` where nothing was decoded.
    pub byte_exact: Option<usize>,
    /// Bytes of the source files that were coded.
    pub source_bytes: u64,
    /// Bytes of the coded files.
    pub coded_bytes: u64,
    /// Mean bits per pixel of the coded files.
    pub mean_bpp: Option<f64>,
    /// Percent saved against the source files; `None` where no file was coded.
    pub saving_percent: Option<f64>,
    /// Megapixels a CPU second of encoding.
    pub encode_mp_per_cpu_s: Option<f64>,
    /// Megapixels a CPU second of decoding.
    pub decode_mp_per_cpu_s: Option<f64>,
    /// Megapixels a wall second of encoding.
    pub encode_mp_per_wall_s: Option<f64>,
    /// Megapixels a wall second of decoding.
    pub decode_mp_per_wall_s: Option<f64>,
    /// Largest peak of memory over all runs, in bytes.
    pub peak_bytes: Option<u64>,
    /// The files, in the order of the set's images that have an entry.
    pub files: Vec<Measurement>,
}

/// Why two tables cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JoinError {
    /// Both hold sizes of one codec on one set.
    #[error("set {set}: both tables hold {codec}")]
    Twice {
        /// Name of the set.
        set: String,
        /// Name of the codec.
        codec: String,
    },
    /// One set of other source files.
    #[error("set {set}: the tables are of different source files, {image} first")]
    Source {
        /// Name of the set.
        set: String,
        /// The first file that differs.
        image: String,
    },
}

impl RecompressionTable {
    /// Adds the sets and codecs of another table. Sets of one name must be of the same source files, by name and bytes.
    /// Where the other table was measured on another machine, its seconds and memory are left out, and `source` says where
    /// its sizes come from.
    ///
    /// # Errors
    /// [`JoinError`]; this table is then unchanged.
    pub fn join(&mut self, other: &Self, source: &str) -> Result<(), JoinError> {
        let same_machine = self.environment == other.environment;
        let mut sets = self.sets.clone();
        for theirs in &other.sets {
            let codecs = theirs.codecs.iter().map(|codec| {
                if same_machine {
                    return codec.clone();
                }
                let sizes = codec.files.iter().map(|f| Measurement {
                    image: f.image.clone(),
                    coded_bytes: f.coded_bytes,
                    byte_exact: f.byte_exact,
                    error: f.error.clone(),
                    ..Measurement::default()
                });
                let files = sizes.collect();
                let result = CodecResult::new(&codec.codec, &codec.version, codec.origin, &theirs.images, files);
                CodecResult { source: codec.source.clone().or_else(|| Some(source.into())), ..result }
            });
            let Some(ours) = sets.iter_mut().find(|s| s.name == theirs.name) else {
                sets.push(SetResult::new(&theirs.name, theirs.images.clone(), codecs.collect()));
                continue;
            };
            let differs = ours.images.iter().zip(&theirs.images).find(|(a, b)| a != b).map(|pair| pair.0);
            if differs.is_some() || ours.images.len() != theirs.images.len() {
                let image = differs.or(ours.images.last()).map_or(String::new(), |i| i.image.clone());
                return Err(JoinError::Source { set: theirs.name.clone(), image });
            }
            for codec in codecs {
                if ours.codecs.iter().any(|c| c.codec == codec.codec) {
                    return Err(JoinError::Twice { set: theirs.name.clone(), codec: codec.codec });
                }
                ours.codecs.push(codec);
            }
        }
        self.sets = sets;
        Ok(())
    }

    /// A set by its name.
    pub fn set(&self, name: &str) -> Option<&SetResult> {
        self.sets.iter().find(|s| s.name == name)
    }
}

impl SetResult {
    /// A codec by its name.
    pub fn codec(&self, name: &str) -> Option<&CodecResult> {
        self.codecs.iter().find(|c| c.codec == name)
    }

    /// Sums up the source files.
    pub fn new(name: &str, images: Vec<SourceFile>, codecs: Vec<CodecResult>) -> Self {
        Self {
            name: name.into(),
            source_bytes: images.iter().map(|i| i.source_bytes).sum(),
            source_mean_bpp: mean(images.iter().filter_map(|i| bpp(i.source_bytes, i))),
            images,
            codecs,
        }
    }
}

impl CodecResult {
    /// Sums up `files`; each is looked up among `images` by name, and dropped if it is not there.
    pub fn new(codec: &str, version: &str, origin: Origin, images: &[SourceFile], mut files: Vec<Measurement>) -> Self {
        let source = |file: &Measurement| images.iter().find(|i| i.image == file.image);
        files.retain(|f| source(f).is_some());
        let coded: Vec<(&SourceFile, &Measurement, u64)> =
            files.iter().filter_map(|f| Some((source(f)?, f, f.coded_bytes?))).collect();
        let source_bytes = coded.iter().map(|c| c.0.source_bytes).sum::<u64>();
        let coded_bytes = coded.iter().map(|c| c.2).sum::<u64>();
        let speed = |seconds: fn(&Measurement) -> Option<f64>| {
            let timed = coded.iter().filter_map(|c| Some((c.0.pixels()? as f64, seconds(c.1)?)));
            let (pixels, seconds) = timed.fold((0.0, 0.0), |sum, t| (sum.0 + t.0, sum.1 + t.1));
            (seconds > 0.0).then(|| pixels / seconds / 1e6)
        };
        let tried = coded.iter().any(|c| c.1.byte_exact.is_some());
        Self {
            codec: codec.into(),
            version: version.into(),
            origin,
            source: None,
            coded_files: coded.len(),
            failed: files.len() - coded.len(),
            byte_exact: tried.then(|| coded.iter().filter(|c| c.1.byte_exact == Some(true)).count()),
            source_bytes,
            coded_bytes,
            mean_bpp: mean(coded.iter().filter_map(|c| bpp(c.2, c.0))),
            saving_percent: (source_bytes > 0).then(|| 100.0 * (1.0 - coded_bytes as f64 / source_bytes as f64)),
            encode_mp_per_cpu_s: speed(|f| f.encode_cpu_s),
            decode_mp_per_cpu_s: speed(|f| f.decode_cpu_s),
            encode_mp_per_wall_s: speed(|f| f.encode_wall_s),
            decode_mp_per_wall_s: speed(|f| f.decode_wall_s),
            peak_bytes: coded.iter().flat_map(|c| [c.1.encode_peak_bytes, c.1.decode_peak_bytes]).flatten().max(),
            files,
        }
    }
}

fn bpp(bytes: u64, image: &SourceFile) -> Option<f64> {
    Some(8.0 * bytes as f64 / image.pixels()? as f64)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0u64), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}
