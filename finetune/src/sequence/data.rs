//! Latents for training, extracted once before it starts: photos → crops → JPEG coefficients → streams of symbols.

use std::fs;
use std::path::Path;

use image::RgbImage;
use lmcodec_codecs::codes;
use lmcodec_datasets::crops::CropConfig;
use lmcodec_datasets::photos::{Photo, Split, load_folder};
use lmcodec_entropy::arrangement::flat::{Chunk, FlatArrangement, LayerOrder, LayerPattern, Medium, Streams};
use rand::Rng;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::config::{CodesConfig, DataConfig, FinetuneConfig, PhotosConfig};
use crate::frame::batch::component_plane;
use crate::run::RunError;

/// Streams to train on and to validate on.
pub struct Latents {
    /// To train on.
    pub train: Streams,
    /// To validate on; nothing of it is in `train`.
    pub validation: Streams,
}

impl Latents {
    /// Reads what the config names.
    ///
    /// # Errors
    /// [`RunError`] if it cannot be read or does not fit the arrangement.
    pub fn load(config: &FinetuneConfig) -> Result<Self, RunError> {
        match &config.data {
            DataConfig::Photos(photos) => from_photos(photos, &config.arrangement, config.seed),
            DataConfig::Codes(codes) => from_codes(codes, &config.arrangement),
        }
    }
}

fn from_photos(config: &PhotosConfig, arrangement: &FlatArrangement, seed: u64) -> Result<Latents, RunError> {
    let photos = load_folder(&config.folder)?;
    let streams = |split: Split, crops: usize, stream: u64| -> Result<Streams, RunError> {
        let of_split = |p: &&Photo| p.split(config.validation_one_in) == split;
        let pixels: Vec<&RgbImage> = photos.iter().filter(of_split).map(|p| &p.pixels).collect();
        let mut streams = Streams::new(arrangement.clone())?;
        if pixels.is_empty() || crops == 0 {
            return Ok(streams);
        }
        let planes: Vec<_> = (0..crops)
            .into_par_iter()
            .map(|i| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(stream << 32 | i as u64);
                let quality = config.qualities[i % config.qualities.len()];
                let crop = CropConfig {
                    rows: config.blocks.0,
                    columns: config.blocks.1,
                    scale: config.scale,
                    native_probability: 0.0,
                    chroma_probability: 0.0,
                    quality: (quality, quality),
                    high_quality_probability: 0.0,
                    other_table_probability: 0.0,
                    ..CropConfig::default()
                };
                let image = crop.draw(&pixels, &mut rng)?.image;
                Ok((0..image.components.len()).map(|c| component_plane(&image, c)).collect::<Vec<_>>())
            })
            .collect::<Result<_, RunError>>()?;
        planes.iter().try_for_each(|planes| streams.push_planes(planes))?;
        Ok(streams)
    };
    Ok(Latents {
        train: streams(Split::Train, config.crops, 1)?,
        validation: streams(Split::Validation, config.validation_crops, 2)?,
    })
}

fn from_codes(config: &CodesConfig, arrangement: &FlatArrangement) -> Result<Latents, RunError> {
    let mut latents =
        Latents { train: Streams::new(arrangement.clone())?, validation: Streams::new(arrangement.clone())? };
    for path in &config.files {
        let (codes, step) = read_codes(path, config, arrangement)?;
        let steps = codes.len() / step;
        let part = |(from, to): (f64, f64)| {
            let at = |share: f64| ((share * steps as f64).round() as usize).min(steps) * step;
            &codes[at(from)..at(to)]
        };
        latents.train.push_codes(part(config.train))?;
        latents.validation.push_codes(part(config.validation))?;
    }
    Ok(latents)
}

/// The codes of a file in the order that [`Streams::push_codes`] takes, and how many belong to a step of the dimension that is split.
fn read_codes(path: &Path, config: &CodesConfig, arrangement: &FlatArrangement) -> Result<(Vec<u16>, usize), RunError> {
    let bytes = fs::read(path).map_err(RunError::io(path))?;
    let array = codes::parse(&bytes, config.tensor.as_deref()).map_err(|e| RunError::invalid(path, e))?;
    let shape = &array.side.shape;
    let wrong = |expected: String| Err(RunError::invalid(path, format!("codes of shape {shape:?}; {expected}")));
    if shape.is_empty() || array.codes.is_empty() {
        return wrong("at least one code and one dimension are needed".into());
    }
    if !matches!(arrangement.medium, Medium::Rvq { .. }) {
        return Ok((array.codes, shape[1..].iter().product()));
    }
    let layers = arrangement.layers();
    let place = shape.len().checked_sub(if config.time_last { 2 } else { 1 });
    if place.map(|i| shape[i]) != Some(layers) || shape.len() < 2 {
        let which = if config.time_last { "last but one" } else { "last" };
        return wrong(format!("the {which} dimension must be the {layers} layers of the arrangement"));
    }
    if !config.time_last {
        return Ok((array.codes, layers));
    }
    let time = shape[shape.len() - 1];
    let mut codes = Vec::with_capacity(array.codes.len());
    for stack in array.codes.chunks_exact(layers * time) {
        codes.extend((0..time).flat_map(|t| (0..layers).map(move |l| stack[l * time + t])));
    }
    Ok((codes, layers))
}

/// Positions at which a chunk may begin: multiples of this.
fn unit(arrangement: &FlatArrangement) -> usize {
    match arrangement.medium {
        // A block.
        Medium::Jpeg { .. } => 64,
        Medium::Rvq { order: LayerOrder::Interleaved } => arrangement.layers(),
        _ => 1,
    }
}

/// Whole chunks of `length` symbols that a stream gives in every epoch, wherever the first one begins.
fn chunks_of(symbols: usize, length: usize) -> usize {
    match symbols / length {
        0 => 0,
        1 => 1,
        // One is lost to the shift.
        n => n - 1,
    }
}

/// Chunks of an epoch.
pub fn chunks_in_epoch(streams: &Streams, length: usize) -> usize {
    streams.streams().iter().map(|s| chunks_of(s.symbols.len(), length)).sum()
}

/// Where the chunks of an epoch begin, in random order: (stream, first symbol). Each epoch cuts the streams elsewhere.
pub fn epoch_order(streams: &Streams, length: usize, seed: u64, epoch: usize) -> Vec<(usize, usize)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch as u64);
    let unit = unit(streams.arrangement());
    let mut order = Vec::new();
    for (s, stream) in streams.streams().iter().enumerate() {
        let n = chunks_of(stream.symbols.len(), length);
        let room = stream.symbols.len().saturating_sub(n * length).min(length - 1);
        let shift = rng.random_range(0..=room / unit) * unit;
        order.extend((0..n).map(|i| (s, shift + i * length)));
    }
    order.shuffle(&mut rng);
    order
}

/// The chunk of `length` symbols that begins at a place of [`epoch_order`].
pub fn chunk_at(streams: &Streams, (stream, first): (usize, usize), length: usize) -> Chunk {
    let (first_layer, layers) = match streams.arrangement().medium {
        Medium::Rvq { order: LayerOrder::Interleaved } => {
            let n = streams.arrangement().layers();
            ((first % n) as u16, LayerPattern::Cycle(n as u16))
        }
        _ => (stream as u16, LayerPattern::Same),
    };
    let symbols = streams.streams()[stream].symbols[first..first + length].to_vec();
    Chunk { first_layer, layers, symbols, escapes: Vec::new() }
}

/// At most `most` chunks of the arrangement's length, evenly spread; all if `most` is 0.
pub fn validation_chunks(streams: &Streams, most: usize) -> Vec<Chunk> {
    let all = streams.chunks();
    if most == 0 || all.len() <= most {
        return all;
    }
    (0..most).map(|i| all[i * all.len() / most].clone()).collect()
}

/// Raw bits of the escaped values of a chunk (docs/FORMAT.md): they are written beside the model.
pub fn escape_bits(chunk: &Chunk, arrangement: &FlatArrangement) -> f64 {
    let Medium::Jpeg { outside, .. } = arrangement.medium else { return 0.0 };
    let (low, high) = arrangement.values(outside);
    let mut counter = lmcodec_entropy::coder::BitCounter::new();
    chunk.escapes.iter().for_each(|&v| lmcodec_entropy::arrangement::flat::escape::encode(v, low, high, &mut counter));
    counter.bits()
}

/// Bits a latent takes as it is: 8 for a JPEG coefficient (as the paper counts), log2 of the codebook's size for an index.
pub fn latent_bits(arrangement: &FlatArrangement, layer: usize) -> f64 {
    match arrangement.medium {
        Medium::Jpeg { .. } => 8.0,
        _ => f64::from(arrangement.vocabularies[layer]).log2(),
    }
}
