//! Evaluation of speech codecs: kbps from real bytes, SI-SDR and log-spectral distance per utterance and on average.
//!
//! | module | in → out |
//! |---|---|
//! | [`waveform`] | WAV or FLAC file ⇄ 16-bit mono samples |
//! | [`codecs`] | samples → coded bytes → samples: FLAC, Opus |
//! | [`evaluation`] | utterances and codecs → plain results |
//! | [`document`] | results → a report |

pub mod codecs;
pub mod document;
pub mod evaluation;
pub mod waveform;

pub use evaluation::{SpeechEvaluation, evaluate_speech};
