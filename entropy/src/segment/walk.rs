//! The walk over a component's frames: features, model, symbols.

use super::at_symbol::SymbolCoder;
use super::{MAX_BATCH, SegmentCoder, SegmentError, SymbolKind};
use crate::arrangement::features::{
    BESIDE_FEATURE, ComponentRole, DC_FEATURES, DC_MAGNITUDE_FEATURE, FrameContext, NEIGHBOURS_FEATURE, PlaneContext,
    STEP_FEATURES, StepContext, last_nonzero,
};
use crate::arrangement::plane::{Block, CoefficientPlane};
use crate::arrangement::reference::ReferencePlane;
use crate::arrangement::symbols::{
    self, ALPHABET, ESCAPE_BUCKETS, START, ZERO, bucket_range, escape_offset, from_escape, is_escape, primary,
};
use crate::coder::Distribution;
use crate::frame_llama::{PlaneState, Position};
use crate::isa::Isa;
use crate::secondary::{SecondaryEstimator, Surroundings};

/// The spare row of the primary head is never coded.
const UNUSED_PRIMARY: u64 = 1 << symbols::PRIMARY_SYMBOLS;
/// Buckets past the last are never coded.
const UNUSED_BUCKETS: u64 = ((1 << ALPHABET) - 1) & !((1 << ESCAPE_BUCKETS) - 1);

/// The plane that is being walked over.
pub(super) enum Target<'p> {
    /// Its blocks are the truth: an encoder's.
    Known(&'p CoefficientPlane),
    /// Its blocks are found on the way: a decoder's.
    Found(&'p mut CoefficientPlane),
}

impl Target<'_> {
    fn get(&self) -> &CoefficientPlane {
        match self {
            Self::Known(plane) => plane,
            Self::Found(plane) => plane,
        }
    }

    /// A block that has been coded.
    fn put(&mut self, row: usize, column: usize, block: Block) {
        match self {
            Self::Known(plane) => debug_assert_eq!(*plane.block(row, column), block, "row {row}, column {column}"),
            Self::Found(plane) => plane.blocks[row * plane.blocks_wide + column] = block,
        }
    }
}

impl SegmentCoder<'_> {
    /// Walks over one component, those `before` it being known.
    pub(super) fn component<C: SymbolCoder>(
        &mut self,
        before: &[CoefficientPlane],
        mut plane: Target<'_>,
        coder: &mut C,
    ) -> Result<(), SegmentError> {
        let component = before.len();
        let (rows, columns) = (plane.get().blocks_high, plane.get().blocks_wide);
        if rows == 0 || columns == 0 {
            return Ok(());
        }
        let reference = |i: usize| {
            (i < component && before[i].blocks_high > 0 && before[i].blocks_wide > 0)
                .then(|| ReferencePlane::resample(&before[i], columns, rows, &plane.get().quantization))
        };
        let references = [reference(0), reference(1)];
        let context = PlaneContext::new(ComponentRole::from_index(component), &plane.get().quantization);
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
                    &mut plane,
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
        plane: &mut Target<'_>,
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
            s.positions.iter().map(|p| FrameContext::new(context, plane.get(), references, at(p).0, at(p).1)).collect();
        s.truth.clear();
        s.truth.extend(s.positions.iter().map(|p| *plane.get().block(at(p).0, at(p).1)));

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
            plane.put(row, column, block);
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
