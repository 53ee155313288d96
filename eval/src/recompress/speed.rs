//! Speed and memory of codecs as processes, by paired runs.
//!
//! Every codec runs once on a file unmeasured (to warm caches, and for the coded file and the byte-exact check), then
//! `runs` times in turn with the others, in an order that rotates from run to run: a slow moment of a shared machine
//! hits all of them. A ratio compares two runs of the same file and round; what is reported is the median.

use super::codec::{CodecError, Recompressor};
use super::jpeg_size::jpeg_size;
use super::peers::{Direction, ExternalCodec};
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
    /// Σ over the files of the median CPU seconds. This and what follows from it is `None` where the system does not tell.
    pub cpu_s: Option<f64>,
    /// Σ over the files of the median wall seconds.
    pub wall_s: f64,
    /// Megapixels a CPU second.
    pub mp_per_cpu_s: Option<f64>,
    /// Largest peak of resident memory, in bytes; `None` where a run was not measured ([`super::process`]).
    pub peak_bytes: Option<u64>,
    /// Median over files and runs of the CPU seconds over the anchor's in the same round.
    pub cpu_ratio: Option<f64>,
    /// First and third quartile of that ratio.
    pub cpu_ratio_quartiles: Option<[f64; 2]>,
}

/// One measured run.
#[derive(Debug, Clone, Copy)]
struct Sample {
    cpu_s: Option<f64>,
    wall_s: f64,
    peak_bytes: Option<u64>,
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
                    samples[c][d][f].push(Sample { cpu_s: m.cpu_s, wall_s: m.wall_s, peak_bytes: m.peak_bytes });
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
        codecs,
    })
}

fn cost(own: &[Vec<Sample>], anchor: &[Vec<Sample>], pixels: u64) -> Cost {
    // One run whose cost is unknown makes the sum unknown.
    let seconds: Option<Vec<Vec<f64>>> = own.iter().map(|runs| runs.iter().map(|s| s.cpu_s).collect()).collect();
    let cpu_s = seconds.map(|files| files.into_iter().map(|runs| quantile(runs, 0.5)).sum::<f64>());
    let wall_s = own.iter().map(|runs| quantile(runs.iter().map(|s| s.wall_s).collect(), 0.5)).sum();
    let pairs = own.iter().flatten().zip(anchor.iter().flatten());
    let ratios: Option<Vec<f64>> = pairs.map(|(o, a)| Some(o.cpu_s? / a.cpu_s.filter(|s| *s > 0.0)?)).collect();
    let peaks: Option<Vec<u64>> = own.iter().flatten().map(|s| s.peak_bytes).collect();
    Cost {
        cpu_s,
        wall_s,
        mp_per_cpu_s: cpu_s.filter(|s| *s > 0.0).map(|s| pixels as f64 / s / 1e6),
        peak_bytes: peaks.and_then(|p| p.into_iter().max()),
        cpu_ratio: ratios.clone().map(|r| quantile(r, 0.5)),
        cpu_ratio_quartiles: ratios.map(|r| [quantile(r.clone(), 0.25), quantile(r, 0.75)]),
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
        let sample = |t| Sample { cpu_s: Some(t), wall_s: 2.0 * t, peak_bytes: Some(7) };
        let runs = |s: &[f64]| s.iter().map(|&t| sample(t)).collect::<Vec<_>>();
        let mut own = [runs(&[1.0, 9.0, 2.0]), runs(&[4.0, 4.0, 4.0])];
        let anchor = [runs(&[0.5, 3.0, 2.0]), runs(&[1.0, 1.0, 1.0])];
        let known = cost(&own, &anchor, 12_000_000);
        assert_eq!((known.cpu_s, known.wall_s, known.mp_per_cpu_s), (Some(6.0), 12.0, Some(2.0)));
        assert_eq!(known.peak_bytes, Some(7));
        // ratios 2 3 1 4 4 4
        assert_eq!((known.cpu_ratio, known.cpu_ratio_quartiles), (Some(3.5), Some([2.25, 4.0])));

        own[0][1].cpu_s = None;
        own[1][2].peak_bytes = None;
        let unknown = cost(&own, &anchor, 12_000_000);
        assert_eq!((unknown.cpu_s, unknown.mp_per_cpu_s, unknown.cpu_ratio), (None, None, None));
        assert_eq!((unknown.peak_bytes, unknown.cpu_ratio_quartiles, unknown.wall_s), (None, None, 12.0));
    }
}
