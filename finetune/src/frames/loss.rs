//! Cross-entropy of a batch of codes in bits.

use std::collections::HashMap;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use lmcodec_entropy::code_heads::config::{CodeHeadsConfig, Medium};

use super::data::CodeBatch;
use super::model::FrameCoder;
use crate::model::Positions;

/// Rotary tables and masks, made once a shape.
#[derive(Default)]
pub struct CodePositions {
    frames: HashMap<usize, Positions>,
    steps: Option<Positions>,
}

fn ints<const R: usize>(data: &[i32], shape: [usize; R], device: &Device) -> Tensor<R, Int> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// Runs the model over a batch: the sum of bits of all codes, a scalar to differentiate.
///
/// # Panics
/// If the model was made for another configuration.
pub fn code_loss(
    model: &FrameCoder,
    config: &CodeHeadsConfig,
    batch: &CodeBatch,
    cache: &mut CodePositions,
    device: &Device,
) -> Tensor<1> {
    let (sequences, frames) = (batch.sequences, batch.frames);
    let n = sequences * frames;
    let positions = cache.frames.entry(frames).or_insert_with(|| match config.medium {
        Medium::Vq => Positions::window(config.rows, config.columns, config.head(), device),
        Medium::Rvq => Positions::row(frames, config.head(), device),
    });
    let h = model.backbone(ints(&batch.rows, [batch.rows.len()], device), sequences, frames, positions);
    let logits = match (&model.grid, &model.depth) {
        (Some(grid), _) => {
            // A head without copies has one gate that is never open.
            let copies = config.copies.max(1);
            let (codes, exists) = if config.copies > 0 {
                (batch.copies.clone(), batch.exists.clone())
            } else {
                (vec![0; n], vec![0.0; n])
            };
            let exists = Tensor::<2>::from_data(TensorData::new(exists, [n, copies]), device);
            grid.logits(h, ints(&codes, [n, copies], device), exists)
        }
        (None, Some(depth)) => {
            let layers = config.code_layers;
            let rows = ints(&batch.step_rows, [batch.step_rows.len()], device);
            let steps = cache.steps.get_or_insert_with(|| Positions::causal(layers, config.depth_head(), device));
            let logits = depth.logits(h, model.step_vectors(rows, n, layers), steps);
            logits.reshape([n * layers, config.codebook])
        }
        (None, None) => unreachable!("a model has one of the two heads"),
    };
    let targets = ints(&batch.targets, [batch.targets.len(), 1], device);
    log_softmax(logits, 1).gather(1, targets).sum() * (-std::f64::consts::LOG2_E)
}
