//! Rate against quality: curves of points, and how far apart two of them lie.
//!
//! | module | in → out |
//! |---|---|
//! | [`rate_points`] | curve files in CompressAI's shape ⇄ points |
//! | [`names`] | what files call rates and measures → what they are called here |
//! | [`bd_rate`] | two curves → BD-rate, BD-quality |

pub mod bd_rate;
mod interpolation;
pub mod names;
pub mod rate_points;
