//! From coefficient planes to the tensors of a training step, on the CPU and away from the training thread.
//!
//! Features and symbols come from `lmcodec_entropy::arrangement`, the code that the coder itself runs.

use lmcodec_codecs::jpeg::JpegImage;
use lmcodec_entropy::arrangement::features::{
    BACKBONE_FEATURES, ComponentRole, FrameContext, PlaneContext, StepContext, last_nonzero,
};
use lmcodec_entropy::arrangement::plane::{Block, CoefficientPlane};
use lmcodec_entropy::arrangement::reference::ReferencePlane;
use lmcodec_entropy::arrangement::symbols::{START, bucket, escape_offset, is_escape, primary};

/// Upper ends of the groups of frames that run the same number of depth steps.
pub const STEP_GROUPS: [usize; 6] = [4, 9, 16, 27, 42, 63];

/// A component plane with what it is conditioned on.
pub struct Sample {
    /// The coefficients to code.
    pub plane: CoefficientPlane,
    /// Reference planes on the same grid.
    pub references: [Option<ReferencePlane>; 2],
    /// The component's role.
    pub role: ComponentRole,
}

/// Copies one component of an image into a plane.
pub fn component_plane(image: &JpegImage, index: usize) -> CoefficientPlane {
    let c = &image.components[index];
    CoefficientPlane {
        blocks_wide: c.blocks_wide,
        blocks_high: c.blocks_high,
        quantization: c.quantization,
        blocks: c.coefficients.chunks_exact(64).map(|b| Block::try_from(b).expect("64 coefficients")).collect(),
    }
}

impl Sample {
    /// The component `index` of `image`, conditioned on the components before it as the coder does.
    pub fn from_image(image: &JpegImage, index: usize) -> Self {
        let plane = component_plane(image, index);
        let reference = |i: usize| {
            (i < index.min(2)).then(|| {
                let source = component_plane(image, i);
                ReferencePlane::resample(&source, plane.blocks_wide, plane.blocks_high, &plane.quantization)
            })
        };
        let references = [reference(0), reference(1)];
        Self { references, role: ComponentRole::from_index(index), plane }
    }
}

/// Escaped values: rows of the state matrix they stand in, and their buckets.
#[derive(Default)]
pub struct Escapes {
    /// Row of the flattened state matrix.
    pub rows: Vec<i32>,
    /// Target bucket.
    pub buckets: Vec<i32>,
    /// Raw bits written below the buckets, in all.
    pub raw_bits: f64,
}

impl Escapes {
    fn push(&mut self, row: usize, value: i32) {
        let (b, _, bits) = bucket(escape_offset(value));
        self.rows.push(row as i32);
        self.buckets.push(i32::from(b));
        self.raw_bits += f64::from(bits);
    }
}

/// Frames that run `steps` depth steps together.
pub struct StepGroup {
    /// K.
    pub steps: usize,
    /// Index of each frame in the batch. `[N]`
    pub frames: Vec<i32>,
    /// [N, K, G], already divided by 16.
    pub features: Vec<f32>,
    /// [N·K]
    pub previous: Vec<i32>,
    /// [N·K]
    pub targets: Vec<i32>,
    /// 1 where k ≤ last, else 0. [N·K]
    pub mask: Vec<f32>,
    /// 1 where k = last, else 0. [N·K]
    pub at_last: Vec<f32>,
    /// Escaped coefficients.
    pub escapes: Escapes,
}

/// One training step's input: B planes of the same grid.
pub struct Batch {
    /// B.
    pub crops: usize,
    /// Rows and columns of frames in a crop.
    pub grid: (usize, usize),
    /// [B, T, F], already divided by 16.
    pub features: Vec<f32>,
    /// Target and condition: last nonzero position. `[N]`
    pub last: Vec<i32>,
    /// Depth groups, empty ones left out.
    pub groups: Vec<StepGroup>,
    /// [N, C], already divided by 16.
    pub dc_features: Vec<f32>,
    /// `[N]`
    pub dc_targets: Vec<i32>,
    /// Escaped DC residuals.
    pub dc_escapes: Escapes,
}

fn extend_q4(out: &mut Vec<f32>, features: &[i16]) {
    out.extend(features.iter().map(|&v| f32::from(v) / 16.0));
}

impl Batch {
    /// Builds a batch from samples whose planes all have the same grid.
    pub fn new(samples: &[Sample]) -> Self {
        let grid = (samples[0].plane.blocks_high, samples[0].plane.blocks_wide);
        let mut batch = Self {
            crops: samples.len(),
            grid,
            features: Vec::with_capacity(samples.len() * grid.0 * grid.1 * BACKBONE_FEATURES),
            last: Vec::new(),
            groups: STEP_GROUPS
                .iter()
                .map(|&steps| StepGroup {
                    steps,
                    frames: Vec::new(),
                    features: Vec::new(),
                    previous: Vec::new(),
                    targets: Vec::new(),
                    mask: Vec::new(),
                    at_last: Vec::new(),
                    escapes: Escapes::default(),
                })
                .collect(),
            dc_features: Vec::new(),
            dc_targets: Vec::new(),
            dc_escapes: Escapes::default(),
        };
        let mut scratch = Vec::new();
        for sample in samples {
            assert_eq!((sample.plane.blocks_high, sample.plane.blocks_wide), grid, "samples of one grid");
            let context = PlaneContext::new(sample.role, &sample.plane.quantization);
            let references = [sample.references[0].as_ref(), sample.references[1].as_ref()];
            for row in 0..grid.0 {
                for column in 0..grid.1 {
                    let frame = FrameContext::new(&context, &sample.plane, references, row, column);
                    batch.push_frame(&frame, sample.plane.block(row, column), &mut scratch);
                }
            }
        }
        batch.groups.retain(|g| !g.frames.is_empty());
        batch
    }

    fn push_frame(&mut self, frame: &FrameContext<'_>, block: &Block, scratch: &mut Vec<i16>) {
        let index = self.last.len();
        scratch.clear();
        frame.backbone(scratch);
        extend_q4(&mut self.features, scratch);
        let last = last_nonzero(block);
        self.last.push(i32::from(last));
        let mut steps = StepContext::new(frame, last);
        if last > 0 {
            let group = STEP_GROUPS.iter().position(|&s| s >= last as usize).expect("last ≤ 63");
            let group = &mut self.groups[group];
            group.frames.push(index as i32);
            let mut previous = START;
            for (k, &coefficient) in block.iter().enumerate().take(group.steps + 1).skip(1) {
                scratch.clear();
                let row = group.targets.len();
                if k <= last as usize {
                    let value = i32::from(coefficient);
                    steps.coefficient(frame, k, scratch);
                    let symbol = primary(value);
                    group.previous.push(i32::from(previous));
                    group.targets.push(i32::from(symbol));
                    if is_escape(symbol) {
                        group.escapes.push(row, value);
                    }
                    steps.set(frame, k, coefficient);
                    previous = symbol;
                } else {
                    scratch.resize(lmcodec_entropy::arrangement::features::STEP_FEATURES, 0);
                    group.previous.push(0);
                    group.targets.push(0);
                }
                extend_q4(&mut group.features, scratch);
                group.mask.push(if k <= last as usize { 1.0 } else { 0.0 });
                group.at_last.push(if k == last as usize { 1.0 } else { 0.0 });
            }
        }
        scratch.clear();
        steps.dc(frame, scratch);
        extend_q4(&mut self.dc_features, scratch);
        let residual = i32::from(block[0]) - steps.dc_prediction(frame);
        let symbol = primary(residual);
        self.dc_targets.push(i32::from(symbol));
        if is_escape(symbol) {
            self.dc_escapes.push(index, residual);
        }
    }

    /// N = B·T.
    pub fn frames(&self) -> usize {
        self.last.len()
    }

    /// Coefficient steps that count.
    pub fn steps(&self) -> usize {
        self.last.iter().map(|&l| l as usize).sum()
    }
}
