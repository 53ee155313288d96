//! Speed and memory of codecs as processes, by paired runs.
//!
//! Every codec runs once on a file unmeasured (to warm caches, and for the coded file and the byte-exact check), then
//! `runs` times in turn with the others, in an order that rotates from run to run: a slow moment of a shared machine
//! hits all of them. A ratio compares two runs of the same file and round; what is reported is the median.

use super::codec::{CodecError, Recompressor};
use super::jpeg_size::jpeg_size;
use super::peers::{Direction, ExternalCodec};
use super::process::own_resident_bytes;
use crate::report::environment::Environment;
use serde::Serialize;
use thiserror::Error;

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
#[derive(Debug, Clone, Serialize)]
pub struct SpeedReport {
    /// Where it was measured.
    pub environment: Environment,
    /// Names of the files.
    pub files: Vec<String>,
    /// Pixels of all files.
    pub pixels: u64,
    /// Measured runs a file, codec and direction.
    pub runs: usize,
    /// The codec that ratios are against.
    pub anchor: String,
    /// Resident bytes of the measuring process: peaks of memory cannot read lower.
    pub peak_floor_bytes: u64,
    /// One entry a codec.
    pub codecs: Vec<CodecSpeed>,
}

/// What one codec costs.
#[derive(Debug, Clone, Serialize)]
pub struct CodecSpeed {
    /// Name.
    pub codec: String,
    /// Version.
    pub version: String,
    /// Bytes of all coded files.
    pub coded_bytes: u64,
    /// Files that came back byte for byte.
    pub byte_exact: usize,
    /// Cost of encoding.
    pub encode: Cost,
    /// Cost of decoding.
    pub decode: Cost,
}

/// One direction of one codec.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// Σ over the files of the median CPU seconds.
    pub cpu_s: f64,
    /// Σ over the files of the median wall seconds.
    pub wall_s: f64,
    /// Megapixels a CPU second.
    pub mp_per_cpu_s: f64,
    /// Largest peak of resident memory, in bytes.
    pub peak_bytes: u64,
    /// Median over files and runs of the CPU seconds over the anchor's in the same round.
    pub cpu_ratio: f64,
    /// First and third quartile of that ratio.
    pub cpu_ratio_quartiles: [f64; 2],
}

/// One measured run.
#[derive(Debug, Clone, Copy)]
struct Sample {
    cpu_s: f64,
    wall_s: f64,
    peak_bytes: u64,
}

/// Measures every codec on every file `(name, bytes)`. Ratios are against the codec called `anchor`, or the first one where
/// there is none of that name. `progress` is called after each file of each round.
pub fn measure_speed(
    codecs: &[ExternalCodec],
    files: &[(String, Vec<u8>)],
    runs: usize,
    anchor: &str,
    progress: &dyn Fn(),
) -> Result<SpeedReport, SpeedError> {
    if codecs.is_empty() {
        return Err(SpeedError::NoCodec);
    }
    if files.is_empty() || runs == 0 {
        return Err(SpeedError::Nothing { files: files.len(), runs });
    }
    let anchor = codecs.iter().position(|c| c.name() == anchor).unwrap_or(0);
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
                    samples[c][d][f].push(Sample {
                        cpu_s: m.cpu_s.unwrap_or(f64::NAN),
                        wall_s: m.wall_s,
                        peak_bytes: m.peak_bytes.unwrap_or(0),
                    });
                }
            }
            progress();
        }
    }
    let codecs = codecs
        .iter()
        .enumerate()
        .map(|(c, codec)| CodecSpeed {
            codec: codec.name().into(),
            version: codec.version().into(),
            coded_bytes: coded_bytes[c],
            byte_exact: exact[c],
            encode: cost(&samples[c][0], &samples[anchor][0], pixels),
            decode: cost(&samples[c][1], &samples[anchor][1], pixels),
        })
        .collect::<Vec<_>>();
    Ok(SpeedReport {
        environment: Environment::current(1),
        files: files.iter().map(|f| f.0.clone()).collect(),
        pixels,
        runs,
        anchor: codecs[anchor].codec.clone(),
        peak_floor_bytes: own_resident_bytes().unwrap_or(0),
        codecs,
    })
}

fn cost(own: &[Vec<Sample>], anchor: &[Vec<Sample>], pixels: u64) -> Cost {
    let sum_of_medians =
        |get: fn(&Sample) -> f64| own.iter().map(|runs| quantile(runs.iter().map(get).collect(), 0.5)).sum::<f64>();
    let ratios: Vec<f64> = own.iter().flatten().zip(anchor.iter().flatten()).map(|(o, a)| o.cpu_s / a.cpu_s).collect();
    let cpu_s = sum_of_medians(|s| s.cpu_s);
    Cost {
        cpu_s,
        wall_s: sum_of_medians(|s| s.wall_s),
        mp_per_cpu_s: pixels as f64 / cpu_s / 1e6,
        peak_bytes: own.iter().flatten().map(|s| s.peak_bytes).max().unwrap_or(0),
        cpu_ratio: quantile(ratios.clone(), 0.5),
        cpu_ratio_quartiles: [quantile(ratios.clone(), 0.25), quantile(ratios, 0.75)],
    }
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
        let runs = |s: &[f64]| s.iter().map(|&t| Sample { cpu_s: t, wall_s: 2.0 * t, peak_bytes: 7 }).collect();
        let own = [runs(&[1.0, 9.0, 2.0]), runs(&[4.0, 4.0, 4.0])];
        let anchor = [runs(&[0.5, 3.0, 2.0]), runs(&[1.0, 1.0, 1.0])];
        let cost = cost(&own, &anchor, 12_000_000);
        assert_eq!((cost.cpu_s, cost.wall_s, cost.mp_per_cpu_s, cost.peak_bytes), (6.0, 12.0, 2.0, 7));
        // ratios 2 3 1 4 4 4
        assert_eq!((cost.cpu_ratio, cost.cpu_ratio_quartiles), (3.5, [2.25, 4.0]));
    }
}
