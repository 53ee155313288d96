//! The run: every image through every codec at every setting, and every JPEG file through every recompressor.

use super::anchors::Anchors;
use super::bd_table::{bd_entries, default_anchors};
use super::pixel_codec::PixelCodec;
use super::quality::qualities;
use super::report::{BitCostEntry, Curve, ImageFacts, ImagePoints, ImageReport, KIND, Point, SetReport};
use super::source::{ImageSet, SourceError, SourceImage};
use crate::recompress::bit_cost::BitCost;
use crate::recompress::codec::{Measured, Recompressor};
use crate::recompress::process::own_resident_bytes;
use crate::report::environment::Environment;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Instant;
use thiserror::Error;

/// How a run is done.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Title of the report.
    pub title: String,
    /// Images worked on side by side; above 1 the CPU seconds of codecs in this process are unknown.
    pub threads: usize,
    /// Longest side of the thumbnails in pixels; `None`: no thumbnails.
    pub thumbnails: Option<u32>,
}

/// Why a run could not start or go on. A codec's failure on an image is no error: the report lists it.
#[derive(Debug, Error)]
pub enum RunError {
    /// A source image.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The worker threads could not be started.
    #[error("{0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// What one image gave: points by curve, costs by curve and setting, failures.
struct ImageResult {
    facts: ImageFacts,
    /// `[curve]`, curves as in [`Plan::curves`].
    points: Vec<Vec<Point>>,
    /// `(curve, setting, file bits, cost)`.
    costs: Vec<(usize, String, u64, BitCost)>,
    failures: Vec<String>,
}

/// Which curves there are and where they come from.
struct Plan<'a> {
    codecs: &'a [Box<dyn PixelCodec>],
    /// `(index of the JPEG codec, index of the recompressor, name)`; their curves follow those of the codecs.
    recompressed: Vec<(usize, usize, String)>,
    recompressors: &'a [Box<dyn Recompressor>],
    /// Recompressor that tells where its bits go.
    inspected: Option<&'a dyn Recompressor>,
}

/// Runs everything. `recompressors` are applied to the files of `anchors.bases`; `inspected` is the recompressor (in this
/// process) that is asked where its bits go, under the curves of its name. `progress` is called after each image.
pub fn run(
    sets: &[ImageSet],
    anchors: &Anchors,
    recompressors: &[Box<dyn Recompressor>],
    inspected: Option<&dyn Recompressor>,
    options: &RunOptions,
    progress: &(dyn Fn() + Sync),
) -> Result<ImageReport, RunError> {
    let start = Instant::now();
    let threads = options.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut recompressed = Vec::new();
    for (base, suffix) in &anchors.bases {
        let Some(index) = anchors.codecs.iter().position(|c| c.name() == base) else { continue };
        for (r, recompressor) in recompressors.iter().enumerate() {
            // What jpegtran -optimize and -progressive write is what cjpeg writes: those curves are there already.
            if !matches!(recompressor.name(), "jpegtran-optimize" | "jpegtran-progressive") {
                recompressed.push((index, r, format!("{}-{suffix}", recompressor.name())));
            }
        }
    }
    let plan = Plan { codecs: &anchors.codecs, recompressed, recompressors, inspected };
    let mut reports = Vec::new();
    for set in sets {
        let results: Vec<ImageResult> = pool.install(|| {
            set.files
                .par_iter()
                .with_max_len(1)
                .map(|path| {
                    let image = SourceImage::read(path)?;
                    let result = plan.image(&image, threads, options.thumbnails);
                    progress();
                    Ok(result)
                })
                .collect::<Result<_, RunError>>()
        })?;
        reports.push(plan.set(&set.name, results));
    }
    Ok(ImageReport {
        kind: KIND.into(),
        format: 1,
        title: options.title.clone(),
        environment: Environment::current(threads),
        seconds: start.elapsed().as_secs_f64(),
        peak_bytes: own_resident_bytes(),
        sets: reports,
    })
}

impl Plan<'_> {
    fn curves(&self) -> usize {
        self.codecs.len() + self.recompressed.len()
    }

    fn image(&self, image: &SourceImage, threads: usize, thumbnails: Option<u32>) -> ImageResult {
        let pixels = &image.pixels;
        let mut result = ImageResult {
            facts: ImageFacts {
                image: image.name.clone(),
                width: pixels.width,
                height: pixels.height,
                sha256: image.sha256.clone(),
                thumbnail: thumbnails.and_then(|longest| pixels.thumbnail(longest)),
            },
            points: vec![Vec::new(); self.curves()],
            costs: Vec::new(),
            failures: Vec::new(),
        };
        let mut known = KnownQualities::default();
        for (c, codec) in self.codecs.iter().enumerate() {
            for setting in codec.settings() {
                let hide = codec.in_process() && threads > 1;
                match pixel_point(&**codec, image, setting, hide, &mut known) {
                    Ok((point, file)) => {
                        for (r, curve) in self.recompressed.iter().enumerate().filter(|(_, curve)| curve.0 == c) {
                            self.recompress(curve, self.codecs.len() + r, &file, &point, threads, &mut result);
                        }
                        result.points[c].push(point);
                    }
                    Err(why) => result.failures.push(format!("{}, {} {setting}: {why}", image.name, codec.name())),
                }
            }
        }
        result
    }

    /// A recompressor's point: the size is its own, the quality that of the JPEG file.
    fn recompress(
        &self,
        (_, recompressor, name): &(usize, usize, String),
        curve: usize,
        jpeg: &[u8],
        base: &Point,
        threads: usize,
        result: &mut ImageResult,
    ) {
        let codec = &*self.recompressors[*recompressor];
        let outcome = codec.encode_measured(jpeg).and_then(|coded| Ok((codec.decode_measured(&coded.bytes)?, coded)));
        let (decoded, coded) = match outcome {
            Ok(both) if both.0.bytes == jpeg => both,
            Ok(_) => {
                let image = &result.facts.image;
                result
                    .failures
                    .push(format!("{image}, {name} {}: the JPEG file did not come back exactly", base.setting));
                return;
            }
            Err(error) => {
                result.failures.push(format!("{}, {name} {}: {error}", result.facts.image, base.setting));
                return;
            }
        };
        let pixels = u64::from(result.facts.width) * u64::from(result.facts.height);
        let bytes = coded.bytes.len() as u64;
        let hide = codec.in_process() && threads > 1;
        result.points[curve].push(Point {
            setting: base.setting.clone(),
            bytes,
            bpp: 8.0 * bytes as f64 / pixels as f64,
            quality: base.quality.clone(),
            ..costs(&coded, &decoded, hide)
        });
        let cost = self.inspected.filter(|i| i.name() == codec.name()).and_then(|i| i.bit_cost(jpeg));
        match cost {
            Some(Ok(cost)) => result.costs.push((curve, base.setting.clone(), 8 * bytes, cost)),
            Some(Err(error)) => result.failures.push(format!("{}, {name}: counting bits: {error}", result.facts.image)),
            None => {}
        }
    }

    fn set(&self, name: &str, results: Vec<ImageResult>) -> SetReport {
        let facts: Vec<ImageFacts> = results.iter().map(|r| r.facts.clone()).collect();
        let points = |curve: usize| {
            let of = |r: &ImageResult| ImagePoints { image: r.facts.image.clone(), points: r.points[curve].clone() };
            results.iter().map(of).collect::<Vec<_>>()
        };
        let mut curves = Vec::new();
        for (c, codec) in self.codecs.iter().enumerate() {
            let mut curve = Curve {
                name: codec.name().into(),
                description: codec.description(),
                results: BTreeMap::new(),
                complete: Vec::new(),
                version: codec.version().into(),
                commands: codec.commands(),
                facts: BTreeMap::new(),
                recompresses: None,
                images: points(c),
            };
            curve.sum_up(codec.settings());
            curves.push(curve);
        }
        for (r, (base, recompressor, name)) in self.recompressed.iter().enumerate() {
            let (base, codec) = (&self.codecs[*base], &*self.recompressors[*recompressor]);
            let mut curve = Curve {
                name: name.clone(),
                description: format!("{} of the files of {}", codec.name(), base.name()),
                results: BTreeMap::new(),
                complete: Vec::new(),
                version: codec.version().into(),
                commands: codec.commands(),
                facts: codec.facts(),
                recompresses: Some(base.name().into()),
                images: points(self.codecs.len() + r),
            };
            curve.sum_up(base.settings());
            curves.push(curve);
        }
        let mut costs: BTreeMap<(usize, String), BitCostEntry> = BTreeMap::new();
        let mut failures = Vec::new();
        for result in results {
            let pixels = u64::from(result.facts.width) * u64::from(result.facts.height);
            for (curve, setting, bits, cost) in result.costs {
                let entry = costs.entry((curve, setting.clone())).or_insert_with(|| BitCostEntry {
                    curve: curves[curve].name.clone(),
                    setting,
                    images: 0,
                    pixels: 0,
                    file_bits: 0,
                    cost: BitCost::default(),
                });
                entry.images += 1;
                entry.pixels += pixels;
                entry.file_bits += bits;
                entry.cost.add(&cost);
            }
            failures.extend(result.failures);
        }
        let bd = bd_entries(&curves, &default_anchors(&curves));
        SetReport { name: name.into(), images: facts, curves, bd, bit_costs: costs.into_values().collect(), failures }
    }
}

/// Qualities of one image by the SHA-256 of decoded size and samples: JPEG's variants of one quality decode to the same pixels.
type KnownQualities = BTreeMap<[u8; 32], BTreeMap<String, f64>>;

/// Encodes, decodes and compares one image at one setting; returns the point and the file.
fn pixel_point(
    codec: &dyn PixelCodec,
    image: &SourceImage,
    setting: &str,
    hide_cpu: bool,
    known: &mut KnownQualities,
) -> Result<(Point, Vec<u8>), String> {
    let coded = codec.encode(&image.pixels, setting).map_err(|e| format!("encode: {e}"))?;
    let (decoded, cost) = codec.decode(&coded.bytes).map_err(|e| format!("decode: {e}"))?;
    let size = [decoded.width, decoded.height].map(u32::to_le_bytes);
    let key: [u8; 32] = Sha256::new().chain_update(size.concat()).chain_update(&decoded.rgb).finalize().into();
    let quality = match known.get(&key) {
        Some(quality) => quality.clone(),
        None => qualities(&image.pixels, &decoded).map_err(|e| e.to_string())?,
    };
    known.insert(key, quality.clone());
    let bytes = coded.bytes.len() as u64;
    let point = Point {
        setting: setting.into(),
        bytes,
        bpp: 8.0 * bytes as f64 / image.pixels.count() as f64,
        quality,
        ..costs(&coded, &cost, hide_cpu)
    };
    Ok((point, coded.bytes))
}

/// A point with nothing but seconds and memory.
fn costs(encode: &Measured, decode: &Measured, hide_cpu: bool) -> Point {
    let cpu = |m: &Measured| m.cpu_s.filter(|_| !hide_cpu);
    Point {
        setting: String::new(),
        bytes: 0,
        bpp: 0.0,
        quality: BTreeMap::new(),
        encode_s: encode.wall_s,
        decode_s: decode.wall_s,
        encode_cpu_s: cpu(encode),
        decode_cpu_s: cpu(decode),
        peak_bytes: encode.peak_bytes.max(decode.peak_bytes),
    }
}
