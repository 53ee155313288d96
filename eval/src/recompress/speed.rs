//! Speed and memory of codecs as processes, by paired runs.
//!
//! Every codec runs once on a file unmeasured (to warm caches, and for the coded file and the byte-exact check), then
//! `runs` times in turn with the others, in an order that rotates from run to run: a slow moment of a shared machine
//! hits all of them. A ratio compares two runs of the same file and round; what is reported is the median.

use super::codec::{CodecError, Recompressor};
use super::jpeg_size::jpeg_size;
use super::peers::{Direction, ExternalCodec};
use crate::report::environment::Environment;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What [`SpeedReport::kind`] says.
pub const KIND: &str = "lmcodec-speed-report";
/// The fact of a codec that names its kernel.
pub const KERNEL: &str = "kernel";

/// Why no speed can be reported.
#[derive(Debug, Error)]
pub enum SpeedError {
    /// Nothing to run.
    #[error("no codec to run")]
    NoCodec,
    /// Nothing to run on, or no run.
    #[error("{files} files and {runs} runs: at least one of each is needed")]
    Nothing {
        /// Files given.
        files: usize,
        /// Runs asked for.
        runs: usize,
    },
    /// A codec failed on a file.
    #[error("{codec} on {file}: {source}")]
    Codec {
        /// Name of the codec.
        codec: String,
        /// Name of the file.
        file: String,
        /// Its failure.
        source: CodecError,
    },
    /// A file whose size in pixels is unknown.
    #[error("{file}: no JPEG frame header")]
    NoSize {
        /// Name of the file.
        file: String,
    },
}

/// What all codecs cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeedReport {
    /// [`KIND`].
    pub kind: String,
    /// What was measured, in a few words.
    pub title: String,
    /// Where it was measured.
    pub environment: Environment,
    /// Names of the files.
    pub files: Vec<String>,
    /// Pixels of all files.
    pub pixels: u64,
    /// Measured runs a file, codec and direction.
    pub runs: usize,
    /// One entry a codec.
    pub codecs: Vec<CodecSpeed>,
}

/// What one codec costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodecSpeed {
    /// Name.
    pub codec: String,
    /// Version.
    pub version: String,
    /// Kernel, for codecs that have several.
    pub kernel: Option<String>,
    /// Bytes of all coded files.
    pub coded_bytes: u64,
    /// Files that came back byte for byte.
    pub byte_exact: usize,
    /// Cost of encoding.
    pub encode: Cost,
    /// Cost of decoding.
    pub decode: Cost,
}

/// One direction of one codec. What the system does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Σ over the files of the median CPU seconds.
    pub cpu_s: Option<f64>,
    /// Σ over the files of the median wall seconds.
    pub wall_s: f64,
    /// Megapixels a CPU second.
    pub mp_per_cpu_s: Option<f64>,
    /// Largest peak of resident memory, in bytes.
    pub peak_bytes: Option<u64>,
    /// CPU seconds beside each anchor's.
    pub ratios: Vec<Ratio>,
}

/// CPU seconds over those of an anchor in the same round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Name of the anchor.
    pub anchor: String,
    /// Median over files and runs.
    pub median: f64,
    /// First and third quartile.
    pub quartiles: [f64; 2],
}

impl Cost {
    /// The median ratio to an anchor.
    pub fn ratio(&self, anchor: &str) -> Option<f64> {
        self.ratios.iter().find(|r| r.anchor == anchor).map(|r| r.median)
    }
}

/// One measured run.
#[derive(Debug, Clone, Copy)]
struct Sample {
    cpu_s: Option<f64>,
    wall_s: f64,
    peak_bytes: Option<u64>,
}

/// Measures every codec on every file `(name, bytes)`. Ratios are against the codecs called as in `anchors`, as far as they
/// are measured. `progress` is called after each file of each round.
pub fn measure_speed(
    title: &str,
    codecs: &[ExternalCodec],
    files: &[(String, Vec<u8>)],
    runs: usize,
    anchors: &[String],
    progress: &dyn Fn(),
) -> Result<SpeedReport, SpeedError> {
    if codecs.is_empty() {
        return Err(SpeedError::NoCodec);
    }
    if files.is_empty() || runs == 0 {
        return Err(SpeedError::Nothing { files: files.len(), runs });
    }
    let anchors: Vec<usize> = anchors.iter().filter_map(|a| codecs.iter().position(|c| c.name() == a)).collect();
    let n = codecs.len();
    let (mut coded_bytes, mut exact, mut pixels) = (vec![0; n], vec![0; n], 0);
    // samples[codec][direction][file][run]
    let mut samples = vec![[vec![Vec::new(); files.len()], vec![Vec::new(); files.len()]]; n];
    for (f, (name, jpeg)) in files.iter().enumerate() {
        let (width, height) = jpeg_size(jpeg).ok_or_else(|| SpeedError::NoSize { file: name.clone() })?;
        pixels += u64::from(width) * u64::from(height);
        let failed =
            |c: usize, source| SpeedError::Codec { codec: codecs[c].name().into(), file: name.clone(), source };
        let mut coded = Vec::new();
        for (c, codec) in codecs.iter().enumerate() {
            let bytes = codec.encode(jpeg).map_err(|e| failed(c, e))?;
            coded_bytes[c] += bytes.len() as u64;
            exact[c] += usize::from(codec.decode(&bytes).map_err(|e| failed(c, e))? == *jpeg);
            coded.push(bytes);
        }
        for run in 0..runs {
            for (d, direction) in [Direction::Encode, Direction::Decode].into_iter().enumerate() {
                for c in (0..n).map(|c| (c + run) % n) {
                    let input = if d == 0 { jpeg } else { &coded[c] };
                    let m = codecs[c].run(direction, input).map_err(|e| failed(c, e))?;
                    samples[c][d][f].push(Sample { cpu_s: m.cpu_s, wall_s: m.wall_s, peak_bytes: m.peak_bytes });
                }
            }
            progress();
        }
    }
    let ratios = |c: usize, d: usize| {
        let to = |&a: &usize| ratio(codecs[a].name(), &samples[c][d], &samples[a][d]);
        anchors.iter().filter_map(to).collect::<Vec<_>>()
    };
    let codecs = codecs
        .iter()
        .enumerate()
        .map(|(c, codec)| CodecSpeed {
            codec: codec.name().into(),
            version: codec.version().into(),
            kernel: codec.facts().remove(KERNEL),
            coded_bytes: coded_bytes[c],
            byte_exact: exact[c],
            encode: Cost { ratios: ratios(c, 0), ..cost(&samples[c][0], pixels) },
            decode: Cost { ratios: ratios(c, 1), ..cost(&samples[c][1], pixels) },
        })
        .collect();
    Ok(SpeedReport {
        kind: KIND.into(),
        title: title.into(),
        environment: Environment::current(1),
        files: files.iter().map(|f| f.0.clone()).collect(),
        pixels,
        runs,
        codecs,
    })
}

/// The cost without ratios; of each file's runs the median counts.
fn cost(files: &[Vec<Sample>], pixels: u64) -> Cost {
    let median = |get: fn(&Sample) -> Option<f64>, runs: &Vec<Sample>| {
        let known: Option<Vec<f64>> = runs.iter().map(get).collect();
        known.map(|values| quantile(values, 0.5))
    };
    let sum = |get: fn(&Sample) -> Option<f64>| files.iter().map(|runs| median(get, runs)).sum::<Option<f64>>();
    let cpu_s = sum(|s| s.cpu_s);
    Cost {
        cpu_s,
        wall_s: sum(|s| Some(s.wall_s)).unwrap_or_default(),
        mp_per_cpu_s: cpu_s.filter(|&s| s > 0.0).map(|s| pixels as f64 / s / 1e6),
        peak_bytes: files.iter().flatten().filter_map(|s| s.peak_bytes).max(),
        ratios: Vec::new(),
    }
}

/// CPU seconds over the anchor's, run by run; `None` where a run's are not known.
fn ratio(anchor: &str, own: &[Vec<Sample>], others: &[Vec<Sample>]) -> Option<Ratio> {
    let pairs = own.iter().flatten().zip(others.iter().flatten());
    let of = |(own, other): (&Sample, &Sample)| other.cpu_s.filter(|&s| s > 0.0).and_then(|s| Some(own.cpu_s? / s));
    let ratios: Vec<f64> = pairs.map(of).collect::<Option<_>>()?;
    Some(Ratio {
        anchor: anchor.into(),
        median: quantile(ratios.clone(), 0.5),
        quartiles: [quantile(ratios.clone(), 0.25), quantile(ratios, 0.75)],
    })
}

/// The `q` quantile with linear interpolation; `values` is not empty.
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = q * (values.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(values.len() - 1);
    values[low] + part * (values[high] - values[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        let sample = |&t: &f64| Sample { cpu_s: Some(t), wall_s: 2.0 * t, peak_bytes: Some(7) };
        let runs = |s: &[f64]| s.iter().map(sample).collect::<Vec<_>>();
        let own = [runs(&[1.0, 9.0, 2.0]), runs(&[4.0, 4.0, 4.0])];
        let anchor = [runs(&[0.5, 3.0, 2.0]), runs(&[1.0, 1.0, 1.0])];
        let cost = cost(&own, 12_000_000);
        assert_eq!((cost.cpu_s, cost.wall_s, cost.mp_per_cpu_s), (Some(6.0), 12.0, Some(2.0)));
        assert_eq!(cost.peak_bytes, Some(7));
        // ratios 2 3 1 4 4 4
        let ratio = ratio("anchor", &own, &anchor).unwrap();
        assert_eq!((ratio.median, ratio.quartiles), (3.5, [2.25, 4.0]));
    }

    #[test]
    fn what_the_system_does_not_tell_stays_unknown() {
        let unknown = [vec![Sample { cpu_s: None, wall_s: 1.0, peak_bytes: None }]];
        let cost = cost(&unknown, 1);
        assert_eq!((cost.cpu_s, cost.mp_per_cpu_s, cost.peak_bytes, cost.wall_s), (None, None, None, 1.0));
        assert_eq!(ratio("anchor", &unknown, &unknown), None);
    }
}
