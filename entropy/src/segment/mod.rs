//! Coding one segment: the coefficient planes of some rows of MCUs, under the frame Llama.
//!
//! Components are coded one after the other, each conditioned on those before it. Inside a component the frames advance as a
//! wavefront: in step t, row r codes column t − 2r, so a frame's neighbours to the upper right are always known and the rows
//! of a step run as one batch. The order of symbols is part of the format (docs/FORMAT.md): for each step, for each batch of at
//! most [`MAX_BATCH`] rows from top to bottom: `last` of every frame; then for k = 1, 2, … the coefficient at zigzag
//! position k of every frame with last ≥ k; then the DC of every frame. An escape follows its symbol at once.
//!
//! Encoding, decoding and counting are one walk; they differ only in what happens at a symbol.

mod at_symbol;
mod walk;

#[cfg(test)]
mod tests;

use crate::arrangement::DCT_ARRANGEMENT;
use crate::arrangement::features::{BACKBONE_FEATURES, DC_FEATURES, STEP_FEATURES};
use crate::arrangement::plane::{Block, CoefficientPlane};
use crate::coder::{SymbolSink, SymbolSource};
use crate::error::ModelError;
use crate::frame_llama::{DepthState, FrameEngine, FrameLlama, Position};
use crate::isa::Isa;
use crate::secondary::SecondaryEstimator;
use at_symbol::{Counting, Reading, Writing};
use walk::Target;

/// Most frames of a batch; a constant of the format, because it fixes the order of symbols in tall segments.
pub const MAX_BATCH: usize = 64;

/// What went wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// A value is no coefficient that has a symbol. Of a decoder: the bytes are damaged.
    #[error("component {component}, row {row}, column {column}: a coefficient of {value} (at most ±32767)")]
    Value {
        /// Component index.
        component: usize,
        /// Row of blocks in the segment.
        row: usize,
        /// Column of blocks.
        column: usize,
        /// What was found or given.
        value: i32,
    },
}

/// What a symbol stands for; used to sort bits in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// Zigzag position of the last nonzero coefficient.
    Last,
    /// Primary symbol of an AC coefficient.
    Ac,
    /// Escape bucket or raw bits.
    Escape,
    /// Primary symbol of a DC residual.
    Dc,
}

/// Whose probabilities the coefficients are coded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Estimation {
    /// The model's.
    #[default]
    Model,
    /// The model's, refined by what the segment has shown so far (docs/MODEL.md, "Secondary estimation").
    Secondary,
}

/// Bits of a segment by component and kind of symbol, for reports.
#[derive(Debug, Clone, Default)]
pub struct SegmentBits {
    /// `[component][kind]`, kinds in the order of [`SymbolKind`].
    pub by_component: Vec<[f64; 4]>,
    /// `[component][zigzag position]`: bits of the DC (0) and of the AC coefficients, escapes included. With the bits of
    /// [`SymbolKind::Last`] they are all bits.
    pub by_position: Vec<[f64; 64]>,
}

impl SegmentBits {
    /// All bits.
    pub fn total(&self) -> f64 {
        self.by_component.iter().flatten().sum()
    }
}

/// A model ready to code segments: engine and scratch memory. One a thread.
pub struct SegmentCoder<'m> {
    engine: FrameEngine<'m>,
    isa: Isa,
    depth: DepthState,
    estimation: Estimation,
    secondary: Option<SecondaryEstimator>,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    positions: Vec<Position>,
    features: Vec<i16>,
    h: Vec<i16>,
    logits: Vec<i32>,
    last: Vec<u8>,
    active: Vec<u32>,
    previous: Vec<u8>,
    active_previous: Vec<u8>,
    truth: Vec<Block>,
}

impl<'m> SegmentCoder<'m> {
    /// A coder with the given model, kernels and estimation.
    ///
    /// # Errors
    /// [`ModelError`] if the model was trained for another arrangement.
    pub fn new(model: &'m FrameLlama, isa: Isa, estimation: Estimation) -> Result<Self, ModelError> {
        check_model(model)?;
        Ok(Self {
            engine: FrameEngine::new(model, isa, MAX_BATCH),
            isa,
            depth: DepthState::new(model.config(), MAX_BATCH),
            estimation,
            secondary: None,
            scratch: Scratch::default(),
        })
    }

    /// Writes the planes of a segment (component order) into a sink.
    ///
    /// # Errors
    /// [`SegmentError`] for an AC coefficient of −32768, which has no symbol; nothing has been written then.
    pub fn encode(&mut self, planes: &[CoefficientPlane], sink: &mut impl SymbolSink) -> Result<(), SegmentError> {
        check_range(planes)?;
        self.restart();
        (0..planes.len())
            .try_for_each(|i| self.component(&planes[..i], Target::Known(&planes[i]), &mut Writing(&mut *sink)))
    }

    /// Reads the planes of a segment from a source; `planes` have their sizes and quantization, their blocks are overwritten.
    ///
    /// # Errors
    /// [`SegmentError`] on impossible values. Most damage shows only in the coder's final state and the CRC.
    pub fn decode(
        &mut self,
        planes: &mut [CoefficientPlane],
        source: &mut impl SymbolSource,
    ) -> Result<(), SegmentError> {
        self.restart();
        (0..planes.len()).try_for_each(|i| {
            let (before, rest) = planes.split_at_mut(i);
            self.component(before, Target::Found(&mut rest[0]), &mut Reading(&mut *source))
        })
    }

    /// Counts the bits that [`encode`](Self::encode) would write.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn count(&mut self, planes: &[CoefficientPlane]) -> Result<SegmentBits, SegmentError> {
        check_range(planes)?;
        self.restart();
        let mut bits = SegmentBits::default();
        for (i, plane) in planes.iter().enumerate() {
            let mut counting = Counting::new();
            self.component(&planes[..i], Target::Known(plane), &mut counting)?;
            bits.by_component.push(counting.counters.map(|c| c.bits()));
            bits.by_position.push(counting.positions);
        }
        Ok(bits)
    }

    /// What was learned from one segment is not for the next.
    fn restart(&mut self) {
        self.secondary = (self.estimation == Estimation::Secondary).then(SecondaryEstimator::new);
    }
}

/// Every AC coefficient must have a symbol. DC residuals wrap, so every DC has one.
fn check_range(planes: &[CoefficientPlane]) -> Result<(), SegmentError> {
    for (component, plane) in planes.iter().enumerate() {
        if let Some(index) = plane.blocks.iter().position(|block| block[1..].contains(&i16::MIN)) {
            let (row, column) = (index / plane.blocks_wide, index % plane.blocks_wide);
            return Err(SegmentError::Value { component, row, column, value: i32::from(i16::MIN) });
        }
    }
    Ok(())
}

/// Checks that a model was made for this arrangement.
///
/// # Errors
/// [`ModelError::Unsupported`] or [`ModelError::ConfigRange`].
pub fn check_model(model: &FrameLlama) -> Result<(), ModelError> {
    let c = model.config();
    if c.arrangement != DCT_ARRANGEMENT {
        return Err(ModelError::Unsupported {
            field: "arrangement",
            found: c.arrangement.clone(),
            supported: DCT_ARRANGEMENT,
        });
    }
    let lengths = [
        ("features", c.features, BACKBONE_FEATURES),
        ("depth_features", c.depth_features, STEP_FEATURES),
        ("dc_features", c.dc_features, DC_FEATURES),
    ];
    for (field, found, expected) in lengths {
        if found != expected {
            return Err(ModelError::ConfigRange {
                field,
                found,
                allowed: "the lengths of arrangement dct-1: 864, 32 and 24",
            });
        }
    }
    Ok(())
}
