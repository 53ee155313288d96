//! Rate against quality: curves of points, and how far apart two of them lie.
//!
//! | module | in → out |
//! |---|---|
//! | [`rate_points`] | curve files in CompressAI's shape ⇄ points |
//! | [`bd_rate`] | two curves → BD-rate, BD-quality |

pub mod bd_rate;
mod interpolation;
pub mod rate_points;
