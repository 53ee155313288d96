//! The blocks of an exported frame Llama as floating-point modules.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use lmcodec_entropy::error::ModelError;
use lmcodec_entropy::frame_llama::{FrameConfig, FrameLlama};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::model::LlamaBlock;

/// The blocks of a model file, and what is needed to build on them.
pub struct FrozenBlocks {
    /// Sizes of the model.
    pub config: FrameConfig,
    /// SHA-256 of the model file.
    pub sha256: [u8; 32],
    /// Backbone.
    pub layers: Vec<LlamaBlock>,
    /// Depth decoder.
    pub depth_layers: Vec<LlamaBlock>,
}

fn i32s(view: &TensorView<'_>) -> Vec<i32> {
    view.data().chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

struct Reader<'a> {
    tensors: SafeTensors<'a>,
    device: &'a Device,
}

impl Reader<'_> {
    /// A linear layer with its integers scaled back: `gain(row)` is the exporter's extra factor, `q` its formats (in, out).
    fn linear(&self, to: Linear, name: &str, q: (i32, i32), gain: impl Fn(usize) -> f64) -> Result<Linear, ModelError> {
        let tensor = |part: &str| self.tensors.tensor(&format!("{name}.{part}")).map_err(ModelError::from);
        let (weight, mult, shift) = (tensor("weight")?, i32s(&tensor("mult")?), i32s(&tensor("shift")?)[0]);
        let (outputs, inputs) = (weight.shape()[0], weight.shape()[1]);
        let scale: Vec<f64> =
            (0..outputs).map(|n| f64::from(mult[n]) * f64::from(-shift - (q.1 - q.0)).exp2() / gain(n)).collect();
        let mut values = vec![0.0f32; outputs * inputs];
        for (i, &w) in weight.data().iter().enumerate() {
            let (n, k) = (i / inputs, i % inputs);
            values[k * outputs + n] = (f64::from(w as i8) * scale[n]) as f32;
        }
        let values = Tensor::<2>::from_data(TensorData::new(values, [inputs, outputs]), self.device);
        Ok(Linear { weight: Param::from_tensor(values), ..to })
    }

    fn block(&self, name: &str, d: usize, heads: usize, ffn: usize) -> Result<LlamaBlock, ModelError> {
        let mut b = LlamaBlock::new(d, heads, ffn, self.device);
        let head = (d / heads) as f64;
        let gain = |n: usize| match n / d {
            0 => std::f64::consts::LOG2_E / head.sqrt(),
            1 => 1.0,
            _ => 2.0,
        };
        b.qkv = self.linear(b.qkv, &format!("{name}.qkv"), (11, 9), gain)?;
        b.o_proj = self.linear(b.o_proj, &format!("{name}.o_proj"), (10, 12), |_| 1.0)?;
        let f = &mut b.feed_forward;
        f.gate_up = self.linear(f.gate_up.clone(), &format!("{name}.gate_up"), (11, 11), |_| 1.0)?;
        f.down = self.linear(f.down.clone(), &format!("{name}.down"), (10, 12), |_| 1.0)?;
        Ok(b)
    }
}

/// Reads the blocks of a frame Llama's integer file (`docs/MODEL.md`); every norm's weight is 1, for the file has them folded
/// into the layers.
///
/// # Errors
/// [`ModelError`] if it is no valid model file.
pub fn read_blocks(bytes: &[u8], device: &Device) -> Result<FrozenBlocks, ModelError> {
    // Checks names, types and shapes of everything.
    let model = FrameLlama::from_bytes(bytes)?;
    let c = model.config().clone();
    let reader = Reader { tensors: SafeTensors::deserialize(bytes)?, device };
    let layers = (0..c.layers)
        .map(|i| reader.block(&format!("layers.{i}"), c.d_model, c.heads, c.ffn))
        .collect::<Result<_, _>>()?;
    let depth_layers = (0..c.depth_layers)
        .map(|i| reader.block(&format!("depth.layers.{i}"), c.depth_d, c.depth_heads, c.depth_ffn))
        .collect::<Result<_, _>>()?;
    Ok(FrozenBlocks { sha256: model.sha256(), config: c, layers, depth_layers })
}
