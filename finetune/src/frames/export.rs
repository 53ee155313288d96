//! Rounding a trained model of frames of codes to the integer file of `lmcodec_entropy::code_heads`.

use burn::module::Param;
use burn::tensor::Tensor;
use lmcodec_entropy::code_heads::config::CodeHeadsConfig;
use lmcodec_entropy::code_heads::padded;

use super::model::{DepthHead, FrameCoder, GridHead};
use crate::export::{LOG2_E, Q_LOGIT, Q_NORM, Q_RESIDUAL, Rows, Writer, quantize_row, rows, values};

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
    let mut w = Writer::default();
    // One scale for all vectors, so that features of any slot mean the same.
    let table: Vec<f64> = values(&model.table).iter().map(|&v| f64::from(v)).collect();
    let (table, scale) = quantize_row_unbounded(&table);
    w.i8("table", &[c.table_rows(), c.code_width], &table);
    let scaled = |mut rows: Rows| {
        rows.iter_mut().flatten().for_each(|v| *v *= scale);
        rows
    };
    w.linear("embed", &[c.d_model], &scaled(rows(&model.embed, None)), (0, Q_RESIDUAL), |_| 1.0);
    let bias = values(model.embed.bias.as_ref().expect("a layer with bias"));
    w.table("embed.bias", &[c.d_model], &bias, Q_RESIDUAL, 1.0);
    let own = c.backbone_sha256.is_none();
    if own {
        for (i, layer) in model.layers.iter().enumerate() {
            w.block(&format!("layers.{i}"), layer, c.head());
        }
    }
    if let Some(GridHead { codes, copy }) = &model.grid {
        let heads = [("codes", codes, c.codebook), ("copy", copy, c.copies)];
        for (name, linear, n) in heads.into_iter().filter(|h| h.2 > 0) {
            let bias = values(linear.bias.as_ref().expect("a layer with bias"));
            let r = pad_rows(rows(linear, Some(&model.norm)));
            w.linear(name, &[r.len()], &r, (Q_NORM, Q_LOGIT), |_| LOG2_E);
            w.table(&format!("{name}.bias"), &[r.len()], &pad_bias(&bias, n), Q_LOGIT, LOG2_E);
        }
    }
    if let Some(depth) = &model.depth {
        export_depth(&mut w, depth, model, c, scale);
    }
    w.serialize(c.to_json())
}

fn export_depth(w: &mut Writer, depth: &DepthHead, model: &FrameCoder, c: &CodeHeadsConfig, scale: f64) {
    let (e, layers, symbols) = (c.depth_d, c.code_layers, padded(c.codebook));
    w.linear("to_depth", &[e], &rows(&depth.to_depth, Some(&model.norm)), (Q_NORM, Q_RESIDUAL), |_| 1.0);
    let mut input = stack(&depth.input, None, e);
    input.iter_mut().flatten().for_each(|v| *v *= scale);
    w.linear("step.in", &[layers, e], &input, (0, Q_RESIDUAL), |_| 1.0);
    w.table("step.in_bias", &[layers, e], &values(&depth.input_bias), Q_RESIDUAL, 1.0);
    if c.backbone_sha256.is_none() {
        for (i, layer) in depth.layers.iter().enumerate() {
            w.block(&format!("depth.layers.{i}"), layer, c.depth_head());
        }
    }
    let codes = stack(&depth.codes, Some(&depth.norm), symbols);
    w.linear("step.codes", &[layers, symbols], &codes, (Q_NORM, Q_LOGIT), |_| LOG2_E);
    let bias = pad_bias(&values(&depth.codes_bias), c.codebook);
    w.table("step.codes_bias", &[layers, symbols], &bias, Q_LOGIT, LOG2_E);
}

/// As [`quantize_row`], for values that meet no accumulator: in pieces, because only a row's sum is bounded.
fn quantize_row_unbounded(values: &[f64]) -> (Vec<i8>, f64) {
    // The scale comes from the values at quantiles, few enough for a row.
    let mut sorted: Vec<f64> = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let sample: Vec<f64> = (0..=500).map(|i| sorted[i * (sorted.len() - 1) / 500]).collect();
    let (_, scale) = quantize_row(&sample);
    if scale == 0.0 {
        return (vec![0; values.len()], 1.0);
    }
    (values.iter().map(|v| (v / scale).round().clamp(-127.0, 127.0) as i8).collect(), scale)
}
