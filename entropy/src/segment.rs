//! Coding one segment: the coefficient planes of some rows of MCUs, under the frame Llama.
//!
//! Components are coded one after the other, each conditioned on those before it. Inside a component the frames advance as a
//! wavefront: in step t, row r codes column t − 2r, so a frame's neighbours to the upper right are always known and the rows
//! of a step run as one batch. The order of symbols is part of the format (docs/FORMAT.md): for each step, for each batch of at
//! most [`MAX_BATCH`] rows from top to bottom: `last` of every frame; then for k = 1, 2, … the coefficient at zigzag
//! position k of every frame with last ≥ k; then the DC of every frame. An escape follows its symbol at once.
//!
//! Encoding, decoding and counting are one walk; they differ only in what happens at a symbol.

use crate::arrangement::DCT_ARRANGEMENT;
use crate::arrangement::features::{
    BACKBONE_FEATURES, BESIDE_FEATURE, ComponentRole, DC_FEATURES, DC_MAGNITUDE_FEATURE, FrameContext,
    NEIGHBOURS_FEATURE, PlaneContext, STEP_FEATURES, StepContext, last_nonzero,
};
use crate::arrangement::plane::{Block, CoefficientPlane};
use crate::arrangement::reference::ReferencePlane;
use crate::arrangement::symbols::{
    self, ALPHABET, ESCAPE_BUCKETS, START, ZERO, bucket_range, escape_offset, from_escape, is_escape, primary,
};
use crate::coder::{BitCounter, Distribution, SymbolSink, SymbolSource};
use crate::error::ModelError;
use crate::frame_llama::{DepthState, FrameEngine, FrameLlama, PlaneState, Position};
use crate::isa::Isa;
use crate::secondary::{self, SecondaryEstimator, Surroundings};

/// Most frames of a batch; a constant of the format, because it fixes the order of symbols in tall segments.
pub const MAX_BATCH: usize = 64;

/// The spare row of the primary head is never coded.
const UNUSED_PRIMARY: u64 = 1 << symbols::PRIMARY_SYMBOLS;
/// Buckets past the last are never coded.
const UNUSED_BUCKETS: u64 = ((1 << ALPHABET) - 1) & !((1 << ESCAPE_BUCKETS) - 1);

/// What went wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// A decoded value does not fit a coefficient: the bytes are damaged.
    #[error("component {component}, row {row}, column {column}: a coefficient of {value} (at most ±32767)")]
    Value {
        /// Component index.
        component: usize,
        /// Row of blocks in the segment.
        row: usize,
        /// Column of blocks.
        column: usize,
        /// What was found.
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

/// What happens at a symbol: it is written, read or counted. `truth` is the value to write; the result is the value.
trait SymbolCoder {
    fn symbol<const N: usize>(&mut self, kind: SymbolKind, distribution: &Distribution<N>, truth: usize) -> usize;
    fn raw(&mut self, truth: u32, count: u32) -> u32;
    /// A part of a symbol: yes or no, with the probability of yes in units of 1 / [`secondary::TOTAL`].
    fn answer(&mut self, kind: SymbolKind, p: u32, truth: bool) -> bool;

    /// The next symbols belong to the coefficient at this zigzag position.
    fn at(&mut self, _position: usize) {}
}

struct Writing<'s, S>(&'s mut S);

impl<S: SymbolSink> SymbolCoder for Writing<'_, S> {
    fn symbol<const N: usize>(&mut self, _: SymbolKind, distribution: &Distribution<N>, truth: usize) -> usize {
        distribution.encode(truth, self.0);
        truth
    }

    fn raw(&mut self, truth: u32, count: u32) -> u32 {
        self.0.bits(truth, count);
        truth
    }

    fn answer(&mut self, _: SymbolKind, p: u32, truth: bool) -> bool {
        let (cum, weight) = if truth { (0, p) } else { (p, secondary::TOTAL - p) };
        self.0.code(cum, weight, secondary::TOTAL);
        truth
    }
}

struct Reading<'s, S>(&'s mut S);

impl<S: SymbolSource> SymbolCoder for Reading<'_, S> {
    fn symbol<const N: usize>(&mut self, _: SymbolKind, distribution: &Distribution<N>, _: usize) -> usize {
        distribution.decode(self.0)
    }

    fn raw(&mut self, _: u32, count: u32) -> u32 {
        self.0.bits(count)
    }

    fn answer(&mut self, _: SymbolKind, p: u32, _: bool) -> bool {
        let answer = self.0.target(secondary::TOTAL) < p;
        let (cum, weight) = if answer { (0, p) } else { (p, secondary::TOTAL - p) };
        self.0.advance(cum, weight, secondary::TOTAL);
        answer
    }
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

struct Counting {
    counters: [BitCounter; 4],
    positions: [f64; 64],
    position: usize,
}

impl Counting {
    fn new() -> Self {
        Self { counters: [BitCounter::new(); 4], positions: [0.0; 64], position: 0 }
    }

    fn count(&mut self, kind: SymbolKind, code: impl FnOnce(&mut BitCounter)) {
        let mut counter = BitCounter::new();
        code(&mut counter);
        self.counters[kind as usize].add(&counter);
        if kind != SymbolKind::Last {
            self.positions[self.position] += counter.bits();
        }
    }
}

impl SymbolCoder for Counting {
    fn symbol<const N: usize>(&mut self, kind: SymbolKind, distribution: &Distribution<N>, truth: usize) -> usize {
        self.count(kind, |counter| distribution.encode(truth, counter));
        truth
    }

    fn raw(&mut self, truth: u32, count: u32) -> u32 {
        self.count(SymbolKind::Escape, |counter| SymbolSink::bits(counter, truth, count));
        truth
    }

    fn answer(&mut self, kind: SymbolKind, p: u32, truth: bool) -> bool {
        self.count(kind, |counter| {
            Writing(counter).answer(kind, p, truth);
        });
        truth
    }

    fn at(&mut self, position: usize) {
        self.position = position;
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
    pub fn encode(&mut self, planes: &mut [CoefficientPlane], sink: &mut impl SymbolSink) {
        self.restart();
        for component in 0..planes.len() {
            // The walk writes back what it reads; an encoder's values are in range by their type.
            let _ = self.component(planes, component, &mut Writing(sink));
        }
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
        (0..planes.len()).try_for_each(|component| self.component(planes, component, &mut Reading(source)))
    }

    /// Counts the bits that [`encode`](Self::encode) would write.
    pub fn count(&mut self, planes: &mut [CoefficientPlane]) -> SegmentBits {
        self.restart();
        let mut bits = SegmentBits::default();
        for component in 0..planes.len() {
            let mut counting = Counting::new();
            let _ = self.component(planes, component, &mut counting);
            bits.by_component.push(counting.counters.map(|c| c.bits()));
            bits.by_position.push(counting.positions);
        }
        bits
    }

    /// What was learned from one segment is not for the next.
    fn restart(&mut self) {
        self.secondary = (self.estimation == Estimation::Secondary).then(SecondaryEstimator::new);
    }

    fn component<C: SymbolCoder>(
        &mut self,
        planes: &mut [CoefficientPlane],
        component: usize,
        coder: &mut C,
    ) -> Result<(), SegmentError> {
        let (before, rest) = planes.split_at_mut(component);
        let plane = &mut rest[0];
        let (rows, columns) = (plane.blocks_high, plane.blocks_wide);
        if rows == 0 || columns == 0 {
            return Ok(());
        }
        let reference = |i: usize| {
            (i < component && before[i].blocks_high > 0 && before[i].blocks_wide > 0)
                .then(|| ReferencePlane::resample(&before[i], columns, rows, &plane.quantization))
        };
        let references = [reference(0), reference(1)];
        let context = PlaneContext::new(ComponentRole::from_index(component), &plane.quantization);
        let mut states = [PlaneState::wavefront(self.engine.model().config(), rows, columns)];
        for step in 0..columns + 2 * (rows - 1) {
            // Rows whose column step − 2·row lies in the plane.
            let first = (step + 1).saturating_sub(columns).div_ceil(2);
            let end = (step / 2 + 1).min(rows);
            for start in (first..end).step_by(MAX_BATCH) {
                let positions = &mut self.scratch.positions;
                positions.clear();
                positions.extend((start..end.min(start + MAX_BATCH)).map(|row| Position {
                    plane: 0,
                    row: row as u32,
                    column: (step - 2 * row) as u32,
                }));
                self.batch(
                    plane,
                    component,
                    &context,
                    [references[0].as_ref(), references[1].as_ref()],
                    &mut states,
                    coder,
                )?;
            }
        }
        Ok(())
    }

    fn batch<C: SymbolCoder>(
        &mut self,
        plane: &mut CoefficientPlane,
        component: usize,
        context: &PlaneContext,
        references: [Option<&ReferencePlane>; 2],
        states: &mut [PlaneState],
        coder: &mut C,
    ) -> Result<(), SegmentError> {
        let Self { engine, isa, depth, secondary, scratch: s, .. } = self;
        let m = s.positions.len();
        let at = |p: &Position| (p.row as usize, p.column as usize);
        let fault = |p: &Position, value| {
            let (row, column) = at(p);
            SegmentError::Value { component, row, column, value }
        };
        let frames: Vec<FrameContext<'_>> =
            s.positions.iter().map(|p| FrameContext::new(context, plane, references, at(p).0, at(p).1)).collect();
        s.truth.clear();
        s.truth.extend(s.positions.iter().map(|p| *plane.block(at(p).0, at(p).1)));

        s.features.clear();
        frames.iter().for_each(|f| f.backbone(&mut s.features));
        s.h.resize(m * engine.model().config().d_model, 0);
        engine.backbone(states, &s.positions, &s.features, &mut s.h);
        s.logits.resize(m * 64, 0);
        engine.last_logits(&s.h, &mut s.logits);
        s.last.clear();
        for (i, logits) in s.logits.chunks_exact(64).enumerate() {
            let distribution = Distribution::<64>::from_logits(*isa, logits, 0);
            let truth = usize::from(last_nonzero(&s.truth[i]));
            s.last.push(coder.symbol(SymbolKind::Last, &distribution, truth) as u8);
        }

        let mut steps: Vec<StepContext> =
            frames.iter().zip(&s.last).map(|(f, &last)| StepContext::new(f, last)).collect();
        engine.depth_begin(depth, &s.h, &s.last);
        s.previous.clear();
        s.previous.resize(m, START);
        for k in 1..=usize::from(s.last.iter().copied().max().unwrap_or(0)) {
            coder.at(k);
            s.active.clear();
            s.active_previous.clear();
            s.features.clear();
            for i in (0..m).filter(|&i| usize::from(s.last[i]) >= k) {
                s.active.push(i as u32);
                s.active_previous.push(s.previous[i]);
                steps[i].coefficient(&frames[i], k, &mut s.features);
            }
            s.logits.resize(s.active.len() * ALPHABET, 0);
            engine.depth_step(depth, &s.active, k, &s.features, &s.active_previous, &mut s.logits);
            for (a, logits) in s.logits.chunks_exact(ALPHABET).enumerate() {
                let i = s.active[a] as usize;
                let excluded = UNUSED_PRIMARY | if usize::from(s.last[i]) == k { 1 << ZERO } else { 0 };
                let distribution = Distribution::<ALPHABET>::from_logits(*isa, logits, excluded);
                let truth = i32::from(s.truth[i][k]);
                let features = &s.features[a * STEP_FEATURES..];
                let around = Surroundings {
                    role: component,
                    position: k,
                    magnitudes: [features[NEIGHBOURS_FEATURE], features[BESIDE_FEATURE]],
                    distance: usize::from(s.last[i]) - k,
                };
                let secondary = secondary.as_mut().map(|s| (s, &around));
                let (symbol, value) =
                    code_value(coder, SymbolKind::Ac, secondary, &distribution, truth, *isa, |logits| {
                        engine.ac_escape_logits(depth, a, logits)
                    });
                if value.unsigned_abs() > 32_767 {
                    return Err(fault(&s.positions[i], value));
                }
                s.previous[i] = symbol;
                steps[i].set(&frames[i], k, value as i16);
            }
        }

        coder.at(0);
        s.features.clear();
        frames.iter().zip(&steps).for_each(|(f, step)| step.dc(f, &mut s.features));
        s.logits.resize(m * ALPHABET, 0);
        engine.dc(&s.h, &s.last, &s.features, &mut s.logits);
        let mut done = Vec::with_capacity(m);
        for (i, logits) in s.logits.chunks_exact(ALPHABET).enumerate() {
            let prediction = steps[i].dc_prediction(&frames[i]) as i16;
            let distribution = Distribution::<ALPHABET>::from_logits(*isa, logits, UNUSED_PRIMARY);
            // Modulo 2^16, so that every residual has a symbol.
            let truth = i32::from(s.truth[i][0].wrapping_sub(prediction));
            let around = Surroundings {
                role: component,
                position: 0,
                magnitudes: [s.features[i * DC_FEATURES + DC_MAGNITUDE_FEATURE], 0],
                distance: usize::from(s.last[i]),
            };
            let secondary = secondary.as_mut().map(|s| (s, &around));
            let (_, residual) = code_value(coder, SymbolKind::Dc, secondary, &distribution, truth, *isa, |logits| {
                engine.dc_escape_logits(i, logits)
            });
            let residual = i16::try_from(residual).map_err(|_| fault(&s.positions[i], residual))?;
            let mut block = *steps[i].coded();
            block[0] = prediction.wrapping_add(residual);
            done.push(block);
        }
        drop(frames);
        for (p, block) in s.positions.iter().zip(done) {
            let (row, column) = at(p);
            plane.blocks[row * plane.blocks_wide + column] = block;
        }
        Ok(())
    }
}

/// Codes a value: primary symbol, then for an escape the bucket and its raw bits. Returns (symbol, value).
fn code_value<C: SymbolCoder>(
    coder: &mut C,
    kind: SymbolKind,
    secondary: Option<(&mut SecondaryEstimator, &Surroundings)>,
    distribution: &Distribution<ALPHABET>,
    truth: i32,
    isa: Isa,
    escape_logits: impl FnOnce(&mut [i32; ALPHABET]),
) -> (u8, i32) {
    let symbol = usize::from(primary(truth));
    let symbol = match secondary {
        Some((estimator, around)) => {
            estimator.symbol(around, distribution.weights(), symbol, &mut |p, answer| coder.answer(kind, p, answer))
        }
        None => coder.symbol(kind, distribution, symbol),
    } as u8;
    if !is_escape(symbol) {
        return (symbol, i32::from(symbol) - symbols::PRIMARY_MAX);
    }
    let mut logits = [0; ALPHABET];
    escape_logits(&mut logits);
    let distribution = Distribution::<ALPHABET>::from_logits(isa, &logits, UNUSED_BUCKETS);
    let (bucket, below, _) = if is_escape(primary(truth)) { symbols::bucket(escape_offset(truth)) } else { (0, 0, 0) };
    let bucket = coder.symbol(SymbolKind::Escape, &distribution, usize::from(bucket)) as u8;
    let (first, count) = bucket_range(bucket);
    let below = if count > 0 { coder.raw(below, count) } else { 0 };
    (symbol, from_escape(symbol, first + below))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coder::{RangeDecoder, RangeEncoder};
    use crate::frame_llama::testing::{random_model, small_config};
    use crate::testing::Random;

    fn model() -> FrameLlama {
        let mut config = small_config();
        config.features = BACKBONE_FEATURES;
        config.depth_features = STEP_FEATURES;
        config.dc_features = DC_FEATURES;
        config.arrangement = DCT_ARRANGEMENT.into();
        FrameLlama::from_bytes(&random_model(&config, 7)).expect("a valid random model")
    }

    fn planes(seed: u64, sizes: &[(usize, usize)], extreme: bool) -> Vec<CoefficientPlane> {
        let mut random = Random::new(seed);
        sizes
            .iter()
            .map(|&(wide, high)| {
                let mut p = CoefficientPlane::zeroed(wide, high, [3; 64]);
                for block in &mut p.blocks {
                    let last = random.below(64) as usize;
                    for v in &mut block[..=last] {
                        *v = if extreme && random.below(9) == 0 {
                            [i16::MAX, -i16::MAX, 15, -15, 16][random.below(5) as usize]
                        } else {
                            random.below(9) as i16 - 4
                        };
                    }
                }
                p
            })
            .collect()
    }

    fn round_trip(model: &FrameLlama, truth: &[CoefficientPlane]) -> Vec<u8> {
        coded(model, truth, Estimation::Model);
        coded(model, truth, Estimation::Secondary)
    }

    fn coded(model: &FrameLlama, truth: &[CoefficientPlane], estimation: Estimation) -> Vec<u8> {
        let mut coder = SegmentCoder::new(model, Isa::detect(), estimation).expect("a fitting model");
        let mut given = truth.to_vec();
        let mut sink = RangeEncoder::new();
        coder.encode(&mut given, &mut sink);
        assert_eq!(given, truth);
        let bytes = sink.finish();
        let bits = coder.count(&mut given);
        let last = bits.by_component.iter().map(|kinds| kinds[SymbolKind::Last as usize]).sum::<f64>();
        let sorted = last + bits.by_position.iter().flatten().sum::<f64>();
        assert!((bits.total() - sorted).abs() < 1e-6 * (1.0 + sorted), "{} against {sorted}", bits.total());
        for (plane, positions) in truth.iter().zip(&bits.by_position) {
            let highest = plane.blocks.iter().filter_map(|b| b.iter().rposition(|&v| v != 0)).max().unwrap_or(0);
            assert!(positions[highest + 1..].iter().all(|&b| b == 0.0));
        }
        let counted = bits.total() / 8.0;
        assert!((bytes.len() as f64 - counted).abs() <= 4.0 + counted * 1e-4, "{} against {counted}", bytes.len());
        let mut planes: Vec<_> =
            truth.iter().map(|p| CoefficientPlane::zeroed(p.blocks_wide, p.blocks_high, p.quantization)).collect();
        let mut source = RangeDecoder::new(&bytes);
        coder.decode(&mut planes, &mut source).expect("decodes");
        source.finish().expect("clean end");
        assert_eq!(planes, truth);
        bytes
    }

    #[test]
    fn every_shape_round_trips() {
        let model = model();
        for (seed, sizes) in [
            (1, vec![(1, 1)]),
            (2, vec![(5, 4), (3, 2), (3, 2)]),
            (3, vec![(2, 70)]),
            (4, vec![(9, 1), (9, 1), (9, 1), (9, 1)]),
            (5, vec![(3, 3), (6, 6)]),
            (6, vec![(0, 0), (1, 2)]),
        ] {
            round_trip(&model, &planes(seed, &sizes, false));
        }
    }

    #[test]
    fn extreme_values_round_trip() {
        round_trip(&model(), &planes(11, &[(4, 3), (2, 2)], true));
        let mut p = CoefficientPlane::zeroed(2, 2, [u16::MAX; 64]);
        for (b, dc) in p.blocks.iter_mut().zip([i16::MAX, i16::MIN, i16::MAX, i16::MIN]) {
            *b = [i16::MAX; 64];
            b[0] = dc;
        }
        round_trip(&model(), &[p]);
    }

    #[test]
    fn damage_is_an_error_or_a_different_end_but_never_a_panic() {
        let model = model();
        let truth = planes(21, &[(4, 4)], true);
        let bytes = round_trip(&model, &truth);
        let mut coder = SegmentCoder::new(&model, Isa::detect(), Estimation::Secondary).expect("a fitting model");
        for i in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[i] ^= 1 << (i % 8);
            let mut planes = vec![CoefficientPlane::zeroed(4, 4, [3; 64])];
            let mut source = RangeDecoder::new(&damaged);
            let _ = coder.decode(&mut planes, &mut source).map(|()| source.finish());
        }
    }
}
