//! Rounding a trained frame Llama to the integer model file of docs/MODEL.md.
//!
//! The rounding is that of [`lmcodec_entropy::export`]; here the weight of each RMSNorm is folded into the linear layers behind
//! it, and the tensors get their names.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::Tensor;
use lmcodec_entropy::arrangement::DCT_ARRANGEMENT;
use lmcodec_entropy::arrangement::features::{BACKBONE_FEATURES, DC_FEATURES, STEP_FEATURES};
use lmcodec_entropy::arrangement::symbols::{ALPHABET, PRIMARY_SYMBOLS};
use lmcodec_entropy::export::{BlockRows, FrameWriter, LOG2_E, Q_FEATURE, Q_LOGIT, Q_NORM, Q_RESIDUAL, Rows, Scaling};
use lmcodec_entropy::frame_llama::FrameConfig;

use super::model::{FeedForward, FrameLlama, FrameLlamaConfig, LlamaBlock};

pub(crate) fn values<const R: usize>(p: &Param<Tensor<R>>) -> Vec<f32> {
    p.val().into_data().try_to_vec().expect("parameters are f32")
}

/// A linear layer's [in, out] weight as rows, with the weight of the norm before it folded in.
pub(crate) fn rows(linear: &Linear, norm: Option<&Param<Tensor<1>>>) -> Rows {
    let [d_in, d_out] = linear.weight.val().dims();
    let w = values(&linear.weight);
    let norm = norm.map_or_else(|| vec![1.0; d_in], values);
    (0..d_out).map(|n| (0..d_in).map(|k| f64::from(w[k * d_out + n]) * f64::from(norm[k])).collect()).collect()
}

/// The linear layers of a block, norms folded in.
pub(crate) fn block(b: &LlamaBlock) -> BlockRows {
    let (qkv, o_proj) = (rows(&b.qkv, Some(&b.norm)), rows(&b.o_proj, None));
    BlockRows { qkv, o_proj, gate_up: gate_up(&b.feed_forward), down: rows(&b.feed_forward.down, None) }
}

fn gate_up(f: &FeedForward) -> Rows {
    rows(&f.gate_up, Some(&f.norm))
}

/// A head with logits in log2 units; `keep` rows are used.
fn head(w: &mut FrameWriter, name: &str, linear: &Linear, norm: &Param<Tensor<1>>, keep: usize) {
    let mut r = rows(linear, Some(norm));
    r.iter_mut().skip(keep).for_each(|row| row.fill(0.0));
    w.linear(name, &[r.len()], &r, Scaling::LOGITS);
    if let Some(bias) = &linear.bias {
        w.table(&format!("{name}.bias"), &[r.len()], &values(bias), Q_LOGIT, LOG2_E);
    }
}

/// The bytes of the integer model file.
///
/// # Panics
/// If the module's shapes contradict the config.
pub fn export(model: &FrameLlama, config: &FrameLlamaConfig) -> Vec<u8> {
    let (d, e) = (config.d_model, config.depth_d);
    let mut w = FrameWriter::default();
    let bias = |l: &Linear| values(l.bias.as_ref().expect("a layer with bias"));
    w.linear("embed", &[d], &rows(&model.embed, None), Scaling::new(Q_FEATURE, Q_RESIDUAL));
    w.table("embed.bias", &[d], &bias(&model.embed), Q_RESIDUAL, 1.0);
    for (i, layer) in model.layers.iter().enumerate() {
        w.block(&format!("layers.{i}"), &block(layer), d / config.heads);
    }
    head(&mut w, "last", &model.last, &model.norm, 64);
    w.linear("to_depth", &[e], &rows(&model.to_depth, Some(&model.norm)), Scaling::new(Q_NORM, Q_RESIDUAL));
    w.linear("to_dc", &[e], &rows(&model.to_dc, Some(&model.norm)), Scaling::new(Q_NORM, Q_RESIDUAL));

    let input = values(&model.depth_in);
    let at = |k: usize, n: usize, g: usize| f64::from(input[(k * STEP_FEATURES + g) * e + n]);
    let stacked: Rows = (0..64 * e)
        .map(|r| {
            let (k, n) = (r / e, r % e);
            (0..STEP_FEATURES).map(|g| if k == 0 { 0.0 } else { at(k, n, g) }).collect()
        })
        .collect();
    w.linear("depth.in", &[64, e], &stacked, Scaling::new(Q_FEATURE, Q_RESIDUAL));
    if let Some(state) = &model.depth_state {
        let (state, norm) = (values(state), values(&model.norm));
        let at = |k: usize, n: usize, i: usize| f64::from(state[(k * d + i) * e + n]) * f64::from(norm[i]);
        let stacked: Rows =
            (0..64 * e).map(|r| (0..d).map(|i| if r < e { 0.0 } else { at(r / e, r % e, i) }).collect()).collect();
        w.linear("depth.state", &[64, e], &stacked, Scaling::new(Q_NORM, Q_RESIDUAL));
    }
    w.table("depth.in_bias", &[64, e], &values(&model.depth_in_bias), Q_RESIDUAL, 1.0);
    w.table("depth.last", &[64, e], &values(&model.depth_last), Q_RESIDUAL, 1.0);
    w.table("depth.prev", &[ALPHABET, e], &values(&model.depth_prev), Q_RESIDUAL, 1.0);
    for (i, layer) in model.depth_layers.iter().enumerate() {
        w.block(&format!("depth.layers.{i}"), &block(layer), e / config.depth_heads);
    }
    head(&mut w, "ac", &model.ac, &model.depth_norm, PRIMARY_SYMBOLS);
    w.table("ac_bias", &[64, ALPHABET], &values(&model.ac_bias), Q_LOGIT, LOG2_E);
    head(&mut w, "ac_escape", &model.ac_escape, &model.depth_norm, ALPHABET);

    w.linear("dc.in", &[e], &rows(&model.dc_in, None), Scaling::new(Q_FEATURE, Q_RESIDUAL));
    w.table("dc.bias", &[e], &bias(&model.dc_in), Q_RESIDUAL, 1.0);
    w.table("dc.last", &[64, e], &values(&model.dc_last), Q_RESIDUAL, 1.0);
    for (i, layer) in model.dc_layers.iter().enumerate() {
        w.feed_forward(&format!("dc.layers.{i}"), &gate_up(layer), &rows(&layer.down, None));
    }
    head(&mut w, "dc.head", &model.dc_head, &model.dc_norm, PRIMARY_SYMBOLS);
    head(&mut w, "dc.escape", &model.dc_escape, &model.dc_norm, ALPHABET);

    w.finish(&frame_config(config).to_json()).expect("every tensor has its shape's length")
}

/// The configuration that stands in the model file.
fn frame_config(config: &FrameLlamaConfig) -> FrameConfig {
    FrameConfig {
        arch: "frame-llama".into(),
        format: 1,
        features: BACKBONE_FEATURES,
        d_model: config.d_model,
        layers: config.layers,
        heads: config.heads,
        ffn: config.ffn,
        depth_features: STEP_FEATURES,
        depth_d: config.depth_d,
        depth_layers: config.depth_layers,
        depth_heads: config.depth_heads,
        depth_ffn: config.depth_ffn,
        dc_features: DC_FEATURES,
        dc_ffn: config.dc_ffn,
        depth_state: config.depth_state,
        arrangement: DCT_ARRANGEMENT.into(),
    }
}
