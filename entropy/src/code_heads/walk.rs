//! The walk over an array of codes; encoding, decoding and counting differ only in what happens at a code.
//!
//! The order of codes is part of the format:
//!
//! * **VQ**: a wavefront in three dimensions. In step s the frames with `column + 2·row + 4·grid = s` are coded, by grid,
//!   then by row. What a frame may see (left, above up to the next column, the grids before up to the next row and column)
//!   has then been coded in earlier steps, and the frames of a step run as one batch: up to 32 of an 8×16 video.
//! * **RVQ**: every signal is cut into segments of [`SEGMENT`] time steps that see nothing of each other. [`GROUP`] segments
//!   run side by side; for each time step, for each layer, the codes of those segments that are that long, in order.

use super::config::{GRID_LAG, Medium};
use super::context::{Context, Place, Shape};
use super::engine::CodeHeadsEngine;
use super::model::{CodeHeads, padded};
use crate::coder::{
    BitCounter, MAX_WIDE_SYMBOLS, RangeDecoder, RangeEncoder, SymbolSink, SymbolSource, WideDistribution,
};
use crate::error::CoderError;
use crate::frame_llama::kernel::LANES;
use crate::frame_llama::{PlaneState, Position};
use crate::isa::Isa;

/// Time steps of a segment of RVQ codes; part of the format.
pub const SEGMENT: usize = 256;
/// Segments of RVQ codes that run side by side; part of the format.
pub const GROUP: usize = 64;
/// Frames that run in one batch unless told otherwise; changes no bit.
const BATCH: usize = 64;
/// Most codes of one call.
pub const MAX_CODES: usize = 1 << 30;
/// Most bytes that the keys and values of the grids in flight may take.
const MAX_PLANE_BYTES: usize = 1 << 30;

/// Codes or coded bytes that a model cannot take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeHeadsError {
    /// The array is not of the kind that the model codes.
    #[error("an array of {grids} × {rows} × {columns} frames of {layers} codes; the model takes {allowed}")]
    Shape {
        /// Grids found.
        grids: usize,
        /// Rows found.
        rows: usize,
        /// Columns found.
        columns: usize,
        /// Layers found.
        layers: usize,
        /// What the model takes, in words.
        allowed: String,
    },
    /// The array is too large for one call.
    #[error("{what} of the array would be {found}; at most {max} are allowed in one call")]
    Size {
        /// What is counted.
        what: &'static str,
        /// How many.
        found: usize,
        /// The most allowed.
        max: usize,
    },
    /// There are not as many codes as the shape says.
    #[error("{found} codes for a shape of {expected}")]
    Length {
        /// Codes given.
        found: usize,
        /// Codes that the shape has.
        expected: usize,
    },
    /// A code outside the codebook.
    #[error("code {found} at index {index} is outside the codebook of {codebook}")]
    Code {
        /// The code.
        found: u16,
        /// Its index in the array.
        index: usize,
        /// Codes of the codebook.
        codebook: usize,
    },
    /// Damaged bytes.
    #[error(transparent)]
    Coder(#[from] CoderError),
}

/// An array of codes.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    /// Its extents.
    pub shape: Shape,
    /// The codes, `[grids][rows][columns][layers]`.
    pub codes: &'a [u16],
}

/// What happens at a code: it is written, read or counted. `truth` is the code to write; the result is the code.
trait CodeCoder {
    fn code(&mut self, distribution: &WideDistribution, truth: u16) -> u16;
}

struct Writing<'s, S>(&'s mut S);

impl<S: SymbolSink> CodeCoder for Writing<'_, S> {
    fn code(&mut self, distribution: &WideDistribution, truth: u16) -> u16 {
        distribution.encode(usize::from(truth), self.0);
        truth
    }
}

struct Reading<'s, S>(&'s mut S);

impl<S: SymbolSource> CodeCoder for Reading<'_, S> {
    fn code(&mut self, distribution: &WideDistribution, _: u16) -> u16 {
        distribution.decode(self.0) as u16
    }
}

/// Codes an array into bytes. Arrays may be cut between grids (or between multiples of [`SEGMENT`] time steps, for nothing)
/// and coded by several calls in threads of their own; a cut grid of VQ loses sight of the grids before it.
///
/// # Errors
/// [`CodeHeadsError`] if the array does not fit the model.
pub fn encode(model: &CodeHeads, isa: Isa, codes: Codes<'_>) -> Result<Vec<u8>, CodeHeadsError> {
    encode_in_batches(model, isa, codes, BATCH)
}

/// As [`encode`], running at most `batch` frames at once: the same bytes.
///
/// # Errors
/// As [`encode`].
pub fn encode_in_batches(
    model: &CodeHeads,
    isa: Isa,
    codes: Codes<'_>,
    batch: usize,
) -> Result<Vec<u8>, CodeHeadsError> {
    let mut sink = RangeEncoder::new();
    write(model, isa, codes, batch, &mut sink)?;
    Ok(sink.finish())
}

/// As [`encode`], into any sink of symbols; a code is one symbol.
///
/// # Errors
/// As [`encode`].
pub fn encode_into(
    model: &CodeHeads,
    isa: Isa,
    codes: Codes<'_>,
    sink: &mut impl SymbolSink,
) -> Result<(), CodeHeadsError> {
    write(model, isa, codes, BATCH, sink)
}

fn write(
    model: &CodeHeads,
    isa: Isa,
    codes: Codes<'_>,
    batch: usize,
    sink: &mut impl SymbolSink,
) -> Result<(), CodeHeadsError> {
    check_codes(model, codes)?;
    // The walk writes back what it reads.
    walk((model, isa), codes.shape, &mut codes.codes.to_vec(), batch, &mut Writing(sink));
    Ok(())
}

/// Codes signals of RVQ, one after the other as in an array but each of its own length: the bytes of [`encode`] where all
/// are of one length. `steps` are the time steps of the signals, `codes` their codes `[time steps][layers]` in order.
///
/// # Errors
/// [`CodeHeadsError`] if the model is not for RVQ, or as [`encode`].
pub fn encode_signals_into(
    model: &CodeHeads,
    isa: Isa,
    steps: &[usize],
    codes: &[u16],
    sink: &mut impl SymbolSink,
) -> Result<(), CodeHeadsError> {
    check_codes(model, Codes { shape: signals_shape(model, steps)?, codes })?;
    walk_signals((model, isa), steps, &mut codes.to_vec(), BATCH, &mut Writing(sink));
    Ok(())
}

/// Reads the codes of an array of this shape from the bytes of [`encode`].
///
/// # Errors
/// [`CodeHeadsError`] if the shape does not fit the model or the bytes are not its code.
pub fn decode(model: &CodeHeads, isa: Isa, shape: Shape, bytes: &[u8]) -> Result<Vec<u16>, CodeHeadsError> {
    decode_in_batches(model, isa, shape, bytes, BATCH)
}

/// As [`decode`], running at most `batch` frames at once: the same codes.
///
/// # Errors
/// As [`decode`].
pub fn decode_in_batches(
    model: &CodeHeads,
    isa: Isa,
    shape: Shape,
    bytes: &[u8],
    batch: usize,
) -> Result<Vec<u16>, CodeHeadsError> {
    let mut codes = vec![0; check_shape(model, shape)?];
    let mut source = RangeDecoder::new(bytes);
    walk((model, isa), shape, &mut codes, batch, &mut Reading(&mut source));
    source.finish()?;
    Ok(codes)
}

/// As [`decode`], from any source of symbols; whether it ends as it should is left to the caller.
///
/// # Errors
/// [`CodeHeadsError`] if the shape does not fit the model.
pub fn decode_from(
    model: &CodeHeads,
    isa: Isa,
    shape: Shape,
    source: &mut impl SymbolSource,
) -> Result<Vec<u16>, CodeHeadsError> {
    let mut codes = vec![0; check_shape(model, shape)?];
    walk((model, isa), shape, &mut codes, BATCH, &mut Reading(source));
    Ok(codes)
}

/// The inverse of [`encode_signals_into`]; whether the source ends as it should is left to the caller.
///
/// # Errors
/// As there.
pub fn decode_signals_from(
    model: &CodeHeads,
    isa: Isa,
    steps: &[usize],
    source: &mut impl SymbolSource,
) -> Result<Vec<u16>, CodeHeadsError> {
    let mut codes = vec![0; check_shape(model, signals_shape(model, steps)?)?];
    walk_signals((model, isa), steps, &mut codes, BATCH, &mut Reading(source));
    Ok(codes)
}

/// The shape of one signal as long as all: the checks of a shape are those of signals.
fn signals_shape(model: &CodeHeads, steps: &[usize]) -> Result<Shape, CodeHeadsError> {
    let columns = steps.iter().fold(0usize, |sum, &n| sum.saturating_add(n));
    let shape = Shape { grids: 1, rows: 1, columns, layers: model.config().code_layers };
    match model.config().medium {
        Medium::Rvq => Ok(shape),
        Medium::Vq => Err(misfit(model, shape)),
    }
}

/// The bits that [`encode`] would write.
///
/// # Errors
/// As [`encode`].
pub fn count(model: &CodeHeads, isa: Isa, codes: Codes<'_>) -> Result<f64, CodeHeadsError> {
    let mut sink = BitCounter::new();
    write(model, isa, codes, BATCH, &mut sink)?;
    Ok(sink.bits())
}

/// Bytes of keys and values that a walk over an array of this shape keeps, about.
pub fn memory_bytes(model: &CodeHeads, shape: Shape) -> u64 {
    let c = model.config();
    let rows = match c.medium {
        Medium::Vq => grids_in_flight(shape).saturating_mul(shape.rows),
        Medium::Rvq => GROUP,
    };
    // A row of a plane keeps 16 columns of keys and values in each layer.
    (rows as u64).saturating_mul((LANES * c.d_model * c.layers * 4) as u64)
}

/// Grids of VQ that are in flight at once.
fn grids_in_flight(shape: Shape) -> usize {
    // A grid takes columns + 2·rows − 2 steps; the next starts GRID_LAG later.
    ((shape.columns + 2 * shape.rows).saturating_sub(3) / GRID_LAG as usize + 1).min(shape.grids)
}

/// The error that says what the model takes instead.
fn misfit(model: &CodeHeads, Shape { grids, rows, columns, layers }: Shape) -> CodeHeadsError {
    let c = model.config();
    let allowed = match c.medium {
        Medium::Vq => "grids of frames of 1 code".to_owned(),
        Medium::Rvq => format!("grids of 1 row, frames of {} codes", c.code_layers),
    };
    CodeHeadsError::Shape { grids, rows, columns, layers, allowed }
}

/// The number of codes, if the model takes the shape.
fn check_shape(model: &CodeHeads, shape: Shape) -> Result<usize, CodeHeadsError> {
    let c = model.config();
    let fits = shape.layers == c.code_layers && (c.medium == Medium::Vq || shape.rows == 1);
    if !fits {
        return Err(misfit(model, shape));
    }
    let size = |what, found: usize, max| {
        if found <= max { Ok(found) } else { Err(CodeHeadsError::Size { what, found, max }) }
    };
    let codes = size("codes", shape.len().unwrap_or(usize::MAX), MAX_CODES)?;
    if codes > 0 && c.medium == Medium::Vq {
        let bytes = usize::try_from(memory_bytes(model, shape)).unwrap_or(usize::MAX);
        size("bytes of keys and values", bytes, MAX_PLANE_BYTES)?;
    }
    Ok(codes)
}

fn check_codes(model: &CodeHeads, codes: Codes<'_>) -> Result<(), CodeHeadsError> {
    let expected = check_shape(model, codes.shape)?;
    if codes.codes.len() != expected {
        return Err(CodeHeadsError::Length { found: codes.codes.len(), expected });
    }
    let codebook = model.config().codebook;
    match codes.codes.iter().position(|&c| usize::from(c) >= codebook) {
        None => Ok(()),
        Some(index) => Err(CodeHeadsError::Code { found: codes.codes[index], index, codebook }),
    }
}

/// Scratch of a walk.
struct Scratch {
    positions: Vec<Position>,
    rows: Vec<u32>,
    copies: Vec<Option<u16>>,
    logits: Vec<i32>,
    distribution: WideDistribution,
}

impl Scratch {
    fn new() -> Self {
        Self {
            positions: Vec::new(),
            rows: Vec::new(),
            copies: Vec::new(),
            logits: Vec::new(),
            distribution: WideDistribution::from_logits(&[0]),
        }
    }
}

fn walk((model, isa): (&CodeHeads, Isa), shape: Shape, codes: &mut [u16], batch: usize, coder: &mut impl CodeCoder) {
    if codes.is_empty() {
        return;
    }
    match model.config().medium {
        Medium::Vq => {
            let mut engine = CodeHeadsEngine::new(model, isa, BATCH, batch.min(BATCH));
            walk_grids(&mut engine, shape, codes, coder);
        }
        Medium::Rvq => walk_signals((model, isa), &vec![shape.columns; shape.grids], codes, batch, coder),
    }
}

/// Signals of RVQ one after the other, cut into segments.
fn walk_signals(
    (model, isa): (&CodeHeads, Isa),
    steps: &[usize],
    codes: &mut [u16],
    batch: usize,
    coder: &mut impl CodeCoder,
) {
    if codes.is_empty() {
        return;
    }
    let mut engine = CodeHeadsEngine::new(model, isa, GROUP, batch.min(GROUP));
    let layers = model.config().code_layers;
    let (mut segments, mut rest) = (Vec::<&mut [u16]>::new(), codes);
    for &steps in steps {
        let (signal, after) = rest.split_at_mut(steps * layers);
        segments.extend(signal.chunks_mut(SEGMENT * layers));
        rest = after;
    }
    for group in segments.chunks_mut(GROUP) {
        walk_segments(&mut engine, layers, group, coder);
    }
}

fn walk_grids(engine: &mut CodeHeadsEngine<'_>, shape: Shape, codes: &mut [u16], coder: &mut impl CodeCoder) {
    let c = engine.model().config();
    let (context, symbols) = (Context::new(c, shape), padded(c.codebook));
    let in_flight = grids_in_flight(shape);
    let sizes = (c.layers, c.d_model);
    let mut planes: Vec<PlaneState> =
        (0..in_flight).map(|_| PlaneState::sized(sizes, shape.rows, shape.columns, 1)).collect();
    let lag = GRID_LAG as usize;
    let span = shape.columns + 2 * shape.rows - 3;
    let mut s = Scratch::new();
    let mut step_places = Vec::new();
    for step in 0..=(lag * (shape.grids - 1) + span) {
        if step % lag == 0 && step / lag < shape.grids {
            planes[step / lag % in_flight].reset(shape.rows, shape.columns);
        }
        step_places.clear();
        for grid in step.saturating_sub(span).div_ceil(lag)..(step / lag + 1).min(shape.grids) {
            let left = step - lag * grid;
            let rows = (left + 1).saturating_sub(shape.columns).div_ceil(2)..(left / 2 + 1).min(shape.rows);
            step_places.extend(rows.map(|row| Place { grid, row, column: left - 2 * row }));
        }
        for places in step_places.chunks(BATCH) {
            s.positions.clear();
            s.rows.clear();
            s.copies.clear();
            for &at in places {
                let (plane, row, column) = ((at.grid % in_flight) as u32, at.row as u32, at.column as u32);
                s.positions.push(Position { plane, row, column });
                context.frame(codes, at, &mut s.rows);
                context.copies(codes, at, &mut s.copies);
            }
            engine.frames(&mut planes, &s.positions, &s.rows);
            engine.grid_logits(places.len(), &s.copies, &mut s.logits);
            for (&at, logits) in places.iter().zip(s.logits.chunks_exact(symbols)) {
                s.distribution.set_logits(&logits[..c.codebook]);
                let code = &mut codes[shape.index(at)];
                *code = coder.code(&s.distribution, *code);
            }
        }
    }
}

fn walk_segments(
    engine: &mut CodeHeadsEngine<'_>,
    layers: usize,
    group: &mut [&mut [u16]],
    coder: &mut impl CodeCoder,
) {
    let c = engine.model().config();
    let symbols = padded(c.codebook);
    let shapes: Vec<Shape> =
        group.iter().map(|s| Shape { grids: 1, rows: 1, columns: s.len() / layers, layers }).collect();
    let mut planes: Vec<PlaneState> =
        shapes.iter().map(|s| PlaneState::sized((c.layers, c.d_model), 1, s.columns, 1)).collect();
    let mut s = Scratch::new();
    let mut active = Vec::new();
    for column in 0..shapes.iter().map(|s| s.columns).max().unwrap_or(0) {
        active.clear();
        active.extend((0..group.len()).filter(|&i| shapes[i].columns > column));
        let at = Place { grid: 0, row: 0, column };
        s.positions.clear();
        s.rows.clear();
        for &i in &active {
            s.positions.push(Position { plane: i as u32, row: 0, column: column as u32 });
            Context::new(c, shapes[i]).frame(group[i], at, &mut s.rows);
        }
        engine.frames(&mut planes, &s.positions, &s.rows);
        engine.depth_begin(active.len());
        for layer in 0..layers {
            s.rows.clear();
            for &i in &active {
                Context::new(c, shapes[i]).step(group[i], at, layer, &mut s.rows);
            }
            engine.depth_step(active.len(), layer, &s.rows, &mut s.logits);
            for (&i, logits) in active.iter().zip(s.logits.chunks_exact(symbols)) {
                s.distribution.set_logits(&logits[..c.codebook]);
                let code = &mut group[i][column * layers + layer];
                *code = coder.code(&s.distribution, *code);
            }
        }
    }
}

const _: () = assert!(MAX_WIDE_SYMBOLS == super::config::MAX_CODEBOOK);
