//! Inception-v3 features for the FID: 2048 values of the last mean over positions (`pool3`), on the CPU through candle.
//!
//! The network is the one of the TensorFlow graph `inception-2015-12-05` in the layout that pytorch-fid and torch-fidelity
//! (hence torchmetrics) share; its weights come from a safetensors file that `eval/scripts/convert_inception.py` makes from
//! their checkpoint `pt_inception-2015-12-05-6726825d.pth`. The batch norms are folded into the convolutions.

mod network;
mod resize;

use super::psnr::{Image8, Layout};
use candle_core::{Device, Tensor};
use network::Network;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Values of a feature vector.
pub const FEATURES: usize = 2048;
/// Side of the network's input in pixels.
pub const SIDE: usize = 299;

/// How an image becomes the network's input: the two conventions give different FIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preprocessing {
    /// pytorch-fid: bilinear with half-pixel centres, then x / 127.5 − 1.
    PytorchFid,
    /// torch-fidelity and torchmetrics: TensorFlow 1's bilinear (corners at the pixels), then (x − 128) / 128.
    TorchFidelity,
}

/// Why there are no features.
#[derive(Debug, Error)]
pub enum InceptionError {
    /// The weights could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is not a safetensors file.
    #[error("{path}: not a safetensors file: {reason}")]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        reason: String,
    },
    /// The file is longer than the network's weights can be.
    #[error("{path}: {found} bytes; at most {allowed}")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// A tensor is missing, has another shape or type, or holds a value that is not finite.
    #[error("weight {name} of shape {shape:?}: {reason}")]
    Weight {
        /// The tensor.
        name: String,
        /// The shape it must have.
        shape: Vec<usize>,
        /// What was found.
        reason: String,
    },
    /// Features are of RGB images.
    #[error("Inception features of a gray image")]
    NotRgb,
    /// The tensor library failed.
    #[error("Inception: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Gives the values of a weight by its name and shape.
pub type WeightSource<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, InceptionError> + 'a;

/// The network, ready to run.
pub struct Inception {
    network: Network,
}

/// Most bytes of a weight file: twice the 24 M values of the network in f32.
const MAX_WEIGHT_BYTES: u64 = 200_000_000;

impl Inception {
    /// Loads f32 weights by the names of torchvision's `inception_v3` (`Conv2d_1a_3x3.conv.weight`, `….bn.running_mean`, …);
    /// others (`fc.weight`) are ignored.
    ///
    /// # Errors
    /// [`InceptionError`], naming the tensor that is missing or wrong.
    pub fn from_safetensors(path: &Path) -> Result<Self, InceptionError> {
        let io = |source| InceptionError::Io { path: path.into(), source };
        let found = std::fs::metadata(path).map_err(io)?.len();
        if found > MAX_WEIGHT_BYTES {
            return Err(InceptionError::TooLong { path: path.into(), found, allowed: MAX_WEIGHT_BYTES });
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let file = safetensors::SafeTensors::deserialize(&bytes)
            .map_err(|e| InceptionError::NotSafetensors { path: path.into(), reason: e.to_string() })?;
        Self::from_weights(&mut |name, shape| {
            let bad = |reason: String| InceptionError::Weight { name: name.into(), shape: shape.to_vec(), reason };
            let tensor = file.tensor(name).map_err(|e| bad(e.to_string()))?;
            if tensor.shape() != shape || tensor.dtype() != safetensors::Dtype::F32 {
                return Err(bad(format!("found {:?} {:?}", tensor.dtype(), tensor.shape())));
            }
            let (chunks, _) = tensor.data().as_chunks::<4>();
            Ok(chunks.iter().map(|c| f32::from_le_bytes(*c)).collect())
        })
    }

    /// Builds the network from a source of weights by name and shape.
    ///
    /// # Errors
    /// Those of the source; [`InceptionError::Weight`] for a wrong number of values or one that is not finite.
    pub fn from_weights(source: &mut WeightSource<'_>) -> Result<Self, InceptionError> {
        Ok(Self { network: Network::load(source)? })
    }

    /// The 2048 features of an RGB image of any size.
    ///
    /// # Errors
    /// [`InceptionError::NotRgb`], or a failure of the tensor library.
    pub fn features(&self, image: &Image8, preprocessing: Preprocessing) -> Result<Vec<f32>, InceptionError> {
        if image.layout() != Layout::Rgb {
            return Err(InceptionError::NotRgb);
        }
        let planes = resize::planes(image, preprocessing);
        let input = Tensor::from_vec(planes, (1, 3, SIDE, SIDE), &Device::Cpu)?;
        Ok(self.network.forward(&input)?.to_vec1()?)
    }
}
