//! Ablations: training a model that does without a part of what it could see or do.

use lmcodec_entropy::arrangement::features::{BACKBONE_FEATURES, DC_FEATURES, STEP_FEATURES};
use serde::{Deserialize, Serialize};

use super::batch::Batch;

/// What a model is trained without: features that are always zero, or the backbone's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Continuity of pixels across the left and upper edge of the block.
    Edges,
    /// The components coded before (chroma from luma).
    References,
    /// Blocks other than the left and the upper one, as features (attention still sees them).
    FarBlocks,
    /// Magnitudes around a coefficient: in the neighbours, and of those coded before it in the block.
    Magnitudes,
    /// Quantization steps.
    Quantization,
    /// Attention of the backbone: a frame sees itself alone.
    Attention,
}

/// Features of a [`Part`], first and past the last, by vector: backbone, coefficient step, DC stage (the order of
/// `arrangement::features`).
type Features = [&'static [(usize, usize)]; 3];

impl Part {
    fn features(self) -> Features {
        match self {
            Self::Edges => [&[(842, 856)], &[(16, 20)], &[(0, 4), (16, 17)]],
            Self::References => [&[(384, 512), (640, 768), (862, 864)], &[(8, 16), (23, 24)], &[(12, 16)]],
            Self::FarBlocks => [&[(128, 384), (858, 862)], &[(4, 8), (21, 22)], &[(10, 12)]],
            Self::Magnitudes => [&[], &[(20, 27)], &[(17, 18), (23, 24)]],
            Self::Quantization => [&[(768, 832)], &[(30, 31)], &[(19, 20)]],
            Self::Attention => [&[], &[], &[]],
        }
    }
}

fn clear(values: &mut [f32], width: usize, features: &[(usize, usize)]) {
    for row in values.chunks_exact_mut(width) {
        features.iter().for_each(|&(from, to)| row[from..to].fill(0.0));
    }
}

/// Takes the features of these parts out of a batch.
pub fn ablate(batch: &mut Batch, without: &[Part]) {
    for part in without {
        let [backbone, step, dc] = part.features();
        clear(&mut batch.features, BACKBONE_FEATURES, backbone);
        batch.groups.iter_mut().for_each(|g| clear(&mut g.features, STEP_FEATURES, step));
        clear(&mut batch.dc_features, DC_FEATURES, dc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_inside_the_features() {
        use Part::*;
        for part in [Edges, References, FarBlocks, Magnitudes, Quantization, Attention] {
            let ends = part.features().map(|ranges| ranges.iter().map(|r| r.1).max().unwrap_or(0));
            assert!(ends[0] <= BACKBONE_FEATURES && ends[1] <= STEP_FEATURES && ends[2] <= DC_FEATURES, "{part:?}");
        }
        let mut row = vec![1.0; 2 * DC_FEATURES];
        clear(&mut row, DC_FEATURES, Quantization.features()[2]);
        assert_eq!(row.iter().filter(|v| **v == 0.0).count(), 2);
        assert_eq!((row[19], row[DC_FEATURES + 19]), (0.0, 0.0));
    }
}
