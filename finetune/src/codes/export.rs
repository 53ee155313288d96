//! Rounding a trained model of frames of codes to the integer file of `lmcodec_entropy::code_heads`.

use burn::module::Param;
use burn::tensor::Tensor;
use lmcodec_entropy::code_heads::config::CodeHeadsConfig;
use lmcodec_entropy::code_heads::padded;
use lmcodec_entropy::export::{
    FrameWriter, LOG2_E, Q_LOGIT, Q_NORM, Q_RESIDUAL, Rounding, Rows, Scaling, quantize_row,
};

use super::model::{DepthHead, FrameCoder, GridHead};
use crate::frame::export::{block, rows, values};

/// Rows of zeros up to a multiple of a panel.
fn pad_rows(mut rows: Rows) -> Rows {
    let width = rows[0].len();
    rows.resize(padded(rows.len()), vec![0.0; width]);
    rows
}

/// Rows [L·N][K] of a stack [L, K, N], each layer's rows padded to `outputs`; inputs scaled by `norm`.
fn stack(weights: &Param<Tensor<3>>, norm: Option<&Param<Tensor<1>>>, outputs: usize) -> Rows {
    let [layers, inputs, n] = weights.val().dims();
    let w = values(weights);
    let norm = norm.map_or_else(|| vec![1.0; inputs], values);
    let at = |l: usize, o: usize, k: usize| f64::from(w[(l * inputs + k) * n + o]) * f64::from(norm[k]);
    let row = |l: usize, o: usize| (0..inputs).map(|k| if o < n { at(l, o, k) } else { 0.0 }).collect();
    (0..layers * outputs).map(|r| row(r / outputs, r % outputs)).collect()
}

/// A bias padded with zeros; no symbol of the codebook uses them.
fn pad_bias(bias: &[f32], n: usize) -> Vec<f32> {
    bias.chunks_exact(n).flat_map(|b| b.iter().copied().chain(std::iter::repeat_n(0.0, padded(n) - n))).collect()
}

/// The bytes of the frame-heads file.
///
/// # Panics
/// If the module's shapes contradict the config.
pub fn export_frames(model: &FrameCoder, config: &CodeHeadsConfig) -> Vec<u8> {
    let c = config;
    let mut w = FrameWriter::default();
    // One scale for all vectors, so that features of any slot mean the same.
    let vectors = values(&model.table);
    let mut table = vec![0; vectors.len()];
    // Features meet the accumulator bound of the layer that reads them, whatever they sum to.
    let scale = match quantize_row(&vectors, Rounding::FINE, &mut table) {
        0.0 => 1.0,
        scale => scale,
    };
    w.i8("table", &[c.table_rows(), c.code_width], &table);
    let scaled = |mut rows: Rows| {
        rows.iter_mut().flatten().for_each(|v| *v *= scale);
        rows
    };
    w.linear("embed", &[c.d_model], &scaled(rows(&model.embed, None)), Scaling::new(0, Q_RESIDUAL));
    let bias = values(model.embed.bias.as_ref().expect("a layer with bias"));
    w.table("embed.bias", &[c.d_model], &bias, Q_RESIDUAL, 1.0);
    let own = c.backbone_sha256.is_none();
    if own {
        for (i, layer) in model.layers.iter().enumerate() {
            w.block(&format!("layers.{i}"), &block(layer), c.head());
        }
    }
    if let Some(GridHead { codes, copy }) = &model.grid {
        let heads = [("codes", codes, c.codebook), ("copy", copy, c.copies)];
        for (name, linear, n) in heads.into_iter().filter(|h| h.2 > 0) {
            let bias = values(linear.bias.as_ref().expect("a layer with bias"));
            let r = pad_rows(rows(linear, Some(&model.norm)));
            w.linear(name, &[r.len()], &r, Scaling::LOGITS);
            w.table(&format!("{name}.bias"), &[r.len()], &pad_bias(&bias, n), Q_LOGIT, LOG2_E);
        }
    }
    if let Some(depth) = &model.depth {
        export_depth(&mut w, depth, model, c, scale);
    }
    w.finish(&c.to_json()).expect("every tensor has its shape's length")
}

fn export_depth(w: &mut FrameWriter, depth: &DepthHead, model: &FrameCoder, c: &CodeHeadsConfig, scale: f64) {
    let (e, layers, symbols) = (c.depth_d, c.code_layers, padded(c.codebook));
    w.linear("to_depth", &[e], &rows(&depth.to_depth, Some(&model.norm)), Scaling::new(Q_NORM, Q_RESIDUAL));
    let mut input = stack(&depth.input, None, e);
    input.iter_mut().flatten().for_each(|v| *v *= scale);
    w.linear("step.in", &[layers, e], &input, Scaling::new(0, Q_RESIDUAL));
    w.table("step.in_bias", &[layers, e], &values(&depth.input_bias), Q_RESIDUAL, 1.0);
    if c.backbone_sha256.is_none() {
        for (i, layer) in depth.layers.iter().enumerate() {
            w.block(&format!("depth.layers.{i}"), &block(layer), c.depth_head());
        }
    }
    let codes = stack(&depth.codes, Some(&depth.norm), symbols);
    w.linear("step.codes", &[layers, symbols], &codes, Scaling::LOGITS);
    let bias = pad_bias(&values(&depth.codes_bias), c.codebook);
    w.table("step.codes_bias", &[layers, symbols], &bias, Q_LOGIT, LOG2_E);
}
