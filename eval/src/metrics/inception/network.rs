//! The layers of Inception-v3 as the FID uses them (C. Szegedy et al., "Rethinking the Inception architecture", 2015, with the
//! pooling of the TensorFlow graph): names and shapes follow torchvision.

use super::{InceptionError, WeightSource};
use candle_core::{Device, Result, Tensor};

/// Constant in the denominator of every batch norm.
const BATCH_NORM_EPSILON: f64 = 1e-3;

/// Convolution, batch norm (folded in) and ReLU.
struct Conv {
    /// `[out, in, height, width]`
    kernel: Tensor,
    /// `[1, out, 1, 1]`
    bias: Tensor,
    stride: usize,
    /// Zero rows above and below, zero columns at both sides.
    padding: (usize, usize),
}

impl Conv {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, columns) = self.padding;
        let padded = x.pad_with_zeros(2, rows, rows)?.pad_with_zeros(3, columns, columns)?;
        padded.conv2d(&self.kernel, 0, self.stride, 1, 1)?.broadcast_add(&self.bias)?.relu()
    }
}

/// Convolutions one after the other.
struct Chain(Vec<Conv>);

impl Chain {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(x.clone(), |x, conv| conv.forward(&x))
    }
}

/// What a block does beside its convolutions.
#[derive(Clone, Copy)]
enum Pool {
    /// 3×3 mean of the neighbours inside the image, then the last chain.
    Mean,
    /// 3×3 maximum, then the last chain.
    Max,
    /// 3×3 maximum with stride 2 and nothing after it.
    MaxHalving,
}

/// A block: chains whose results are joined; a chain may end in two convolutions side by side.
struct Block {
    branches: Vec<(Chain, Option<[Conv; 2]>)>,
    pool: Pool,
    after_pool: Option<Conv>,
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut parts = Vec::new();
        for (chain, split) in &self.branches {
            let y = chain.forward(x)?;
            match split {
                None => parts.push(y),
                Some(ends) => {
                    for end in ends {
                        parts.push(end.forward(&y)?);
                    }
                }
            }
        }
        let pooled = match self.pool {
            Pool::Mean => mean_of_neighbours(x)?,
            // Inputs come from a ReLU, so zeros around the image never win.
            Pool::Max => padded_by_one(x)?.max_pool2d_with_stride(3, 1)?,
            Pool::MaxHalving => x.max_pool2d_with_stride(3, 2)?,
        };
        parts.push(match &self.after_pool {
            Some(conv) => conv.forward(&pooled)?,
            None => pooled,
        });
        Tensor::cat(&parts, 1)
    }
}

fn padded_by_one(x: &Tensor) -> Result<Tensor> {
    x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)
}

/// 3×3 mean with stride 1 that counts only neighbours inside the image.
fn mean_of_neighbours(x: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let inside = |i: usize, n: usize| if n == 1 { 1 } else { 3 - usize::from(i == 0) - usize::from(i + 1 == n) };
    let correction: Vec<f32> =
        (0..height * width).map(|i| 9.0 / (inside(i / width, height) * inside(i % width, width)) as f32).collect();
    let correction = Tensor::from_vec(correction, (1, 1, height, width), x.device())?;
    padded_by_one(x)?.avg_pool2d_with_stride(3, 1)?.broadcast_mul(&correction)
}

pub(super) struct Network {
    to_first_pool: Chain,
    to_second_pool: Chain,
    blocks: Vec<Block>,
}

/// Output channels, kernel (rows, columns), stride and padding of a convolution.
type Spec = (&'static str, usize, (usize, usize), usize, (usize, usize));

impl Network {
    pub(super) fn load(source: &mut WeightSource) -> std::result::Result<Self, InceptionError> {
        let mut loader = Loader { source };
        let l = &mut loader;
        let to_first_pool = l.chain(
            "",
            3,
            &[
                ("Conv2d_1a_3x3", 32, (3, 3), 2, (0, 0)),
                ("Conv2d_2a_3x3", 32, (3, 3), 1, (0, 0)),
                ("Conv2d_2b_3x3", 64, (3, 3), 1, (1, 1)),
            ],
        )?;
        let to_second_pool =
            l.chain("", 64, &[("Conv2d_3b_1x1", 80, (1, 1), 1, (0, 0)), ("Conv2d_4a_3x3", 192, (3, 3), 1, (0, 0))])?;
        let blocks = vec![
            l.block_a("Mixed_5b", 192, 32)?,
            l.block_a("Mixed_5c", 256, 64)?,
            l.block_a("Mixed_5d", 288, 64)?,
            l.block_b("Mixed_6a", 288)?,
            l.block_c("Mixed_6b", 128)?,
            l.block_c("Mixed_6c", 160)?,
            l.block_c("Mixed_6d", 160)?,
            l.block_c("Mixed_6e", 192)?,
            l.block_d("Mixed_7a", 768)?,
            l.block_e("Mixed_7b", 1280, Pool::Mean)?,
            l.block_e("Mixed_7c", 2048, Pool::Max)?,
        ];
        Ok(Self { to_first_pool, to_second_pool, blocks })
    }

    /// `[1, 3, 299, 299]` → `[2048]`
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.to_first_pool.forward(x)?.max_pool2d_with_stride(3, 2)?;
        let x = self.to_second_pool.forward(&x)?.max_pool2d_with_stride(3, 2)?;
        let x = self.blocks.iter().try_fold(x, |x, block| block.forward(&x))?;
        x.mean(3)?.mean(2)?.flatten_all()
    }
}

struct Loader<'a, 'b> {
    source: &'a mut WeightSource<'b>,
}

impl Loader<'_, '_> {
    fn conv(&mut self, prefix: &str, input: usize, spec: Spec) -> std::result::Result<Conv, InceptionError> {
        let (name, output, (rows, columns), stride, padding) = spec;
        let name = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
        let mut kernel = self.weight(&format!("{name}.conv.weight"), &[output, input, rows, columns])?;
        let mut norm = |part: &str| self.weight(&format!("{name}.bn.{part}"), &[output]);
        let (gain, shift) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let mut bias = Vec::with_capacity(output);
        for (o, filter) in kernel.chunks_exact_mut(input * rows * columns).enumerate() {
            let scale = f64::from(gain[o]) / (f64::from(variance[o]) + BATCH_NORM_EPSILON).sqrt();
            filter.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            bias.push((f64::from(shift[o]) - f64::from(mean[o]) * scale) as f32);
        }
        Ok(Conv {
            kernel: Tensor::from_vec(kernel, (output, input, rows, columns), &Device::Cpu)?,
            bias: Tensor::from_vec(bias, (1, output, 1, 1), &Device::Cpu)?,
            stride,
            padding,
        })
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> std::result::Result<Vec<f32>, InceptionError> {
        let values = (self.source)(name, shape)?;
        let bad = |reason: String| InceptionError::Weight { name: name.into(), shape: shape.to_vec(), reason };
        if values.len() != shape.iter().product::<usize>() {
            return Err(bad(format!("found {} values", values.len())));
        }
        if let Some(i) = values.iter().position(|v| !v.is_finite() || (name.ends_with("running_var") && *v < 0.0)) {
            return Err(bad(format!("value {i} is {}", values[i])));
        }
        Ok(values)
    }

    fn chain(&mut self, prefix: &str, input: usize, specs: &[Spec]) -> std::result::Result<Chain, InceptionError> {
        let mut channels = input;
        let mut convs = Vec::with_capacity(specs.len());
        for &spec in specs {
            convs.push(self.conv(prefix, channels, spec)?);
            channels = spec.1;
        }
        Ok(Chain(convs))
    }

    /// 35×35 positions.
    fn block_a(&mut self, name: &str, input: usize, pooled: usize) -> std::result::Result<Block, InceptionError> {
        let branches = vec![
            (self.chain(name, input, &[("branch1x1", 64, (1, 1), 1, (0, 0))])?, None),
            (
                self.chain(
                    name,
                    input,
                    &[("branch5x5_1", 48, (1, 1), 1, (0, 0)), ("branch5x5_2", 64, (5, 5), 1, (2, 2))],
                )?,
                None,
            ),
            (
                self.chain(
                    name,
                    input,
                    &[
                        ("branch3x3dbl_1", 64, (1, 1), 1, (0, 0)),
                        ("branch3x3dbl_2", 96, (3, 3), 1, (1, 1)),
                        ("branch3x3dbl_3", 96, (3, 3), 1, (1, 1)),
                    ],
                )?,
                None,
            ),
        ];
        let after_pool = Some(self.conv(name, input, ("branch_pool", pooled, (1, 1), 1, (0, 0)))?);
        Ok(Block { branches, pool: Pool::Mean, after_pool })
    }

    /// 35×35 → 17×17 positions.
    fn block_b(&mut self, name: &str, input: usize) -> std::result::Result<Block, InceptionError> {
        let branches = vec![
            (self.chain(name, input, &[("branch3x3", 384, (3, 3), 2, (0, 0))])?, None),
            (
                self.chain(
                    name,
                    input,
                    &[
                        ("branch3x3dbl_1", 64, (1, 1), 1, (0, 0)),
                        ("branch3x3dbl_2", 96, (3, 3), 1, (1, 1)),
                        ("branch3x3dbl_3", 96, (3, 3), 2, (0, 0)),
                    ],
                )?,
                None,
            ),
        ];
        Ok(Block { branches, pool: Pool::MaxHalving, after_pool: None })
    }

    /// 17×17 positions, 768 channels in and out.
    fn block_c(&mut self, name: &str, inner: usize) -> std::result::Result<Block, InceptionError> {
        let (row, column) = (((1, 7), (0, 3)), ((7, 1), (3, 0)));
        let step = |name, output, (kernel, padding)| -> Spec { (name, output, kernel, 1, padding) };
        let branches = vec![
            (self.chain(name, 768, &[("branch1x1", 192, (1, 1), 1, (0, 0))])?, None),
            (
                self.chain(
                    name,
                    768,
                    &[
                        ("branch7x7_1", inner, (1, 1), 1, (0, 0)),
                        step("branch7x7_2", inner, row),
                        step("branch7x7_3", 192, column),
                    ],
                )?,
                None,
            ),
            (
                self.chain(
                    name,
                    768,
                    &[
                        ("branch7x7dbl_1", inner, (1, 1), 1, (0, 0)),
                        step("branch7x7dbl_2", inner, column),
                        step("branch7x7dbl_3", inner, row),
                        step("branch7x7dbl_4", inner, column),
                        step("branch7x7dbl_5", 192, row),
                    ],
                )?,
                None,
            ),
        ];
        let after_pool = Some(self.conv(name, 768, ("branch_pool", 192, (1, 1), 1, (0, 0)))?);
        Ok(Block { branches, pool: Pool::Mean, after_pool })
    }

    /// 17×17 → 8×8 positions.
    fn block_d(&mut self, name: &str, input: usize) -> std::result::Result<Block, InceptionError> {
        let branches = vec![
            (
                self.chain(
                    name,
                    input,
                    &[("branch3x3_1", 192, (1, 1), 1, (0, 0)), ("branch3x3_2", 320, (3, 3), 2, (0, 0))],
                )?,
                None,
            ),
            (
                self.chain(
                    name,
                    input,
                    &[
                        ("branch7x7x3_1", 192, (1, 1), 1, (0, 0)),
                        ("branch7x7x3_2", 192, (1, 7), 1, (0, 3)),
                        ("branch7x7x3_3", 192, (7, 1), 1, (3, 0)),
                        ("branch7x7x3_4", 192, (3, 3), 2, (0, 0)),
                    ],
                )?,
                None,
            ),
        ];
        Ok(Block { branches, pool: Pool::MaxHalving, after_pool: None })
    }

    /// 8×8 positions.
    fn block_e(&mut self, name: &str, input: usize, pool: Pool) -> std::result::Result<Block, InceptionError> {
        let flat = |name| -> Spec { (name, 384, (1, 3), 1, (0, 1)) };
        let tall = |name| -> Spec { (name, 384, (3, 1), 1, (1, 0)) };
        let one = self.chain(name, input, &[("branch1x1", 320, (1, 1), 1, (0, 0))])?;
        let three = self.chain(name, input, &[("branch3x3_1", 384, (1, 1), 1, (0, 0))])?;
        let three_ends = [self.conv(name, 384, flat("branch3x3_2a"))?, self.conv(name, 384, tall("branch3x3_2b"))?];
        let double = self.chain(
            name,
            input,
            &[("branch3x3dbl_1", 448, (1, 1), 1, (0, 0)), ("branch3x3dbl_2", 384, (3, 3), 1, (1, 1))],
        )?;
        let double_ends =
            [self.conv(name, 384, flat("branch3x3dbl_3a"))?, self.conv(name, 384, tall("branch3x3dbl_3b"))?];
        let after_pool = Some(self.conv(name, input, ("branch_pool", 192, (1, 1), 1, (0, 0)))?);
        let branches = vec![(one, None), (three, Some(three_ends)), (double, Some(double_ends))];
        Ok(Block { branches, pool, after_pool })
    }
}
