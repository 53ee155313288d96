//! Rounding a trained frame Llama to the integer model file of docs/MODEL.md.
//!
//! Weights become i8 with one scale a row (the scale that minimises the squared error); the weight of each RMSNorm is folded
//! into the linear layers behind it, `log2 e` into the heads (and with 1/√head into the queries).

use std::collections::HashMap;

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::Tensor;
use lmcodec_entropy::arrangement::DCT_ARRANGEMENT;
use lmcodec_entropy::arrangement::features::{BACKBONE_FEATURES, DC_FEATURES, STEP_FEATURES};
use lmcodec_entropy::arrangement::symbols::{ALPHABET, PRIMARY_SYMBOLS};
use lmcodec_entropy::frame_llama::FrameConfig;
use safetensors::tensor::{Dtype, TensorView};

use crate::model::{FeedForward, FrameLlama, FrameLlamaConfig, LlamaBlock};

/// Greatest Σ|w| of a row that cannot overflow the accumulator (docs/MODEL.md, "Linear").
const MAX_ROW_SUM: i32 = 65_535;
/// Formats of activations and residuals.
const Q_FEATURE: i32 = 4;
pub(crate) const Q_NORM: i32 = 11;
const Q_HIDDEN: i32 = 10;
pub(crate) const Q_RESIDUAL: i32 = 12;
pub(crate) const Q_LOGIT: i32 = 16;
pub(crate) const LOG2_E: f64 = std::f64::consts::LOG2_E;

pub(crate) fn values<const R: usize>(p: &Param<Tensor<R>>) -> Vec<f32> {
    p.val().into_data().try_to_vec().expect("parameters are f32")
}

/// Rows of a float matrix: [out][in].
pub(crate) type Rows = Vec<Vec<f64>>;

/// A linear layer's [in, out] weight as rows, with the weight of the norm before it folded in.
pub(crate) fn rows(linear: &Linear, norm: Option<&Param<Tensor<1>>>) -> Rows {
    let [d_in, d_out] = linear.weight.val().dims();
    let w = values(&linear.weight);
    let norm = norm.map_or_else(|| vec![1.0; d_in], values);
    (0..d_out).map(|n| (0..d_in).map(|k| f64::from(w[k * d_out + n]) * f64::from(norm[k])).collect()).collect()
}

/// Rounds a row to i8: (weights, scale), the scale chosen for the least squared error.
pub(crate) fn quantize_row(row: &[f64]) -> (Vec<i8>, f64) {
    let max = row.iter().fold(0.0f64, |m, w| m.max(w.abs()));
    if max == 0.0 {
        return (vec![0; row.len()], 0.0);
    }
    let round =
        |scale: f64| -> Vec<i8> { row.iter().map(|w| (w / scale).round().clamp(-127.0, 127.0) as i8).collect() };
    let error =
        |scale: f64| -> f64 { row.iter().zip(round(scale)).map(|(w, q)| (w - f64::from(q) * scale).powi(2)).sum() };
    let mut scale = (0..=40)
        .map(|i| max / 127.0 * (1.0 - 0.015 * f64::from(i)))
        .min_by(|a, b| error(*a).total_cmp(&error(*b)))
        .unwrap_or(max / 127.0);
    loop {
        let q = round(scale);
        if q.iter().map(|&w| i32::from(w).abs()).sum::<i32>() <= MAX_ROW_SUM {
            return (q, scale);
        }
        scale *= 1.05;
    }
}

#[derive(Default)]
pub(crate) struct Writer {
    tensors: HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Writer {
    fn i32(&mut self, name: &str, shape: &[usize], values: &[i32]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.insert(name.into(), (Dtype::I32, shape.to_vec(), bytes));
    }

    /// Integers that are no weights of a linear layer.
    pub(crate) fn i8(&mut self, name: &str, shape: &[usize], values: &[i8]) {
        let bytes = values.iter().map(|&v| v as u8).collect();
        self.tensors.insert(name.into(), (Dtype::I8, shape.to_vec(), bytes));
    }

    /// The file's bytes.
    pub(crate) fn serialize(&self, json: String) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).expect("data of the shape's length"))
        });
        let metadata = HashMap::from([("lmcodec".to_owned(), json)]);
        safetensors::serialize(views, Some(metadata)).expect("serialisable tensors")
    }

    /// A table of the residual stream (Q12) or of logits (Q16).
    pub(crate) fn table(&mut self, name: &str, shape: &[usize], values: &[f32], q: i32, factor: f64) {
        let limit = f64::from(1 << 23);
        let round = |v: &f32| (f64::from(*v) * factor * f64::from(q).exp2()).round().clamp(-limit, limit) as i32;
        self.i32(name, shape, &values.iter().map(round).collect::<Vec<_>>());
    }

    /// A linear layer of the given rows, `gain(row)` an extra factor of the output.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        lead: &[usize],
        rows: &Rows,
        (q_in, q_out): (i32, i32),
        gain: impl Fn(usize) -> f64,
    ) {
        let quantized: Vec<_> = rows.iter().map(|r| quantize_row(r)).collect();
        let factors: Vec<f64> =
            quantized.iter().enumerate().map(|(n, (_, s))| s * gain(n) * f64::from(q_out - q_in).exp2()).collect();
        let max = factors.iter().fold(f64::MIN_POSITIVE, |m, &f| m.max(f));
        // The greatest multiplier lies in 2^29..2^30.
        let shift = (29 - max.log2().floor() as i32).clamp(1, 62);
        let mult: Vec<i32> = factors
            .iter()
            .map(|f| (f * f64::from(shift).exp2()).round().clamp(0.0, f64::from(i32::MAX)) as i32)
            .collect();
        let mut shape = lead.to_vec();
        self.i32(&format!("{name}.mult"), &shape, &mult);
        self.i32(&format!("{name}.shift"), &[1], &[shift]);
        shape.push(rows[0].len());
        let weights = quantized.iter().flat_map(|(q, _)| q.iter().map(|&w| w as u8)).collect();
        self.tensors.insert(format!("{name}.weight"), (Dtype::I8, shape, weights));
    }

    fn feed_forward(&mut self, name: &str, f: &FeedForward) {
        let gate_up = rows(&f.gate_up, Some(&f.norm));
        self.linear(&format!("{name}.gate_up"), &[gate_up.len()], &gate_up, (Q_NORM, 11), |_| 1.0);
        let down = rows(&f.down, None);
        self.linear(&format!("{name}.down"), &[down.len()], &down, (Q_HIDDEN, Q_RESIDUAL), |_| 1.0);
    }

    pub(crate) fn block(&mut self, name: &str, b: &LlamaBlock, head: usize) {
        let qkv = rows(&b.qkv, Some(&b.norm));
        let d = qkv.len() / 3;
        // q and k leave in Q9, v in Q10.
        let gain = |n: usize| match n / d {
            0 => LOG2_E / (head as f64).sqrt(),
            1 => 1.0,
            _ => 2.0,
        };
        self.linear(&format!("{name}.qkv"), &[qkv.len()], &qkv, (Q_NORM, 9), gain);
        let o = rows(&b.o_proj, None);
        self.linear(&format!("{name}.o_proj"), &[o.len()], &o, (Q_HIDDEN, Q_RESIDUAL), |_| 1.0);
        self.feed_forward(name, &b.feed_forward);
    }

    /// A head with logits in log2 units; `keep` rows are used.
    fn head(&mut self, name: &str, linear: &Linear, norm: &Param<Tensor<1>>, keep: usize) {
        let mut r = rows(linear, Some(norm));
        r.iter_mut().skip(keep).for_each(|row| row.fill(0.0));
        self.linear(name, &[r.len()], &r, (Q_NORM, Q_LOGIT), |_| LOG2_E);
        if let Some(bias) = &linear.bias {
            self.table(&format!("{name}.bias"), &[r.len()], &values(bias), Q_LOGIT, LOG2_E);
        }
    }
}

/// The bytes of the integer model file.
///
/// # Panics
/// If the module's shapes contradict the config.
pub fn export(model: &FrameLlama, config: &FrameLlamaConfig) -> Vec<u8> {
    let (d, e) = (config.d_model, config.depth_d);
    let mut w = Writer::default();
    let bias = |l: &Linear| values(l.bias.as_ref().expect("a layer with bias"));
    w.linear("embed", &[d], &rows(&model.embed, None), (Q_FEATURE, Q_RESIDUAL), |_| 1.0);
    w.table("embed.bias", &[d], &bias(&model.embed), Q_RESIDUAL, 1.0);
    for (i, layer) in model.layers.iter().enumerate() {
        w.block(&format!("layers.{i}"), layer, d / config.heads);
    }
    w.head("last", &model.last, &model.norm, 64);
    w.linear("to_depth", &[e], &rows(&model.to_depth, Some(&model.norm)), (Q_NORM, Q_RESIDUAL), |_| 1.0);
    w.linear("to_dc", &[e], &rows(&model.to_dc, Some(&model.norm)), (Q_NORM, Q_RESIDUAL), |_| 1.0);

    let input = values(&model.depth_in);
    let at = |k: usize, n: usize, g: usize| f64::from(input[(k * STEP_FEATURES + g) * e + n]);
    let stacked: Rows = (0..64 * e)
        .map(|r| {
            let (k, n) = (r / e, r % e);
            (0..STEP_FEATURES).map(|g| if k == 0 { 0.0 } else { at(k, n, g) }).collect()
        })
        .collect();
    w.linear("depth.in", &[64, e], &stacked, (Q_FEATURE, Q_RESIDUAL), |_| 1.0);
    if let Some(state) = &model.depth_state {
        let (state, norm) = (values(state), values(&model.norm));
        let at = |k: usize, n: usize, i: usize| f64::from(state[(k * d + i) * e + n]) * f64::from(norm[i]);
        let stacked: Rows =
            (0..64 * e).map(|r| (0..d).map(|i| if r < e { 0.0 } else { at(r / e, r % e, i) }).collect()).collect();
        w.linear("depth.state", &[64, e], &stacked, (Q_NORM, Q_RESIDUAL), |_| 1.0);
    }
    w.table("depth.in_bias", &[64, e], &values(&model.depth_in_bias), Q_RESIDUAL, 1.0);
    w.table("depth.last", &[64, e], &values(&model.depth_last), Q_RESIDUAL, 1.0);
    w.table("depth.prev", &[ALPHABET, e], &values(&model.depth_prev), Q_RESIDUAL, 1.0);
    for (i, layer) in model.depth_layers.iter().enumerate() {
        w.block(&format!("depth.layers.{i}"), layer, e / config.depth_heads);
    }
    w.head("ac", &model.ac, &model.depth_norm, PRIMARY_SYMBOLS);
    w.table("ac_bias", &[64, ALPHABET], &values(&model.ac_bias), Q_LOGIT, LOG2_E);
    w.head("ac_escape", &model.ac_escape, &model.depth_norm, ALPHABET);

    w.linear("dc.in", &[e], &rows(&model.dc_in, None), (Q_FEATURE, Q_RESIDUAL), |_| 1.0);
    w.table("dc.bias", &[e], &bias(&model.dc_in), Q_RESIDUAL, 1.0);
    w.table("dc.last", &[64, e], &values(&model.dc_last), Q_RESIDUAL, 1.0);
    for (i, layer) in model.dc_layers.iter().enumerate() {
        w.feed_forward(&format!("dc.layers.{i}"), layer);
    }
    w.head("dc.head", &model.dc_head, &model.dc_norm, PRIMARY_SYMBOLS);
    w.head("dc.escape", &model.dc_escape, &model.dc_norm, ALPHABET);

    w.serialize(frame_config(config).to_json())
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
