//! `lmcodec eval sequence`: the paper's experiment. Latents of many images, or a part of an array of codes, are coded under a
//! head set, decoded and compared; the result is what was coded, in real bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use image::DynamicImage;
use lmcodec::models::{Model, SequenceModel};
use lmcodec_codecs::{codes, jpeg};
use lmcodec_entropy::arrangement::flat::{
    Chunk, ChunkShape, FlatArrangement, MAX_CHUNK, MIN_CHUNK, Medium, Outside, Streams,
};
use lmcodec_entropy::arrangement::plane::CoefficientPlane;
use lmcodec_entropy::chunks::ChunkCoder;
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder};
use lmcodec_entropy::isa::Isa;
use lmcodec_eval::image::source::ImageSet;
use lmcodec_eval::paper::results::Record;
use rayon::prelude::*;

use super::{OrExit, outputs, progress_bar, read};
use crate::commands::exit::{Exit, Failure};

/// Latents of images or codes under a head set: CR % by real bytes, and symbols a second.
#[derive(Debug, Args)]
pub(super) struct SequenceArgs {
    /// Images (PNG and others, or folders of them) for a JPEG head set; one array (.npy, .safetensors) for VQ and RVQ
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Integer head set; its backbone is looked for beside it and in the model folders
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// libjpeg qualities
    #[arg(long, value_delimiter = ',', default_values_t = [20, 50, 80])]
    quality: Vec<u8>,
    /// Side of the square that is cut from the middle of every image, a multiple of 8; 0 for whole images
    #[arg(long, default_value_t = 0)]
    crop: u32,
    /// Part of an array's first axis, as shares: 0.8..1 is the last fifth
    #[arg(long, value_parser = parse_part, default_value = "0..1")]
    part: (f64, f64),
    /// Symbols of a chunk [default: what the head set says]
    #[arg(long, value_parser = clap::value_parser!(u32).range(i64::from(MIN_CHUNK)..=i64::from(MAX_CHUNK)))]
    chunk: Option<u32>,
    /// Move coefficients outside the vocabulary to the nearest one, as the paper does, instead of escaping them: lossy, and the
    /// records say so
    #[arg(long)]
    paper_clip: bool,
    /// Chunks that are coded side by side
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    group: u16,
    /// Leave decoding and comparing out; the records say so
    #[arg(long)]
    no_decode: bool,
    /// Name of the dataset in the records
    #[arg(long)]
    dataset: Option<String>,
    /// Name of the codec in the records [default: JPEG for images]
    #[arg(long)]
    codec: Option<String>,
    /// Name of the model in the records [default: the file's]
    #[arg(long)]
    model_name: Option<String>,
    /// Where the records go (`-` for standard output)
    #[arg(long, short, value_name = "FILE.json", default_value = "-")]
    output: PathBuf,
    /// Overwrite the output
    #[arg(long)]
    force: bool,
}

/// What is coded as one experiment.
struct Set {
    name: String,
    streams: Streams,
    pixels: Option<u64>,
    quality: Option<u8>,
}

impl SequenceArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        outputs::check([self.output.as_path()], self.force)?;
        let folders = lmcodec::models::folders::standard();
        let model = Arc::new(Model::named(&self.model, &folders)?);
        let Some(sequence) = model.sequence() else {
            return Err(Failure::new(Exit::Usage, format!("{} is no sequence model", self.model.display())));
        };
        let mut arrangement = sequence.arrangement.clone();
        if let Some(chunk) = self.chunk {
            arrangement.chunk = chunk;
        }
        if self.paper_clip {
            let Medium::Jpeg { outside, .. } = &mut arrangement.medium else {
                return Err(Failure::new(
                    Exit::Usage,
                    "--paper-clip is for JPEG coefficients; codes are never clipped",
                ));
            };
            *outside = Outside::Clip;
        }
        if arrangement.chunk as usize > sequence.llama.context() {
            let context = sequence.llama.context();
            let what = format!("chunks of {} symbols; the model's context is {context}", arrangement.chunk);
            return Err(Failure::new(Exit::Limit, what));
        }
        let sets = match arrangement.medium {
            Medium::Jpeg { .. } => self.image_sets(&arrangement)?,
            Medium::Vq | Medium::Rvq { .. } => vec![self.code_set(&arrangement)?],
        };
        let mut records = Vec::new();
        for set in &sets {
            let record = self.measure(set, sequence, &arrangement, model.name())?;
            eprintln!(
                "lmcodec: {}: {} symbols → {} bytes, CR {:.2} %, {:.0} symbols/s encoding{}",
                record.experiment,
                record.symbols,
                record.coded_bytes,
                record.cr(),
                record.symbols as f64 / record.encoding_seconds.unwrap_or(f64::NAN),
                record
                    .decoding_seconds
                    .map_or(String::new(), |s| format!(", {:.0} decoding", record.symbols as f64 / s)),
            );
            records.push(record);
        }
        outputs::write(&self.output, &outputs::json(&records)?, self.force)
    }

    /// One set a quality: the luma of all images, concatenated.
    fn image_sets(&self, arrangement: &FlatArrangement) -> Result<Vec<Set>, Failure> {
        if !self.crop.is_multiple_of(8) {
            return Err(Failure::new(Exit::Usage, format!("--crop {} is no multiple of 8", self.crop)));
        }
        let mut files = Vec::new();
        for input in &self.inputs {
            if input.is_dir() {
                files.extend(ImageSet::from_folder("", input, None).or_exit(Exit::Io)?.files);
            } else {
                files.push(input.clone());
            }
        }
        let images = files.iter().map(|path| self.image(path)).collect::<Result<Vec<_>, _>>()?;
        let pixels = images.iter().map(|image| u64::from(image.width()) * u64::from(image.height())).sum();
        let mut sets = Vec::new();
        for &quality in &self.quality {
            let mut streams = Streams::new(arrangement.clone()).or_exit(Exit::Usage)?;
            for image in &images {
                let planes = planes(image, quality)?;
                streams.push_planes(&planes).or_exit(Exit::Usage)?;
            }
            let name = format!("{} images, quality {quality}", images.len());
            sets.push(Set { name, streams, pixels: Some(pixels), quality: Some(quality) });
        }
        Ok(sets)
    }

    fn image(&self, path: &Path) -> Result<DynamicImage, Failure> {
        let image = image::load_from_memory(&read(path)?)
            .map_err(|error| Failure::new(Exit::Malformed, format!("{}: {error}", path.display())))?;
        if self.crop == 0 {
            return Ok(image);
        }
        let (width, height) = (image.width(), image.height());
        if width < self.crop || height < self.crop {
            let what = format!("{}: {width}×{height} pixels, the crop needs {}", path.display(), self.crop);
            return Err(Failure::new(Exit::Usage, what));
        }
        Ok(image.crop_imm((width - self.crop) / 2, (height - self.crop) / 2, self.crop, self.crop))
    }

    fn code_set(&self, arrangement: &FlatArrangement) -> Result<Set, Failure> {
        let [path] = self.inputs.as_slice() else {
            return Err(Failure::new(Exit::Usage, "one array of codes at a time".to_owned()));
        };
        let at = |what: String| Failure::new(Exit::Malformed, format!("{}: {what}", path.display()));
        let array = codes::parse(&read(path)?, None).map_err(|error| at(error.to_string()))?;
        let shape = &array.side.shape;
        let Some(&rows) = shape.first() else { return Err(at("an array without axes".into())) };
        let width = array.codes.len() / rows.max(1);
        let part = (rows as f64 * self.part.0).round() as usize..(rows as f64 * self.part.1).round() as usize;
        let codes = &array.codes[part.start * width..part.end * width];
        let layers = arrangement.vocabularies.len();
        // An RVQ head set may be for the first layers only.
        let all = if layers > 1 || matches!(arrangement.medium, Medium::Rvq { .. }) {
            shape.last().copied().unwrap_or(1)
        } else {
            1
        };
        if layers > all {
            return Err(at(format!("{all} layers, the head set is for {layers}")));
        }
        let kept: Vec<u16> = codes.chunks_exact(all).flat_map(|step| &step[..layers]).copied().collect();
        let mut streams = Streams::new(arrangement.clone()).or_exit(Exit::Usage)?;
        streams.push_codes(&kept).map_err(|error| at(error.to_string()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{name}, rows {}..{} of {rows}", part.start, part.end);
        Ok(Set { name, streams, pixels: None, quality: None })
    }

    fn measure(
        &self,
        set: &Set,
        model: &SequenceModel,
        arrangement: &FlatArrangement,
        name: &str,
    ) -> Result<Record, Failure> {
        let chunks = set.streams.chunks();
        let coder = ChunkCoder::new(&model.llama, arrangement, Isa::detect());
        let groups: Vec<&[Chunk]> = chunks.chunks(usize::from(self.group)).collect();
        let bar = progress_bar(groups.len() as u64 * if self.no_decode { 1 } else { 2 });
        let start = Instant::now();
        let payloads: Vec<Vec<u8>> = groups
            .par_iter()
            .map(|group| {
                let mut sink = RangeEncoder::new();
                coder.encode(group, &mut sink);
                bar.inc(1);
                sink.finish()
            })
            .collect();
        let encoding_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        if !self.no_decode {
            groups.par_iter().zip(&payloads).try_for_each(|(group, payload)| {
                let shapes: Vec<ChunkShape> = group.iter().map(Chunk::shape).collect();
                let mut source = RangeDecoder::new(payload);
                let decoded = coder.decode(&shapes, &mut source).or_exit(Exit::Mismatch)?;
                source.finish().or_exit(Exit::Mismatch)?;
                bar.inc(1);
                if decoded == *group {
                    Ok(())
                } else {
                    Err(Failure::new(Exit::Mismatch, format!("{}: decoded symbols differ", set.name)))
                }
            })?;
        }
        let decoding_seconds = (!self.no_decode).then(|| start.elapsed().as_secs_f64());
        bar.finish_and_clear();

        let symbols: u64 = chunks.iter().map(|chunk| chunk.symbols.len() as u64).sum();
        let jpeg = matches!(arrangement.medium, Medium::Jpeg { .. });
        // The paper's base: 8 bits a coefficient, log2 of the codebook a code.
        let raw_bits = if jpeg {
            8.0 * symbols as f64
        } else {
            let bits = |chunk: &Chunk| -> f64 {
                let layers = (0..chunk.symbols.len()).map(|i| usize::from(chunk.layer(i)));
                layers.map(|layer| f64::from(arrangement.vocabularies[layer]).log2()).sum()
            };
            chunks.iter().map(bits).sum()
        };
        let coded_bytes = payloads.iter().map(|payload| payload.len() as u64).sum();
        let table: u64 = arrangement.vocabularies.iter().map(|&v| u64::from(v)).sum();
        let starts = arrangement.vocabularies.len() as u64;
        let width = model.llama.backbone().config().d_model as u64;
        let medium = match arrangement.medium {
            Medium::Jpeg { .. } => "jpeg",
            Medium::Vq => "vq",
            Medium::Rvq { .. } => "rvq",
        };
        let order = match arrangement.medium {
            Medium::Jpeg { scan, .. } => serde_json::to_value(scan),
            Medium::Vq => Ok("raster".into()),
            Medium::Rvq { order } => serde_json::to_value(order),
        };
        let order = order.ok().and_then(|order| order.as_str().map(str::to_owned)).unwrap_or_default();
        let clipped = match set.streams.clipped() {
            0 => String::new(),
            values => format!(", {values} values clipped"),
        };
        Ok(Record {
            experiment: format!("{}, {order}, chunk {}{clipped}", set.name, arrangement.chunk),
            medium: medium.into(),
            model: self.model_name.clone().unwrap_or_else(|| name.to_owned()),
            codec: self.codec.clone().or_else(|| jpeg.then(|| "JPEG".to_owned())),
            dataset: self.dataset.clone(),
            arrangement: order,
            chunk: Some(arrangement.chunk),
            codebook: arrangement.vocabularies.first().copied(),
            quality: set.quality.map(u32::from),
            layers: (medium == "rvq").then_some(starts as u32),
            symbols,
            coded_bytes,
            raw_bits,
            cr_percent: Some(100.0 * 8.0 * coded_bytes as f64 / raw_bits),
            seconds: decoding_seconds.map(|decoding| decoding + encoding_seconds),
            encoding_seconds: Some(encoding_seconds),
            decoding_seconds,
            pixels: set.pixels,
            duration_s: None,
            // Embedding rows (start rows too) and head rows.
            trained_parameters: Some((2 * table + starts) * width),
            lossless: Some(!self.no_decode && clipped.is_empty()),
        })
    }
}

/// The luma of an image as libjpeg quantizes it.
fn planes(image: &DynamicImage, quality: u8) -> Result<Vec<CoefficientPlane>, Failure> {
    let options = jpeg::EncodeOptions { quality, subsampling: jpeg::Subsampling::Gray, ..Default::default() };
    let rgb = image.to_rgb8();
    let coded = jpeg::encode_planes(rgb.as_raw(), rgb.width(), rgb.height(), jpeg::PixelFormat::Rgb8, &options)
        .or_exit(Exit::Usage)?;
    let plane = |component: &jpeg::Component| {
        let mut plane = CoefficientPlane::zeroed(component.blocks_wide, component.blocks_high, component.quantization);
        plane.blocks.copy_from_slice(component.coefficients.as_chunks().0);
        plane
    };
    Ok(coded.components.iter().map(plane).collect())
}

fn parse_part(text: &str) -> Result<(f64, f64), String> {
    let (from, to) = text.split_once("..").ok_or("expected FROM..TO, such as 0.8..1")?;
    let share = |text: &str| text.parse::<f64>().map_err(|_| format!("`{text}` is no number"));
    match (share(from)?, share(to)?) {
        (from, to) if (0.0..1.0).contains(&from) && from < to && to <= 1.0 => Ok((from, to)),
        _ => Err("expected 0 ≤ FROM < TO ≤ 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        assert_eq!(parse_part("0.8..1"), Ok((0.8, 1.0)));
        for wrong in ["0.8", "1..1", "0.5..0.2", "-1..0", "0..2", "a..b", "nan..1"] {
            assert!(parse_part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn luma_of_an_image() {
        let image = DynamicImage::ImageRgb8(image::RgbImage::from_fn(20, 9, |x, y| {
            image::Rgb([(x * 9) as u8, (y * 20) as u8, 7])
        }));
        let planes = planes(&image, 50).unwrap();
        assert_eq!((planes.len(), planes[0].blocks_wide, planes[0].blocks_high), (1, 3, 2));
        assert_eq!(planes[0].quantization[0], 16);
        assert!(planes[0].blocks.iter().any(|block| block[0] != 0));
    }
}
