//! Features: what the model sees of the already coded values, as small integers in Q4 (16 = 1.0).
//!
//! Three sets, in a fixed order that belongs to the arrangement's name:
//! * [`FrameContext::backbone`]: one vector a frame, from the neighbouring blocks, the reference planes and the quantization table;
//! * [`StepContext::coefficient`]: one vector a coefficient step, from the same frequency of the neighbours, the coefficients
//!   already coded in the block, and the continuity of pixels across the block's left and upper edge;
//! * [`StepContext::dc`]: one vector for the DC stage, after all AC coefficients.
//!
//! Edge continuity follows the idea of Lepton (Horn et al., NSDI 2017): the pixels of two neighbouring blocks, each
//! extrapolated linearly to the boundary between them, should agree. Both extrapolations are linear in the coefficients, one
//! equation a frequency along the edge; what the coded coefficients leave over is evidence for those to come.

use super::logarithm::{log2_q4, signed_log_of_q4, signed_log_q4};
use super::plane::{Block, CoefficientPlane, Neighbours};
use super::reference::{ReferencePlane, ZIGZAG};

/// Length of the backbone's feature vector.
pub const BACKBONE_FEATURES: usize = 864;
/// Length of a coefficient step's feature vector.
pub const STEP_FEATURES: usize = 32;
/// Place of the neighbours' magnitude at the same frequency among the step features.
pub(crate) const NEIGHBOURS_FEATURE: usize = 20;
/// Place of the magnitude of the lower frequencies beside, in the same block, among the step features.
pub(crate) const BESIDE_FEATURE: usize = 24;
/// Place of the sum of all AC magnitudes among the DC features.
pub(crate) const DC_MAGNITUDE_FEATURE: usize = 17;
/// Length of the DC stage's feature vector.
pub const DC_FEATURES: usize = 24;

/// Which role a component plays; one model serves all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentRole {
    /// The first component: luma, or gray.
    First = 0,
    /// The second: Cb, or any.
    Second = 1,
    /// The third: Cr, or any.
    Third = 2,
    /// The fourth: K of CMYK.
    Fourth = 3,
}

impl ComponentRole {
    /// Role of the component with the given index; from the fourth on all are [`ComponentRole::Fourth`].
    pub fn from_index(index: usize) -> Self {
        [Self::First, Self::Second, Self::Third, Self::Fourth][index.min(3)]
    }
}

/// Weight of frequency u in the pixel value extrapolated to the edge at x = −½ from pixels 0 and 1 (1.5·p₀ − 0.5·p₁), Q13.
/// At the opposite edge the sign of odd frequencies turns.
const EDGE: [i64; 8] = [2896, 4323, 4893, 5508, 5793, 5422, 4243, 2336];

#[inline]
fn edge_opposite(u: usize) -> i64 {
    if u % 2 == 1 { -EDGE[u] } else { EDGE[u] }
}

/// Rounds a quotient to nearest (halves away from zero); `den` > 0.
#[inline]
fn div_round(num: i64, den: i64) -> i64 {
    if num < 0 { -((-num + den / 2) / den) } else { (num + den / 2) / den }
}

#[inline]
fn clamp_i16(v: i64, limit: i64) -> i16 {
    v.clamp(-limit, limit) as i16
}

/// Zigzag position of (row frequency v, column frequency u).
const UNZIGZAG: [u8; 64] = {
    let mut inverse = [0u8; 64];
    let mut k = 0;
    while k < 64 {
        inverse[ZIGZAG[k] as usize] = k as u8;
        k += 1;
    }
    inverse
};

/// Zigzag positions of the 3×3 frequencies around each position (itself included), ended by 255.
static AROUND: [[u8; 10]; 64] = {
    let mut table = [[255u8; 10]; 64];
    let mut k = 0;
    while k < 64 {
        let (v, u) = ((ZIGZAG[k] / 8) as i32, (ZIGZAG[k] % 8) as i32);
        let (mut n, mut dv) = (0, -1);
        while dv <= 1 {
            let mut du = -1;
            while du <= 1 {
                let (y, x) = (v + dv, u + du);
                // The DC is no part of any AC neighbourhood.
                if y >= 0 && y < 8 && x >= 0 && x < 8 && y + x > 0 {
                    table[k][n] = UNZIGZAG[(y * 8 + x) as usize];
                    n += 1;
                }
                du += 1;
            }
            dv += 1;
        }
        k += 1;
    }
    table
};

/// What is constant over a component plane.
#[derive(Clone, Debug)]
pub struct PlaneContext {
    role: ComponentRole,
    log_steps: [i16; 64],
    steps: [i64; 64],
}

impl PlaneContext {
    /// Context of a plane with the given role and quantization steps (zigzag order).
    pub fn new(role: ComponentRole, quantization: &[u16; 64]) -> Self {
        Self {
            role,
            log_steps: quantization.map(|q| log2_q4(u32::from(q.max(1)))),
            steps: quantization.map(|q| i64::from(q.max(1))),
        }
    }
}

/// What the model may see at one frame before any of its symbols is coded.
pub struct FrameContext<'a> {
    plane: &'a PlaneContext,
    near: Neighbours<'a>,
    /// Reference blocks (Q4) at this frame, with the difference of their DC from their own median prediction.
    references: [Option<(&'a Block, i32)>; 2],
    /// α·reference, Q4: chroma predicted from the reference with the slope fitted on the coded neighbours.
    predicted: [Option<Block>; 2],
    /// Extrapolated edge of the left block by row frequency v, and of the upper block by column frequency u; Q13·pixels.
    edge_left: [i64; 8],
    edge_above: [i64; 8],
}

impl<'a> FrameContext<'a> {
    /// Gathers the context of the frame at (row, column) of `coded`, of which all frames before it are filled in.
    pub fn new(
        plane: &'a PlaneContext,
        coded: &'a CoefficientPlane,
        references: [Option<&'a ReferencePlane>; 2],
        row: usize,
        column: usize,
    ) -> Self {
        let near = coded.neighbours(row, column);
        let mut edge_left = [0i64; 8];
        let mut edge_above = [0i64; 8];
        for (k, natural) in ZIGZAG.into_iter().enumerate() {
            let (v, u) = (usize::from(natural) / 8, usize::from(natural) % 8);
            edge_left[v] += edge_opposite(u) * i64::from(near.left[k]) * plane.steps[k];
            edge_above[u] += edge_opposite(v) * i64::from(near.above[k]) * plane.steps[k];
        }
        let refs = references.map(|r| r.map(|r| (r.block(row, column), reference_innovation(r, &near, row, column))));
        let predicted = references.map(|r| r.map(|r| predict_from_reference(r, &near, row, column)));
        Self { plane, near, references: refs, predicted, edge_left, edge_above }
    }

    /// Appends the [`BACKBONE_FEATURES`] features of the frame.
    pub fn backbone(&self, out: &mut Vec<i16>) {
        let start = out.len();
        let n = &self.near;
        let blocks = [
            (n.left, n.has_left),
            (n.above, n.has_above),
            (n.above_left, n.has_left && n.has_above),
            (n.above_right, n.has_above_right),
            (n.two_left, n.has_two_left),
            (n.two_above, n.has_two_above),
        ];
        // 6 × 64: signed logarithms; the DC relative to the median prediction.
        for (block, exists) in blocks {
            out.push(if exists { signed_log_q4(i32::from(block[0]) - n.dc_median) } else { 0 });
            out.extend(block[1..].iter().map(|&v| signed_log_q4(i32::from(v))));
        }
        // 2 × 64: references.
        for r in &self.references {
            match r {
                Some((block, innovation)) => {
                    out.push(signed_log_of_q4(*innovation));
                    out.extend(block[1..].iter().map(|&v| signed_log_of_q4(i32::from(v))));
                }
                None => out.extend([0; 64]),
            }
        }
        // 4 × 64: clipped values of the two nearest blocks and of the references.
        for (block, exists) in &blocks[..2] {
            out.push(if *exists { clamp_i16(4 * (i64::from(block[0]) - i64::from(n.dc_median)), 64) } else { 0 });
            out.extend(block[1..].iter().map(|&v| v.clamp(-6, 6) * 8));
        }
        for r in &self.references {
            match r {
                Some((block, innovation)) => {
                    out.push((*innovation / 4).clamp(-64, 64) as i16);
                    out.extend(block[1..].iter().map(|&v| (v / 2).clamp(-48, 48)));
                }
                None => out.extend([0; 64]),
            }
        }
        // 64: quantization steps.
        out.extend(self.plane.log_steps);
        // 9: what exists, and the role.
        let flag = |b: bool| if b { 16 } else { 0 };
        out.extend([
            flag(n.has_left),
            flag(n.has_above),
            flag(n.has_above_right),
            flag(self.references[0].is_some()),
            flag(self.references[1].is_some()),
        ]);
        for role in 0..4 {
            out.push(flag(self.plane.role as usize == role));
        }
        // 1 + 14: DC level; the edges' spectra in quantization steps.
        out.push(signed_log_q4(n.dc_median));
        for v in 1..8 {
            let k = UNZIGZAG[v * 8] as usize;
            out.push(signed_log_of_q4(
                clamp_i16(div_round(self.edge_left[v] * 16, EDGE[0] * self.plane.steps[k]), 32_000).into(),
            ));
        }
        for (u, &k) in UNZIGZAG.iter().enumerate().take(8).skip(1) {
            let k = usize::from(k);
            out.push(signed_log_of_q4(
                clamp_i16(div_round(self.edge_above[u] * 16, EDGE[0] * self.plane.steps[k]), 32_000).into(),
            ));
        }
        // 8: last nonzero position of the six neighbours and the references.
        for (block, _) in blocks {
            out.push(2 * last_nonzero(block) as i16);
        }
        for r in &self.references {
            out.push(r.map_or(0, |(b, _)| 2 * (1..64).rev().find(|&k| b[k].abs() >= 8).unwrap_or(0) as i16));
        }
        debug_assert_eq!(out.len() - start, BACKBONE_FEATURES);
    }
}

/// Zigzag index of the last nonzero AC coefficient, 0 if there is none.
#[inline]
pub fn last_nonzero(block: &Block) -> u8 {
    (1..64).rev().find(|&k| block[k] != 0).unwrap_or(0) as u8
}

/// Difference of the reference's DC at the frame from the median prediction of its own neighbours, Q4.
fn reference_innovation(r: &ReferencePlane, near: &Neighbours<'_>, row: usize, column: usize) -> i32 {
    let dc = |r_: usize, c: usize| i32::from(r.block(r_, c)[0]);
    let above_left = if near.has_left && near.has_above { dc(row - 1, column - 1) } else { 0 };
    let prediction = super::plane::median_prediction(
        near.has_left.then(|| dc(row, column - 1)),
        near.has_above.then(|| dc(row - 1, column)),
        above_left,
    );
    if near.has_left || near.has_above { dc(row, column) - prediction } else { dc(row, column) }
}

/// AC prediction α·reference (Q4), where α is the least-squares slope of the coded neighbours (left, above, above-left,
/// above-right) on their references, in Q8, limited to ±4.
fn predict_from_reference(r: &ReferencePlane, near: &Neighbours<'_>, row: usize, column: usize) -> Block {
    let pairs = [
        (near.has_left, near.left, 0isize, -1isize),
        (near.has_above, near.above, -1, 0),
        (near.has_left && near.has_above, near.above_left, -1, -1),
        (near.has_above_right, near.above_right, -1, 1),
    ];
    let (mut xy, mut xx) = (0i64, 0i64);
    for (exists, block, dr, dc) in pairs {
        if exists {
            let reference = r.block(row.wrapping_add_signed(dr), column.wrapping_add_signed(dc));
            for k in 1..64 {
                let x = i64::from(reference[k]);
                xy += 16 * i64::from(block[k]) * x;
                xx += x * x;
            }
        }
    }
    // The ridge of 16² keeps the slope of nearly empty references near zero.
    let alpha = div_round(xy * 256, xx + 256).clamp(-1024, 1024);
    let current = r.block(row, column);
    let mut out = [0i16; 64];
    for (out, &reference) in out[1..].iter_mut().zip(&current[1..]) {
        *out = ((alpha * i64::from(reference)) >> 8).clamp(-32_767, 32_767) as i16;
    }
    out
}

/// The coded part of one frame: what coefficient steps and the DC stage see beside the [`FrameContext`].
pub struct StepContext {
    last: u8,
    coded: Block,
    /// What the coded coefficients leave of the edges, by row frequency and by column frequency; Q13·pixels.
    rest_left: [i64; 8],
    rest_above: [i64; 8],
    sum_magnitude: u32,
}

impl StepContext {
    /// Starts a frame whose last nonzero position is known.
    pub fn new(frame: &FrameContext<'_>, last: u8) -> Self {
        Self { last, coded: [0; 64], rest_left: frame.edge_left, rest_above: frame.edge_above, sum_magnitude: 0 }
    }

    /// Notes the value of the coefficient at zigzag position k ≥ 1.
    pub fn set(&mut self, frame: &FrameContext<'_>, k: usize, value: i16) {
        if value != 0 {
            let (v, u) = (ZIGZAG[k] as usize / 8, ZIGZAG[k] as usize % 8);
            let pixels = i64::from(value) * frame.plane.steps[k];
            self.rest_left[v] -= EDGE[u] * pixels;
            self.rest_above[u] -= EDGE[v] * pixels;
            self.sum_magnitude += u32::from(value.unsigned_abs());
            self.coded[k] = value;
        }
    }

    /// The coefficients noted so far (DC 0).
    pub fn coded(&self) -> &Block {
        &self.coded
    }

    /// Appends the [`STEP_FEATURES`] features of the coefficient at zigzag position k, 1 ≤ k ≤ last.
    pub fn coefficient(&self, frame: &FrameContext<'_>, k: usize, out: &mut Vec<i16>) {
        let start = out.len();
        let n = &frame.near;
        let (v, u) = (ZIGZAG[k] as usize / 8, ZIGZAG[k] as usize % 8);
        let at = |b: &Block| i32::from(b[k]);
        // 0..8: the same frequency of four neighbours.
        for b in [n.left, n.above, n.above_left, n.above_right] {
            out.push(signed_log_q4(at(b)));
            out.push((at(b).clamp(-3, 3) * 8) as i16);
        }
        // 8..16: of the references, and the predictions from them.
        for i in 0..2 {
            match (frame.references[i], &frame.predicted[i]) {
                (Some((r, _)), Some(p)) => {
                    out.push(signed_log_of_q4(at(r)));
                    out.push((at(r) / 2).clamp(-24, 24) as i16);
                    out.push(signed_log_of_q4(at(p)));
                    out.push(at(p).clamp(-32, 32) as i16);
                }
                _ => out.extend([0; 4]),
            }
        }
        // 16..20: what the edges still ask of this coefficient.
        let step = frame.plane.steps[k];
        let dc = i64::from(n.dc_median) * frame.plane.steps[0] * EDGE[0];
        for (exists, rest, weight) in [
            (n.has_left, self.rest_left[v] - if v == 0 { dc } else { 0 }, EDGE[u]),
            (n.has_above, self.rest_above[u] - if u == 0 { dc } else { 0 }, EDGE[v]),
        ] {
            if exists {
                let wanted = div_round(rest * 16, weight * step).clamp(-32_000, 32_000) as i32;
                out.push(signed_log_of_q4(wanted));
                out.push(wanted.clamp(-48, 48) as i16);
            } else {
                out.extend([0; 2]);
            }
        }
        // 20..24: magnitudes around this frequency in the neighbours and references.
        let magnitude = |b: &Block| u32::from(b[k].unsigned_abs());
        let weighted = 13 * (magnitude(n.left) + magnitude(n.above)) + 6 * magnitude(n.above_left);
        out.push(log2_q4(16 + weighted / 2) - 64);
        out.push(log2_q4(1 + magnitude(n.above_right) + magnitude(n.two_left) + magnitude(n.two_above)));
        let (mut near, mut reference) = (0u32, 0u32);
        for &j in AROUND[k].iter().take_while(|&&j| j != 255) {
            let j = j as usize;
            near += u32::from(n.left[j].unsigned_abs()) + u32::from(n.above[j].unsigned_abs());
            for r in frame.references.iter().flatten() {
                reference += u32::from(r.0[j].unsigned_abs());
            }
        }
        out.push(log2_q4(1 + near));
        out.push(log2_q4(16 + reference) - 64);
        // 24..27: magnitudes in this block: lower frequencies beside this one, the last three in order, all.
        let coded = |y: Option<usize>, x: Option<usize>| match (y, x) {
            (Some(y), Some(x)) => u32::from(self.coded[UNZIGZAG[y * 8 + x] as usize].unsigned_abs()),
            _ => 0,
        };
        let (v1, u1) = (v.checked_sub(1), u.checked_sub(1));
        let beside = 2 * coded(v1, Some(u))
            + 2 * coded(Some(v), u1)
            + coded(v1, u1)
            + coded(v.checked_sub(2), Some(u))
            + coded(Some(v), u.checked_sub(2))
            + if v < 7 { coded(Some(v + 1), u1) } else { 0 }
            + if u < 7 { coded(v1, Some(u + 1)) } else { 0 };
        out.push(log2_q4(1 + beside));
        let recent: u32 = self.coded[k.saturating_sub(3).max(1)..k].iter().map(|c| u32::from(c.unsigned_abs())).sum();
        out.push(log2_q4(1 + recent));
        out.push(log2_q4(1 + self.sum_magnitude));
        // 27..32: distance to the last nonzero coefficient, quantization step, DC contrast.
        let distance = i32::from(self.last) - k as i32;
        out.push(log2_q4(1 + distance.max(0) as u32));
        out.push((2 * distance) as i16);
        out.push(if distance == 0 { 16 } else { 0 });
        out.push(frame.plane.log_steps[k]);
        let contrast = match (n.has_left, n.has_above) {
            (true, true) => (i32::from(n.left[0]) - i32::from(n.above[0])).unsigned_abs(),
            _ => 0,
        };
        out.push(log2_q4(1 + contrast));
        debug_assert_eq!(out.len() - start, STEP_FEATURES);
    }

    /// The DC that the edges ask for now that all AC coefficients are known, in Q4 of its step: (from the left, from above).
    fn dc_wanted(&self, frame: &FrameContext<'_>) -> (Option<i64>, Option<i64>) {
        let den = EDGE[0] * frame.plane.steps[0];
        let wanted = |exists: bool, rest: i64| exists.then(|| div_round(rest * 16, den).clamp(-600_000, 600_000));
        (wanted(frame.near.has_left, self.rest_left[0]), wanted(frame.near.has_above, self.rest_above[0]))
    }

    /// Prediction of the DC in quantized units: the mean of what both edges ask for, or the one there is, or 0.
    pub fn dc_prediction(&self, frame: &FrameContext<'_>) -> i32 {
        let q4 = match self.dc_wanted(frame) {
            (Some(l), Some(a)) => div_round(l + a, 2),
            (Some(x), None) | (None, Some(x)) => x,
            (None, None) => 0,
        };
        div_round(q4, 16).clamp(-32_767, 32_767) as i32
    }

    /// Appends the [`DC_FEATURES`] features of the DC stage; values are relative to [`StepContext::dc_prediction`].
    pub fn dc(&self, frame: &FrameContext<'_>, out: &mut Vec<i16>) {
        let start = out.len();
        let n = &frame.near;
        let prediction = 16 * i64::from(self.dc_prediction(frame));
        let mut both = |q4: Option<i64>| match q4 {
            Some(q4) => {
                let d = (q4 - prediction).clamp(-500_000, 500_000);
                out.push(signed_log_of_q4(d as i32));
                out.push(clamp_i16(d, 80));
            }
            None => out.extend([0; 2]),
        };
        let (left, above) = self.dc_wanted(frame);
        both(left);
        both(above);
        let any = n.has_left || n.has_above;
        both(any.then(|| 16 * i64::from(n.dc_median)));
        both(n.has_left.then(|| 16 * i64::from(n.left[0])));
        both(n.has_above.then(|| 16 * i64::from(n.above[0])));
        both(n.has_above_right.then(|| 16 * i64::from(n.above_right[0])));
        for r in &frame.references {
            // The reference's innovation on top of this component's median prediction.
            match r {
                Some((_, innovation)) => {
                    out.extend([signed_log_of_q4(*innovation), (*innovation / 2).clamp(-80, 80) as i16])
                }
                None => out.extend([0; 2]),
            }
        }
        let spread = match (left, above) {
            (Some(l), Some(a)) => (l - a).unsigned_abs().min(1 << 20) as u32,
            _ => 0,
        };
        out.push(log2_q4(16 + spread) - 64);
        out.push(log2_q4(1 + self.sum_magnitude));
        out.push(2 * i16::from(self.last));
        out.push(frame.plane.log_steps[0]);
        let flag = |b: bool| if b { 16 } else { 0 };
        out.extend([flag(n.has_left), flag(n.has_above)]);
        out.push(if self.last == 0 { 16 } else { 0 });
        out.push(log2_q4(1 + u32::from(n.left[1].unsigned_abs()) + u32::from(n.above[2].unsigned_abs())));
        debug_assert_eq!(out.len() - start, DC_FEATURES);
    }
}
