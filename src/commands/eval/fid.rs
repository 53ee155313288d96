//! `lmcodec eval fid`: two folders of images → Fréchet inception distance.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use lmcodec_eval::image::source::{ImageSet, SourceImage};
use lmcodec_eval::metrics::frechet::{FeatureStatistics, frechet_distance};
use lmcodec_eval::metrics::inception::{FEATURES, Inception, InceptionError, Preprocessing};
use lmcodec_eval::metrics::psnr::{Image8, Layout};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::image::source_fault;
use super::{OrExit, outputs, progress_bar, read};
use crate::commands::exit::{Exit, Failure};

/// Fréchet inception distance between two folders of images (docs/METRICS.md says where the weights are from).
#[derive(Debug, Args)]
pub(super) struct FidArgs {
    /// Folder of the reference images (png, ppm, webp, jpg, …)
    reference: PathBuf,
    /// Folder of the images under test
    test: PathBuf,
    /// Inception-v3 weights (safetensors, made by eval/scripts/convert_inception.py)
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Whose resizing and scaling
    #[arg(long, value_enum, default_value = "pytorch-fid")]
    preprocessing: PreprocessingName,
    /// Images of each folder, at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Images worked on side by side
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PreprocessingName {
    PytorchFid,
    TorchFidelity,
}

#[derive(Serialize)]
struct Answer {
    fid: f64,
    preprocessing: Preprocessing,
    weights_sha256: String,
    features: usize,
    reference_images: usize,
    test_images: usize,
    /// Fewer images than features: the covariances are singular and the distance is biased upwards.
    singular: bool,
}

impl FidArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let sets = [(&self.reference, "reference"), (&self.test, "test")]
            .map(|(folder, name)| ImageSet::with_jpeg(name, folder, self.limit).map_err(source_fault));
        let [reference, test] = sets;
        let (reference, test) = (reference?, test?);
        for (set, folder) in [(&reference, &self.reference), (&test, &self.test)] {
            if set.files.len() < 2 {
                let message = format!("{}: one image; a covariance needs at least two", folder.display());
                return Err(Failure::new(Exit::Malformed, message));
            }
        }
        let inception = Inception::from_safetensors(&self.weights).map_err(weights_fault)?;
        let digest = Sha256::digest(read(&self.weights)?);
        let preprocessing = match self.preprocessing {
            PreprocessingName::PytorchFid => Preprocessing::PytorchFid,
            PreprocessingName::TorchFidelity => Preprocessing::TorchFidelity,
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads.into()).build().or_exit(Exit::Failure)?;
        let bar = progress_bar((reference.files.len() + test.files.len()) as u64);
        let statistics = |set: &ImageSet| -> Result<FeatureStatistics, Failure> {
            let of = |path: &PathBuf| features(&inception, path, preprocessing, &bar);
            let vectors = pool.install(|| set.files.par_iter().map(of).collect::<Result<Vec<_>, _>>())?;
            FeatureStatistics::of_vectors(&vectors).or_exit(Exit::Failure)
        };
        let (a, b) = (statistics(&reference)?, statistics(&test)?);
        bar.finish_and_clear();
        let answer = Answer {
            fid: frechet_distance(&a, &b).or_exit(Exit::Failure)?,
            preprocessing,
            weights_sha256: format!("{digest:x}"),
            features: FEATURES,
            reference_images: a.vectors(),
            test_images: b.vectors(),
            singular: a.vectors().min(b.vectors()) <= FEATURES,
        };
        if answer.singular {
            eprintln!("lmcodec: {FEATURES} images or fewer in a folder: the distance is biased upwards");
        }
        if self.json {
            return outputs::write(Path::new("-"), &outputs::json(&answer)?, false);
        }
        let text = format!(
            "FID {:.6} ({} against {} images, {})\n",
            answer.fid,
            answer.test_images,
            answer.reference_images,
            serde_json::to_value(preprocessing).or_exit(Exit::Failure)?.as_str().unwrap_or_default(),
        );
        outputs::write(Path::new("-"), text.as_bytes(), false)
    }
}

fn features(
    inception: &Inception,
    path: &Path,
    preprocessing: Preprocessing,
    bar: &ProgressBar,
) -> Result<Vec<f32>, Failure> {
    let pixels = SourceImage::read(path).map_err(source_fault)?.pixels;
    let image = Image8::new(pixels.width as usize, pixels.height as usize, Layout::Rgb, &pixels.rgb);
    let features = inception.features(&image.or_exit(Exit::Malformed)?, preprocessing).or_exit(Exit::Failure)?;
    bar.inc(1);
    Ok(features)
}

fn weights_fault(error: InceptionError) -> Failure {
    let exit = match &error {
        InceptionError::Io { .. } => Exit::Io,
        InceptionError::TooLong { .. } => Exit::Limit,
        InceptionError::NotSafetensors { .. } | InceptionError::Weight { .. } => Exit::Malformed,
        _ => Exit::Failure,
    };
    Failure::new(exit, error.to_string())
}
