//! The parts of a data set, and how a hash of a file's content, or of its speaker, chooses one.
//!
//! Neither the order nor the names of files matter, and adding files moves no other file from one split to another.
//! [`crate::assignment`] keeps what is nearly the same out of two splits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which part of a data set a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Used by the optimizer.
    Train,
    /// Held out, to choose by.
    Validation,
    /// Held out, to report.
    Test,
    /// In no split: too near to a file of another split, or of a fixed evaluation set.
    Excluded,
}

impl Split {
    /// All splits, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Train, Self::Validation, Self::Test, Self::Excluded];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Excluded => "excluded",
        })
    }
}

/// The split of a file with the given hexadecimal SHA-256: one in `one_in` is held out (0: none).
pub fn split_of(sha256: &str, one_in: u32) -> Split {
    let head = sha256.get(..8).and_then(|h| u32::from_str_radix(h, 16).ok()).unwrap_or(0);
    if one_in > 0 && head % one_in == 0 { Split::Validation } else { Split::Train }
}

/// Weights of the splits; `90/10/0` in text (train/validation/test).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRatios {
    /// Weight of train.
    pub train: u32,
    /// Weight of validation.
    pub validation: u32,
    /// Weight of test.
    pub test: u32,
}

impl Default for SplitRatios {
    fn default() -> Self {
        Self { train: 90, validation: 10, test: 0 }
    }
}

impl fmt::Display for SplitRatios {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.train, self.validation, self.test)
    }
}

impl FromStr for SplitRatios {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault =
            || format!("{text:?}: expected whole numbers train/validation/test, such as 90/10/0, with a sum above 0");
        let mut parts = text.split(['/', ':', ',']).map(|p| p.trim().parse::<u32>().map_err(|_| fault()));
        let mut next = || parts.next().unwrap_or(Ok(0));
        let ratios = Self { train: next()?, validation: next()?, test: next()? };
        if parts.next().is_some() || ratios.total() == 0 { Err(fault()) } else { Ok(ratios) }
    }
}

impl SplitRatios {
    fn total(self) -> u64 {
        u64::from(self.train) + u64::from(self.validation) + u64::from(self.test)
    }

    /// The split of a key (the SHA-256 of decoded content, or a speaker), by a hash of it alone. Test comes first and train
    /// last, so that a larger weight of train takes nothing into test.
    #[must_use]
    pub fn split(self, key: &str) -> Split {
        let digest = Sha256::digest(key.as_bytes());
        let head = u64::from_be_bytes(std::array::from_fn(|i| digest[i]));
        let position = (u128::from(head) * u128::from(self.total())) >> 64;
        let test = u128::from(self.test);
        if position < test {
            Split::Test
        } else if position < test + u128::from(self.validation) {
            Split::Validation
        } else {
            Split::Train
        }
    }
}
