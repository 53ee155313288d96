//! Several devices: each has a copy of the frozen backbone and takes its share of a step's batches.
//!
//! Before a step embedding and head (and LoRA pairs) go to every device; after it each device sends back one sum of their
//! gradients, and the sums are added in the order of the devices. Nothing else is exchanged: the backbone never changes. The
//! batches of a step go to the devices in contiguous runs, so that with one batch a device the additions are those of one
//! device that accumulates, in the same order; with more batches sums are bracketed otherwise and differ by rounding.

use burn::module::Module;
use burn::tensor::Device;

use super::heads::{Batch, Heads, Rows};
use super::model::Backbone;
use super::step::{Bits, Gradients, gradients};
use crate::run::SequenceError;

/// The backbone on every device, the first of which keeps what is trained.
pub struct Replicas {
    backbones: Vec<Backbone>,
}

impl Replicas {
    /// Copies of a backbone, at least one.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(backbones: Vec<Backbone>) -> Self {
        assert!(!backbones.is_empty(), "a backbone is needed");
        Self { backbones }
    }

    /// Devices.
    pub fn count(&self) -> usize {
        self.backbones.len()
    }

    fn main(&self) -> &Device {
        self.backbones[0].device()
    }

    /// Bits of some batches, and the gradients of `weight` times the sum of their nats, on the first device; no gradients
    /// without batches.
    ///
    /// # Errors
    /// [`SequenceError`] if the chunks are too long.
    pub fn gradients(
        &self,
        heads: &Heads,
        rows: &Rows,
        batches: &[Batch],
        weight: f64,
    ) -> Result<(Bits, Option<Gradients>), SequenceError> {
        let shares = batches.chunks(batches.len().div_ceil(self.count()).max(1));
        if self.count() == 1 || shares.len() <= 1 {
            return share(&self.backbones[0], heads, rows, batches, weight);
        }
        // Leaves of their own on every device.
        let copies: Vec<Heads> =
            self.backbones.iter().map(|b| heads.clone().fork(&b.device().clone().autodiff())).collect();
        let parts: Vec<_> = std::thread::scope(|scope| {
            let devices = self.backbones.iter().zip(&copies).zip(shares);
            let threads: Vec<_> = devices
                .map(|((backbone, heads), batches)| {
                    let device = self.main();
                    scope.spawn(move || {
                        let (bits, found) = share(backbone, heads, rows, batches, weight)?;
                        Ok((bits, found.map(|found| found.to_device(device))))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a device's thread panicked")).collect()
        });
        let (mut bits, mut sum) = (Bits::new(rows.vocabularies().len()), None);
        for part in parts {
            let (of_device, found) = part?;
            bits += &of_device;
            sum = add(sum, found);
        }
        Ok((bits, sum))
    }
}

/// What one device does.
fn share(
    backbone: &Backbone,
    heads: &Heads,
    rows: &Rows,
    batches: &[Batch],
    weight: f64,
) -> Result<(Bits, Option<Gradients>), SequenceError> {
    let (mut bits, mut sum) = (Bits::new(rows.vocabularies().len()), None);
    for batch in batches {
        let (of_batch, found) = gradients(backbone, heads, rows, batch, weight)?;
        bits += &of_batch;
        sum = add(sum, Some(found));
    }
    Ok((bits, sum))
}

fn add(sum: Option<Gradients>, found: Option<Gradients>) -> Option<Gradients> {
    match (sum, found) {
        (Some(sum), Some(found)) => Some(found.plus(sum)),
        (sum, found) => found.or(sum),
    }
}
