//! Effort levels: how much work a photo is worth.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use lmcodec_entropy::segment::Estimation;
use lmcodec_entropy::weights;

use crate::error::Error;
use crate::models::Model;

/// Which embedded model codes JPEG coefficients, and whether its probabilities are refined by the file at hand. Encoding and
/// decoding take the same time. The file says both, so decoding needs no option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Effort {
    /// The model `fast`, as it is.
    Fast,
    /// The model `default`, refined.
    #[default]
    Default,
    /// The model `best`, refined.
    Best,
}

impl Effort {
    /// All levels, from the fastest to the smallest files.
    pub const ALL: &'static [Self] = &[Self::Fast, Self::Default, Self::Best];

    /// The level's name: that of its model.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Default => "default",
            Self::Best => "best",
        }
    }

    /// The embedded model; loaded at the first call.
    ///
    /// # Errors
    /// [`Error::Model`] if the program's copy of it is damaged.
    pub fn model(self) -> Result<Arc<Model>, Error> {
        Model::embedded(match self {
            Self::Fast => weights::fast_model(),
            Self::Default => weights::default_model(),
            Self::Best => weights::best_model(),
        })
    }

    /// Whose probabilities coefficients are coded with, whatever the model.
    pub fn estimation(self) -> Estimation {
        match self {
            Self::Fast => Estimation::Model,
            Self::Default | Self::Best => Estimation::Secondary,
        }
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Effort {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let level = Self::ALL.iter().copied().find(|level| level.name() == name);
        level.ok_or_else(|| Error::InvalidOption(format!("effort {name}; there are fast, default and best")))
    }
}
