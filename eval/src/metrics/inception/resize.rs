//! An RGB image of any size to the network's input: three planes of 299×299 values in −1 to 1.

use super::{Preprocessing, SIDE};
use crate::metrics::psnr::Image8;

/// Planes R, G, B after another, in f32 as the reference packages compute.
pub(super) fn planes(image: &Image8, preprocessing: Preprocessing) -> Vec<f32> {
    let columns = taps(image.width(), preprocessing);
    let rows = taps(image.height(), preprocessing);
    let samples = image.samples();
    let mut out = Vec::with_capacity(3 * SIDE * SIDE);
    for c in 0..3 {
        let at = |y: usize, x: usize| {
            let s = f32::from(samples[(y * image.width() + x) * 3 + c]);
            if preprocessing == Preprocessing::PytorchFid { s / 255.0 } else { s }
        };
        for row in &rows {
            for column in &columns {
                let between =
                    |y: usize| at(y, column.first) * (1.0 - column.share) + at(y, column.second) * column.share;
                let value = between(row.first) * (1.0 - row.share) + between(row.second) * row.share;
                out.push(match preprocessing {
                    Preprocessing::PytorchFid => 2.0 * value - 1.0,
                    Preprocessing::TorchFidelity => (value - 128.0) / 128.0,
                });
            }
        }
    }
    out
}

/// Two neighbours and the share of the second.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

fn taps(length: usize, preprocessing: Preprocessing) -> Vec<Tap> {
    let scale = length as f32 / SIDE as f32;
    (0..SIDE)
        .map(|i| {
            let position = match preprocessing {
                Preprocessing::PytorchFid => ((i as f32 + 0.5) * scale - 0.5).max(0.0),
                Preprocessing::TorchFidelity => i as f32 * scale,
            };
            let first = (position as usize).min(length - 1);
            Tap { first, second: (first + 1).min(length - 1), share: position - first as f32 }
        })
        .collect()
}
